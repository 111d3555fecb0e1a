package control

import (
	"sync"
	"time"

	"github.com/sluice-net/sluice/dataplane"
)

const (
	tracePages  = 64                   // pages of steps that may wait for one watcher
	tracePeriod = 5 * time.Millisecond // between looks
)

// traceHub hands what becomes of traced packets to all who watch. The box itself
// has one reader; the hub is it while anybody does.
type traceHub struct {
	box *dataplane.Box

	mu       sync.Mutex
	watchers map[*watcher]bool
	reading  bool
}

func (h *traceHub) join(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[*watcher]bool{}
	}
	h.watchers[w] = true
	if !h.reading {
		h.reading = true
		h.box.WatchTraces(true)
		go h.read()
	}
}

func (h *traceHub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// read hands steps on until nobody watches.
func (h *traceHub) read() {
	lost := h.box.TracesLost()
	for {
		page := h.box.ReadTraces()
		now := h.box.TracesLost()
		h.mu.Lock()
		for w := range h.watchers {
			if now != lost {
				w.miss()
			}
			if len(page) > 0 {
				select {
				case w.traces <- page:
				default:
					w.miss()
				}
			}
		}
		if len(h.watchers) == 0 {
			h.box.WatchTraces(false)
			h.reading = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		lost = now
		time.Sleep(tracePeriod)
	}
}
