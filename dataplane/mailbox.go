package dataplane

import (
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

// letter is a request of the control side to a worker, which serves it in
// slices between bursts. step returns true when it is done; what it wrote then
// belongs to the control side again.
type letter struct {
	step func(w *worker) bool
	done atomic.Bool // stored by the worker, loaded by the control side
}

// listSlice is how many entries a worker looks at for one slice of a listing.
const listSlice = 64

// listPage is how many flows a worker writes down before the control side
// takes them away.
const listPage = 64 * listSlice

// ask has the worker run step until it says true. When the workers are not
// running the caller runs it. Held: b.control.
func (b *Box) ask(w *worker, step func(w *worker) bool) {
	if !b.running {
		for !step(w) {
		}
		return
	}
	m := &letter{step: step}
	w.mail.Store(m)
	for wait := 5 * time.Microsecond; !m.done.Load(); wait = min(2*wait, time.Millisecond) {
		time.Sleep(wait)
	}
}

// Flows lists the connections of all workers, each shard in slices while
// traffic goes on: a flow that lives throughout is listed once.
func (b *Box) Flows() []flowtable.Flow {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return nil
	}
	var all []flowtable.Flow
	page := make([]flowtable.Flow, min(listPage, b.table.Count()+listSlice)) // a table that grows meanwhile takes more pages
	for _, w := range b.workers {
		var from uint32
		for more := true; more; {
			n := 0
			b.ask(w, func(w *worker) bool {
				next, k := w.shard.Flows(from, listSlice, w.tick(), page[n:n+listSlice])
				from, n = next, n+k
				return from == 0 || n+listSlice > len(page)
			})
			all = append(all, page[:n]...)
			more = from != 0
		}
	}
	return all
}

// Flush deletes every connection and returns how many there were.
func (b *Box) Flush() int {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return 0
	}
	total := 0
	for _, w := range b.workers {
		var from uint32
		b.ask(w, func(w *worker) bool {
			next, n := w.shard.Flush(from, listSlice)
			from, total = next, total+n
			return next == 0
		})
	}
	return total
}
