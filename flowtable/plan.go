package flowtable

// Seen reports whether every packet of the flow has to be looked at, because of
// a helper or of lengths that one changed: such flows have no plans.
func (e *Entry) Seen() bool {
	return e.Status&(StatusSeqAdjust|StatusSynproxy) != 0 || e.flags&flagHelper != 0
}

// Quiet reports that a packet of the flow leaves without further ado: the flow
// is confirmed, and not one that Seen is about.
func (e *Entry) Quiet() bool {
	return e.Status&(StatusConfirmed|StatusSeqAdjust|StatusSynproxy) == StatusConfirmed && e.flags&flagHelper == 0
}

// ForgetPlans clears Plan in up to max entries from number from on (0 begins)
// and returns the number to go on with, 0 at the end. The owner calls it, in
// slices between bursts.
func (s *Shard) ForgetPlans(from uint32, max int) (next uint32) {
	i := from
	if i == 0 {
		i = 1
	}
	for ; i <= s.high && max > 0; i, max = i+1, max-1 {
		s.entries[i].forget()
	}
	if i > s.high {
		return 0
	}
	return i
}
