package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
)

// table prints what the rounds of one number of flows gave. results has a row of
// rounds for each world; rounds with the same index ran one after the other.
func table(out io.Writer, flows uint32, worlds []*world, results [][]result) {
	fmt.Fprintf(out, "\n%d established flows\n", flows)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "contender\tMpps median\tmin\tmax\tns/pkt CPU\tin kernel\toffered\tratio\t95 % CI\tto\t")
	for i, w := range worlds {
		mpps := column(results[i], func(r result) float64 { return r.mpps })
		cpu := column(results[i], func(r result) float64 { return r.cpu })
		sys := column(results[i], func(r result) float64 { return r.sys })
		offer := column(results[i], func(r result) float64 { return r.offer })
		if len(mpps) == 0 {
			continue
		}
		fmt.Fprintf(tw, "%s\t%.3f\t%.3f\t%.3f\t%.0f\t%.0f %%\t%.1f\t", w.name, median(mpps), slices.Min(mpps), slices.Max(mpps), median(cpu), 100*median(sys), median(offer))
		if j := slices.IndexFunc(worlds, func(v *world) bool { return v.name == w.against }); j >= 0 {
			ratios := make([]float64, 0, len(mpps))
			for k := range min(len(mpps), len(results[j])) {
				ratios = append(ratios, mpps[k]/results[j][k].mpps)
			}
			low, high := interval(ratios)
			fmt.Fprintf(tw, "%.2f\t%.2f-%.2f\t%s\t", median(ratios), low, high, w.against)
		} else {
			fmt.Fprint(tw, "\t\t\t")
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

func column(rounds []result, of func(result) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	return values
}

// median returns the middle value, or the mean of the middle two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// interval returns the 95 % confidence interval of the median, by drawing rounds
// anew with replacement. The seed is fixed: the same rounds give the same interval.
func interval(values []float64) (low, high float64) {
	const draws = 5000
	if len(values) == 0 {
		return 0, 0
	}
	random := rand.New(rand.NewPCG(1, 2))
	medians, drawn := make([]float64, draws), make([]float64, len(values))
	for i := range medians {
		for j := range drawn {
			drawn[j] = values[random.IntN(len(values))]
		}
		medians[i] = median(drawn)
	}
	slices.Sort(medians)
	return medians[draws*25/1000], medians[draws*975/1000-1]
}
