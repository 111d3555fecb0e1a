package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// labName begins the names of all labs made here.
const labName = "vb"

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// options are the flags.
type options struct {
	rounds        int
	length        time.Duration
	flows         []uint32
	sluices       list
	set, env      list
	asavie        bool
	plain         bool
	testpmd       bool
	nat           bool
	sinkXDP       bool
	verbose       bool
	genCPU, cpu   int
	softirqThread int
}

func parseOptions() (*options, error) {
	o := &options{}
	var flows, sink string
	flag.IntVar(&o.rounds, "rounds", 20, "alternating rounds")
	flag.DurationVar(&o.length, "length", 1250*time.Millisecond, "measured time of a round")
	flag.StringVar(&flows, "flows", "1024,65536,1048576", "numbers of established flows, powers of two; more than 1024 come in random order")
	flag.Var(&o.sluices, "sluice", "`NAME=PATH` of a sluice to measure; may be repeated (default sluice=bin/sluice)")
	flag.Var(&o.set, "set", "`LINE` for the settings file of sluice, such as 'ring: 4096'; may be repeated")
	flag.Var(&o.env, "env", "`NAME=VALUE` for the environment of sluice; may be repeated")
	flag.BoolVar(&o.asavie, "asavie", true, "measure sluice with the asavie backend too")
	flag.BoolVar(&o.plain, "plain", true, "measure the kernel without rules too")
	flag.BoolVar(&o.testpmd, "testpmd", true, "measure dpdk-testpmd too, if installed (first number of flows only)")
	flag.BoolVar(&o.nat, "nat", true, "measure masquerade too (first number of flows only)")
	flag.StringVar(&sink, "sink", "nft", "what ends the packets: nft, or xdp, for which the kernel copies AF_XDP's frames once more")
	flag.BoolVar(&o.verbose, "v", false, "print each round")
	flag.IntVar(&o.genCPU, "gen-cpu", 0, "CPU of the generator")
	flag.IntVar(&o.cpu, "cpu", 1, "CPU of the router")
	flag.Parse()
	if flag.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	for f := range strings.SplitSeq(flows, ",") {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil || n < 64 || n > 1<<24 || n&(n-1) != 0 {
			return nil, fmt.Errorf("-flows: %q is not a power of two from 64 to %d", f, 1<<24)
		}
		o.flows = append(o.flows, uint32(n))
	}
	if sink != "nft" && sink != "xdp" {
		return nil, fmt.Errorf("-sink: %q is neither nft nor xdp", sink)
	}
	o.sinkXDP = sink == "xdp"
	if o.rounds < 1 || o.length < 100*time.Millisecond || o.length > 30*time.Second {
		return nil, errors.New("-rounds must be positive and -length from 100ms to 30s")
	}
	if len(o.sluices) == 0 {
		o.sluices = list{"sluice=bin/sluice"}
	}
	for tid := range lab.ThreadsNamed(fmt.Sprintf("ksoftirqd/%d\n", o.cpu)) {
		o.softirqThread = tid
	}
	return o, nil
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vethbench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "vethbench:", err)
		// Only what a contender did wrong is a failure of it.
		if errors.As(err, &wrong{}) {
			os.Exit(1)
		}
		os.Exit(2)
	}
}

func run(ctx context.Context, o *options) error {
	if err := lab.Privileged(); err != nil {
		return err
	}
	if runtime.NumCPU() < 2 {
		return errors.New("needs two CPUs, one for the generator and one for the router")
	}
	if _, err := lab.CleanLeftovers(labName); err != nil {
		return err
	}
	all, missing := contenders(o)
	for _, m := range missing {
		fmt.Println("left out:", m)
	}
	e, err := newEnds()
	if err != nil {
		return err
	}
	defer e.close()
	restore, err := prepareMachine(o)
	defer restore()
	if err != nil {
		return err
	}
	fmt.Printf("%s, load %s; %d rounds of %v; generator on CPU %d, router and sink (%s) on CPU %d\n",
		release(), load(), o.rounds, o.length, o.genCPU, sinkName(o), o.cpu)
	for i, flows := range o.flows {
		var take []contender
		for _, c := range all {
			if i == 0 || !c.nat && c.kind != testpmd {
				take = append(take, c)
			}
		}
		if err := compare(ctx, o, e, take, flows); err != nil {
			return err
		}
	}
	return nil
}

// compare measures contenders with one number of flows. A contender that cannot
// be set up is left out; one that forwards wrongly is an error in the end.
func compare(ctx context.Context, o *options, e *ends, take []contender, flows uint32) (err error) {
	var worlds []*world
	defer func() {
		for _, w := range worlds {
			err = errors.Join(err, w.close())
		}
	}()
	var bad []error
	for _, c := range take {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w, err := newWorld(c, flows, e, o, len(worlds))
		switch {
		case err == nil:
			worlds = append(worlds, w)
		case errors.As(err, &wrong{}):
			bad = append(bad, err)
		default:
			fmt.Println("left out:", err)
		}
	}
	if len(worlds) == 0 {
		return errors.Join(append(bad, errors.New("nothing to measure"))...)
	}
	results := make([][]result, len(worlds))
	for round := range o.rounds {
		for i := range worlds {
			i = (i + round) % len(worlds) // nobody always follows the same one
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r, err := worlds[i].measure(o)
			if err != nil {
				return err
			}
			results[i] = append(results[i], r)
			if o.verbose {
				fmt.Printf("round %d %s: %.3f Mpps of %.1f, %.0f ns, load %s\n", round, worlds[i].name, r.mpps, r.offer, r.cpu, load())
			}
		}
	}
	table(os.Stdout, flows, worlds, results)
	for _, w := range worlds {
		line, err := w.account()
		fmt.Println(line)
		bad = append(bad, err)
	}
	fmt.Println("load", load())
	return errors.Join(bad...)
}

func sinkName(o *options) string {
	if o.sinkXDP {
		return "XDP"
	}
	return "nft"
}

// prepareMachine makes room for as many flows as are asked for in the kernel,
// and for testpmd's memory, and puts everything here before other logins' work.
// What it returns puts everything back.
func prepareMachine(o *options) (restore func(), err error) {
	var undo []func()
	restore = func() {
		for _, f := range undo {
			f()
		}
	}
	atLeast := func(path string, want int) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // no such thing here
		}
		if have, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || have >= want {
			return err
		}
		undo = append(undo, func() { _ = os.WriteFile(path, text, 0) })
		return os.WriteFile(path, []byte(strconv.Itoa(want)), 0)
	}
	flows := uint32(0)
	for _, n := range o.flows {
		flows = max(flows, n)
	}
	err = atLeast("/proc/sys/net/netfilter/nf_conntrack_max", int(2*flows))
	if o.testpmd {
		err = errors.Join(err, atLeast("/proc/sys/vm/nr_hugepages", 512))
	}
	const group = "/proc/self/autogroup"
	if os.WriteFile(group, []byte("-20"), 0) == nil { // else the kernel has no such groups
		undo = append(undo, func() { _ = os.WriteFile(group, []byte("0"), 0) })
	}
	return restore, err
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}

// load returns the load averages.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(text))
	return strings.Join(f[:min(3, len(f))], " ")
}
