package main

import (
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// BenchmarkEdit is what an edit costs the control side of a box without traffic.
func BenchmarkEdit(b *testing.B) {
	for _, row := range []struct {
		name, text string
		command    func(tree *nft.Ruleset, i int, r *rand.Rand) string
	}{
		{"rule", ruleset(editRules, 0, true), editRule},
		{"address", setOf(editElements, false), editElement},
		{"range", setOf(editElements, true), editElement},
	} {
		b.Run(row.name, func(b *testing.B) {
			w, err := newWorld(row.text, 1, 1, false)
			if err != nil {
				b.Fatal(err)
			}
			defer w.close()
			w.box.Stop()
			r := rand.New(rand.NewPCG(1, 1))
			i := 0
			b.ReportAllocs()
			b.ResetTimer()
			used := processCPU()
			for b.Loop() {
				out, err := nft.Run(w.box.Rules().Tree, "command", []byte(row.command(w.box.Rules().Tree, i, r)), nft.ParseOptions{}, nft.PrintOptions{})
				if err != nil {
					b.Fatal(err)
				}
				rs, err := w.box.Compile(out.Rules)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.box.Publish(rs); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(processCPU()-used)/float64(b.N)/1e3, "cpu-us/op")
		})
	}
}
