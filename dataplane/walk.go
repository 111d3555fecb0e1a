package dataplane

import "github.com/sluice-net/sluice/flowtable"

// EachFlow lists the connections of all workers page by page: see gets up to
// some thousands of one worker at a time, in a slice that is used again. Between
// pages nothing is held up, so see may take its time. The counters of flows that
// zero means are set to 0 as they are read; the flow's worker calls it, nil means
// none. An error of see ends the listing and is returned.
func (b *Box) EachFlow(zero func(*flowtable.Flow) bool, see func(page []flowtable.Flow) error) error {
	page := make([]flowtable.Flow, listPage)
	for _, w := range b.workers {
		var from uint32
		for more := true; more; {
			n := 0
			err := b.tell(w, func(w *worker) bool {
				next, k := w.shard.Flows(from, listSlice, w.tick(), page[n:n+listSlice])
				for i := n; zero != nil && i < n+k; i++ {
					if zero(&page[i]) {
						w.shard.ZeroCounters(page[i].Entry)
					}
				}
				from, n = next, n+k
				return from == 0 || n+listSlice > len(page)
			})
			if err != nil {
				return err
			}
			if err := see(page[:n]); err != nil {
				return err
			}
			more = from != 0
		}
	}
	return nil
}

// tell is ask for those who do not hold the control side.
func (b *Box) tell(w *worker, step func(w *worker) bool) error {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.ask(w, step)
	return nil
}

// Expectations returns what the helpers expect now; each with what is left of
// its time as Timeout.
func (b *Box) Expectations() []flowtable.Expectation {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed || len(b.workers) == 0 {
		return nil
	}
	var now uint32
	b.ask(b.workers[0], func(w *worker) bool { now = w.tick(); return true })
	var all []flowtable.Expectation
	page := make([]flowtable.Expectation, listSlice)
	for from := 0; ; {
		next, n := b.table.Expectations(from, now, page)
		for i := range page[:n] {
			page[i].Timeout = (page[i].Expires - now) / 1000
		}
		all = append(all, page[:n]...)
		if from = next; from == 0 {
			return all
		}
	}
}

// HelperName returns the name of a helper by its number; "" for 0.
func (b *Box) HelperName(number uint8) string { return b.table.HelperName(number) }

// ConntrackConfig returns the settings of connection tracking.
func (b *Box) ConntrackConfig() flowtable.Config { return b.cfg.Conntrack }

// Listen says which kinds of events somebody wants, 0: none. Workers learn of it
// within a round. It takes effect for connections that begin after it, unless
// the setting is to have events always.
func (b *Box) Listen(kinds flowtable.EventMask) {
	b.control.Lock()
	defer b.control.Unlock()
	if !b.closed {
		b.table.Listen(kinds)
	}
}

// ReadEvents takes events that wait, those of each worker in order, and returns
// how many.
func (b *Box) ReadEvents(out []flowtable.Event) int {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return 0
	}
	return b.table.ReadEvents(out)
}

// EventsLost returns how many events nobody read in time.
func (b *Box) EventsLost() uint64 {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return 0
	}
	return b.table.EventsLost()
}
