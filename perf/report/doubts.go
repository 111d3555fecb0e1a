package report

import "fmt"

// LeastCPU is the share of a CPU that each of the generator's threads has to get
// for other programs not to be in what is measured.
const LeastCPU = 0.97

// CPUNotes says what such a share below LeastCPU means for a run; none: nothing,
// or it is not known.
func CPUNotes(share float64) []string {
	if share <= 0 || share >= LeastCPU {
		return nil
	}
	return []string{fmt.Sprintf("the generator's threads got %.0f %% of a CPU: what else runs there is in rates and latencies", 100*share)}
}

// Doubts returns what speaks against the results of RFC 2544's methods: a
// generator that did not have its CPU or came too late to what it received, and
// trials that contradict each other.
func (d *Document) Doubts() (notes []string) {
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	busy := func(what, subject string, size int, least float64) {
		if least > 0 && least < LeastCPU {
			say("%s, %d bytes: in the worst trial of %s the generator's threads got %.0f %% of a CPU: what else runs there is in rates, loss and latencies",
				subject, size, what, 100*least)
		}
	}
	own := func(what, subject string, size int, own, lost uint64) {
		if own > 0 {
			say("%s, %d bytes: of %d frames lost in all trials of %s, %d were lost on the generator's own receive rings, which the subject is not to blame for: "+
				"give the generator CPUs of its own, or its ports a larger ring", subject, size, lost, what, own)
		}
	}
	for i := range d.Throughput {
		t := &d.Throughput[i]
		var lost, late uint64
		for _, one := range t.Trials {
			lost, late = lost+one.Lost, late+one.Own
		}
		own("the throughput", t.Subject, t.Size, late, lost)
		busy("the throughput", t.Subject, t.Size, t.leastCPU())
		if best := d.bestOfCurve(t); best != nil {
			say("%s, %d bytes: the throughput is %s, but the loss curve lost %d of %d at %s: trials do not repeat, and neither is what the subject can do",
				t.Subject, t.Size, Rate(t.PPS), best.Lost, best.Sent, Rate(best.PPS))
		}
	}
	for i := range d.Latency {
		l := &d.Latency[i]
		busy("the latency", l.Subject, l.Size, l.CPU)
		if float64(l.Lost) > l.Tolerance*float64(l.Sent) {
			say("%s, %d bytes: the latency run lost %d of %d at %s, which the throughput says it can do: that does not repeat, and what was lost is in no latency",
				l.Subject, l.Size, l.Lost, l.Sent, Rate(l.PPS))
		}
	}
	for i := 0; i < len(d.Loss); {
		p, least := &d.Loss[i], 0.0
		var lost, late uint64
		for ; i < len(d.Loss) && d.Loss[i].Subject == p.Subject && d.Loss[i].Size == p.Size; i++ {
			least = LowerCPU(least, d.Loss[i].CPU)
			lost, late = lost+d.Loss[i].Lost, late+d.Loss[i].Own
		}
		own("the loss curve", p.Subject, p.Size, late, lost)
		busy("the loss curve", p.Subject, p.Size, least)
	}
	for _, b := range d.BackToBack {
		own("back-to-back", b.Subject, b.Size, b.Own, b.Lost)
	}
	return notes
}

// bestOfCurve returns the loss curve's highest rate that would have passed, if it
// is above the throughput by more than the search could miss; nil: it is not.
func (d *Document) bestOfCurve(t *Throughput) (best *LossPoint) {
	if t.Cut {
		return nil
	}
	above := t.PPS + 2*t.Resolution
	for i := range d.Loss {
		if p := &d.Loss[i]; p.Subject == t.Subject && p.Size == t.Size && p.PPS > above && p.Sent > 0 && p.Ratio <= t.Tolerance {
			best, above = p, p.PPS
		}
	}
	return best
}

// leastCPU returns the generator's share in the worst trial; 0: not known.
func (t *Throughput) leastCPU() (least float64) {
	for _, one := range t.Trials {
		least = LowerCPU(least, one.CPU)
	}
	return least
}

// LowerCPU returns the lower of two shares, where 0 is none.
func LowerCPU(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
