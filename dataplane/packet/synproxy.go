package packet

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// Segment is a TCP segment without data that the box makes: what of its header
// does not follow from another one's. Of Options those hold that Has names.
type Segment struct {
	Seq, Ack uint32
	Window   uint16
	Flags    uint8 // as on the wire
	Options  TCPOptions
}

// TCPOptions are the options of a TCP header that matter when a connection opens.
type TCPOptions struct {
	Has         uint8 // TCPHas* bits
	Scale       uint8
	MSS         uint16
	Value, Echo uint32 // of the timestamp option
}

// Options that a TCPOptions has.
const (
	TCPHasMSS uint8 = 1 << iota
	TCPHasScale
	TCPHasSACK // SACK permitted
	TCPHasTimestamp
	TCPHasECN // no option: the flags ECE and CWR of a SYN, which go with them
)

// Kinds of TCP options.
const (
	optEnd       = 0
	optNop       = 1
	optMSS       = 2
	optScale     = 3
	optSACKOK    = 4
	optTimestamp = 8
)

// maxScale is the largest window scale there is (RFC 7323).
const maxScale = 14

// maxTCPOptions is how many bytes of options BuildTCP may write.
const maxTCPOptions = 4 + 12 + 4

// TCPOptions reads the options of a whole TCP segment, up to the first that is
// broken.
func (p *Packet) TCPOptions() (o TCPOptions) {
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 || p.Proto != protoTCP {
		return o
	}
	for b := p.Data[int(p.L4)+tcpLen : p.L4Payload]; len(b) > 0; {
		kind := b[0]
		if kind == optEnd {
			break
		}
		if kind == optNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			break
		}
		v := b[2:b[1]]
		switch {
		case kind == optMSS && len(v) == 2:
			o.Has, o.MSS = o.Has|TCPHasMSS, be16(v)
		case kind == optScale && len(v) == 1:
			o.Has, o.Scale = o.Has|TCPHasScale, min(v[0], maxScale)
		case kind == optSACKOK && len(v) == 0:
			o.Has |= TCPHasSACK
		case kind == optTimestamp && len(v) == 8:
			o.Has, o.Value, o.Echo = o.Has|TCPHasTimestamp, be32(v), be32(v[4:])
		}
		b = b[b[1]:]
	}
	return o
}

// write writes the options in the order in which the kernel's SYN proxy has them
// and returns their length, a multiple of four.
func (o *TCPOptions) write(b []byte) (n int) {
	put := func(bytes ...byte) {
		n += copy(b[n:], bytes)
	}
	if o.Has&TCPHasMSS != 0 {
		put(optMSS, 4, byte(o.MSS>>8), byte(o.MSS))
	}
	switch {
	case o.Has&TCPHasTimestamp != 0:
		if o.Has&TCPHasSACK != 0 {
			put(optSACKOK, 2)
		} else {
			put(optNop, optNop)
		}
		put(optTimestamp, 10)
		binary.BigEndian.PutUint32(b[n:], o.Value)
		binary.BigEndian.PutUint32(b[n+4:], o.Echo)
		n += 8
	case o.Has&TCPHasSACK != 0:
		put(optNop, optNop, optSACKOK, 2)
	}
	if o.Has&TCPHasScale != 0 {
		put(optNop, optScale, 3, o.Scale)
	}
	return n
}

// BuildTCP writes a frame with the segment s of orig's connection into buf: from
// orig's sender to its receiver, or with back the other way. MACs are zero, to be
// filled on sending. It returns the frame's length, 0 when orig is no whole TCP
// segment or buf is too small.
func BuildTCP(buf []byte, orig *Packet, back bool, s *Segment) int {
	if orig.Proto != protoTCP || orig.Flags&(FlagL4|FlagFragment) != FlagL4 {
		return 0
	}
	var options [maxTCPOptions]byte
	size := tcpLen + s.Options.write(options[:])
	o := orig.Transport()
	var from, to [16]byte
	orig.SrcAddr(&from)
	orig.DstAddr(&to)
	sport, dport := be16(o), be16(o[2:])
	if back {
		from, to, sport, dport = to, from, dport, sport
	}
	var h []byte
	var initial uint32
	n := EtherLen + size
	if orig.Family == flowtable.FamilyIPv4 {
		if h = beginIPv4(buf, size, protoTCP, &from, &to, 0, 0); h == nil {
			return 0
		}
		ip := buf[EtherLen : EtherLen+ip4Len]
		ip[6] = 0x40 // don't fragment
		finishIPv4(ip)
		initial = uint32(protoTCP) + uint32(size) + words(ip[ip4Src:ip4Len])
		n += ip4Len
	} else {
		if h = beginIPv6(buf, size, protoTCP, &from, &to); h == nil {
			return 0
		}
		initial = pseudo6(buf, protoTCP, size)
		n += ip6Len
	}
	clear(h)
	binary.BigEndian.PutUint16(h[0:], sport)
	binary.BigEndian.PutUint16(h[2:], dport)
	binary.BigEndian.PutUint32(h[4:], s.Seq)
	binary.BigEndian.PutUint32(h[8:], s.Ack)
	h[12], h[13] = byte(size/4)<<4, s.Flags
	binary.BigEndian.PutUint16(h[14:], s.Window)
	copy(h[tcpLen:], options[:size-tcpLen])
	binary.BigEndian.PutUint16(h[16:], Checksum(h, initial))
	return n
}

// ShiftTimestamp adds to the value, or with echo to the echo, of a TCP segment's
// timestamp option, and patches the checksum.
func (p *Packet) ShiftTimestamp(by uint32, echo bool) {
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 || p.Proto != protoTCP {
		return
	}
	h := p.Data[p.L4:p.L4Payload]
	for at := tcpLen; at < len(h) && h[at] != optEnd; {
		if h[at] == optNop {
			at++
			continue
		}
		if at+1 >= len(h) || h[at+1] < 2 || at+int(h[at+1]) > len(h) {
			return
		}
		if h[at] == optTimestamp && h[at+1] == 10 {
			f := h[at+2 : at+6]
			if echo {
				f = h[at+6 : at+10]
			}
			delta := shift(f, int32(by))
			if at%2 != 0 { // it lies across the words of the sum
				delta = uint64(bits.ReverseBytes16(fold(delta)))
			}
			patch(p.Proto, p.Transport(), delta)
			return
		}
		at += int(h[at+1])
	}
}
