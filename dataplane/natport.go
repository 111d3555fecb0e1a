package dataplane

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// choose returns the tuple that the flow's original packets shall leave with,
// in the order of get_unique_tuple: as it is when it fits and is free; if it does
// not fit, as other flows of its source do; else an address of the range; its own
// port when free; else a port from the pool.
// When the search meets no free port, exhausted is true and the result one that is
// taken. try counts the times that claiming the result failed: from then on the
// port is searched for, elsewhere each time.
func (w *worker) choose(p *packet.Packet, current *flowtable.Tuple, m manip, spec *rules.NATSpec, try int) (chosen flowtable.Tuple, exhausted bool) {
	random := try > 0 || spec.Flags&(nft.NATRandom|nft.NATFullyRandom) != 0
	if m == manipSrc && !random {
		if w.fits(current, spec) {
			if w.free(p, current) {
				return *current, false
			}
		} else if t, ok := w.mapped(current, spec); ok && w.free(p, &t) {
			return t, false
		}
	}
	t := *current
	if spec.HasAddr {
		addr := pickAddr(current, spec)
		if m == manipSrc {
			t.Src = addr
		} else {
			t.Dst = addr
		}
	}
	if !random {
		switch {
		case spec.PortMin == 0:
			if w.free(p, &t) {
				return t, false
			}
		case inRange(*halfPort(&t, m), spec) && (spec.PortMin == spec.PortMax || w.free(p, &t)):
			return t, false
		}
	}
	return w.search(p, t, m, spec, try)
}

// mapped returns what the source became for another flow, if that fits
// (find_appropriate_src).
func (w *worker) mapped(current *flowtable.Tuple, spec *rules.NATSpec) (flowtable.Tuple, bool) {
	prefix := &current.Src
	if spec.HasAddr {
		prefix = &spec.AddrMin
	}
	var all [flowtable.MaxMappings]flowtable.Tuple
	for i := range w.shard.Mappings(current, prefix, &all) {
		if w.fits(&all[i], spec) {
			return all[i], true
		}
	}
	return flowtable.Tuple{}, false
}

// fits says whether the source is already what spec asks for.
func (w *worker) fits(t *flowtable.Tuple, spec *rules.NATSpec) bool {
	if spec.HasAddr && (lessAddr(&t.Src, &spec.AddrMin) || lessAddr(&spec.AddrMax, &t.Src)) {
		return false
	}
	return spec.PortMin == 0 || inRange(t.SrcPort, spec)
}

func lessAddr(a, b *[16]byte) bool {
	if x, y := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:]); x != y {
		return x < y
	}
	return binary.BigEndian.Uint64(a[8:]) < binary.BigEndian.Uint64(b[8:])
}

func inRange(port uint16, spec *rules.NATSpec) bool {
	return port >= spec.PortMin && port <= spec.PortMax
}

// free says whether answers to t would belong to no other flow of the box.
func (w *worker) free(p *packet.Packet, t *flowtable.Tuple) bool {
	reply, ok := flowtable.Invert(t)
	return ok && !w.shard.ReplyTaken(p.Entry, &reply)
}

// halfPort is the field of t that a port search may change.
func halfPort(t *flowtable.Tuple, m manip) *uint16 {
	if m == manipSrc || t.Proto == flowtable.ProtoICMP || t.Proto == flowtable.ProtoICMPv6 {
		return &t.SrcPort // an echo identifier stands in the source field
	}
	return &t.DstPort
}

// pool returns the ports that a search may use (nf_nat_l4proto_unique_tuple):
// first value and how many; 0 of them when the port must stay.
func pool(t *flowtable.Tuple, m manip, spec *rules.NATSpec) (first, count uint32) {
	switch {
	case spec.PortMin != 0:
		lo, hi := min(spec.PortMin, spec.PortMax), max(spec.PortMin, spec.PortMax)
		return uint32(lo), uint32(hi) - uint32(lo) + 1
	case t.Proto == flowtable.ProtoICMP || t.Proto == flowtable.ProtoICMPv6:
		return 0, 1 << 16
	case t.Proto != flowtable.ProtoTCP && t.Proto != flowtable.ProtoUDP && t.Proto != flowtable.ProtoSCTP && t.Proto != flowtable.ProtoUDPLite:
		return 0, 0
	case m == manipDst:
		return 0, 0
	case t.SrcPort < 512:
		return 1, 511
	case t.SrcPort < 1024:
		return 600, 1023 - 600 + 1
	default:
		return 1024, 1<<16 - 1024
	}
}

// search tries ports from a start that nobody outside can guess. Of the free
// ones it prefers one whose answers reach this worker by themselves, unless
// Config.SamePorts; which ports are legal, and how many are tried, does not
// depend on that.
func (w *worker) search(p *packet.Packet, t flowtable.Tuple, m manip, spec *rules.NATSpec, try int) (chosen flowtable.Tuple, exhausted bool) {
	first, count := pool(&t, m, spec)
	if count == 0 {
		return t, false
	}
	port := halfPort(&t, m)
	seed := w.table.Hash(&p.Ct.Tuple) ^ uint64(try)<<32
	if spec.Flags&nft.NATFullyRandom != 0 {
		seed ^= uint64(w.nanos)
	}
	fallback, found := t, false
	for tries := min(count, 128); ; tries /= 2 {
		seed = scramble(seed)
		off := uint32(seed >> 48)
		if m == manipDst && spec.Flags&nft.NATFullyRandom == 0 {
			off = 0
		}
		for i := range tries {
			*port = uint16(first + (off+i)%count)
			if !w.free(p, &t) {
				continue
			}
			if w.box.cfg.SamePorts || w.table.Owner(w.table.Hash(&t)) == w.id {
				return t, false
			}
			if !found {
				fallback, found = t, true
			}
		}
		if found {
			return fallback, false
		}
		if tries >= count || tries < 16 {
			return t, true
		}
	}
}

// scramble is one round of a 64-bit mixer (the finalizer of SplitMix64).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pickAddr maps a client to an address of the range as find_best_ips_proto
// does, with the kernel's hash, so that clients keep their addresses when the
// box takes over from a kernel.
func pickAddr(t *flowtable.Tuple, spec *rules.NATSpec) [16]byte {
	if spec.AddrMin == spec.AddrMax {
		return spec.AddrMin
	}
	words := 1
	if spec.Family == flowtable.FamilyIPv6 {
		words = 4
	}
	persistent := spec.Flags&nft.NATPersistent != 0
	word := func(a *[16]byte, i int) uint32 { return binary.LittleEndian.Uint32(a[4*i:]) }
	initial := uint32(0)
	if !persistent {
		initial = word(&t.Dst, words-1) ^ uint32(t.Zone)
	}
	h := jhash4(word(&t.Src, 0), word(&t.Src, 1), word(&t.Src, 2), word(&t.Src, 3), initial)

	var addr [16]byte
	whole := false // an earlier word is below the maximum: later ones may be anything
	for i := range words {
		lo, span := uint32(0), uint32(0xffffffff)
		if !whole {
			lo = binary.BigEndian.Uint32(spec.AddrMin[4*i:])
			span = binary.BigEndian.Uint32(spec.AddrMax[4*i:]) - lo + 1
		}
		binary.BigEndian.PutUint32(addr[4*i:], lo+uint32(uint64(h)*uint64(span)>>32))
		if word(&addr, i) != word(&spec.AddrMax, i) {
			whole = true
		}
		if !persistent {
			h ^= word(&t.Dst, i)
		}
	}
	return addr
}

// jhash4 is Bob Jenkins' lookup3 over four words, as the kernel parametrises it.
func jhash4(k0, k1, k2, k3, initial uint32) uint32 {
	seed := 0xdeadbeef + 4<<2 + initial
	a, b, c := seed+k0, seed+k1, seed+k2
	rot := bits.RotateLeft32
	a, c = (a-c)^rot(c, 4), c+b
	b, a = (b-a)^rot(a, 6), a+c
	c, b = (c-b)^rot(b, 8), b+a
	a, c = (a-c)^rot(c, 16), c+b
	b, a = (b-a)^rot(a, 19), a+c
	c, b = (c-b)^rot(b, 4), b+a

	a += k3
	c = (c ^ b) - rot(b, 14)
	a = (a ^ c) - rot(c, 11)
	b = (b ^ a) - rot(a, 25)
	c = (c ^ b) - rot(b, 16)
	a = (a ^ c) - rot(c, 4)
	b = (b ^ a) - rot(a, 14)
	c = (c ^ b) - rot(b, 24)
	return c
}
