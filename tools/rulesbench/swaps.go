package main

import (
	"fmt"
	"time"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// The rules are replaced so often, at least so far apart, every one of textEvery
// times from their text and else by rulesets that are compiled already.
const (
	swapCount = 1000
	swapGap   = 20 * time.Millisecond
	textEvery = 20
)

// swaps prints what replacing all rules does to traffic.
func swaps(o *options) error {
	fmt.Printf("\n%d rules replaced %d times, each worker at %.0f %% of its capacity; microseconds; bursts beside those of the same time without swaps\n",
		editRules, swapCount, 100*share)
	fmt.Printf("%8s %9s %8s | %6s %6s | %8s %8s %8s | %9s %9s %6s | %9s %9s\n", "workers", "frames/s", "seconds", "lost", "mixed",
		"publish", "p99", "most", "p99.9", "without", "ratio", "p50", "without")
	texts := [2]string{ruleset(editRules, 0, true), ruleset(editRules, 1, true)}
	for workers := 1; workers <= 2; workers++ {
		rate, err := capacity(texts[0], workers)
		if err != nil {
			return err
		}
		w, err := newWorld(texts[0], workers, share*rate, true)
		if err != nil {
			return err
		}
		var compiled [2]*rules.Ruleset
		for i, text := range texts {
			tree, err := nft.Parse("rules.nft", []byte(text), nft.ParseOptions{})
			if err != nil {
				return err
			}
			if compiled[i], err = w.box.Compile(tree); err != nil {
				return err
			}
		}
		var with, without, taken perf.Distribution
		w.pause(false)
		time.Sleep(100 * time.Millisecond)
		var spent time.Duration
		lost := w.lost()
		for i := 0; i < swapCount; { // in turns, so that what else runs here meets both
			spent += w.during(&with, &taken, func() {
				err = w.serve(func() (err error) {
					for end := min(i+swapCount/10, swapCount); i < end && err == nil; i++ {
						start := time.Now()
						if i%textEvery == 0 {
							_, err = w.box.Load("rules.nft", []byte(texts[(i+1)%2]))
						} else {
							_, err = w.box.Publish(compiled[(i+1)%2])
						}
						time.Sleep(swapGap - time.Since(start))
					}
					return err
				})
			})
			if err != nil {
				return err
			}
			w.during(&without, nil, func() { time.Sleep(spent / time.Duration(i) * swapCount / 10) })
		}
		lost = w.lost() - lost
		t := w.box.Stats().Total()
		cycles := perf.CycleRate()
		micros := func(d *perf.Distribution, q float64) float64 { return float64(cycles.Duration(d.Quantile(q))) / 1e3 }
		fmt.Printf("%8d %9.0f %8.1f | %6d %6d | %8.1f %8.1f %8.1f | %9.1f %9.1f %6.2f | %9.1f %9.1f\n", workers, share*rate, spent.Seconds(),
			lost, t.Mixed, micros(&taken, 0.5), micros(&taken, 0.99), micros(&taken, 1),
			micros(&with, 0.999), micros(&without, 0.999), micros(&with, 0.999)/micros(&without, 0.999), micros(&with, 0.5), micros(&without, 0.5))
		if err := w.close(); err != nil {
			return err
		}
	}
	return nil
}

// during adds the bursts of a while to a distribution, and the workers' beginnings
// with new rules to another one.
func (w *world) during(bursts, taken *perf.Distribution, f func()) time.Duration {
	before := w.box.Profile()
	start := time.Now()
	f()
	spent := time.Since(start)
	for i, p := range w.box.Profile().Workers {
		p.Bursts.Sub(before.Workers[i].Bursts)
		bursts.Add(p.Bursts)
		if taken != nil {
			p.Adopted.Sub(before.Workers[i].Adopted)
			taken.Add(p.Adopted)
		}
	}
	return spent
}
