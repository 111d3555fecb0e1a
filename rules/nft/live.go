package nft

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
	if was := c.own.was[s]; was != nil && c.opt.Elements != nil {
		now = c.opt.Elements(was)
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
