package control

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

// TestEventReaders: the box has one reader however followers come and go, and none
// when there are no followers.
func TestEventReaders(t *testing.T) {
	readers := func() int {
		stacks := make([]byte, 1<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*eventHub).read(")
	}
	h := &eventHub{box: newTestBox(t).box}
	for range 50 {
		f := &follower{kinds: flowtable.EventFlows, pages: make(chan []flowtable.Event, 1), lost: make(chan struct{}, 1)}
		h.join(f)
		time.Sleep(time.Millisecond / 2) // it sleeps by then
		h.leave(f)
	}
	if n := readers(); n > 1 {
		t.Errorf("%d readers", n)
	}
	for readers() > 0 {
		time.Sleep(eventPeriod)
	}
}
