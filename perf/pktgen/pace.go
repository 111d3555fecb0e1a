package pktgen

import "github.com/sluice-net/sluice/perf"

// pace says how many frames of a stream are due. Frame number i is due at
// start + i/rate; in bursts, at the time of the first of its burst.
type pace struct {
	rate    float64 // packets per second, 0: top speed
	perNano float64
	burst   uint64
	limit   uint64 // frames in all, 0: none

	start  int64
	slots  uint64 // frames sent or given up
	missed uint64 // given up: the port or the generator could not keep up

	late perf.Histogram // nanoseconds by which the first frame of each burst was late
}

// debt is how far a stream may fall behind and catch up, in nanoseconds. What is
// due for longer is given up, so that a stall is no flood afterwards.
const debt = 10e6

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

// took notes that n frames were taken, all due by now.
func (p *pace) took(n int, now int64) {
	if p.rate > 0 && n > 0 {
		first := p.slots - p.slots%p.burst
		due := p.start + int64(float64(first)/p.perNano)
		p.late.Record(uint64(max(now-due, 0)))
	}
	p.slots += uint64(n)
}
