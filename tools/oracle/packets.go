package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// stage is a script's world as one contender has made it: packets of the reply
// direction answer what really came out.
type stage struct {
	flows map[int]*flow
	six   bool
	next  map[int]*[2]uint32 // TCP: next sequence number by flow and direction
	far   map[int]*[2]*frame.Decoded
	moved map[int]*[2]uint32 // TCP: by how much data= came out longer than it went in, by flow and direction
	stamp map[int]*[2]uint32 // TCP: the timestamp that came out for the side whose packets go in this direction
	text  bool               // the latest packet had data=
	proxy bool               // a SYN proxy stands between them
	last  [2][]byte          // by side: the last frame that came out there
	id    uint32             // of the latest fragmented datagram
	rest  []pair.Frame       // a piece for every fragmented datagram that ends what there is of it
}

func newStage(six bool, id uint32) *stage {
	return &stage{flows: map[int]*flow{}, six: six, next: map[int]*[2]uint32{}, far: map[int]*[2]*frame.Decoded{}, moved: map[int]*[2]uint32{}, stamp: map[int]*[2]uint32{}, id: id}
}

func (g *stage) flow(n int) *flow {
	f := g.flows[n]
	if f == nil {
		d := defaultFlow(n, g.six)
		f = &d
		g.flows[n] = f
	}
	if g.next[n] == nil {
		g.next[n] = &[2]uint32{f.iss[0], f.iss[1]}
		g.far[n], g.moved[n], g.stamp[n] = &[2]*frame.Decoded{}, &[2]uint32{}, &[2]uint32{}
	}
	return f
}

// saw notes what came out in answer to a packet of a flow.
func (g *stage) saw(n, dir int, out []pair.Frame) {
	f := g.flow(n)
	for _, o := range out {
		if pair.FragmentAt(o.Data) == 0 { // whose identifications differ: not to be quoted
			g.last[o.Side] = o.Data
		}
		side := f.from.Other()
		if dir == 1 {
			side = f.from
		}
		d, err := frame.Decode(o.Data)
		if err != nil || d.Inner != nil || d.Version == 0 || d.Offset != 0 {
			continue
		}
		if d.Proto == frame.ProtoTCP {
			g.heard(n, dir, o.Side == side, d)
		}
		if o.Side == side {
			g.far[n][dir] = d
		}
	}
}

// heard notes the numbers of a segment that came out after a packet of a flow, on
// the far side or the one from which that came.
func (g *stage) heard(n, dir int, far bool, d *frame.Decoded) {
	from := dir // who sent it, or in whose name
	if !far {
		from = 1 - dir
	}
	if value, ok := timestamp(d.Options); ok {
		g.stamp[n][1-from] = value
	}
	if far && g.text || g.proxy && (far || d.Flags == "SA") {
		end := d.Seq + uint32(len(d.Payload)+strings.Count(d.Flags, "S")+strings.Count(d.Flags, "F"))
		g.moved[n][from] = end - g.next[n][from]
	}
}

// timestamp finds the value of the option.
func timestamp(o []byte) (value uint32, ok bool) {
	for len(o) > 1 && o[0] != 0 {
		switch size := int(o[1]); {
		case o[0] == 1:
			o = o[1:]
		case size < 2 || size > len(o):
			return 0, false
		case o[0] == 8 && size == 10:
			return binary.BigEndian.Uint32(o[2:]), true
		default:
			o = o[size:]
		}
	}
	return 0, false
}

// ends returns addresses and ports of a packet: those of the flow, or in reply
// direction the answer to what came out over there.
func (g *stage) ends(n, dir int) (src, dst netip.Addr, sport, dport uint16) {
	f := g.flow(n)
	if dir == 0 {
		return f.src, f.dst, f.sport, f.dport
	}
	if d := g.far[n][0]; d != nil {
		switch d.Proto {
		case frame.ProtoICMP, frame.ProtoICMPv6:
			return d.Dst, d.Src, d.ICMPID, d.ICMPID
		case frame.ProtoTCP, frame.ProtoUDP, frame.ProtoUDPLite, frame.ProtoSCTP:
			return d.Dst, d.Src, d.DstPort, d.SrcPort
		}
		return d.Dst, d.Src, f.dport, f.sport
	}
	if f.dst == pair.BoxAddr(f.from, f.six) { // nobody over there speaks as the box
		return pair.HostAddr(f.from.Other(), n%8, f.six), f.src, f.dport, f.sport
	}
	return f.dst, f.src, f.dport, f.sport
}

// build makes the frames of a packet line for this contender.
func (g *stage) build(l *line) (n int, frames []pair.Frame, err error) {
	if n, err = l.number("f", 0); err != nil {
		return n, nil, err
	}
	f := g.flow(n)
	_, g.text = l.opts["data"]
	side := f.from
	if l.dir == 1 {
		side = side.Other()
	}
	if v, ok := l.opts["via"]; ok { // enter by a side of one's own choosing
		l.used["via"] = true
		side = pair.Lan
		if v == "wan" {
			side = pair.Wan
		}
	}
	var packet []byte
	if l.verb == "raw" {
		if len(l.words) != 1 {
			return n, nil, fmt.Errorf("%q: want one word of hexadecimal digits", l.text)
		}
		packet, err = hex.DecodeString(l.words[0])
	} else {
		packet, err = g.packet(l, f, n, side)
	}
	if err != nil {
		return n, nil, err
	}
	pieces, err := g.fragments(l, packet, side)
	if err != nil {
		return n, nil, err
	}
	for _, p := range pieces {
		frames = append(frames, pair.Frame{Side: side, Data: p})
	}
	return n, frames, l.leftOver()
}

// packet makes the whole frame of a packet line.
func (g *stage) packet(l *line, f *flow, n int, side pair.Side) ([]byte, error) {
	src, dst, sport, dport := g.ends(n, l.dir)
	var err error
	if v, ok := l.opts["src"]; ok {
		l.used["src"] = true
		if src, err = parseHost(v, side, f.six); err != nil {
			return nil, fmt.Errorf("%q: %w", l.text, err)
		}
	}
	if v, ok := l.opts["dst"]; ok {
		l.used["dst"] = true
		if dst, err = parseHost(v, side.Other(), f.six); err != nil {
			return nil, fmt.Errorf("%q: %w", l.text, err)
		}
	}
	a, b, ttl, tos, id := int(sport), int(dport), 64, 0, 0
	if err := l.numbers(map[string]*int{"sport": &a, "dport": &b, "ttl": &ttl, "tos": &tos, "ipid": &id}); err != nil {
		return nil, err
	}
	sport, dport = uint16(a), uint16(b)
	layers := []frame.Layer{frame.Ether{Src: frame.MAC(pair.HostMAC(side)), Dst: frame.MAC(pair.BoxMAC(side))}}
	if l.verb == "err" {
		return g.icmpError(l, f, n, side, layers, src, ttl)
	}
	transport, err := g.transport(l, f, n, sport, dport)
	if err != nil {
		return nil, err
	}
	network, err := ipLayers(l, f.six, src, dst, ttl, tos, id)
	if err != nil {
		return nil, err
	}
	return frame.Build(append(append(layers, network...), transport...)...), nil
}

// ipLayers are the IP header and what options put behind it.
func ipLayers(l *line, six bool, src, dst netip.Addr, ttl, tos, id int) ([]frame.Layer, error) {
	options, err := hex.DecodeString(l.value("ipoptions", ""))
	if err != nil {
		return nil, fmt.Errorf("%q: ipoptions: %w", l.text, err)
	}
	if !six {
		l.value("ext", "") // what IPv6 has more: no difference here
		h := frame.IPv4{Src: src.String(), Dst: dst.String(), TTL: uint8(ttl), TTLZero: ttl == 0, TOS: uint8(tos), ID: uint16(id), DF: l.flag("df"), Options: string(options)}
		if l.value("ipsum", "") == "bad" {
			h.Sum = frame.SumWrong
		}
		if l.flag("ipopt") {
			h.Options = "\x01\x01\x01\x00"
		}
		return []frame.Layer{h}, nil
	}
	l.flag("df") // what IPv4 has more: no difference here
	l.flag("ipopt")
	l.value("ipsum", "")
	all := []frame.Layer{frame.IPv6{Src: src.String(), Dst: dst.String(), Hops: uint8(ttl), HopsZero: ttl == 0, Class: uint8(tos)}}
	for _, e := range strings.Split(l.value("ext", ""), ",") {
		switch e {
		case "hop":
			all = append(all, frame.Ext{Kind: frame.HopByHop})
		case "dst":
			all = append(all, frame.Ext{Kind: frame.DestOpts})
		case "route":
			all = append(all, frame.Ext{Kind: frame.Routing, Body: "\x00\x00\x00\x00\x00\x00"})
		case "auth":
			all = append(all, frame.Ext{Kind: frame.Auth})
		}
	}
	return all, nil
}

// sums names what a checksum gets.
var sums = map[string]frame.Sum{"": frame.SumRight, "bad": frame.SumWrong, "zero": frame.SumZero}

func (g *stage) transport(l *line, f *flow, n int, sport, dport uint16) ([]frame.Layer, error) {
	size, code := 0, 0
	if err := l.numbers(map[string]*int{"len": &size}); err != nil {
		return nil, err
	}
	sum, ok := sums[l.value("sum", "")]
	if !ok {
		return nil, fmt.Errorf("%q: no such checksum", l.text)
	}
	var data frame.Layer = frame.Zeros(size)
	if v, ok := l.opts["data"]; ok {
		l.used["data"] = true
		text, err := url.PathUnescape(v)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", l.text, err)
		}
		data, size = frame.Data(text), len(text)
	}
	switch l.verb {
	case "tcp":
		return g.tcp(l, f, n, sport, dport, sum, size, data)
	case "udp":
		length := 0
		if err := l.numbers(map[string]*int{"ulen": &length}); err != nil {
			return nil, err
		}
		u := frame.UDP{Src: sport, Dst: dport, Sum: sum}
		if length != 0 {
			u.Len = frame.Say(uint16(length))
		}
		return []frame.Layer{u, data}, nil
	case "udplite":
		if err := l.numbers(map[string]*int{"cov": &code}); err != nil {
			return nil, err
		}
		return []frame.Layer{frame.UDPLite{Src: sport, Dst: dport, Coverage: uint16(code), Sum: sum}, data}, nil
	case "icmp":
		return icmp(l, f, sport, sum, data)
	case "sctp":
		return g.sctp(l, f, sport, dport, sum)
	case "gre":
		version, key := 0, 0
		if err := l.numbers(map[string]*int{"v": &version, "key": &key}); err != nil {
			return nil, err
		}
		return []frame.Layer{frame.GRE{Version: uint8(version), Key: uint16(key)}, data}, nil
	case "dccp":
		return []frame.Layer{frame.DCCP{Src: sport, Dst: dport, Sum: sum}, data}, nil
	case "proto":
		if len(l.words) != 1 {
			return nil, fmt.Errorf("%q: want a protocol number", l.text)
		}
		p, err := strconv.Atoi(l.words[0])
		return []frame.Layer{frame.Proto(p), data}, err
	case "cut": // a transport header that ends too soon
		if len(l.words) != 1 {
			return nil, fmt.Errorf("%q: want a protocol number", l.text)
		}
		p, err := strconv.Atoi(l.words[0])
		switch p {
		case 1, 47, 58: // whose type or version would stand where NAT writes what chance has chosen
			sport, dport = f.sport, f.dport
		}
		head := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, sport), dport)
		head = append(head, make([]byte, max(0, size-4))...)
		return []frame.Layer{frame.Proto(p), frame.Data(head[:size])}, err
	}
	return nil, fmt.Errorf("%q: no such packet", l.text)
}

// tcp makes a segment. seq and ack are next and expected ones unless given: "@N"
// counts from the initial sequence number, "+N" and "-N" from the one expected.
// A segment without seq= moves its side on.
func (g *stage) tcp(l *line, f *flow, n int, sport, dport uint16, sum frame.Sum, size int, data frame.Layer) ([]frame.Layer, error) {
	if len(l.words) != 1 {
		return nil, fmt.Errorf("%q: want flags", l.text)
	}
	flags := strings.Trim(l.words[0], "-")
	me, you := l.dir, 1-l.dir
	next := g.next[n]
	relative := func(name string, iss, expected, otherwise uint32) (uint32, error) {
		v, ok := l.opts[name]
		if !ok {
			return otherwise, nil
		}
		l.used[name] = true
		base := expected
		if rest, absolute := strings.CutPrefix(v, "@"); absolute {
			v, base = rest, iss
		} else if rest, plain := strings.CutPrefix(v, "="); plain {
			v, base = rest, 0
		}
		d, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q: %s: %w", l.text, name, err)
		}
		return base + uint32(d), nil
	}
	t := frame.TCP{Src: sport, Dst: dport, Flags: flags, Sum: sum}
	var err error
	if t.Seq, err = relative("seq", f.iss[me], next[me], next[me]); err != nil {
		return nil, err
	}
	expected := uint32(0)
	if strings.Contains(flags, "A") {
		expected = next[you] + g.moved[n][you]
	}
	if t.Ack, err = relative("ack", f.iss[you], next[you], expected); err != nil {
		return nil, err
	}
	win, urg, off := 8192, 0, 0
	if err := l.numbers(map[string]*int{"win": &win, "urg": &urg, "off": &off}); err != nil {
		return nil, err
	}
	t.Window, t.WindowZero, t.Urgent = uint16(win), win == 0, uint16(urg)
	if off != 0 {
		t.DataOffset = frame.Say(uint16(off))
	}
	if t.Options, err = tcpOptions(l, f.iss[you], g.stamp[n][me]); err != nil {
		return nil, err
	}
	if _, explicit := l.opts["seq"]; !explicit {
		end := t.Seq + uint32(size)
		for _, c := range flags {
			if c == 'S' || c == 'F' {
				end++
			}
		}
		next[me] = end
	}
	return []frame.Layer{t, data}, nil
}

func tcpOptions(l *line, peer, echo uint32) (string, error) {
	var b []byte
	if _, ok := l.opts["mss"]; ok {
		n, err := l.number("mss", 0)
		if err != nil {
			return "", err
		}
		b = append(b, 2, 4, byte(n>>8), byte(n))
	}
	if _, ok := l.opts["ws"]; ok {
		n, err := l.number("ws", 0)
		if err != nil {
			return "", err
		}
		b = append(b, 1, 3, 3, byte(n))
	}
	if l.flag("sackok") {
		b = append(b, 1, 1, 4, 2)
	}
	if l.flag("ts") {
		b = binary.BigEndian.AppendUint32(append(b, 1, 1, 8, 10, 0, 0, 0, 1), echo)
	}
	if v := l.value("sack", ""); v != "" { // blocks A-B,C-D from the peer's initial number
		blocks := strings.Split(v, ",")
		b = append(b, 1, 1, 5, byte(2+8*len(blocks)))
		for _, block := range blocks {
			var from, to uint32
			if _, err := fmt.Sscanf(block, "%d-%d", &from, &to); err != nil {
				return "", fmt.Errorf("%q: sack block %q: %w", l.text, block, err)
			}
			b = binary.BigEndian.AppendUint32(b, peer+from)
			b = binary.BigEndian.AppendUint32(b, peer+to)
		}
	}
	if v := l.value("opt", ""); v != "" {
		raw, err := hex.DecodeString(v)
		if err != nil {
			return "", fmt.Errorf("%q: opt: %w", l.text, err)
		}
		b = append(b, raw...)
	}
	return string(b), nil
}

// icmp makes "icmp TYPE/CODE" of either family.
func icmp(l *line, f *flow, ident uint16, sum frame.Sum, data frame.Layer) ([]frame.Layer, error) {
	kind, code, err := typeAndCode(l)
	if err != nil {
		return nil, err
	}
	id, seq, info := int(ident), 0, 0
	if err := l.numbers(map[string]*int{"id": &id, "iseq": &seq, "info": &info}); err != nil {
		return nil, err
	}
	h := frame.ICMP{Type: kind, Code: code, ID: uint16(id), Seq: uint16(seq), Info: uint32(info), Sum: sum}
	if f.six {
		return []frame.Layer{frame.ICMPv6(h), data}, nil
	}
	return []frame.Layer{h, data}, nil
}

func typeAndCode(l *line) (kind, code uint8, err error) {
	var a, b int
	if len(l.words) != 1 {
		return 0, 0, fmt.Errorf("%q: want TYPE/CODE", l.text)
	}
	if _, err := fmt.Sscanf(l.words[0], "%d/%d", &a, &b); err != nil {
		return 0, 0, fmt.Errorf("%q: want TYPE/CODE", l.text)
	}
	return uint8(a), uint8(b), nil
}

// icmpError complains about the last frame that came out on the side of the
// one who complains: its receiver, unless src= says somebody else.
func (g *stage) icmpError(l *line, f *flow, n int, side pair.Side, layers []frame.Layer, src netip.Addr, ttl int) ([]byte, error) {
	kind, code, err := typeAndCode(l)
	if err != nil {
		return nil, err
	}
	quoted := g.last[side]
	d, err := frame.Decode(quoted)
	if version := map[bool]uint8{false: 4, true: 6}[f.six]; err != nil || uint8(d.Version) != version {
		// Nothing came out: complain of what would have.
		to, from, dport, sport := g.ends(n, l.dir)
		network, err := ipLayers(l, f.six, from, to, 64, 0, 0)
		if err != nil {
			return nil, err
		}
		quoted = frame.Build(append(append([]frame.Layer{frame.Ether{}}, network...), frame.UDP{Src: sport, Dst: dport}, frame.Zeros(8))...)
		d, _ = frame.Decode(quoted)
	}
	if _, given := l.opts["src"]; !given {
		src = d.Dst
	}
	dst := d.Src
	if v, ok := l.opts["to"]; ok {
		l.used["to"] = true
		if dst, err = parseHost(v, side.Other(), f.six); err != nil {
			return nil, fmt.Errorf("%q: %w", l.text, err)
		}
	}
	cut, info, patch := 48, 0, -1
	if f.six {
		cut = 68
	}
	if err := l.numbers(map[string]*int{"cut": &cut, "info": &info, "patch": &patch}); err != nil {
		return nil, err
	}
	sum, ok := sums[l.value("sum", "")]
	if !ok {
		return nil, fmt.Errorf("%q: no such checksum", l.text)
	}
	inner := append([]byte(nil), quoted[14:]...)
	inner = inner[:min(len(inner), cut)]
	if patch >= 0 && patch < len(inner) {
		inner[patch] ^= 0xff
	}
	h := frame.ICMP{Type: kind, Code: code, Info: uint32(info), Sum: sum}
	network, err := ipLayers(l, f.six, src, dst, ttl, 0, 0)
	if err != nil {
		return nil, err
	}
	layers = append(layers, network...)
	if f.six {
		return frame.Build(append(layers, frame.ICMPv6(h), frame.Data(inner))...), nil
	}
	return frame.Build(append(layers, h, frame.Data(inner))...), nil
}

// fragments cuts a frame: frag=N into pieces of N bytes, cuts=A-B,C-D into just
// those. overlap=N lets every later piece begin N bytes early; order=2.0.1 sends
// pieces in that order, some perhaps never or twice.
func (g *stage) fragments(l *line, packet []byte, side pair.Side) ([][]byte, error) {
	size, id, overlap := 0, 0, 0
	if err := l.numbers(map[string]*int{"frag": &size, "fid": &id, "overlap": &overlap}); err != nil {
		return nil, err
	}
	length := len(packet) - 14 - 40
	if len(packet) > 14 && packet[14]>>4 == 4 { // a raw one can be anything
		length = len(packet) - 14 - int(packet[14]&15)*4
	}
	var cut []span
	if v := l.value("cuts", ""); v != "" {
		var err error
		if cut, err = parseSpans(v); err != nil {
			return nil, fmt.Errorf("%q: %w", l.text, err)
		}
		for _, s := range cut {
			if s.from > length {
				return nil, fmt.Errorf("%q: no piece begins at %d", l.text, s.from)
			}
		}
	} else if size > 0 {
		cut = spans(length, size, overlap)
	} else {
		return [][]byte{packet}, nil
	}
	if id == 0 {
		g.id++
		id = int(g.id)
	}
	pieces := splitSpans(packet, uint32(id), cut)
	g.rest = append(g.rest, pair.Frame{Side: side, Data: poison(packet, uint32(id))})
	order := l.value("order", "")
	if order == "" {
		return pieces, nil
	}
	var all [][]byte
	for _, w := range strings.Split(order, ".") {
		i, err := strconv.Atoi(w)
		if err != nil || i < 0 || i >= len(pieces) {
			return nil, fmt.Errorf("%q: piece %q of %d", l.text, w, len(pieces))
		}
		all = append(all, pieces[i])
	}
	return all, nil
}
