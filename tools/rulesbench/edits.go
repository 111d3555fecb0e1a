package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules/nft"
)

// The rules that are edited, and how often.
const (
	editRules = 10000
	editCount = 100
)

// share of its capacity that a worker is given to do while rules change.
const share = 0.2

// edits prints what single rules take that are put in and taken out.
func edits(*options) error {
	fmt.Printf("\none rule put into %d at a random place, or taken out; %d of them, milliseconds; each worker at %.0f %% of its capacity\n",
		editRules, editCount, 100*share)
	fmt.Printf("%8s %9s | %8s %8s | %8s %8s %8s %8s %8s | %6s\n", "workers", "frames/s", "median", "worst", "text", "compile", "copy", "grace", "CPU", "lost")
	for workers := 1; workers <= 2; workers++ {
		text := ruleset(editRules, 0, true)
		rate, err := capacity(text, workers)
		if err != nil {
			return err
		}
		w, err := newWorld(text, workers, share*rate, false)
		if err != nil {
			return err
		}
		if err := editAll(w, workers, share*rate); err != nil {
			return err
		}
		if err := w.close(); err != nil {
			return err
		}
	}
	return nil
}

func editAll(w *world, workers int, rate float64) error {
	w.pause(false)
	r := rand.New(rand.NewPCG(1, 1))
	var all, text, compile, copied, grace, cpu []time.Duration
	for i := range editCount {
		command := fmt.Sprintf("insert rule inet filter forward index %d %s\n", r.IntN(editRules), rule(editRules+i, true))
		if i%2 > 0 {
			rules := w.box.Rules().Tree.Tables[0].Chains[0].Rules
			command = fmt.Sprintf("delete rule inet filter forward handle %d\n", rules[r.IntN(editRules)].Handle)
		}
		start, used := time.Now(), processCPU()
		out, err := nft.Run(w.box.Rules().Tree, "command", []byte(command), nft.ParseOptions{}, nft.PrintOptions{})
		if err != nil {
			return err
		}
		parsed := time.Now()
		rs, err := w.box.Compile(out.Rules)
		if err != nil {
			return err
		}
		compiled := time.Now()
		var report *dataplane.Report
		if report, err = w.box.Publish(rs); err != nil {
			return err
		}
		all, cpu = append(all, time.Since(start)), append(cpu, processCPU()-used)
		text, compile = append(text, parsed.Sub(start)), append(compile, compiled.Sub(parsed))
		copied, grace = append(copied, report.Copy), append(grace, report.Grace)
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("%8d %9.0f | %8.2f %8.2f | %8.2f %8.2f %8.2f %8.2f %8.2f | %6d\n", workers, rate,
		millis(all, 0.5), millis(all, 1), millis(text, 0.5), millis(compile, 0.5), millis(copied, 0.5), millis(grace, 0.5), millis(cpu, 0.5), w.lost())
	return nil
}

// millis is a quantile in milliseconds.
func millis(v []time.Duration, q float64) float64 {
	slices.Sort(v)
	return float64(v[int(q*float64(len(v)-1))]) / 1e6
}
