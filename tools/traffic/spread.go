package traffic

// spread keeps sessions apart that are late: after a stall they are opened at
// some times their rate, not all at once.
type spread struct {
	last   int64   // of the clock, at the step before; 0: none
	step   float64 // what a step takes as a rule, nanoseconds
	credit float64 // sessions that may be opened
}

const (
	catchUp    = 4   // times the rate, at which late sessions are opened
	longSteps  = 4   // times what steps take as a rule: what is longer is a stall
	shortSteps = 1e5 // nanoseconds: what is shorter is none
)

// allow returns how many of n sessions may be opened in a step at now, at a rate
// in sessions per second, and takes them as opened. A stall counts as a step that
// was just none, so that it earns credit for a few.
func (p *spread) allow(now int64, n uint64, rate float64) uint64 {
	switch took := float64(now - p.last); {
	case p.last == 0:
		p.credit = 1
	case took > 0:
		if p.step == 0 {
			p.step = took
		}
		long := max(longSteps*p.step, shortSteps)
		took = min(took, long)
		p.step += (took - p.step) / 16
		p.credit = min(p.credit+took*catchUp*rate/1e9, 1+long*catchUp*rate/1e9)
	}
	p.last = now
	n = min(n, uint64(p.credit))
	p.credit -= float64(n)
	return n
}
