package nft

import "math"

// LiveEdit is what a text does to the elements of a set that packets change too:
// what is there when it is carried out is known to the workers, not to the tree.
type LiveEdit struct {
	Flush bool       // first of all elements go
	Gone  []*Element // then these, by key
	Fresh []*Element // then these come; of one that is there the time begins anew
}

// liveSet is such a set while commands change it.
type liveSet struct {
	have map[string]*Element // by keyText, with what the commands have done so far
	edit *LiveEdit
}

// live returns what is known of a set that packets change, nil for others. s is the
// commands' own.
func (c *checker) live(s *Set) *liveSet {
	if l, ok := c.lives[s]; ok {
		return l
	}
	var now []*Element
	if was := c.own.was[s]; was != nil && c.opt.Elements != nil && (s.Flags&SetTimeout != 0 || !s.Given()) {
		now = c.opt.Elements(was)
	}
	if s.Given() {
		c.lives[s] = nil
		if was := c.own.was[s]; was != nil && (s.Flags&SetTimeout != 0 || len(s.Stmts) > 0) {
			s.Live = &LiveEdit{}
			c.given = append(c.given, s)
			s.bury(now)
		}
		return nil
	}
	if now == nil {
		c.lives[s] = nil
		return nil
	}
	l := &liveSet{map[string]*Element{}, &LiveEdit{}}
	for _, e := range now {
		l.have[e.keyText()] = e
	}
	c.lives[s], s.Live = l, l.edit
	return l
}

// bury takes away from a set that only texts change the elements whose time is over:
// those that are not among the living, which are in the same order; nil: nobody knows.
func (s *Set) bury(living []*Element) {
	if living == nil || len(living) == s.Elements.Len() {
		return
	}
	same := func(a, b *Element) bool {
		return a.Any && b.Any || len(a.Key) > 0 && len(b.Key) > 0 && &a.Key[0] == &b.Key[0]
	}
	left := make([]*Element, 0, len(living))
	for e := range s.Elements.All() {
		if n := len(left); n < len(living) && same(e, living[n]) {
			left = append(left, e)
		} else {
			s.Live.Gone = append(s.Live.Gone, e)
		}
	}
	s.Elements = ElementsOf(left...)
}

// renew takes new elements that a set given by texts has already, whose time begins
// anew, out of those that are to be settled. What their statements remember stays,
// but where elements merge: there nft deletes the old one first.
func (s *Set) renew(fresh []*Element) []*Element {
	merge := s.Flags&SetAutoMerge != 0
	if !s.Given() || s.Flags&SetTimeout == 0 && (!merge || len(s.Stmts) == 0) {
		return fresh
	}
	left := fresh[:0:0]
	for _, e := range fresh {
		i := s.index(e)
		if i < 0 || !sameData(s.Elements.At(i), e) {
			left = append(left, e)
			continue
		}
		again, old := *e, s.Elements.At(i)
		switch {
		case !merge:
			again = *old
			again.Timeout, again.Expires = e.Timeout, e.Expires
		case s.Live != nil:
			s.Live.Gone = append(s.Live.Gone, old)
		}
		again.at, e.at = nil, nil
		s.Elements = s.Elements.replace(i, i+1, []*Element{&again})
	}
	return left
}

// noteGiven says of sets given by texts what the commands have done to them.
func (c *checker) noteGiven() {
	for _, s := range c.given {
		gone, fresh, _ := s.Elements.Diff(c.own.was[s].Elements, math.MaxInt)
		again := make(map[string]bool, len(fresh))
		for _, e := range fresh {
			again[e.keyText()] = true
		}
		for _, e := range gone {
			if !again[e.keyText()] { // else it was deleted before, or its time begins anew
				s.Live.Gone = append(s.Live.Gone, e)
			}
		}
		s.Live.Fresh = fresh
	}
}

// add takes over new elements.
func (l *liveSet) add(c *checker, s *Set, fresh []*Element, create bool) {
	for _, e := range fresh {
		key := e.keyText()
		old := l.have[key]
		switch {
		case old != nil && (create || !sameData(old, e)):
			c.report(keyOf(e.at), "Could not process rule: File exists")
		case old == nil && s.SizeGiven > 0 && len(l.have) >= int(s.SizeGiven):
			c.report(keyOf(e.at), "Could not process rule: Too many open files in system")
		}
		if old == nil { // but perhaps one whose time is over
			l.edit.Gone = append(l.edit.Gone, e)
		}
		l.have[key] = e
		l.edit.Fresh = append(l.edit.Fresh, e)
	}
}

// remove takes an element away and says whether it was there.
func (l *liveSet) remove(e *Element) bool {
	key := e.keyText()
	if l.have[key] == nil {
		return false
	}
	delete(l.have, key)
	fresh := l.edit.Fresh[:0]
	for _, o := range l.edit.Fresh {
		if o.keyText() != key {
			fresh = append(fresh, o)
		}
	}
	l.edit.Fresh, l.edit.Gone = fresh, append(l.edit.Gone, e)
	return true
}

// flush takes all elements away, and returns them.
func (l *liveSet) flush(s *Set) (gone []*Element) {
	for _, e := range l.have {
		gone = append(gone, e)
	}
	SortElements(s, gone)
	clear(l.have)
	*l.edit = LiveEdit{Flush: true}
	return gone
}
