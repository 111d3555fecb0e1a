package flowtable

// Sent is by how much what the sender calls seq is moved on the wire.
func (a *SeqAdjust) Sent(seq uint32) int32 {
	if after(seq, a.Position) {
		return a.After
	}
	return a.Before
}

// Acked is by how much an acknowledgement of the receiver, who knows the moved
// numbers only, is above the sender's own.
func (a *SeqAdjust) Acked(ack uint32) int32 { return a.Sent(ack - uint32(a.Before)) }

// AdjustSeq notes that the segment at seq, as its sender numbers it, became
// delta bytes longer (nf_ct_seqadj_set). A segment that was changed before and
// is sent again changes nothing.
func (s *Shard) AdjustSeq(n uint32, dir uint8, seq uint32, delta int32) {
	if delta == 0 {
		return
	}
	both := s.SeqAdjust(n)
	if s.entries[n].Status&StatusSeqAdjust == 0 {
		*both = [2]SeqAdjust{}
		s.entries[n].setStatus(StatusSeqAdjust)
	}
	if a := &both[dir&1]; a.Before == a.After || after(seq, a.Position) {
		a.Position, a.Before, a.After = seq, a.After, a.After+delta
	}
}

// SetSeqAdjust moves all of one direction of the flow of entry n by delta, as a
// SYN proxy does (nf_ct_seqadj_init).
func (s *Shard) SetSeqAdjust(n uint32, dir uint8, delta int32) {
	if delta == 0 && s.entries[n].Status&StatusSeqAdjust == 0 {
		return
	}
	both := s.SeqAdjust(n)
	if s.entries[n].Status&StatusSeqAdjust == 0 {
		*both = [2]SeqAdjust{}
		s.entries[n].setStatus(StatusSeqAdjust)
	}
	both[dir&1] = SeqAdjust{Before: delta, After: delta}
}
