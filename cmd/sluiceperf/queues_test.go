package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// TestQueueWatch: two looks make rates, means and extremes; the next interval
// begins with the last look.
func TestQueueWatch(t *testing.T) {
	at := time.Now()
	w := &queueWatch{}
	look := func(after time.Duration, fill, rx int, received, full uint64) {
		w.take([]control.QueueStatus{{
			Port: "lan", Queue: 1, RxPackets: received, Lost: map[string]uint64{"rx-ring-full": full},
			Rings: afxdp.RingFill{Size: 2048, Fill: fill, RX: rx},
		}}, at.Add(after))
	}
	look(0, 2000, 0, 100, 7)
	look(2*time.Second, 1000, 50, 300, 7)
	look(4*time.Second, 1500, 10, 500, 47)
	q := w.next()
	if len(q) != 1 {
		t.Fatalf("%d queues", len(q))
	}
	if want := (ringInterval{1000, 1500, 2000}); q[0].Fill != want {
		t.Errorf("fill ring %+v, want %+v", q[0].Fill, want)
	}
	if want := (ringInterval{0, 20, 50}); q[0].RX != want {
		t.Errorf("RX ring %+v, want %+v", q[0].RX, want)
	}
	if q[0].RxRate != 100 || q[0].Lost["rx-ring-full"] != 10 || q[0].Size != 2048 {
		t.Errorf("%+v", q[0])
	}
	var out bytes.Buffer
	writeQueues(&out, q)
	for _, want := range []string{"lan/1", "1500 1000", "20 50", "lan/1 lost a second: 10 rx-ring-full"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if w.next() != nil {
		t.Error("an interval without looks")
	}
	look(5*time.Second, 1500, 10, 600, 47)
	if q := w.next(); q[0].RxRate != 100 || len(q[0].Lost) != 0 || q[0].Fill.Least != 1500 {
		t.Errorf("the next interval: %+v", q[0])
	}
}
