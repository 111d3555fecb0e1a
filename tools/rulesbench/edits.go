package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules/nft"
)

// What is edited, and how often.
const (
	editRules    = 10000
	editElements = 1_000_000
	editCount    = 100
)

// share of its capacity that a worker is given to do while rules change.
const share = 0.2

// edits prints what single rules and elements take that are put in and taken out.
func edits(*options) error {
	fmt.Printf("\n%d edits, milliseconds; each worker at %.0f %% of its capacity\n", editCount, 100*share)
	fmt.Printf("%-32s %8s %9s | %8s %8s | %8s %8s %8s %8s %8s | %6s\n", "", "workers", "frames/s", "median", "worst", "text", "compile", "copy", "grace", "CPU", "lost")
	for _, e := range []struct {
		name, text string
		command    func(tree *nft.Ruleset, i int, r *rand.Rand) string
	}{
		{fmt.Sprintf("a rule at a random place of %d", editRules), ruleset(editRules, 0, true), editRule},
		{fmt.Sprintf("an element of %d addresses", editElements), setOf(editElements, false), editElement},
		{fmt.Sprintf("an element of %d ranges", editElements), setOf(editElements, true), editElement},
	} {
		for workers := 1; workers <= 2; workers++ {
			rate, err := capacity(e.text, workers)
			if err != nil {
				return err
			}
			w, err := newWorld(e.text, workers, share*rate, false)
			if err != nil {
				return err
			}
			fmt.Printf("%-32s %8d %9.0f | ", e.name, workers, share*rate)
			if err := w.serve(func() error { return editAll(w, e.command) }); err != nil {
				return err
			}
			if err := w.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// editRule is edit i: a rule put in, or one taken out.
func editRule(tree *nft.Ruleset, i int, r *rand.Rand) string {
	if i%2 == 0 {
		return fmt.Sprintf("insert rule inet filter forward index %d %s\n", r.IntN(editRules), rule(editRules+i, true))
	}
	rules := tree.Tables[0].Chains[0].Rules
	return fmt.Sprintf("delete rule inet filter forward handle %d\n", rules[r.IntN(editRules)].Handle)
}

// editElement is edit i: an element put in, or one taken out.
func editElement(tree *nft.Ruleset, i int, r *rand.Rand) string {
	els := tree.Tables[0].Sets[0].Elements
	k := els.At(r.IntN(els.Len())).Key[0]
	if i%2 == 0 { // between two others
		return fmt.Sprintf("add element inet filter s { %d.%d.%d.%d }\n", k.Hi[0], k.Hi[1], k.Hi[2], k.Hi[3]|3)
	}
	return fmt.Sprintf("delete element inet filter s { %s-%s }\n", netip.AddrFrom4([4]byte(k.Lo)), netip.AddrFrom4([4]byte(k.Hi)))
}

func editAll(w *world, command func(*nft.Ruleset, int, *rand.Rand) string) error {
	w.pause(false)
	r := rand.New(rand.NewPCG(1, 1))
	var all, text, compile, copied, grace, cpu []time.Duration
	for i := range editCount {
		command := command(w.box.Rules().Tree, i, r)
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
	fmt.Printf("%8.2f %8.2f | %8.2f %8.2f %8.2f %8.2f %8.2f | %6d\n",
		millis(all, 0.5), millis(all, 1), millis(text, 0.5), millis(compile, 0.5), millis(copied, 0.5), millis(grace, 0.5), millis(cpu, 0.5), w.lost())
	return nil
}

// millis is a quantile in milliseconds.
func millis(v []time.Duration, q float64) float64 {
	slices.Sort(v)
	return float64(v[int(q*float64(len(v)-1))]) / 1e6
}
