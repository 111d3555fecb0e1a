package pktgen

import (
	"math"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// pace says how many frames of a stream are due. Frame number i is due at
// start + i/rate; in bursts, at the time of the first of its burst.
type pace struct {
	rate    float64 // packets per second, 0: top speed
	perNano float64
	burst   uint64
	limit   uint64 // frames in all, 0: none
	most    uint64 // due before the end of the run, 0: it has none

	start  int64
	slots  uint64 // frames sent or given up
	missed uint64 // given up: the port or the generator could not keep up

	late perf.Histogram // nanoseconds by which the first frame of each burst was late
}

// debt is how far a stream may fall behind and catch up, in nanoseconds. What is
// due for longer is given up, so that a stall is no flood afterwards.
const debt = 10e6

// begin sets the clock, for a run of so long; 0: without end.
func (p *pace) begin(start int64, long time.Duration) {
	p.start, p.most = start, 0
	if p.rate > 0 && long > 0 {
		p.most = uint64(math.Ceil(p.perNano * float64(long) * (1 - 1e-12))) // of a whole number not the next
	}
}

// due returns how many frames are to be sent now, most at most.
func (p *pace) due(now int64, most int) int {
	n := uint64(most)
	if p.limit > 0 {
		n = min(n, p.limit-min(p.limit, p.slots-p.missed))
	}
	if p.rate == 0 || n == 0 {
		return int(n)
	}
	since := float64(now - p.start)
	if since < 0 {
		return 0
	}
	slots := uint64(since*p.perNano) + 1
	if p.burst > 1 {
		slots = ((slots-1)/p.burst + 1) * p.burst
	}
	if p.most > 0 {
		slots = min(slots, p.most)
	}
	if slots <= p.slots {
		return 0
	}
	behind := slots - p.slots
	if allowed := uint64(p.perNano*debt) + 2*p.burst + 64; behind > allowed {
		p.missed += behind - allowed
		p.slots += behind - allowed
		behind = allowed
	}
	return int(min(n, behind))
}

// end gives up what was due by then and was not taken.
func (p *pace) end(now int64) {
	if p.rate == 0 {
		return
	}
	n := uint64(p.due(now, math.MaxInt32))
	p.missed += n
	p.slots += n
}

// took notes that n frames were taken, all due by now.
func (p *pace) took(n int, now int64) {
	if p.rate > 0 && n > 0 {
		first := p.slots - p.slots%p.burst
		due := p.start + int64(float64(first)/p.perNano)
		p.late.Record(uint64(max(now-due, 0)))
	}
	p.slots += uint64(n)
}
