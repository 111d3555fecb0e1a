package classify

// Key is what a packet shows of itself, in host order. A packet without ports
// has zeros there and says so in Facts, if the rules ask.
type Key struct {
	Src, Dst     uint32
	Sport, Dport uint16
	Facts        uint16
	_            uint16
}

// The ranges of a Box.
const (
	Src = iota
	Dst
	Sport
	Dport
	ranges
)

// NoFact is a bit of Key.Facts that no packet may have.
const NoFact uint16 = 1 << 15

// Box is the set of keys that a rule may want: all four ranges, bounds
// included, and Facts & Mask == Need. The ports' ranges are of 16 bits.
type Box struct {
	Lo, Hi     [ranges]uint32
	Need, Mask uint16
}

// Any is the box of every key.
func Any() Box {
	return Box{Hi: [ranges]uint32{^uint32(0), ^uint32(0), 0xffff, 0xffff}}
}

// Has says whether the key lies in the box.
func (b *Box) Has(k *Key) bool {
	for d, v := range [ranges]uint32{k.Src, k.Dst, uint32(k.Sport), uint32(k.Dport)} {
		if v < b.Lo[d] || v > b.Hi[d] {
			return false
		}
	}
	return k.Facts&b.Mask == b.Need
}

// Empty says whether no key can lie in the box.
func (b *Box) Empty() bool {
	for d := range b.Lo {
		if b.Lo[d] > b.Hi[d] {
			return true
		}
	}
	return b.Need&^b.Mask != 0 || b.Need&NoFact != 0
}
