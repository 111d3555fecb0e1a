package rules

import (
	"math/bits"

	"github.com/sluice-net/sluice/dataplane/packet"
)

// Kinds of sets. A new structure is a new kind: a builder in setbuild.go and a
// case in lookup.
const (
	setEmpty     uint8 = iota
	setLinear          // entries (value, key); at most linearMax
	setHash            // open addressing, entries (value, key)
	setInterval1       // sorted arrays of one-word keys: first, last, value
	setInterval2       // the same with two-word keys
	setRanges          // entries (value, first key, last key), in order
	setIndexed         // the same, and behind them slots words of an index, see rangeindex.go
)

const (
	linearMax         = 8
	setHit     uint64 = 1 << 63 // in every value
	setGone    uint64 = 1 << 62 // instead of one: the key is no longer in the set
	setOpShift        = 32      // verdict maps: instruction, and its argument in the low half
)

// entryWords returns the words that one entry takes.
func entryWords(d *setDesc) uint32 {
	w := uint32(d.words)
	switch d.kind {
	case setInterval1, setInterval2, setRanges, setIndexed:
		return 2*w + 1
	}
	return w + 1
}

// hash is keyed, so that nobody outside can choose slots: one folded
// multiplication for each word.
func (d *setDesc) hash(key []uint64) uint32 {
	h := d.seed[0]
	for _, k := range key {
		hi, lo := bits.Mul64(h^k, d.seed[1])
		h = hi ^ lo
	}
	return uint32(h ^ h>>32)
}

// lookup returns the value of a key, with setHit, or 0. A descriptor that does
// not fit data (the image was poisoned under the caller) finds nothing. The packet
// counts for the element that is found; nil: it does not.
func (im *Image) lookup(n uint32, key *[keyWords]uint64, p *packet.Packet, env *Env) uint64 {
	_, value := im.lookupIn(n, key, p, env)
	return value
}

// lookupIn is lookup, with the descriptor that the value is of.
func (im *Image) lookupIn(n uint32, key *[keyWords]uint64, p *packet.Packet, env *Env) (*setDesc, uint64) {
	if uint64(n) >= uint64(len(im.sets)) {
		return nil, 0
	}
	d := &im.sets[n]
	if d.changes|d.live != 0 {
		return im.lookupMore(d, key, p, env)
	}
	if value := im.find(d, key, nil); value != 0 {
		return d, value
	}
	return d, d.any
}

// lookupMore looks up in a set that has changed since it was laid down, or whose
// elements have nodes.
func (im *Image) lookupMore(d *setDesc, key *[keyWords]uint64, p *packet.Packet, env *Env) (*setDesc, uint64) {
	in, value := d, uint64(0)
	if d.changes != 0 && uint64(d.changes) < uint64(len(im.sets)) {
		in, value = im.findChanged(d, &im.sets[d.changes], key)
	} else {
		value = im.find(d, key, nil)
	}
	if d.live == 0 {
		if value == 0 {
			return d, d.any
		}
		return in, value
	}
	if value != 0 {
		if value, lives := im.living(in, d.live, value, p, env); lives {
			return in, value
		}
	}
	if d.any != 0 {
		value, _ := im.living(d, d.live, d.any, p, env)
		return d, value
	}
	return d, 0
}

// findChanged is find in a set that has changed, and in what has: see overlay.go. It
// returns the one of both that the value is of.
func (im *Image) findChanged(d, small *setDesc, key *[keyWords]uint64) (*setDesc, uint64) {
	if d.kind == setIndexed {
		if value := im.find(d, key, im.goneBefore(small)); value != 0 {
			return d, value
		}
		return small, im.find(small, key, nil)
	}
	switch value := im.find(small, key, nil); value {
	case 0:
		return d, im.find(d, key, nil)
	case setGone:
		return d, 0
	default:
		return small, value
	}
}

// memory is where the entries of a set are, and the data of its map.
func (im *Image) memory(d *setDesc) []uint64 {
	if d.bulk == 0 {
		return im.data
	}
	if uint64(d.bulk) > uint64(len(im.bulks)) {
		return nil
	}
	return im.bulks[d.bulk-1]
}

// find is lookup without the catch-all element, and of boxes without those whose
// numbers say that they have gone.
func (im *Image) find(d *setDesc, key *[keyWords]uint64, gone []uint64) uint64 {
	w := uint64(d.words)
	entries := uint64(d.n)
	if d.kind == setHash {
		entries = uint64(d.slots)
	}
	size := entries * uint64(entryWords(d))
	if d.kind == setIndexed {
		size += uint64(d.slots)
	}
	data := im.memory(d)
	if w == 0 || w > keyWords || entries == 0 || uint64(d.off)+size > uint64(len(data)) {
		return 0
	}
	data = data[d.off : uint64(d.off)+size]
	switch d.kind {
	case setLinear:
		if w == 1 {
			return linear1(data, key[0])
		}
		return linear(data, key[:w])
	case setHash:
		if w == 1 {
			return hash1(data, d, key[0])
		}
		return hashN(data, d, key[:w])
	case setInterval1:
		return interval1(data, key[0])
	case setInterval2:
		return interval2(data, key[0], key[1])
	case setRanges:
		return ranges(data, key[:w], d.wide)
	case setIndexed:
		if !im.Alive() {
			return 0
		}
		at := size - uint64(d.slots)
		value, _ := indexed(data[:at], data[at:], key[:w], d.wide, gone)
		return value
	}
	return 0
}

func linear1(data []uint64, key uint64) uint64 {
	for ; len(data) >= 2; data = data[2:] {
		if data[1] == key {
			return data[0]
		}
	}
	return 0
}

func linear(data, key []uint64) uint64 {
next:
	for ; len(data) > len(key); data = data[len(key)+1:] {
		for i, k := range key {
			if data[1+i] != k {
				continue next
			}
		}
		return data[0]
	}
	return 0
}

func hash1(data []uint64, d *setDesc, key uint64) uint64 {
	hi, lo := bits.Mul64(d.seed[0]^key, d.seed[1])
	h := hi ^ lo
	slots := uint64(len(data) / 2)
	at := uint64(uint32(h^h>>32)) & (slots - 1)
	for range slots {
		e := data[2*at : 2*at+2]
		if e[0] == 0 || e[1] == key {
			return e[0]
		}
		at = (at + 1) & (slots - 1)
	}
	return 0
}

func hashN(data []uint64, d *setDesc, key []uint64) uint64 {
	w := uint64(len(key)) + 1
	slots := uint64(len(data)) / w
	at := uint64(d.hash(key)) & (slots - 1)
next:
	for range slots {
		e := data[at*w : at*w+w]
		at = (at + 1) & (slots - 1)
		if e[0] == 0 {
			return 0
		}
		for i, k := range key {
			if e[1+i] != k {
				continue next
			}
		}
		return e[0]
	}
	return 0
}

// interval1 finds the last interval that begins at key or before it. Which half
// it is in is computed from a borrow, because nobody can predict it.
func interval1(data []uint64, key uint64) uint64 {
	n := uint(len(data) / 3)
	first, last, value := data[:n], data[n:2*n], data[2*n:]
	at := uint(0)
	for size := n; size > 1; {
		half := size / 2
		_, before := bits.Sub64(key, first[at+half], 0)
		at += half & (uint(before) - 1)
		size -= half
	}
	if first[at] <= key && key <= last[at] {
		return value[at]
	}
	return 0
}

// interval2 is interval1 for keys of two words, the upper one first.
func interval2(data []uint64, hi, lo uint64) uint64 {
	n := uint(len(data) / 5)
	first, last, value := data[:2*n], data[2*n:4*n], data[4*n:]
	at := uint(0)
	for size := n; size > 1; {
		half := size / 2
		i := 2 * (at + half)
		_, before := bits.Sub64(lo, first[i+1], 0)
		_, before = bits.Sub64(hi, first[i], before)
		at += half & (uint(before) - 1)
		size -= half
	}
	_, before := bits.Sub64(lo, first[2*at+1], 0)
	_, before = bits.Sub64(hi, first[2*at], before)
	_, behind := bits.Sub64(last[2*at+1], lo, 0)
	_, behind = bits.Sub64(last[2*at], hi, behind)
	if before|behind != 0 {
		return 0
	}
	return value[at]
}

// ranges compares part by part: wide parts are two words that form one number.
func ranges(data, key []uint64, wide uint32) uint64 {
	w := len(key)
next:
	for ; len(data) > 2*w; data = data[2*w+1:] {
		lo, hi := data[1:1+w], data[1+w:1+2*w]
		mask := wide
		for i := 0; i < w; i++ {
			k := key[i]
			if mask&1 != 0 && i+1 < w {
				k2 := key[i+1]
				if k < lo[i] || k == lo[i] && k2 < lo[i+1] || k > hi[i] || k == hi[i] && k2 > hi[i+1] {
					continue next
				}
				i++
			} else if k < lo[i] || k > hi[i] {
				continue next
			}
			mask >>= 1
		}
		return data[0]
	}
	return 0
}
