package flowtable

// ReplyTuple returns what answers to the flow of entry n look like on the wire.
func (s *Shard) ReplyTuple(n uint32) Tuple {
	if s.entries[n].flags&(flagMoved|flagUnclaimed) != 0 {
		return s.nat[n].Reply
	}
	tu, _ := Invert(&s.entries[n].Tuple) // Track made no entry without an inverse
	return tu
}

// ReplyTaken reports whether a flow other than that of entry n already uses
// reply, counting such a meeting as `found`. A flow with the same original
// tuple does not count. It sees the flows of this shard, and those that other
// shards list in the directory: all that began while SetNAT was on.
func (s *Shard) ReplyTaken(n uint32, reply *Tuple) bool {
	if s.taken(n, reply, s.table.Hash(reply)) {
		s.stats.Found++
		return true
	}
	return false
}

func (s *Shard) taken(n uint32, reply *Tuple, hash uint64) bool {
	e := &s.entries[n]
	if o, _ := s.find(reply, spread(reply, hash)); o != 0 && o != n {
		return !same(&s.entries[o].Tuple, &e.Tuple)
	}
	if e.flags&flagMoved != 0 && same(&s.nat[n].Reply, reply) {
		return false // the claim in the directory is its own
	}
	_, claimed := s.table.dir.lookup(hash, s.table.fingerprint(reply))
	return claimed
}

// ClaimReply makes reply the reply tuple of the unconfirmed entry n. Unless it
// is the inverse of the original tuple it is claimed in the directory, so that
// no two workers ever give out the same one; an earlier claim is released.
// False: taken, confirmed, or no room in the directory; nothing changed.
func (s *Shard) ClaimReply(n uint32, reply *Tuple) bool {
	e := &s.entries[n]
	if e.Status&(StatusConfirmed|StatusDying) != 0 {
		return false
	}
	if e.flags&flagMoved != 0 && same(&s.nat[n].Reply, reply) {
		return true
	}
	hash := s.table.Hash(reply)
	if s.taken(n, reply, hash) {
		s.stats.Reasons[ReasonReplyTaken]++
		return false
	}
	if inverse(&e.Tuple, reply) {
		s.releaseClaim(n)
		s.nat[n].Reply = *reply // NAT there and back: who has a NAT status looks here
		e.flags &^= flagMoved | flagUnclaimed
		return true
	}
	switch s.table.dir.claim(hash, s.table.fingerprint(reply), s.me) {
	case claimLost:
		s.stats.Reasons[ReasonReplyTaken]++
		return false
	case claimFull:
		s.stats.Reasons[ReasonDirectoryFull]++
		return false
	}
	s.releaseClaim(n)
	s.nat[n].Reply, s.nat[n].kept = *reply, false
	e.flags = e.flags&^flagUnclaimed | flagMoved
	return true
}

// ProposeReply makes reply, which ClaimReply could not get, the reply tuple of the
// unconfirmed entry n nevertheless: its packets are translated so, and Confirm
// will try once more to claim it.
func (s *Shard) ProposeReply(n uint32, reply *Tuple) {
	e := &s.entries[n]
	if e.Status&(StatusConfirmed|StatusDying) != 0 {
		return
	}
	s.releaseClaim(n)
	s.nat[n].Reply = *reply
	e.flags = e.flags&^flagMoved | flagUnclaimed
}

// releaseClaim gives up the claim of entry n, if it has one. The reply tuple
// stays readable for the packet that ended the flow.
func (s *Shard) releaseClaim(n uint32) {
	e := &s.entries[n]
	if e.flags&flagMoved == 0 {
		return
	}
	s.forgetSource(n)
	reply := &s.nat[n].Reply
	s.table.dir.release(s.table.Hash(reply), s.table.fingerprint(reply), s.me)
}

// Abandon frees the unconfirmed entry n and its claim: its packet was dropped.
// It does nothing for 0 and for a confirmed entry.
func (s *Shard) Abandon(n uint32) {
	e := &s.entries[n]
	if n == 0 || e.Status&(StatusConfirmed|StatusDying) != 0 {
		return
	}
	s.releaseClaim(n)
	s.end(n, e)
}

// Confirm enters the flow of an original packet into the index after the
// packet passed every hook (__nf_conntrack_confirm). It does nothing and says
// true for any other packet and for a flow that is in it already. False: drop
// the packet; the entry is gone and p.Reason says why.
//
// Two first packets of one flow can meet here only if the caller does not take
// each packet to completion; see clash.
func (s *Shard) Confirm(p *Probe, now uint32) bool {
	n := p.Entry
	if n == 0 || p.Dir != Original {
		return true
	}
	e := &s.entries[n]
	if e.Status&StatusConfirmed != 0 {
		return true
	}
	if e.Status&StatusDying != 0 {
		return s.refuse(p, ReasonDying)
	}
	if e.flags&flagUnclaimed != 0 {
		reply := s.nat[n].Reply
		if !s.ClaimReply(n, &reply) {
			s.stats.Drop++
			return s.refuse(p, ReasonNoPort)
		}
	}
	moved := e.flags&flagMoved != 0
	key := s.key(&e.Tuple)
	other, _ := s.find(&e.Tuple, key)
	var replyKey uint64
	if moved {
		replyKey = s.key(&s.nat[n].Reply)
		if other == 0 {
			other, _ = s.find(&s.nat[n].Reply, replyKey)
		}
	} else if other == 0 {
		if inv, ok := Invert(&e.Tuple); ok { // a NATed flow's slot for it has the same key
			other, _ = s.find(&inv, key)
		}
	}
	if other != 0 {
		if s.entries[other].expired(now) {
			s.reap(other)
			return s.Confirm(p, now) // at most two others can stand in the way
		}
		return s.clash(p, n, other, now)
	}
	if r := s.file(n, key, replyKey, now); r != ReasonNone {
		if r == ReasonIndexFull {
			s.stats.ChainTooLong++
		} else {
			s.stats.Drop++
		}
		return s.refuse(p, r)
	}
	return true
}

// file enters entry n into the index and, while NAT is on, into the directory,
// and makes it a confirmed flow. When it says why it cannot nothing has
// changed. replyKey counts only if the reply tuple was moved.
func (s *Shard) file(n uint32, key, replyKey uint64, now uint32) Reason {
	if s.answersItself(n) {
		return s.fileSelf(n, key, now)
	}
	moved := s.entries[n].flags&flagMoved != 0
	if !s.index.insert(key, n, false) {
		return ReasonIndexFull
	}
	if moved && !s.index.insert(replyKey, n, true) {
		s.index.remove(key, n, false)
		return ReasonIndexFull
	}
	if s.table.nat.Load() && !s.alone && !s.list(n) {
		s.index.remove(key, n, false)
		if moved {
			s.index.remove(replyKey, n, true)
		}
		return ReasonReplyTaken
	}
	s.settle(n, now)
	return ReasonNone
}

func (s *Shard) answersItself(n uint32) bool {
	e := &s.entries[n]
	if e.flags&flagMoved != 0 {
		return same(&e.Tuple, &s.nat[n].Reply)
	}
	return inverse(&e.Tuple, &e.Tuple)
}

// fileSelf is file for a flow whose packets look the same both ways. Linux enters
// the reply tuple last, before the other one in the same chain, so that every later
// packet is an answer: here the flow has one slot, that of its answers.
func (s *Shard) fileSelf(n uint32, key uint64, now uint32) Reason {
	e := &s.entries[n]
	if !s.index.insert(key, n, true) {
		return ReasonIndexFull
	}
	if s.table.nat.Load() && !s.alone && e.flags&flagMoved == 0 && !s.list(n) {
		s.index.remove(key, n, true)
		return ReasonReplyTaken
	}
	s.nat[n].Reply = e.Tuple
	e.setStatus(StatusSelf)
	s.settle(n, now)
	return ReasonNone
}

// settle makes an entry that is in the index a confirmed flow.
func (s *Shard) settle(n, now uint32) {
	e := &s.entries[n]
	e.Expires += now
	e.setStatus(StatusConfirmed)
	if s.cold.stamps != nil {
		s.cold.stamps[n] = Timestamps{Start: s.nanos}
	}
	if e.flags&flagExpects != 0 {
		s.armExpectations(n)
	}
	if s.members != 0 {
		s.tell(n)
	}
}

// list enters the tuples of flow n in the directory that are not there as a
// claim, for the NAT of other workers to keep away from. False: one of them was
// claimed a moment ago.
func (s *Shard) list(n uint32) bool {
	e := &s.entries[n]
	hash := s.table.Hash(&e.Tuple)
	if s.table.dir.claim(hash, s.table.fingerprint(&e.Tuple), s.me) == claimLost {
		return false
	}
	e.flags |= flagListed
	if e.flags&flagMoved != 0 {
		return true
	}
	inv, ok := Invert(&e.Tuple)
	if !ok || inv == e.Tuple || s.table.dir.claim(hash, s.table.fingerprint(&inv), s.me) != claimLost {
		return true
	}
	s.table.dir.release(hash, s.table.fingerprint(&e.Tuple), s.me)
	e.flags &^= flagListed
	return false
}

// unlist takes out what list entered.
func (s *Shard) unlist(e *Entry) {
	if e.flags&flagListed == 0 {
		return
	}
	e.flags &^= flagListed
	hash := s.table.Hash(&e.Tuple)
	s.table.dir.release(hash, s.table.fingerprint(&e.Tuple), s.me)
	if inv, ok := Invert(&e.Tuple); ok && e.flags&flagMoved == 0 && inv != e.Tuple {
		s.table.dir.release(hash, s.table.fingerprint(&inv), s.me)
	}
}

// clash resolves the meeting of entry n with the confirmed flow other, if the
// protocol allows it (nf_ct_resolve_clash). The packet joins the other flow,
// unless NAT gave them different answers; then, if the answers are free, the
// entry is filed under those alone and lives one second.
func (s *Shard) clash(p *Probe, n, other, now uint32) bool {
	e, w := &s.entries[n], &s.entries[other]
	if s.table.tracker(&e.Tuple).AllowClash {
		a, b := s.ReplyTuple(n), s.ReplyTuple(other)
		if w.Status&StatusNATDoneMask == 0 && w.flags&flagMoved == 0 || same(&w.Tuple, &e.Tuple) && same(&a, &b) {
			for d := range 2 {
				w.Packets[d] += e.Packets[d]
				w.Bytes[d] += e.Bytes[d]
			}
			s.Abandon(n)
			p.Entry = other
			s.stats.ClashResolve++
			return true
		}
		if s.fileReply(n, &a) {
			e.setStatus(StatusFixedTimeout | StatusNATClash)
			e.Expires = 1000
			s.settle(n, now)
			s.stats.ClashResolve++
			return true
		}
	}
	s.stats.Drop++
	return s.refuse(p, ReasonClash)
}

// fileReply enters entry n into the index under its reply tuple alone.
func (s *Shard) fileReply(n uint32, reply *Tuple) bool {
	e := &s.entries[n]
	hash := s.table.Hash(reply)
	key := spread(reply, hash)
	if o, _ := s.find(reply, key); o != 0 {
		return false
	}
	if e.flags&flagMoved == 0 {
		if s.table.dir.claim(hash, s.table.fingerprint(reply), s.me) != claimHeld {
			return false
		}
		s.nat[n].Reply, s.nat[n].kept = *reply, false
		e.flags |= flagMoved
	}
	return s.index.insert(key, n, true)
}

// refuse drops the packet and the unconfirmed entry with it.
func (s *Shard) refuse(p *Probe, r Reason) bool {
	s.Abandon(p.Entry)
	s.stats.Reasons[r]++
	if r != ReasonIndexFull {
		s.stats.InsertFailed++
	}
	p.Reason, p.Entry = r, 0
	return false
}
