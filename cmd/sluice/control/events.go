package control

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

const (
	eventPage   = 512                   // events read at a time
	eventPages  = 64                    // pages that may wait for one follower
	eventPeriod = 10 * time.Millisecond // between looks
)

// eventHub hands events of the box to all who follow them (-E). The box itself
// has one reader; the hub is it while anybody follows.
type eventHub struct {
	box *dataplane.Box

	mu        sync.Mutex
	followers map[*follower]bool
	kinds     flowtable.EventMask // listened to
	reading   bool
}

// follower is one -E.
type follower struct {
	kinds flowtable.EventMask
	pages chan []flowtable.Event
	lost  chan struct{} // holds one: events were lost
}

// follow sends rows until ctx ends.
func (h *eventHub) follow(ctx context.Context, c *conntrack.Command, x *entries, see func([]byte) error) error {
	f := &follower{kinds: flowtable.EventFlows, pages: make(chan []flowtable.Event, eventPages), lost: make(chan struct{}, 1)}
	if c.Verb == conntrack.EventsExpect {
		f.kinds = flowtable.EventExpects
	}
	h.join(f)
	defer h.leave(f)
	if err := see(nil); err != nil { // from here on nothing is missed
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.lost:
			for line := range strings.SplitSeq(enobufs, "\n") {
				if err := see(append([]byte{conntrack.LineMessage}, line...)); err != nil {
					return err
				}
			}
		case page := <-f.pages:
			for i := range page {
				if row := x.event(c, &page[i]); row != nil {
					if err := see(row); err != nil {
						return err
					}
				}
			}
			if err := see(nil); err != nil {
				return err
			}
		}
	}
}

// enobufs is what the tool says when events were lost.
const enobufs = "WARNING: We have hit ENOBUFS! We are losing events.\n" +
	"This message means that the current netlink socket buffer size is too small.\n" +
	"Please, check --buffer-size in conntrack(8) manpage."

func (h *eventHub) join(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers == nil {
		h.followers = map[*follower]bool{}
	}
	h.followers[f] = true
	h.listen()
	if !h.reading { // who has just left may have left a reader that has not seen it yet
		h.reading = true
		go h.read()
	}
}

func (h *eventHub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
	h.listen()
}

// listen tells the box what somebody wants. Held: h.mu.
func (h *eventHub) listen() {
	kinds := flowtable.EventMask(0)
	for f := range h.followers {
		kinds |= f.kinds
	}
	h.kinds = kinds
	h.box.Listen(kinds)
}

// read hands events on until nobody follows.
func (h *eventHub) read() {
	lost := h.box.EventsLost()
	for {
		page := make([]flowtable.Event, eventPage)
		n := h.box.ReadEvents(page)
		now := h.box.EventsLost()
		h.mu.Lock()
		for f := range h.followers {
			if now != lost {
				f.miss()
			}
			if n > 0 {
				select {
				case f.pages <- page[:n]:
				default:
					f.miss()
				}
			}
		}
		over := len(h.followers) == 0
		h.reading = !over
		h.mu.Unlock()
		if lost = now; over {
			return
		}
		if n < len(page) {
			time.Sleep(eventPeriod)
		}
	}
}

// miss notes that events were lost.
func (f *follower) miss() {
	select {
	case f.lost <- struct{}{}:
	default:
	}
}

// event is the row of an event, which it does not change, nil when the command does
// not mean it.
func (x *entries) event(c *conntrack.Command, ev *flowtable.Event) []byte {
	x.stamp = time.Unix(0, ev.Nanos)
	if ev.Kinds&flowtable.EventExpects != 0 {
		if c.Verb != conntrack.EventsExpect { // those of both families, whatever is listed
			return nil
		}
		kind := conntracktext.EventNew
		if ev.Kinds&flowtable.EventExpectDestroy != 0 {
			kind = conntracktext.EventDestroy
		}
		expect := ev.Expect // others read the event as well
		expect.Timeout = max(0, uint32(int32(expect.Expires-ev.Tick)/1000))
		return x.expectationRow(c, x.expectation(&expect), kind, x.stamp.Unix())
	}
	kind, want := conntracktext.EventUpdate, conntrack.WantUpdate
	switch {
	case ev.Kinds&flowtable.EventDestroy != 0:
		kind, want = conntracktext.EventDestroy, conntrack.WantDestroy
	case ev.Kinds&(flowtable.EventNew|flowtable.EventRelated) != 0:
		kind, want = conntracktext.EventNew, conntrack.WantNew
	}
	if c.Verb != conntrack.Events || c.Events != 0 && c.Events&want == 0 {
		return nil
	}
	e := x.of(&ev.Flow, 0)
	if !c.Match(e) {
		return nil
	}
	trim(e, kind, ev.Kinds)
	row := x.row(c, e, kind, x.stamp.Unix())
	if ev.Tool != 0 && c.Output&conntrack.OutJSON == 0 {
		row = fmt.Appendf(row, " [USERSPACE] portid=%d", ev.Tool)
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", ev.Tool)); err == nil {
			row = fmt.Appendf(row, " progname=%s", strings.TrimSuffix(string(name), "\n"))
		}
	}
	return row
}

// trim leaves in an entry what the kernel tells with an event.
func trim(e *conntracktext.Entry, kind conntracktext.Event, kinds flowtable.EventMask) {
	e.Set &^= conntracktext.HasUse
	if e.Mark == 0 && kinds&flowtable.EventMark == 0 {
		e.Set &^= conntracktext.HasMark
	}
	if kinds&flowtable.EventLabel == 0 {
		e.Set &^= conntracktext.HasLabels
	}
	if kind != conntracktext.EventDestroy {
		e.Set &^= conntracktext.HasCounters | conntracktext.HasStart
		return
	}
	e.Set &^= conntracktext.HasHelper | conntracktext.HasVTags
	if e.Timeout == 0 {
		e.Set &^= conntracktext.HasTimeout
	}
}
