package rules

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/sluice-net/sluice/rules/classify"
)

// A set of concatenations with intervals (nft's pipapo) is a list of boxes, of which
// the first that has the key is wanted: what a run of rules is too. So a classifier
// finds candidates by up to four windows of the key, two of 32 bits and two of 16, and
// the elements themselves are compared afterwards. Behind the entries lie
//
//	| window of each range of a classify.Box | number of classifiers | their lengths | classifiers |
//
// each for classify.MaxRules elements, in order.

// indexMin is how many elements get an index; fewer are compared one by one.
const indexMin = 16

const (
	indexFields  = 4               // Src, Dst, Sport, Dport
	indexLengths = indexFields + 1 // words before the lengths
)

// window is some bits of one word of a key: 32, or 16 of a part that has no more. In
// the words of an index it is 1 << 16 | word << 8 | shift, or 0 for none.
type window struct {
	word, shift uint8
	narrow      bool
	above       []uint8 // words above this one of the same part
	differ      int     // values that elements begin with
}

// most is the largest value of the window.
func (w *window) most() uint64 {
	if w.narrow {
		return 1<<16 - 1
	}
	return 1<<32 - 1
}

// reach returns which values of the window an element takes: all of them if it
// differs in the bits above.
func (w *window) reach(el *element) (lo, hi uint64) {
	most := w.most()
	for _, a := range w.above {
		if el.lo[a] != el.hi[a] {
			return 0, most
		}
	}
	lo, hi = el.lo[w.word]>>w.shift, el.hi[w.word]>>w.shift
	if lo&^most != hi&^most {
		return 0, most
	}
	return lo & most, hi & most
}

// windows lists what a key can be told apart by, the best first.
func windows(d *setDesc, els []element) []window {
	var list []window
	for part, word := uint8(0), uint8(0); part < d.parts; part++ {
		words := []uint8{word}
		if d.wide>>part&1 != 0 {
			words = append(words, word+1)
		}
		for i, at := range words {
			widest := uint64(0)
			for k := range els {
				widest |= els[k].hi[at]
			}
			w := window{word: at, above: words[:i], narrow: len(words) == 1 && bits.Len64(widest) <= 16}
			if list = append(list, w); bits.Len64(widest) > 32 {
				w.shift = 32
				list = append(list, w)
			}
		}
		word += uint8(len(words))
	}
	for i := range list {
		w, seen := &list[i], map[uint64]bool{}
		for k := range els {
			if lo, hi := w.reach(&els[k]); hi-lo <= w.most()/2 { // one that takes most of them tells little
				seen[lo] = true
			}
		}
		w.differ = len(seen)
	}
	slices.SortStableFunc(list, func(a, b window) int { return cmp.Compare(b.differ, a.differ) })
	return list
}

// index appends an index of the elements that have just been laid down.
func (b *block) index(els []element) error {
	var fields [indexFields]*window
	list := windows(&b.set, els)
	for i := range list {
		for _, d := range []int{classify.Sport, classify.Dport, classify.Src, classify.Dst} {
			if w := &list[i]; fields[d] == nil && w.differ > 1 && (w.narrow || d == classify.Src || d == classify.Dst) {
				fields[d] = w
				break
			}
		}
	}
	var head, words []uint64
	for _, w := range fields {
		if w == nil {
			head = append(head, 0)
			continue
		}
		head = append(head, 1<<16|uint64(w.word)<<8|uint64(w.shift))
	}
	head = append(head, 0)
	for chunk := range slices.Chunk(els, classify.MaxRules) {
		boxes := make([]classify.Box, len(chunk))
		for i := range chunk {
			boxes[i] = classify.Any()
			for d, w := range fields {
				if w != nil {
					lo, hi := w.reach(&chunk[i])
					boxes[i].Lo[d], boxes[i].Hi[d] = uint32(lo), uint32(hi)
				}
			}
		}
		built, err := classify.Build(boxes)
		if err != nil {
			return err
		}
		head, words = append(head, uint64(len(built))), append(words, built...)
	}
	head[indexFields] = uint64(len(head) - indexLengths)
	b.set.kind, b.set.slots = setIndexed, uint32(len(head)+len(words))
	b.data = append(append(b.data, head...), words...)
	return nil
}

// indexed finds the first of entries that has the key, by their index, and its number.
// Entries that have gone, whose numbers ascend, are passed by.
func indexed(entries, index, key []uint64, wide uint32, gone []uint64) (value uint64, number int) {
	if len(index) < indexLengths || index[indexFields] > uint64(len(index)-indexLengths) {
		return 0, 0
	}
	var v [indexFields]uint32
	for d := range v {
		if w := index[d]; w != 0 && int(uint8(w>>8)) < len(key) {
			v[d] = uint32(key[uint8(w>>8)] >> uint8(w))
		}
	}
	k := classify.Key{Src: v[classify.Src], Dst: v[classify.Dst], Sport: uint16(v[classify.Sport]), Dport: uint16(v[classify.Dport])}
	lengths := index[indexLengths:][:index[indexFields]]
	rest := index[indexLengths+len(lengths):]
	size, from := 2*len(key)+1, 0
	for _, n := range lengths {
		if n > uint64(len(rest)) {
			return 0, 0
		}
		c := classify.Open(rest[:n])
		rest = rest[n:]
		for id := c.First(&k, 0); id != classify.None; id = c.First(&k, id+1) {
			at := int(id) * size
			if at+size > len(entries) {
				return 0, 0
			}
			value := ranges(entries[at:at+size], key, wide)
			if value == 0 {
				continue
			}
			number := from + int(id)
			if len(gone) > 0 {
				if _, is := slices.BinarySearch(gone, uint64(number)); is {
					continue
				}
			}
			return value, number
		}
		if len(entries) < classify.MaxRules*size {
			return 0, 0
		}
		entries, from = entries[classify.MaxRules*size:], from+classify.MaxRules
	}
	return 0, 0
}
