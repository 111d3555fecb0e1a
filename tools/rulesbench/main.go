package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/tools/classbench"
)

// headers is the length of a trace, as in dpdk-test-acl's own examples.
const headers = 65536

// options are the command line.
type options struct {
	dir, only   string
	rounds, cpu int
	alone       bool
}

// parts are what is measured, in this order.
var parts = []struct {
	name string
	run  func(o *options) error
}{
	{"lookups", lookups},
	{"load", load},
	{"edits", edits},
	{"swaps", swaps},
	{"churn", churn},
}

func main() {
	var o options
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	what := flag.String("what", strings.Join(names, ","), "what to measure")
	flag.StringVar(&o.dir, "sets", "../shared/corpora/classbench", "folder of *.rules files")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	flag.StringVar(&o.only, "run", "", "only filter sets whose name has this in it")
	flag.IntVar(&o.cpu, "cpu", 1, "CPU to look up on")
	flag.BoolVar(&o.alone, "alone", false, "leave dpdk-test-acl out")
	flag.Parse()
	perf.TuneHeap() // as sluice run
	wanted := strings.Split(*what, ",")
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			fmt.Fprintf(os.Stderr, "rulesbench: -what %s: there are %s\n", w, strings.Join(names, ", "))
			os.Exit(2)
		}
	}
	for _, p := range parts {
		if !slices.Contains(wanted, p.name) {
			continue
		}
		if err := p.run(&o); err != nil {
			fmt.Fprintf(os.Stderr, "rulesbench: %s: %v\n", p.name, err)
			os.Exit(1)
		}
	}
}

// figures of one set by one contender; lookups in millions a second of CPU time.
type figures struct {
	single, burst  float64
	buildMS, bytes float64
}

// lookups prints the table of filter sets. It has a thread for itself, which ends
// with it, for it stays on one CPU.
func lookups(o *options) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- lookupsHere(o)
	}()
	return <-done
}

func lookupsHere(o *options) error {
	files, err := filepath.Glob(filepath.Join(o.dir, "*"+o.only+"*.rules"))
	if err != nil || len(files) == 0 {
		return errors.Join(fmt.Errorf("no filter sets in %s", o.dir), err)
	}
	cpu := o.cpu % runtime.NumCPU()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("CPU %d: %w", cpu, err)
	}
	var peer *peer
	if !o.alone {
		if peer, err = newPeer(cpu); err != nil {
			fmt.Println("SKIPPED: nothing to compare with:", err)
		}
	}
	defer peer.close()
	fmt.Println("millions of lookups per second of CPU time (single, burst; linear: one rule after the other), CPU time of the build, size")
	fmt.Printf("%-10s %6s %8s %8s %8s %10s %12s %9s %8s %7s %8s\n",
		"set", "rules", "linear", "single", "burst", "dpdk avx2", "dpdk avx512", "build ms", "dpdk ms", "KB", "dpdk KB")
	for _, file := range files {
		rules, err := classbench.Rules(file)
		if err != nil {
			return err
		}
		trace := classbench.Draw(rules, headers, 1)
		ours, err := newOurs(rules, trace)
		if err != nil {
			return err
		}
		var a, avx2, avx512 []figures
		linear := ours.linear()
		for range o.rounds {
			f, err := ours.measure()
			if err != nil {
				return err
			}
			a = append(a, f)
			for alg, to := range map[string]*[]figures{"avx2": &avx2, "avx512x32": &avx512} {
				if f, err = peer.measure(file, trace, alg); err != nil {
					return err
				}
				*to = append(*to, f)
			}
		}
		f, g, h := median(a), median(avx2), median(avx512)
		fmt.Printf("%-10s %6d %8.3f %8.1f %8.1f %10.1f %12.1f %9.1f %8.0f %7.0f %8.0f\n", strings.TrimSuffix(filepath.Base(file), ".rules"),
			len(rules), linear, f.single, f.burst, g.burst, h.burst, f.buildMS, h.buildMS, f.bytes/1e3, h.bytes/1e3)
	}
	return nil
}

// median takes the median of each figure.
func median(rows []figures) figures {
	of := func(get func(*figures) float64) float64 {
		var v []float64
		for i := range rows {
			v = append(v, get(&rows[i]))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return figures{
		single: of(func(f *figures) float64 { return f.single }), burst: of(func(f *figures) float64 { return f.burst }),
		buildMS: of(func(f *figures) float64 { return f.buildMS }), bytes: of(func(f *figures) float64 { return f.bytes }),
	}
}
