package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// queueSamples is how often the rings are looked at between two screens, and
// seldom the longest time between two looks.
const (
	queueSamples = 20
	seldom       = time.Second
)

// queueInterval is what happened at a port's queue between the first and the
// last of some looks at it.
type queueInterval struct {
	Port           string             `json:"port"`
	Queue          int                `json:"queue"`
	RxRate, TxRate float64            // packets a second
	Size           int                `json:"size"` // of each ring; 0: the rings cannot be seen
	Fill           ringInterval       `json:"fill"`
	RX             ringInterval       `json:"rx"`
	TX             ringInterval       `json:"tx"`
	Completion     ringInterval       `json:"completion"`
	Lost           map[string]float64 `json:"lost"` // packets a second by reason
}

// ringInterval is how much a ring held.
type ringInterval struct {
	Least int     `json:"least"`
	Mean  float64 `json:"mean"`
	Most  int     `json:"most"`
}

func (r *ringInterval) add(held, looks int) {
	if looks == 0 {
		*r = ringInterval{Least: held}
	}
	r.Least, r.Most = min(r.Least, held), max(r.Most, held)
	r.Mean += (float64(held) - r.Mean) / float64(looks+1)
}

// queueWatch collects looks at the queues of a box.
type queueWatch struct {
	box         *control.Client
	first, last []control.QueueStatus
	began, seen time.Time
	rings       []queueInterval
	looks       int
}

// look asks the box.
func (w *queueWatch) look() error {
	queues, err := w.box.Queues()
	if err != nil {
		return err
	}
	w.take(queues, time.Now())
	return nil
}

func (w *queueWatch) take(queues []control.QueueStatus, at time.Time) {
	w.last, w.seen = queues, at
	if w.first == nil || len(w.rings) != len(queues) {
		w.first, w.began, w.looks, w.rings = queues, w.seen, 0, make([]queueInterval, len(queues))
	}
	for i := range queues {
		q, to := &queues[i].Rings, &w.rings[i]
		for _, ring := range []struct {
			to   *ringInterval
			held int
		}{{&to.Fill, q.Fill}, {&to.RX, q.RX}, {&to.TX, q.TX}, {&to.Completion, q.Completion}} {
			ring.to.add(ring.held, w.looks)
		}
	}
	w.looks++
}

// next returns what the looks so far say, and begins anew with the last of them.
func (w *queueWatch) next() []queueInterval {
	if w.looks == 0 {
		return nil
	}
	out := w.rings
	seconds := max(w.seen.Sub(w.began).Seconds(), 1e-9)
	for i := range out {
		q, now, was := &out[i], &w.last[i], &w.first[i]
		q.Port, q.Queue, q.Size, q.Lost = now.Port, now.Queue, now.Rings.Size, perSecond(now.Lost, was.Lost, seconds)
		q.RxRate, q.TxRate = float64(now.RxPackets-was.RxPackets)/seconds, float64(now.TxPackets-was.TxPackets)/seconds
	}
	w.first, w.began, w.looks, w.rings = w.last, w.seen, 0, make([]queueInterval, len(out))
	return out
}

// watch looks queueSamples times or more in so long, or until stop, and calls
// also, if it is not nil, after each look.
func (w *queueWatch) watch(stop <-chan struct{}, long time.Duration, also func() error) error {
	every := time.NewTicker(min(max(long/queueSamples, time.Millisecond), seldom))
	defer every.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); {
		select {
		case <-stop:
			return nil
		case <-every.C:
		}
		if err := w.look(); err != nil {
			return err
		}
		if also == nil {
			continue
		}
		if err := also(); err != nil {
			return err
		}
	}
	return nil
}

// listed writes numbers and their names, in the order of the names.
func listed[T uint64 | float64](numbers map[string]T) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		list = append(list, fmt.Sprintf("%.0f %s", float64(numbers[name]), name))
	}
	return strings.Join(list, ", ")
}

// writeQueues writes the table of queues. A ring's cell is its mean and what was
// worst for it: of the fill ring the least, of the others the most.
func writeQueues(to io.Writer, queues []queueInterval) {
	if len(queues) == 0 {
		return
	}
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "queue\trx pps\ttx pps\tring\tfill mean, least\trx mean, most\ttx mean, most\tcompletion mean, most\t")
	for i := range queues {
		q := &queues[i]
		fmt.Fprintf(w, "%s/%d\t%.0f\t%.0f\t", q.Port, q.Queue, q.RxRate, q.TxRate)
		if q.Size == 0 {
			fmt.Fprint(w, "-\t-\t-\t-\t-\t\n")
			continue
		}
		fmt.Fprintf(w, "%d\t%.0f %d\t%.0f %d\t%.0f %d\t%.0f %d\t\n", q.Size, q.Fill.Mean, q.Fill.Least,
			q.RX.Mean, q.RX.Most, q.TX.Mean, q.TX.Most, q.Completion.Mean, q.Completion.Most)
	}
	_ = w.Flush() // a buffer takes everything
	for i := range queues {
		q := &queues[i]
		if len(q.Lost) > 0 {
			fmt.Fprintf(to, "%s/%d lost a second: %s\n", q.Port, q.Queue, listed(q.Lost))
		}
	}
}
