package rules

import (
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// partBits returns the length of part i of a set's key; 0 when neither type,
// expression nor any element tells it.
func partBits(s *nft.Set, i int) int {
	if t := s.Key[i]; t != nil && t.Bits > 0 {
		return t.Bits
	}
	if i < len(s.KeyExprs) && s.KeyExprs[i] != nil {
		return s.KeyExprs[i].Bits()
	}
	if s.Elements.Len() > 0 && i < len(s.Elements.At(0).Key) {
		return 8 * len(s.Elements.At(0).Key[i].Lo)
	}
	return 0
}

// element is an element in the engine's terms: the first and the last key, word
// by word, and the word that a hit returns.
type element struct {
	lo, hi []uint64
	value  uint64
	pos    nft.Pos
}

// shape describes the key of a set.
func shape(s *nft.Set) setDesc {
	d := setDesc{parts: uint8(len(s.Key))}
	for i := range s.Key {
		d.words++
		if partBits(s, i) > 64 {
			d.words++
			d.wide |= 1 << i
		}
	}
	return d
}

// buildSet chooses a structure for a set and fills it.
func buildSet(b *block, s *nft.Set, ix *index, ps *ports) error {
	b.set = shape(s)
	d := &b.set
	if d.words == 0 || d.words > keyWords {
		return errorf(s.Pos, "set %s has a key of %d words", s.Name, d.words)
	}
	var data rows
	els, exact, err := elements(s, d, &data, ix, ps)
	if err != nil {
		return err
	}
	if s.HoldsObjects {
		if b.objects, err = ix.objectsOf(s, data.objects); err != nil {
			return err
		}
	}
	return b.fill(s, els, exact, &data)
}

// fill chooses the structure for elements and lays them down, behind them the data
// of a map.
func (b *block) fill(s *nft.Set, els []element, exact bool, data *rows) (err error) {
	d := &b.set
	d.seed = [2]uint64{rand.Uint64(), rand.Uint64() | 1}
	switch {
	case len(els) == 0:
		d.kind = setEmpty
	case exact:
		err = b.exact(s, els)
	case d.parts == 1:
		err = b.intervals(s, els)
	default:
		err = b.ranges(els)
	}
	d.n = uint32(len(els))
	if d.kind == setInterval1 || d.kind == setInterval2 || d.kind == setLinear {
		d.n = uint32(len(b.data)) / entryWords(d)
	}
	d.rows = uint32(len(b.data))
	b.data = append(b.data, data.words...)
	return err
}

// elements reads the elements of a set. exact says that none is a range.
func elements(s *nft.Set, d *setDesc, data *rows, ix *index, ps *ports) (els []element, exact bool, err error) {
	exact = true
	els = make([]element, 0, s.Elements.Len())
	words := make([]uint64, 0, 2*int(d.words)*s.Elements.Len()) // of all keys: one piece of memory, not two for each element
	for e := range s.Elements.All() {
		if len(e.Stmts) > 0 && s.Name == "" && s.Flags&nft.SetConstant != 0 {
			return nil, false, errorf(e.Pos, "statements of elements of a set without a name are not supported: declare the set")
		}
		value, err := elementValue(s, e, data, ix, ps)
		if err != nil {
			return nil, false, err
		}
		if e.Any {
			if noded(s) {
				key, _, _ := d.keyOf(e, nil, ps)
				value = data.living(value, key)
			}
			d.any = value
			continue
		}
		from := len(words)
		words = words[:from+2*int(d.words)]
		own := words[from:from:len(words)]
		if _, ok, err := d.keyOf(e, own, ps); err != nil {
			return nil, false, err
		} else if !ok {
			continue // never matches
		}
		el := element{pos: e.Pos, value: value, lo: words[from : from+int(d.words) : from+int(d.words)], hi: words[from+int(d.words) : len(words) : len(words)]}
		if noded(s) {
			el.value = data.living(value, words[from:])
		}
		exact = exact && slices.Equal(el.lo, el.hi)
		els = append(els, el)
	}
	return els, exact, nil
}

// keyOf appends the first key of an element, and then the last one. False: no packet
// has any. The keys of the catch-all element are those of no other.
func (d *setDesc) keyOf(e *nft.Element, to []uint64, ps *ports) (keys []uint64, ok bool, err error) {
	if e.Any {
		for i := range 2 * d.words {
			to = append(to, map[bool]uint64{true: ^uint64(0)}[i < d.words])
		}
		return to, true, nil
	}
	if len(e.Key) != int(d.parts) {
		return nil, false, errorf(e.Pos, "element of %d parts in a set of %d", len(e.Key), d.parts)
	}
	var memory [keyWords]uint64
	last := memory[:0]
	for i, k := range e.Key {
		lo, hi, ok := ps.keyPart(k)
		if !ok {
			return nil, false, nil
		}
		if to, err = appendKey(to, e.Pos, lo, d.wide>>i&1 != 0); err != nil {
			return nil, false, err
		}
		if last, err = appendKey(last, e.Pos, hi, d.wide>>i&1 != 0); err != nil {
			return nil, false, err
		}
	}
	return append(to, last...), true, nil
}

// elementValue is the word that a hit returns.
func elementValue(s *nft.Set, e *nft.Element, data *rows, ix *index, ps *ports) (uint64, error) {
	switch {
	case s.HoldsObjects:
		return setHit | data.object(e.Object), nil
	case s.Verdicts:
		if e.Verdict == nil {
			return 0, errorf(e.Pos, "element has no verdict")
		}
		op, to, err := verdictOp(e.Verdict, ix.setOf[s].names)
		return setHit | uint64(op)<<setOpShift | uint64(to), err
	case s.Map:
		at, err := data.row(s, e, ps)
		return setHit | at, err
	}
	return setHit, nil
}

func appendKey(key []uint64, pos nft.Pos, data []byte, wide bool) ([]uint64, error) {
	if wide {
		n, err := wideNumber(pos, data)
		return append(key, n[:]...), err
	}
	n, err := number64(data)
	if err != nil {
		return nil, errorf(pos, "%v", err)
	}
	return append(key, n), nil
}

// exact fills a linear array (value, key words) or an open-addressed hash table
// of the same entries, where a value of 0 is a free slot.
func (b *block) exact(s *nft.Set, els []element) error {
	d := &b.set
	again := func(el, was element) error {
		if was.value != el.value {
			return errorf(el.pos, "element is in map %s already, with another verdict", s.Name)
		}
		return nil
	}
	w := int(d.words) + 1
	if len(els) <= linearMax {
		d.kind = setLinear
		slices.SortStableFunc(els, func(x, y element) int { return slices.Compare(x.lo, y.lo) })
		for i, el := range els {
			if i > 0 && slices.Equal(els[i-1].lo, el.lo) {
				if err := again(el, els[i-1]); err != nil {
					return err
				}
				continue
			}
			b.data = append(append(b.data, el.value), el.lo...)
		}
		return nil
	}
	d.kind = setHash
	if len(els) > 1<<26 {
		return errorf(s.Pos, "set %s is too large", s.Name)
	}
	d.slots = 1 << bits.Len(uint(len(els)*2-1)) // at most half full
	b.data = make([]uint64, int(d.slots)*w)
next:
	for _, el := range els {
		at := d.hash(el.lo) & (d.slots - 1)
		for ; b.data[int(at)*w] != 0; at = (at + 1) & (d.slots - 1) {
			if entry := b.data[int(at)*w:][:w]; slices.Equal(entry[1:], el.lo) {
				if err := again(el, element{value: entry[0]}); err != nil {
					return err
				}
				continue next
			}
		}
		b.data[int(at)*w] = el.value
		copy(b.data[int(at)*w+1:], el.lo)
	}
	return nil
}

// intervals fills three sorted arrays, first keys, last keys and values; the
// keys are one word or two.
func (b *block) intervals(s *nft.Set, els []element) error {
	d := &b.set
	d.kind = setInterval1
	if d.words == 2 {
		d.kind = setInterval2
	}
	slices.SortStableFunc(els, func(x, y element) int { return slices.Compare(x.lo, y.lo) })
	out := make([]int, 0, len(els)) // of els
	for i, el := range els {
		if slices.Compare(el.hi, el.lo) < 0 {
			return errorf(el.pos, "range ends before it begins")
		}
		if len(out) > 0 {
			if last := &els[out[len(out)-1]]; slices.Compare(el.lo, last.hi) <= 0 {
				if last.value != el.value {
					return errorf(el.pos, "element overlaps another one of map %s with another verdict", s.Name)
				}
				if slices.Compare(el.hi, last.hi) > 0 {
					last.hi = el.hi
				}
				continue
			}
		}
		out = append(out, i)
	}
	b.data = make([]uint64, 0, (2*int(d.words)+1)*len(out))
	for _, i := range out {
		b.data = append(b.data, els[i].lo...)
	}
	for _, i := range out {
		b.data = append(b.data, els[i].hi...)
	}
	for _, i := range out {
		b.data = append(b.data, els[i].value)
	}
	return nil
}

// ranges fills an array of (value, first key, last key), searched from the first
// to the last: of overlapping elements the first one written wins.
func (b *block) ranges(els []element) error {
	b.set.kind = setRanges
	for _, el := range els {
		b.data = append(b.data, el.value)
		b.data = append(b.data, el.lo...)
		b.data = append(b.data, el.hi...)
	}
	if len(els) < indexMin {
		return nil
	}
	return b.index(els)
}
