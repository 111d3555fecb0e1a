package dataplane

import (
	"cmp"
	"slices"
)

// Blocker is a rule that kept packets from having a plan, because what it asked
// may differ between packets of one flow.
type Blocker struct {
	Rule    uint32 // id in the ruleset in force
	Packets uint64
}

// maxBlockers is how many such rules are remembered of one generation.
const maxBlockers = 16

func (t *tables) blame(rule uint32) {
	for i := range t.blocked {
		if b := &t.blocked[i]; b.Packets == 0 || b.Rule == rule {
			b.Rule = rule
			b.Packets++
			return
		}
	}
}

// PlanBlockers returns the rules in force that kept packets from having plans
// since the rules or routes last changed, summed over the workers.
func (b *Box) PlanBlockers() []Blocker {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return nil
	}
	var all []Blocker
	for _, w := range b.workers {
		var seen [maxBlockers]Blocker
		b.ask(w, func(w *worker) bool {
			seen = w.next.Load().blocked
			return true
		})
		for _, s := range seen {
			if s.Packets == 0 {
				break
			}
			i := slices.IndexFunc(all, func(a Blocker) bool { return a.Rule == s.Rule })
			if i < 0 {
				all = append(all, s)
			} else {
				all[i].Packets += s.Packets
			}
		}
	}
	slices.SortFunc(all, func(a, b Blocker) int { return cmp.Compare(b.Packets, a.Packets) })
	return all
}
