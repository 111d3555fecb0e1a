package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

const editBoxes = 100_000

// setOfBoxes has a set of n concatenated intervals.
func setOfBoxes(n int) string {
	var b strings.Builder
	b.WriteString("table inet filter {\n\tset s {\n\t\ttype ipv4_addr . inet_service\n\t\tflags interval\n\t\telements = {\n")
	for i := range n {
		fmt.Fprintf(&b, "\t\t\t%s,\n", box(i))
	}
	b.WriteString("\t\t}\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n")
	b.WriteString("\t\tip saddr . tcp dport @s counter drop\n\t\tudp dport 53 counter accept\n\t}\n}\n")
	return b.String()
}

// box is element i of a set of concatenated intervals.
func box(i int) string {
	at := 20<<24 + i*16
	return fmt.Sprintf("%d.%d.%d.%d-%d.%d.%d.%d . %d-%d", at>>24, at>>16&255, at>>8&255, at&255, at>>24, at>>16&255, at>>8&255, at&255+7, 1+i%50000, 9+i%50000)
}

// editBox is edit i: a box that comes, or goes again.
func editBox(_ *nft.Ruleset, i int, _ *rand.Rand) string {
	return fmt.Sprintf("%s element inet filter s { %s }\n", [2]string{"add", "delete"}[i/50%2], box(editBoxes+i%50))
}

// BenchmarkEdit is what an edit costs the control side of a box without traffic.
func BenchmarkEdit(b *testing.B) {
	for _, row := range []struct {
		name, text string
		command    func(tree *nft.Ruleset, i int, r *rand.Rand) string
	}{
		{"rule", ruleset(editRules, 0, true), editRule},
		{"address", setOf(editElements, false), editElement},
		{"range", setOf(editElements, true), editElement},
		{"box", setOfBoxes(editBoxes), editBox},
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

// BenchmarkRoute is what one route changed in a thousand costs the control side.
func BenchmarkRoute(b *testing.B) {
	w, err := newWorld(setOf(10, false), 1, 1, false)
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	w.box.Stop()
	r := rand.New(rand.NewPCG(1, 1))
	state := churnState()
	b.ReportAllocs()
	b.ResetTimer()
	used := processCPU()
	for b.Loop() {
		state.Routes[len(state.Routes)-1-r.IntN(churnRoutes)] = churnRoute(r.IntN(4 * churnRoutes))
		if err := w.box.SetState(state); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processCPU()-used)/float64(b.N)/1e3, "cpu-us/op")
}
