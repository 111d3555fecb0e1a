package flowtable

import "sync/atomic"

// doomSlots is how many flows may wait for their workers to end them.
const doomSlots = 64

// doomed are flows that a worker wants to end though another one owns them: a
// helper's tunnels. A slot is a word, which says whose it is, and the tuple behind
// it; whoever turns the word from free to writing fills the slot, and its owner
// alone frees it again.
//
//	63      16 15   8 7     0
//	| -       | owner | phase |
type doomed struct {
	waiting atomic.Int32 // slots that are not free; read by every Expire
	slots   [doomSlots]struct {
		word  atomic.Uint64
		tuple [5]atomic.Uint64
	}
}

const (
	doomWriting = 1
	doomPosted  = 2
)

// End ends the confirmed flow of any worker that has tu as one of its tuples: at
// once if it is this worker's, else with the next Expire of its own. When too many
// wait it lives on until its time is over.
func (s *Shard) End(tu *Tuple) {
	hash := s.table.Hash(tu)
	if n, _ := s.find(tu, spread(tu, hash)); n != 0 {
		s.Delete(n)
		return
	}
	if s.alone {
		return
	}
	owner, ok := s.table.dir.lookup(hash, s.table.fingerprint(tu))
	if !ok {
		owner = uint16(s.table.Owner(hash))
	}
	d := &s.table.doomed
	for i := range d.slots {
		at := &d.slots[i]
		if owner == s.me || !at.word.CompareAndSwap(0, doomWriting) {
			continue
		}
		for k, w := range words(tu) {
			at.tuple[k].Store(w)
		}
		d.waiting.Add(1)
		at.word.Store(uint64(owner)<<8 | doomPosted)
		return
	}
}

// endDoomed ends what other workers want to end of this shard's.
func (s *Shard) endDoomed() {
	d := &s.table.doomed
	for i := range d.slots {
		at := &d.slots[i]
		if at.word.Load() != uint64(s.me)<<8|doomPosted {
			continue
		}
		var tu Tuple
		for k := range at.tuple {
			words(&tu)[k] = at.tuple[k].Load()
		}
		at.word.Store(0)
		d.waiting.Add(-1)
		if n, _ := s.find(&tu, s.key(&tu)); n != 0 {
			s.Delete(n)
		}
	}
}
