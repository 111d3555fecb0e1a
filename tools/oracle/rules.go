package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
	"github.com/sluice-net/sluice/tools/oracle/rulefuzz"
	"github.com/spf13/cobra"
)

// ruling are the flags of rules.
type ruling struct {
	seed     uint64
	first    int
	verdicts int
	length   time.Duration
	workers  []int
	burst    int
	most     int
	refused  int
	listing  bool
	family   string
	make     rulefuzz.Options
}

func newRules() *cobra.Command {
	r := ruling{make: rulefuzz.Options{NAT: true}}
	cmd := &cobra.Command{
		Use:   "rules [FILE...]",
		Short: "random rulesets judge random packets; the last line counts verdicts that agree",
		Long: `Makes rulesets and packets aimed at their values, sends the packets through the
kernel and through sluice and compares frames, counters, sets, quotas and entries.
What differs is made short and printed; a file that holds what was printed can be
played again.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			switch r.family {
			case "":
			case "bridge":
				r.make.Wire, r.make.NAT = true, false
			case rulefuzz.Dump4, rulefuzz.Dump6:
				r.make.Dump = r.family
			default:
				return fmt.Errorf("--family %s: there are bridge, iptables and ip6tables", r.family)
			}
			if len(files) > 0 {
				return r.files(cmd.OutOrStdout(), files)
			}
			return r.run(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&r.seed, "seed", 0, "where the cases come from; 0: from the time")
	f.IntVar(&r.first, "first", 0, "number of the first case")
	f.IntVar(&r.verdicts, "verdicts", 100_000, "packets to judge")
	f.DurationVar(&r.length, "for", 0, "how long, in place of --verdicts")
	f.IntSliceVar(&r.workers, "workers", []int{1, 2}, "numbers of workers, each a box of its own")
	f.IntVar(&r.burst, "burst", 40, "packets between two comparisons")
	f.IntVar(&r.make.Packets, "packets", 240, "packets of a ruleset")
	f.IntVar(&r.most, "most", 5, "differences after which to stop")
	f.BoolVar(&r.listing, "listing", false, "compare the text of listings too")
	f.StringVar(&r.family, "family", "", "bridge: tables of that family, and boxes that are wires; iptables, ip6tables: dumps of these tools")
	f.IntVar(&r.refused, "show-refused", 10, "refused rules to show")
	return cmd
}

// between plays to the kernel as a router or as a bridge.
func (r *ruling) between(f func(*pair.Kernel) error) error {
	if r.make.Wire {
		return pair.RunWire(f)
	}
	return pair.Run(f)
}

// run plays random cases.
func (r *ruling) run(w io.Writer) error {
	if r.seed == 0 {
		r.seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintf(w, "seed %d\n", r.seed)
	failed, passed, cases := 0, 0, 0
	refused := map[string]int{}
	err := r.between(func(k *pair.Kernel) error {
		p := &rulefuzz.Player{Kernel: k, Workers: r.workers, Burst: r.burst, Listing: r.listing, Wire: r.make.Wire, Six: r.make.Dump == rulefuzz.Dump6}
		start := time.Now()
		for n := r.first; failed < r.most; n++ {
			if r.length > 0 && time.Since(start) >= r.length || r.length == 0 && passed >= r.verdicts {
				break
			}
			c := rulefuzz.Make(r.seed, n, r.make)
			cases++
			lines, o, err := p.Fit(c)
			for _, l := range lines {
				refused[l[:6]]++
				if refused[l[:6]] <= r.refused || l[:6] != "kernel" {
					fmt.Fprintf(w, "case %d: refused by %s\n", n, l)
				}
			}
			if errors.Is(err, rulefuzz.ErrAborted) {
				continue
			}
			if err != nil {
				return fmt.Errorf("case %d: %w", n, err)
			}
			if len(o.Diffs) == 0 {
				passed += len(c.Packets)
				continue
			}
			failed++
			fmt.Fprintf(w, "case %d of seed %d differs:\n", n, r.seed)
			show(w, o.Diffs)
			short := p.Shrink(c, o)
			o, err = p.Play(short.Text(), short.Packets)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "in short:\n")
			show(w, o.Diffs)
			fmt.Fprintf(w, "%s\n", short.Replay())
		}
		fmt.Fprintf(w, "%d rulesets of %d lines, %d packets in %.0f s; seed %d; rules refused: by the kernel %d, by sluice %d, not by sluice %d; nft itself failed over %d\n",
			cases, p.Rules, p.Packets, time.Since(start).Seconds(), r.seed, refused["kernel"], refused["sluice"], refused["taken "], p.Unlisted)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	if failed > 0 || refused["sluice"]+refused["taken "] > 0 {
		return errDiffers
	}
	return nil
}

func show(w io.Writer, diffs []string) {
	for i, d := range diffs {
		if i == 6 {
			fmt.Fprintf(w, "  and %d more\n", len(diffs)-i)
			break
		}
		fmt.Fprintf(w, "  %s\n", d)
	}
}

// files plays cases from files.
func (r *ruling) files(w io.Writer, files []string) error {
	passed, failed := 0, 0
	err := r.between(func(k *pair.Kernel) error {
		p := &rulefuzz.Player{Kernel: k, Workers: r.workers, Burst: r.burst, Listing: r.listing, Wire: r.make.Wire, Six: r.make.Dump == rulefuzz.Dump6}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			rules, packets, err := rulefuzz.ParseReplay(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			o, err := p.Play(rules, packets)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if len(o.Diffs) == 0 {
				passed++
				continue
			}
			failed++
			fmt.Fprintf(w, "%s differs after %d packets:\n", name, o.At)
			show(w, o.Diffs)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return errDiffers
	}
	return nil
}
