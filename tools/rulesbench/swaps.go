package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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
	fmt.Printf("\n%d rules replaced %d times, each worker at %.0f %% of its capacity; microseconds; beside the same time without swaps; stolen: milliseconds that the host took from all CPUs\n",
		editRules, swapCount, 100*share)
	fmt.Printf("%8s %9s %8s | %7s %7s %7s %7s %5s | %8s %8s %8s | %9s %9s %6s | %9s %9s\n", "workers", "frames/s", "seconds", "lost", "without",
		"stolen", "without", "mixed", "publish", "p99", "most", "p99.9", "without", "ratio", "p50", "without")
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
		var with, without phase
		var taken perf.Distribution
		w.pause(false)
		time.Sleep(100 * time.Millisecond)
		for i := 0; i < swapCount; { // in turns, so that what else runs here meets both
			w.during(&with, &taken, func() {
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
			w.during(&without, nil, func() { time.Sleep(with.spent / time.Duration(i) * swapCount / 10) })
		}
		t := w.box.Stats().Total()
		cycles := perf.CycleRate()
		micros := func(d *perf.Distribution, q float64) float64 { return float64(cycles.Duration(d.Quantile(q))) / 1e3 }
		fmt.Printf("%8d %9.0f %8.1f | %7d %7d %7d %7d %5d | %8.1f %8.1f %8.1f | %9.1f %9.1f %6.2f | %9.1f %9.1f\n", workers, share*rate, with.spent.Seconds(),
			with.lost, without.lost, with.stolen.Milliseconds(), without.stolen.Milliseconds(), t.Mixed, micros(&taken, 0.5), micros(&taken, 0.99), micros(&taken, 1),
			micros(&with.bursts, 0.999), micros(&without.bursts, 0.999), micros(&with.bursts, 0.999)/micros(&without.bursts, 0.999), micros(&with.bursts, 0.5), micros(&without.bursts, 0.5))
		if err := w.close(); err != nil {
			return err
		}
	}
	return nil
}

// phase is what happened while rules were replaced, or while they were not.
type phase struct {
	bursts        perf.Distribution
	spent, stolen time.Duration
	lost          uint64
}

// during adds what happens during f to a phase, and the workers' beginnings with new
// rules to taken.
func (w *world) during(p *phase, taken *perf.Distribution, f func()) {
	before, lost, stolen := w.box.Profile(), w.lost(), stolenTime()
	start := time.Now()
	f()
	p.spent += time.Since(start)
	p.stolen += stolenTime() - stolen
	p.lost += w.lost() - lost
	for i, now := range w.box.Profile().Workers {
		now.Bursts.Sub(before.Workers[i].Bursts)
		p.bursts.Add(now.Bursts)
		if taken != nil {
			now.Adopted.Sub(before.Workers[i].Adopted)
			taken.Add(now.Adopted)
		}
	}
}

// stolenTime is how long the host has kept this machine's CPUs for others since it
// began, as /proc/stat says in hundredths of a second.
func stolenTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 9 || fields[0] != "cpu" {
		return 0
	}
	ticks, _ := strconv.ParseInt(fields[8], 10, 64)
	return time.Duration(ticks) * 10 * time.Millisecond
}
