package flowtable

// setStatus adds status bits.
func (e *Entry) setStatus(bits uint32) {
	if e.Status&bits != bits {
		e.Status |= bits
		e.forget()
	}
}

// forget drops what was decided about a flow from its status, mark, labels,
// helper or zone. Whoever changes one of those calls it.
func (e *Entry) forget() { e.Plan = [2]uint32{} }

// SetMark gives the flow of entry n, confirmed or not, another mark, and with
// it the children that it announced.
func (s *Shard) SetMark(n, mark uint32) {
	e := &s.entries[n]
	if e.Mark == mark {
		return
	}
	e.Mark = mark
	e.forget()
	if e.flags&flagExpects != 0 {
		s.markExpectations(n, mark)
	}
}

// Extend gives the flow of entry n, confirmed or not, so many seconds from now,
// unless its timeout is fixed (nf_ct_refresh).
func (s *Shard) Extend(n, seconds, now uint32) {
	e := &s.entries[n]
	switch {
	case e.Status&StatusFixedTimeout != 0:
	case e.Status&StatusConfirmed != 0:
		e.Expires = now + seconds*1000
	default:
		e.Expires = seconds * 1000
	}
	if s.members != 0 {
		s.tell(n)
	}
}

// ID returns what the conntrack tool shows as id: a keyed hash that stays the
// same for the life of a flow.
func (s *Shard) ID(n uint32) uint32 {
	return uint32(fold(s.table.fingerprint(&s.entries[n].Tuple)^uint64(n)<<9^uint64(s.me)<<40, s.table.keys.last) >> 32)
}
