package afxdp

import (
	"errors"

	"golang.org/x/sys/unix"
)

// bundle is one Queue over several queues of a device: those that share a worker
// because the device receives on more queues than there are workers. It
// receives from all of them in turn and sends by the first, or by live.
type bundle struct {
	parts []ifQueue // at least one
	turn  int       // which one is asked first
	live  *live     // nil: the first part sends
}

// Recv takes frames from the parts, starting with another one each time, so that
// a busy one does not starve the others.
func (b *bundle) Recv(descs []Desc) int {
	n := 0
	for range b.parts {
		n += b.parts[b.turn].Recv(descs[n:])
		if b.turn++; b.turn == len(b.parts) {
			b.turn = 0
		}
		if n == len(descs) {
			break
		}
	}
	return n
}

// Send sends by the first part, or by live.
func (b *bundle) Send(descs []Desc) int {
	if b.live != nil {
		return b.live.send(descs)
	}
	return b.parts[0].Send(descs)
}

// Flush ends the burst of every part.
func (b *bundle) Flush() {
	for _, q := range b.parts {
		q.Flush()
	}
}

// Stats sums the parts.
func (b *bundle) Stats() (t QueueStats) {
	if l := b.live; l != nil {
		t = l.count.stats(unix.XDPStatistics{})
	}
	for _, q := range b.parts {
		s := q.Stats()
		t.RxFrames += s.RxFrames
		t.RxBytes += s.RxBytes
		t.TxFrames += s.TxFrames
		t.TxBytes += s.TxBytes
		t.RxNoFrame += s.RxNoFrame
		t.RxFull += s.RxFull
		t.TxFull += s.TxFull
		t.TxTooLong += s.TxTooLong
	}
	return t
}

// info sums the parts. It is in zero-copy mode when all are.
func (b *bundle) info() QueueInfo {
	t := QueueInfo{Stats: b.Stats(), ZeroCopy: true}
	for _, q := range b.parts {
		i := q.info()
		t.ZeroCopy = t.ZeroCopy && i.ZeroCopy
		t.Private = t.Private || i.Private
		t.Pieces = t.Pieces || i.Pieces
		t.Down = t.Down || i.Down
		t.Kicks += i.Kicks
		t.Again += i.Again
		t.Downs += i.Downs
		t.Failures += i.Failures
		t.Strays += i.Strays
		t.Kernel.add(i.Kernel)
		t.Rings.add(i.Rings)
		if t.Reason == "" {
			t.Reason = i.Reason
		}
	}
	if l := b.live; l != nil {
		t.Kicks, t.Again, t.Failures, t.Down = l.runs.Load(), l.full.Load(), l.fails.Load(), t.Down || l.down.Load()
	}
	return t
}

func (b *bundle) zeroCopyMode() bool {
	for _, q := range b.parts {
		if q.zeroCopyMode() {
			return true
		}
	}
	return false
}

func (b *bundle) pollFDs() int { return len(b.parts) }

func (b *bundle) pollFD(i int) (fd int, ok bool) { return b.parts[i].pollFD(0) }

func (b *bundle) shut() error {
	var errs []error
	for _, q := range b.parts {
		errs = append(errs, q.shut())
	}
	return errors.Join(errs...)
}

func (b *bundle) release() error {
	var errs []error
	for _, q := range b.parts {
		errs = append(errs, q.release())
	}
	return errors.Join(errs...)
}
