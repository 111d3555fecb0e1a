package afxdp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
)

// trafficCounters are what a queue over a socket counts itself. Written by the
// queue's worker only.
type trafficCounters struct {
	rxFrames, rxBytes perf.Counter
	rxTooLong         perf.Counter // lost on the way into the worker's UMEM
	txFrames, txBytes perf.Counter
	txFull, txTooLong perf.Counter
}

// received counts what a Recv gives.
func (c *trafficCounters) received(frames int, bytes uint64) {
	if frames > 0 {
		c.rxFrames.Add(uint64(frames))
		c.rxBytes.Add(bytes)
	}
}

// sent counts what a Send took and sent, took because it cannot be sent, and left
// because there was no room.
func (c *trafficCounters) sent(frames int, bytes uint64, tooLong, full int) {
	if frames > 0 {
		c.txFrames.Add(uint64(frames))
		c.txBytes.Add(bytes)
	}
	if tooLong > 0 {
		c.txTooLong.Add(uint64(tooLong))
	}
	if full > 0 {
		c.txFull.Add(uint64(full))
	}
}

// stats adds what the kernel counts. Any goroutine.
func (c *trafficCounters) stats(k unix.XDPStatistics) QueueStats {
	return QueueStats{
		RxFrames: c.rxFrames.Load(), RxBytes: c.rxBytes.Load(),
		TxFrames: c.txFrames.Load(), TxBytes: c.txBytes.Load(),
		RxNoFrame: k.Rx_dropped + c.rxTooLong.Load(), RxFull: k.Rx_ring_full,
		TxFull: c.txFull.Load(), TxTooLong: c.txTooLong.Load(),
	}
}

// kernelCounters reads what the kernel counts for a socket, and remembers it
// when the socket is closed. Any goroutine.
type kernelCounters struct {
	lock sync.Mutex // held over reading from the socket and its rings' indices, and over closing
	last unix.XDPStatistics
	over bool
}

func (k *kernelCounters) read(fd int) unix.XDPStatistics {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.refresh(fd)
}

func (k *kernelCounters) refresh(fd int) unix.XDPStatistics {
	if !k.over {
		if now, err := socketStatistics(fd); err == nil {
			k.last = now
		}
	}
	return k.last
}

// end reads for the last time and closes the socket; the second time it does
// nothing.
func (k *kernelCounters) end(fd int, closeSocket func() error) error {
	k.lock.Lock()
	defer k.lock.Unlock()
	k.refresh(fd)
	if k.over {
		return nil
	}
	k.over = true
	return closeSocket()
}
