package control

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// watchBacklog is how many transactions may wait for one who watches.
const watchBacklog = 256

// ruleEvent is one transaction.
type ruleEvent struct {
	changes    []nft.Change
	generation uint64
	from       string
}

// watcher is one nft monitor.
type watcher struct {
	book   *Rulebook
	events chan ruleEvent
	traces chan []nft.Trace
	lost   chan struct{} // holds one: events were lost
	verb   string        // "new", "destroy" or ""
	object string        // "rules", ... or ""
}

// monitor begins to watch if a query asks for it; nil if none does. Held:
// b.change.
func (b *Rulebook) monitor(out *nft.Outcome) *watcher {
	i := slices.IndexFunc(out.Queries, func(q *nft.Query) bool { return q.Verb == "monitor" })
	if i < 0 {
		return nil
	}
	w := &watcher{book: b, events: make(chan ruleEvent, watchBacklog), traces: make(chan []nft.Trace, tracePages), lost: make(chan struct{}, 1)}
	for _, what := range out.Queries[i].Events {
		if what == "new" || what == "destroy" {
			w.verb = what
		} else {
			w.object = what
		}
	}
	if b.watchers == nil {
		b.watchers = map[*watcher]bool{}
	}
	b.watchers[w] = true
	if w.wantsTraces() {
		b.traces.join(w)
	}
	return w
}

// tell gives a transaction to all who watch. Held: b.change.
func (b *Rulebook) tell(e ruleEvent) {
	for w := range b.watchers {
		select {
		case w.events <- e:
		default:
			w.miss()
		}
	}
}

// miss notes that events were lost.
func (w *watcher) miss() {
	select {
	case w.lost <- struct{}{}:
	default:
	}
}

func (w *watcher) leave() {
	if w == nil {
		return
	}
	w.book.traces.leave(w)
	w.book.change.Lock()
	defer w.book.change.Unlock()
	delete(w.book.watchers, w)
}

// wants says whether a change is one that was asked for.
func (w *watcher) wants(c nft.Change) bool {
	gone := c.Verb == "delete"
	if w.verb == "new" && gone || w.verb == "destroy" && !gone {
		return false
	}
	switch w.object {
	case "tables":
		return c.What() == "table"
	case "chains":
		return c.What() == "chain"
	case "rules":
		return c.What() == "rule"
	case "sets":
		return c.What() == "set"
	case "elements":
		return c.What() == "element"
	case "trace":
		return false
	}
	return true
}

// whole says that nothing but `monitor` was asked for.
func (w *watcher) whole() bool { return w.verb == "" && w.object == "" }

// wantsTraces says whether traced packets are shown.
func (w *watcher) wantsTraces() bool { return w.whole() || w.verb == "" && w.object == "trace" }

// flusher is what sends on at once.
type flusher interface{ Flush() error }

// follow writes what happens until ctx ends or the reader has gone. Rules that held
// for a traced packet are shown as they were listed when it began.
func (w *watcher) follow(ctx context.Context, to io.Writer, show, listed nft.PrintOptions) {
	if w == nil {
		return
	}
	for {
		if f, ok := to.(flusher); ok && f.Flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-w.lost:
			fmt.Fprintln(to, "# ERROR: events were lost: they came faster than they were read")
		case page := <-w.traces:
			for i := range page {
				_ = nft.FprintTrace(to, &page[i], listed)
			}
		case e := <-w.events:
			var seen []nft.Change
			for _, c := range e.changes {
				if w.wants(c) {
					seen = append(seen, c)
				}
			}
			_ = nft.FprintChanges(to, seen, show) // Flush tells of a reader that has gone
			if !show.JSON && w.whole() {
				_ = nft.FprintGeneration(to, e.generation, e.from)
			}
		}
	}
}
