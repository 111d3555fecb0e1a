package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// A cookie is the sequence number with which the box answers a client's SYN
// without keeping anything: it tells, of the segment that acknowledges it, that
// the client has read the answer, when it asked, and roughly its segment size.
//
//	cookie = H(addresses, ports) + the client's number + minute<<24 + (H'(addresses, ports, minute) + size) mod 2^24
//
// as the kernel's SYN cookies, with its periods of 64 s and at most two of them.
// The hashes are this box's own: their keys are random.
type cookies struct {
	keys [4]uint64
}

const (
	cookieBits   = 24
	cookieMask   = 1<<cookieBits - 1
	cookiePeriod = 64e9 // nanoseconds
	cookieAge    = 2    // periods
)

// cookieSizes are the segment sizes that a cookie can tell, by family.
var cookieSizes = [2][4]uint16{
	{536, 1300, 1440, 1460},
	{1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60},
}

func newCookies(chance *rules.Chance) (c cookies) {
	for i := range c.keys {
		c.keys[i] = chance.Uint64()
	}
	return c
}

// hash mixes the addresses and ports of a segment with a number.
func (c *cookies) hash(p *packet.Packet, key uint64, number uint64) uint32 {
	var src, dst [16]byte
	p.SrcAddr(&src)
	p.DstAddr(&dst)
	h := key ^ number
	for _, w := range [...]uint64{
		binary.BigEndian.Uint64(src[:8]), binary.BigEndian.Uint64(src[8:]), binary.BigEndian.Uint64(dst[:8]), binary.BigEndian.Uint64(dst[8:]),
		uint64(binary.BigEndian.Uint32(p.Data[p.L4:])),
	} {
		h = scramble(h^w) + c.keys[2]
	}
	return uint32(scramble(h^c.keys[3]) >> 32)
}

// make returns the cookie for a client's SYN that offers a segment size.
func (c *cookies) make(p *packet.Packet, mss uint16, nanos int64) uint32 {
	minute := uint32(nanos / cookiePeriod)
	sizes := &cookieSizes[familyIndex(p.Family)]
	size := len(sizes) - 1
	for size > 0 && mss < sizes[size] {
		size--
	}
	return c.hash(p, c.keys[0], 0) + p.Seq + minute<<cookieBits + (c.hash(p, c.keys[1], uint64(minute))+uint32(size))&cookieMask
}

// check returns the segment size that the cookie tells which a client
// acknowledges whose number is seq. False: it is no cookie, or too old.
func (c *cookies) check(p *packet.Packet, cookie, seq uint32, nanos int64) (mss uint16, ok bool) {
	minute := uint32(nanos / cookiePeriod)
	cookie -= c.hash(p, c.keys[0], 0) + seq
	age := (minute - cookie>>cookieBits) & (^uint32(0) >> cookieBits)
	if age >= cookieAge {
		return 0, false
	}
	sizes := &cookieSizes[familyIndex(p.Family)]
	size := (cookie - c.hash(p, c.keys[1], uint64(minute-age))) & cookieMask
	if size >= uint32(len(sizes)) {
		return 0, false
	}
	return sizes[size], true
}

// What the timestamp says with which the box answers a SYN, in its low bits: the
// client's window scale, none, and whether it permits SACK and ECN. The client
// echoes it.
const (
	stampBits    = 0x3f
	stampScale   = 0xf
	stampNoScale = 0xf
	stampSACK    = 1 << 4
	stampECN     = 1 << 5
)

// stamp is the timestamp for an answer to a client that offers such options.
func stamp(offer *packet.TCPOptions, nanos int64) uint32 {
	v := uint32(nanos/1e6) &^ stampBits
	if offer.Has&packet.TCPHasScale != 0 {
		v |= uint32(offer.Scale)
	} else {
		v |= stampNoScale
	}
	if offer.Has&packet.TCPHasSACK != 0 {
		v |= stampSACK
	}
	if offer.Has&packet.TCPHasECN != 0 {
		v |= stampECN
	}
	return v
}

// unstamp adds to options what the echoed timestamp says of the client.
func unstamp(o *packet.TCPOptions) {
	if o.Has&packet.TCPHasTimestamp == 0 {
		return
	}
	if scale := uint8(o.Echo & stampScale); scale != stampNoScale {
		o.Has, o.Scale = o.Has|packet.TCPHasScale, min(scale, 14)
	}
	if o.Echo&stampSACK != 0 {
		o.Has |= packet.TCPHasSACK
	}
	if o.Echo&stampECN != 0 {
		o.Has |= packet.TCPHasECN
	}
}

// inTCPState says that p's flow is of TCP and in a state.
func inTCPState(p *packet.Packet, state flowtable.TCPState) bool {
	return p.Proto == flowtable.ProtoTCP && p.Ct.Tuple.Proto == flowtable.ProtoTCP && p.Ct.State == state
}
