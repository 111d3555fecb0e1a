package nft

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// keyOrder finds elements of a set whose list is not in the order of keys. It is made
// when a command asks for it, follows the list from then on, and goes from a set to its
// copies.
type keyOrder struct {
	of   Elements // the list that it is of
	list Elements // the same in the order of keys, without the catch-all element
}

// find returns the element of a set with the key of another one, nil: there is none.
// The set is the commands' own, and no element is a catch-all.
func (s *Set) find(e *Element) *Element {
	s.followKeys()
	l := &s.byKey.list
	if i := l.search(func(o *Element) bool { return wholeKeys(o, e) >= 0 }); i < l.Len() && wholeKeys(l.At(i), e) == 0 {
		return l.At(i)
	}
	return nil
}

// followKeys brings the order to what the set has now.
func (s *Set) followKeys() {
	k := &s.byKey
	gone, fresh, ok := s.Elements.Diff(k.of, math.MaxInt)
	if !ok || 16*(len(gone)+len(fresh)) > s.Elements.Len() {
		all := s.Elements.List()[:s.plain()]
		s.sortBy(all, wholeKeys)
		k.list = ElementsOf(all...)
	} else {
		place := func(e *Element) int {
			return k.list.search(func(o *Element) bool { return wholeKeys(o, e) >= 0 })
		}
		out := make(map[int]bool, len(gone))
		for _, e := range gone {
			if !e.Any {
				out[place(e)] = true
			}
		}
		k.list = k.list.without(out)
		fresh = slices.DeleteFunc(slices.Clone(fresh), func(e *Element) bool { return e.Any })
		slices.SortFunc(fresh, wholeKeys)
		come := make([]exchange, len(fresh))
		for i, e := range fresh {
			at := place(e)
			come[i] = exchange{at, at, []*Element{e}}
		}
		k.list = k.list.replaceAll(come)
	}
	k.of = s.Elements
}

// wholeKeys compares first and last keys of elements; 0 are those of the same key.
func wholeKeys(a, b *Element) int {
	order := compareKeys(a, b)
	for i := range a.Key {
		order = cmp.Or(order, bytes.Compare(a.Key[i].Hi, b.Key[i].Hi))
	}
	return order
}
