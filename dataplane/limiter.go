package dataplane

import "sync/atomic"

// limiter bounds the ICMP errors that the box sends, as Linux does: a bucket
// for the whole box (icmp_global_allow) and one per destination
// (inet_peer_xrlim_allow: one a second, six at once). Shared by all workers;
// each bucket is one word, the theoretical arrival time of the generic cell
// rate algorithm in microseconds, moved by compare-and-swap.
type limiter struct {
	global atomic.Uint64
	dst    [limiterSlots]atomic.Uint64 // by hash of the destination

	globalGap, globalBurst uint64 // microseconds
	dstGap                 uint64 // microseconds; 0: destinations are not limited
}

const (
	limiterSlots    = 4096
	limiterDstBurst = 6 // XRLIM_BURST_FACTOR
)

func newLimiter(perSecond, burst, gapMillis int) *limiter {
	gap := uint64(1_000_000 / perSecond)
	return &limiter{globalGap: gap, globalBurst: gap * uint64(burst), dstGap: uint64(gapMillis) * 1000}
}

// allow says whether an error may go to the destination with this hash at
// nowMicros. Any worker may call it.
func (l *limiter) allow(hash, nowMicros uint64) bool {
	if l.dstGap != 0 && !take(&l.dst[hash%limiterSlots], nowMicros, l.dstGap, l.dstGap*limiterDstBurst) {
		return false
	}
	return take(&l.global, nowMicros, l.globalGap, l.globalBurst)
}

// take spends one token. Two tries: a bucket that others are draining at this
// very moment is as good as empty.
func take(bucket *atomic.Uint64, now, gap, burst uint64) bool {
	for range 2 {
		old := bucket.Load()
		tat := max(old, now)
		if tat+gap > now+burst {
			return false
		}
		if bucket.CompareAndSwap(old, tat+gap) {
			return true
		}
	}
	return false
}
