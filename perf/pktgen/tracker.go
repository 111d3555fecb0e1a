package pktgen

import (
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
)

// tracker is what the receiving port knows of a stream. Its worker writes it.
//
// A frame is new, or a duplicate of one whose number came before. It is
// reordered (RFC 4737) when it is new and a higher number came before it.
// Numbers so far behind the highest that the window does not reach them are
// counted as too late: whether they are new is not known.
type tracker struct {
	next   uint64 // the highest number and one
	window []uint64
	mask   uint64 // numbers in the window, less one

	unique, bytes       uint64
	duplicates          uint64
	reordered, late     uint64
	extent              uint64 // the furthest that a reordered frame was behind the highest
	lastLatency, repeat uint64 // a run of equal latencies that is not in the histogram yet
	latency             perf.Histogram

	shown struct{ frames, bytes, duplicates, reordered perf.Counter } // for readers
}

func newTracker(window int) (*tracker, error) {
	bits, err := offheap.Make[uint64](window / 64)
	if err != nil {
		return nil, err
	}
	return &tracker{window: bits, mask: uint64(window) - 1}, nil
}

func (t *tracker) close() error { return offheap.Free(t.window) }

// take counts a sound frame.
func (t *tracker) take(seq, latency uint64, bytes int) {
	bit := uint64(1) << (seq & 63)
	slot := &t.window[seq&t.mask>>6]
	switch {
	case seq >= t.next:
		if seq > t.next {
			t.skip(seq)
		}
		if seq&63 == 0 {
			*slot = 0
		}
		*slot = *slot&(bit-1) | bit // what lies above is of the round before
		t.next = seq + 1
	case t.next-seq > t.mask-63:
		t.late++
		return
	case *slot&bit != 0:
		t.duplicates++
		return
	default:
		*slot |= bit
		t.reordered++
		t.extent = max(t.extent, t.next-1-seq)
	}
	t.unique++
	t.bytes += uint64(bytes)
	if latency == t.lastLatency {
		t.repeat++
		return
	}
	t.settle()
	t.lastLatency, t.repeat = latency, 1
}

// skip forgets what the window holds for the numbers from next to seq-1.
func (t *tracker) skip(seq uint64) {
	if seq-t.next > t.mask {
		clear(t.window)
		return
	}
	for n := t.next; n < seq; n++ {
		if n&63 == 0 && seq-n >= 64 {
			t.window[n&t.mask>>6] = 0
			n += 63
			continue
		}
		t.window[n&t.mask>>6] &^= 1 << (n & 63)
	}
}

// settle records the run of equal latencies. Frames of a burst have one time of
// arrival and often one of sending, so runs are long when it matters.
func (t *tracker) settle() {
	if t.repeat > 0 {
		t.latency.RecordMany(t.lastLatency, t.repeat)
		t.repeat = 0
	}
}

// publish lets readers see the counts.
func (t *tracker) publish() {
	t.shown.frames.Add(t.unique - t.shown.frames.Load())
	t.shown.bytes.Add(t.bytes - t.shown.bytes.Load())
	t.shown.duplicates.Add(t.duplicates - t.shown.duplicates.Load())
	t.shown.reordered.Add(t.reordered - t.shown.reordered.Load())
}
