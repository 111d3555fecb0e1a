package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// A datagram that came in fragments is joined in a buffer of the worker and
// walks the hooks from there as one packet. On its way out it is fragments
// again: the same ones, if each of them fits, else new ones of one size, as
// ip_do_fragment and ip6_fragment make them. Headers are the first one's.

// datagram is the one that walks, and how it was cut.
type datagram struct {
	buffer []byte // of the largest datagram with its link header
	room   int    // bytes in front of the payload: link header and what every fragment repeats
	size   int    // payload as it came
	most   int    // L3 length of the largest fragment
	df     bool   // the largest fragment must not be cut up again
	linear bool   // Linux has put it into one piece by now to read it, as most helpers do (skb_linearize)
	id     uint32 // IPv6: identification
	kindAt int    // IPv6: where the type of the first header behind the fragment header stands now
	// IPv6: the two for fragments that are cut anew, whose header stands farther
	// back if headers came behind it that belong in front; anew 0: there is no way.
	anew, anewKindAt int

	pieces []afxdp.Desc // what was cut last
}

// datagramRoom holds the largest IPv6 datagram and any link header; maxPieces is
// how many the smallest MTU of IPv4 makes of one.
const (
	datagramRoom = 1<<16 + 128
	maxPieces    = 1<<16/8 + 1
	fragHeader   = 8
	minMTU6      = 1280
)

func newDatagram() datagram {
	return datagram{buffer: make([]byte, datagramRoom), pieces: make([]afxdp.Desc, 0, maxPieces)}
}

// join puts the fragments' bytes together (ip_frag_reasm, nf_ct_frag6_reasm) and
// returns the frame; nil when they are more than an IP datagram. first is the
// parsed first fragment.
func (d *datagram) join(w *worker, first *packet.Packet, list []defrag.Frag) []byte {
	d.size = int(defrag.Payload(list))
	l3 := int(first.L3)
	if first.Family == flowtable.FamilyIPv6 {
		d.room = int(first.Frag)
	} else {
		d.room = l3 + int(first.Data[l3]&15)*4
	}
	total := d.room - l3 + d.size
	if limit := 0xffff; first.Family == flowtable.FamilyIPv4 && total > limit || total > limit+ip6Header {
		return nil
	}
	b := d.buffer[:d.room+d.size]
	copy(b, first.Data[:d.room])
	d.most, d.df, d.linear = 0, false, false
	mostDF := 0
	for i := range list {
		f := &list[i]
		var q packet.Packet
		w.view(&q, f)
		packet.Parse(&q, w.table)
		begin := int(q.Frag) + fragHeader
		if q.Family == flowtable.FamilyIPv4 {
			begin = int(q.L3) + int(q.Data[q.L3]&15)*4
		}
		end := begin + int(f.Payload)
		copy(b[d.room+int(f.Offset):], q.Data[begin:end])
		size := end - int(q.L3)
		d.most = max(d.most, size)
		if q.Family == flowtable.FamilyIPv4 && q.Data[q.L3+6]&0x40 != 0 {
			mostDF = max(mostDF, size)
		}
	}
	h := b[l3:]
	if first.Family == flowtable.FamilyIPv4 {
		d.df = mostDF == d.most
		binary.BigEndian.PutUint16(h[2:], uint16(total))
		h[6], h[7] = 0, 0
		if d.df {
			h[6] = 0x40
		}
		sumHeader(b[l3:d.room])
		return b
	}
	ext := first.Data[d.room:]
	d.id = binary.BigEndian.Uint32(ext[4:])
	d.kindAt = headerTypeAt(b[:d.room], l3)
	b[d.kindAt] = ext[0]
	d.anew, d.anewKindAt = fragmentPlace(b[:d.room+int(list[0].Payload)], l3)
	binary.BigEndian.PutUint16(h[4:], uint16(total-ip6Header))
	return b
}

const ip6Header = 40

// headerTypeAt returns where the type of the header that follows the last one of
// b stands: in the IPv6 header at l3, or in the last extension header.
func headerTypeAt(b []byte, l3 int) int {
	at := l3 + 6
	for next := l3 + ip6Header; next+1 < len(b); next += int(b[next+1])*8 + 8 {
		at = next
	}
	return at
}

// fragmentPlace returns where a fragment header belongs in the datagram at l3 of
// b, of which the first fragment is there: behind the headers that routers read
// (ip6_find_1stfragopt). kindAt is where the type of what follows stands; 0 is
// no place.
func fragmentPlace(b []byte, l3 int) (room, kindAt int) {
	const hopByHop, routing, destination = 0, 43, 60
	room, kindAt = l3+ip6Header, l3+6
	routed := false
	for room <= len(b) {
		switch b[kindAt] {
		case hopByHop:
		case routing:
			routed = true
		case destination:
			if routed {
				return room, kindAt
			}
		default:
			return room, kindAt
		}
		if room+2 > len(b) {
			break
		}
		kindAt, room = room, room+int(b[room+1])*8+8
	}
	return 0, 0
}

func sumHeader(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], packet.Checksum(h, 0))
}

// cutUp makes p fragments of at most mtu bytes, or with mtu 0 those it came as,
// and returns their frames. p is the joined datagram that walks, or a plain
// IPv4 packet that is too large; its own frames are used again or freed. When
// frames run out the rest of p is missing.
func (w *worker) cutUp(p *packet.Packet, mtu int) []afxdp.Desc {
	d := &w.joined
	parts := w.parts
	l3, room, kindAt := int(p.L3), d.room, d.kindAt
	if parts == nil {
		room = l3 + int(p.Data[l3]&15)*4
	}
	payload := p.Data[room:p.End]
	w.pullHead(p)
	if total := int(p.End) - l3; p.Family == flowtable.FamilyIPv6 && mtu > 0 && total <= mtu && total <= d.most {
		return w.oneFrame(p) // it fits, and nobody has to know
	}
	step := 0 // 0: as they came
	again := parts == nil || len(payload) != d.size || mtu > 0 && (d.most > mtu || d.linear || w.pulled(p))
	if p.Family == flowtable.FamilyIPv6 && mtu > 0 && (again || d.anew != d.room) {
		if again, room, kindAt = true, d.anew, d.anewKindAt; room == 0 {
			w.stats.Drops[packet.DropIPv6Extension]++
			w.freeWhole(p)
			return nil
		}
		payload = p.Data[room:p.End]
	}
	repeat := room - l3 // bytes of headers in each fragment
	if p.Family == flowtable.FamilyIPv6 {
		repeat += fragHeader
	}
	if again {
		if parts != nil && d.most < mtu {
			mtu = d.most // nothing larger than what came
			if p.Family == flowtable.FamilyIPv6 {
				mtu = max(mtu, minMTU6)
			}
		}
		if step = (mtu - repeat) &^ 7; step <= 0 {
			w.stats.Drops[packet.DropMTU]++
			w.freeWhole(p)
			return nil
		}
	}
	out := d.pieces[:0]
	used, next := 0, 0 // of parts' frames, of their lengths
	for at := 0; at < len(payload); {
		n := step
		for ; step == 0 && n == 0; next++ {
			n = int(parts[next].Payload)
		}
		n = min(n, len(payload)-at)
		addr, serial := uint64(0), p.Serial
		if used < len(parts) {
			addr, serial = parts[used].Addr, parts[used].Serial
			used++
		} else {
			var ok bool
			if addr, ok = w.umem.Alloc(); !ok {
				w.stats.Drops[packet.DropNoFrame]++
				break
			}
		}
		f := w.umem.Frame(addr, uint32(l3+repeat+n))
		copy(f, p.Data[:room])
		copy(f[l3+repeat:], payload[at:at+n])
		more := at+n < len(payload)
		if p.Family == flowtable.FamilyIPv6 {
			w.head6(f, l3, room, kindAt, at, more)
		} else {
			head4(f[l3:room], n, at, more, again && parts != nil && d.df)
		}
		out = append(out, afxdp.Desc{Addr: addr, Len: uint32(len(f)), Options: serial})
		at += n
	}
	for ; used < len(parts); used++ {
		w.umem.Free(parts[used].Addr)
	}
	if parts == nil {
		w.umem.Free(p.Addr)
	}
	d.pieces = out
	return out
}

// pulled says that the first fragment had no whole TCP header and that what Linux
// made of it is no multiple of 8 bytes: it cuts the datagram anew because of that
// (ip_do_fragment).
func (w *worker) pulled(p *packet.Packet) bool {
	const tcpHeader = 20
	if w.parts == nil || w.wire || p.Proto != flowtable.ProtoTCP {
		return false
	}
	// It looks for a socket of an IPv4 packet even to forward it, which moves the
	// fixed header there (tcp_v4_early_demux).
	return p.Family == flowtable.FamilyIPv4 && w.parts[0].Payload < tcpHeader || len(w.parts) > 1 && w.parts[0].Payload&7 != 0
}

// pullHead makes the first fragment end behind the TCP header, if a rule or other
// sequence numbers have made Linux move that there, and takes the bytes from those
// that follow (nft_exthdr_tcp_set_eval, nf_ct_sack_adjust, __pskb_pull_tail).
// Fragments may become empty.
func (w *worker) pullHead(p *packet.Packet) {
	if w.parts == nil || w.wire || p.Flags&packet.FlagHeadPulled == 0 {
		return
	}
	head := uint32(int(p.L4)-w.joined.room) + uint32(p.Data[p.L4+12]>>4)*4
	for i := 1; i < len(w.parts) && w.parts[0].Payload < head; i++ {
		n := min(head-w.parts[0].Payload, w.parts[i].Payload)
		w.parts[0].Payload += n
		w.parts[i].Payload -= n
	}
}

// oneFrame makes the joined datagram a frame of its own.
func (w *worker) oneFrame(p *packet.Packet) []afxdp.Desc {
	addr := w.parts[0].Addr
	for i := range w.parts[1:] {
		w.umem.Free(w.parts[i+1].Addr)
	}
	f := w.umem.Frame(addr, p.End)
	copy(f, p.Data[:p.End])
	w.joined.pieces = append(w.joined.pieces[:0], afxdp.Desc{Addr: addr, Len: p.End, Options: p.Serial})
	return w.joined.pieces
}

// head4 makes a copy of the datagram's header that of the fragment with n bytes
// from at on. Options that are not to be copied become no-ops behind the first
// fragment (RFC 791 section 3.1). df forbids to cut it up again: Linux says so of
// what it has cut anew, never where it sends fragments as they came
// (ip_fraglist_init, ip_frag_next).
func head4(h []byte, n, at int, more, df bool) {
	if at > 0 {
		blankOptions(h[20:])
	}
	word := binary.BigEndian.Uint16(h[6:])&0x3fff + uint16(at/8)
	if more {
		word |= 0x2000
	}
	if df {
		word |= 0x4000
	}
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+n))
	binary.BigEndian.PutUint16(h[6:], word)
	sumHeader(h)
}

// head6 does the same for IPv6, whose fragment header stands at room and its
// type at kindAt.
func (w *worker) head6(f []byte, l3, room, kindAt, at int, more bool) {
	const fragment = 44
	ext := f[room : room+fragHeader]
	ext[0], ext[1] = f[kindAt], 0
	f[kindAt] = fragment
	word := uint16(at)
	if more {
		word |= 1
	}
	binary.BigEndian.PutUint16(ext[2:], word)
	binary.BigEndian.PutUint32(ext[4:], w.joined.id)
	binary.BigEndian.PutUint16(f[l3+4:], uint16(len(f)-l3-ip6Header))
}

// blankOptions overwrites IPv4 options without the copied flag by no-ops.
func blankOptions(opts []byte) {
	for i := 0; i < len(opts) && opts[i] != 0; {
		n := 1
		if opts[i] != 1 {
			if i+1 >= len(opts) || opts[i+1] < 2 || i+int(opts[i+1]) > len(opts) {
				return
			}
			n = int(opts[i+1])
		}
		if opts[i]&0x80 == 0 {
			for j := i; j < i+n; j++ {
				opts[j] = 1
			}
		}
		i += n
	}
}
