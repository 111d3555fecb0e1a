package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
	"github.com/spf13/cobra"
)

// fuzzing are fuzz's flags.
type fuzzing struct {
	seed    uint64
	length  time.Duration
	workers []int
	kinds   []string
	most    int
}

func newFuzz() *cobra.Command {
	f := fuzzing{}
	cmd := &cobra.Command{
		Use:   "fuzz",
		Short: "play random sequences of packets; print each difference as a short script",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout()) },
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "where the sequences come from; 0: from the time")
	cmd.Flags().DurationVar(&f.length, "for", time.Minute, "how long")
	cmd.Flags().IntSliceVar(&f.workers, "workers", []int{1, 2, 4}, "numbers of workers, each a box of its own")
	cmd.Flags().StringSliceVar(&f.kinds, "kinds", allKinds, "what the flows are")
	cmd.Flags().IntVar(&f.most, "most", 5, "differences after which to stop")
	return cmd
}

func (f *fuzzing) run(w io.Writer) error {
	for _, kind := range f.kinds {
		if !slices.Contains(allKinds, kind) {
			return fmt.Errorf("--kinds: %q is none of %v", kind, allKinds)
		}
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintf(w, "seed %d\n", f.seed)
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // boxes come and go by the thousand
	found, unsteady, short := 0, 0, 0
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: f.workers}
		start, sequences, packets, steps := time.Now(), 0, 0, 0
		say := func(when string) {
			fmt.Fprintf(w, "%s%d sequences, %d packets, %d comparisons in %.0f s with seed %d and %v workers: %d differences, %d unsteady, %d played in part\n",
				when, sequences, packets, steps, time.Since(start).Seconds(), f.seed, f.workers, found, unsteady, short)
		}
		said := start
		for ; time.Since(start) < f.length && found < f.most; sequences++ {
			s := f.sequence(sequences)
			v := c.play(s)
			packets, steps = packets+v.packets, steps+v.steps
			switch {
			case v.agreed():
				if v.short {
					short++
				}
			case v.err == nil && c.agreesNow(s):
				unsteady++
				fmt.Fprintf(w, "unsteady, agreed on every one of %d replays: %s\n%s\n", replays, v.String(), s)
			default:
				found++
				f.report(w, c, s, &v)
			}
			if time.Since(said) >= 5*time.Minute {
				say("so far ")
				said = time.Now()
			}
		}
		say("")
		return nil
	})
	if err == nil && found > 0 {
		err = errDiffers
	}
	return err
}

// replays is how often a script that differs is played again. One that then
// agrees each time has met the machine's timing or a chance of NAT: it is shown
// and counted, but is no difference.
const replays = 5

func (c *court) agreesNow(s *Script) bool {
	for range replays {
		if v := c.play(s); !v.agreed() {
			return false
		}
	}
	return true
}

// report prints a difference as the shortest script that shows it.
func (f *fuzzing) report(w io.Writer, c *court, s *Script, v *verdict) {
	if v.err == nil {
		fmt.Fprintf(w, "difference, being made short: %s\n%s\n", v.String(), s)
		s = shrink(s, func(s *Script) bool {
			again := c.play(s)
			if again.err != nil || again.agreed() {
				return false
			}
			*v = again
			return true
		})
	}
	fmt.Fprintf(w, "%s\n%s\n", v.String(), s)
}

// shrink makes a script smaller as long as it still differs: fewer lines,
// settings, smaller bursts, simpler rules.
func shrink(s *Script, differs func(*Script) bool) *Script {
	try := func(change func(*Script)) bool {
		next := *s
		next.Lines = slices.Clone(s.Lines)
		change(&next)
		if differs(&next) {
			s = &next
			return true
		}
		return false
	}
	if s.Burst > 1 {
		try(func(n *Script) { n.Burst = 1 })
	}
	for size := max(1, len(s.Lines)/2); size > 0; size /= 2 {
		for at := 0; at < len(s.Lines); {
			end := min(at+size, len(s.Lines))
			if !try(func(n *Script) { n.Lines = slices.Delete(n.Lines, at, end) }) {
				at = end
			}
		}
	}
	for i := len(s.Settings) - 1; i >= 0; i-- {
		if s.Settings[i] == unverified && strings.Contains(s.String(), "udplite") {
			continue // see known.go
		}
		try(func(n *Script) { n.Settings = slices.Delete(slices.Clone(n.Settings), i, i+1) })
	}
	if s.Rules != "observe" && !strings.Contains(s.String(), "=box") {
		try(func(n *Script) { n.Rules = "observe" })
	}
	for i := range s.Lines {
		for _, word := range strings.Fields(s.Lines[i])[1:] {
			if strings.Contains(word, "=") && !strings.HasPrefix(word, "f=") && word != "sport=5060" { // see known.go
				try(func(n *Script) { n.Lines[i] = strings.Replace(n.Lines[i], " "+word, "", 1) })
			}
		}
	}
	return s
}
