package rules

import (
	"math"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// What has become of a large set since its entries were laid down. Most sets have
// elements that do not overlap: there every edit is painted over those before, as
// ranges of keys that have a value or have gone, and the small set is asked first.
// Boxes, the elements of concatenated intervals, may overlap, and the oldest one that
// has a key counts: there the entries are asked first, but for those that have gone,
// and then the boxes that came, which all stand behind them.

// changed is what a set has become.
type changed struct {
	els   nft.Elements // all of them now
	list  []element    // what was painted, in the order of keys; boxes that came, in theirs
	gone  []uint64     // numbers of boxes that have gone, ascending
	rows  []uint64     // data of list
	laid  int          // elements whose data were added to rows
	block *block       // the small set; nil: there is nothing to say
}

// boxChange is bulkChange for boxes, of which the small set has an index too.
const boxChange = 256

// follow makes of the block of an earlier set the one of what it has become; nil: too
// much has changed. look is how many elements it may look at for that.
func (b *block) follow(s *nft.Set, ix *index, pool Pool, look int) (*block, error) {
	if b.bulk == nil {
		return nil, nil
	}
	if later := b.bulk.next.Load(); later != nil { // much may have changed meanwhile, and it pays
		if n, err := later.follow(s, ix, pool, math.MaxInt); n != nil || err != nil {
			return n, err
		}
	}
	limit := min(bulkChange, b.bulk.els.Len()/4)
	if b.set.kind == setIndexed {
		limit = boxChange
	}
	gone, fresh, ok := s.Elements.Diff(b.now.els, look)
	if !ok || len(gone)+len(fresh) > bulkWait*limit || slices.ContainsFunc(gone, apart) || slices.ContainsFunc(fresh, apart) {
		return nil, nil
	}
	n := &block{set: b.set, bulk: b.bulk, now: b.now}
	n.now.els = s.Elements
	if b.set.kind == setIndexed {
		if gone, fresh = changedBoxes(gone, fresh); !last(s, fresh) {
			return nil, nil
		}
	}
	data := rows{words: slices.Clip(b.now.rows), objects: slices.Clip(b.objects.names)}
	came, err := n.read(s, ix, fresh, &data)
	if err != nil {
		return nil, err
	}
	went, err := n.read(&nft.Set{Pos: s.Pos, Key: s.Key, KeyExprs: s.KeyExprs}, ix, gone, &rows{})
	if err != nil {
		return nil, err
	}
	if n.set.kind == setIndexed {
		ok = n.exchange(went, came)
	} else {
		ok = n.paintAll(went, came)
	}
	if n.now.rows = data.words; len(data.words) > 0 {
		n.now.laid += len(fresh)
	}
	changes := max(len(n.now.list)+len(n.now.gone), n.now.laid)
	if !ok || changes > bulkWait*limit || changes > limit && !b.bulk.renew(s, ix, pool) {
		return nil, nil
	}
	if s.HoldsObjects {
		if n.objects, err = ix.objectsOf(s, data.objects); err != nil {
			return nil, err
		}
	}
	return n, n.overlay(s)
}

// apart says whether an element is laid down with all others only: the catch-all, and
// those by names, which may stand for the same key as another one.
func apart(e *nft.Element) bool {
	return e.Any || slices.ContainsFunc(e.Key, func(k nft.KeyPart) bool { return k.Name != "" })
}

// read reads elements of a set, or of one that was like it.
func (b *block) read(s *nft.Set, ix *index, list []*nft.Element, data *rows) ([]element, error) {
	if len(list) == 0 {
		return nil, nil
	}
	of := *s
	of.Elements = nft.ElementsOf(list...)
	d := setDesc{words: b.set.words, parts: b.set.parts, wide: b.set.wide}
	els, _, err := elements(&of, &d, data, &index{setOf: map[*nft.Set]setUse{&of: ix.setOf[s]}}, ix.ports)
	return els, err
}

// paintAll paints what went, and then what came. False: that cannot be said by ranges.
func (b *block) paintAll(went, came []element) bool {
	list := make([]element, len(b.now.list), len(b.now.list)+2*len(went)+2*len(came))
	copy(list, b.now.list)
	for i := range went {
		went[i].value = setGone
		list = paint(list, went[i])
	}
	for _, el := range came {
		if b.set.parts > 1 && !slices.Equal(el.lo, el.hi) {
			return false
		}
		list = paint(list, el)
	}
	b.now.list = list
	return true
}

// paint puts a range over those of a list, which do not overlap and are in order. Keys
// of several parts are whole or not there.
func paint(list []element, el element) []element {
	// The first one that does not end before it.
	from, _ := slices.BinarySearchFunc(list, el.lo, func(o element, lo []uint64) int { return slices.Compare(o.hi, lo) })
	to := from
	for to < len(list) && slices.Compare(list[to].lo, el.hi) <= 0 {
		to++
	}
	var memory [3]element
	put := memory[:0]
	if from < to {
		if o := list[from]; slices.Compare(o.lo, el.lo) < 0 {
			o.hi = beside(el.lo, -1)
			put = append(put, o)
		}
	}
	put = append(put, el)
	if from < to {
		if o := list[to-1]; slices.Compare(el.hi, o.hi) < 0 {
			o.lo = beside(el.hi, 1)
			put = append(put, o)
		}
	}
	return slices.Replace(list, from, to, put...)
}

// beside returns the number one before or one behind another of one or two words.
func beside(n []uint64, step int64) []uint64 {
	out := slices.Clone(n)
	for i := len(out) - 1; i >= 0; i-- {
		out[i] += uint64(step)
		if step > 0 && out[i] != 0 || step < 0 && n[i] != 0 {
			break
		}
	}
	return out
}

// changedBoxes leaves out elements that have only been given another time, in their
// place: that is their nodes' business.
func changedBoxes(gone, fresh []*nft.Element) (left, came []*nft.Element) {
	again := map[*nft.KeyPart]bool{}
	for _, e := range gone {
		again[&e.Key[0]] = true
	}
	both := map[*nft.KeyPart]bool{}
	for _, e := range fresh {
		if both[&e.Key[0]] = again[&e.Key[0]]; !both[&e.Key[0]] {
			came = append(came, e)
		}
	}
	for _, e := range gone {
		if !both[&e.Key[0]] {
			left = append(left, e)
		}
	}
	return left, came
}

// last says whether new elements stand behind all others but the catch-all.
func last(s *nft.Set, fresh []*nft.Element) bool {
	n := s.Elements.Len()
	if n > 0 && s.Elements.At(n-1).Any {
		n--
	}
	for i := range fresh {
		if s.Elements.At(n-len(fresh)+i) != fresh[i] {
			return false
		}
	}
	return true
}

// exchange notes boxes that went and came. False: one is not there.
func (b *block) exchange(went, came []element) bool {
	b.now.list, b.now.gone = slices.Clone(b.now.list), slices.Clone(b.now.gone)
	for _, el := range went {
		same := func(o element) bool { return slices.Equal(o.lo, el.lo) && slices.Equal(o.hi, el.hi) }
		if i := slices.IndexFunc(b.now.list, same); i >= 0 {
			b.now.list = slices.Delete(b.now.list, i, i+1)
			continue
		}
		at, ok := b.entry(&el)
		if !ok {
			return false
		}
		i, _ := slices.BinarySearch(b.now.gone, at)
		b.now.gone = slices.Insert(b.now.gone, i, at)
	}
	b.now.list = append(b.now.list, came...)
	return true
}

// entry finds the number of a box among the entries, but for those that have gone.
func (b *block) entry(el *element) (uint64, bool) {
	const tries = 64 // boxes that overlap
	w := int(b.set.words)
	size := 2*w + 1
	entries, index := b.bulk.words[:int(b.set.n)*size], b.bulk.words[int(b.set.n)*size:][:b.set.slots]
	others := slices.Clone(b.now.gone)
	for range tries {
		value, at := indexed(entries, index, el.lo, b.set.wide, others)
		if value == 0 {
			return 0, false
		}
		if e := entries[at*size:][:size]; slices.Equal(e[1:1+w], el.lo) && slices.Equal(e[1+w:], el.hi) {
			return uint64(at), true
		}
		i, _ := slices.BinarySearch(others, uint64(at))
		others = slices.Insert(others, i, uint64(at))
	}
	return 0, false
}

// overlay makes the small set of a block.
func (b *block) overlay(s *nft.Set) error {
	b.now.block = nil
	if len(b.now.list)+len(b.now.gone) == 0 {
		return nil
	}
	o := &block{set: setDesc{words: b.set.words, parts: b.set.parts, wide: b.set.wide}, objects: b.objects}
	exact := !slices.ContainsFunc(b.now.list, func(el element) bool { return !slices.Equal(el.lo, el.hi) })
	if b.set.kind == setIndexed {
		exact = false
	}
	if err := o.fill(s, b.now.list, exact, &rows{words: b.now.rows}); err != nil {
		return err
	}
	if b.set.kind == setIndexed {
		n := len(b.now.gone)
		o.data, o.set.off = slices.Concat(b.now.gone, []uint64{uint64(n)}, o.data), uint32(n+1)
	}
	b.now.block = o
	return nil
}

// goneBefore returns the numbers of boxes that have gone, which a small set has in
// front of its entries, and how many they are.
func (im *Image) goneBefore(small *setDesc) []uint64 {
	at := uint64(small.off) - 1
	if at >= uint64(len(im.data)) || im.data[at] > at {
		return nil
	}
	return im.data[at-im.data[at] : at]
}
