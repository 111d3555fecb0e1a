package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf/outfile"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/lab"
)

// options are the command line.
type options struct {
	sluice    string
	flows     uint
	trial     time.Duration
	tolerance float64
	steps     int
	sizes     []int
	out       string
	cpus      [2]int // generator, subject
}

func main() {
	o := &options{sizes: []int{64, 512, 1518}}
	flag.StringVar(&o.sluice, "sluice", "bin/sluice", "the box's program")
	flag.UintVar(&o.flows, "flows", 1000, "UDP flows")
	flag.DurationVar(&o.trial, "trial", time.Second, "time of a trial; the RFC wants 60s")
	flag.Float64Var(&o.tolerance, "tolerance", 0.001, "share of frames a passing trial may lose; the RFC wants 0")
	flag.IntVar(&o.steps, "steps", 8, "steps of the loss curve; 0: none")
	flag.StringVar(&o.out, "out", "bin/rfc2544", "write OUT.json, OUT.csv and OUT.html")
	flag.Func("sizes", "frame sizes with FCS, as 64,512,1518", func(text string) (err error) {
		o.sizes = nil
		for _, f := range strings.Split(text, ",") {
			n, bad := strconv.Atoi(f)
			o.sizes, err = append(o.sizes, n), errors.Join(err, bad)
		}
		return err
	})
	flag.Parse()
	o.cpus = [2]int{0, min(1, runtime.NumCPU()-1)}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "rfc2544:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context) (err error) {
	if err := lab.Privileged(); err != nil {
		return fmt.Errorf("SKIP-PRIVILEGE: %w", err)
	}
	if _, err := os.Stat(o.sluice); err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	if err := outfile.Check(o.files()...); err != nil {
		return err
	}
	const group = "/proc/self/autogroup"
	if os.WriteFile(group, []byte("-20"), 0) == nil { // else the kernel has no such groups
		defer func() { err = errors.Join(err, os.WriteFile(group, []byte("0"), 0)) }()
	}
	if err := pinProcess(o.cpus[0]); err != nil {
		return err
	}
	d := &report.Document{
		Title: "RFC 2544: sluice and the kernel's nftables, the same rules, over veth", When: time.Now(),
		Host: fmt.Sprintf("Linux %s, %d CPUs, generator on CPU %d, subject on CPU %d", release(), runtime.NumCPU(), o.cpus[0], o.cpus[1]),
		Notes: []string{fmt.Sprintf("%d established UDP flows; trials of %v; a trial passes with a loss of up to %g %%.", o.flows, o.trial, 100*o.tolerance),
			"veth has no zero-copy: both are bound by the kernel's copy-mode transmit of the generator and of the box, and other work on the machine is in all figures.",
			"Where the generator was the limit, the subject can do more than is shown: on veth a sender pays for waking the kernel's receive thread, frame by frame while that keeps up. make bench-veth compares both under more load than either bears."},
	}
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.close())
		}
	}()
	for _, name := range []string{"kernel nft", "sluice"} {
		s, err := o.newSubject(ctx, name)
		subjects = append(subjects, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, size := range o.sizes {
		for j := range subjects {
			if err := o.measure(ctx, subjects[(i+j)%len(subjects)], size, d); err != nil {
				return err
			}
		}
	}
	d.Notes = append(d.Notes, d.Doubts()...)
	return o.write(d)
}

// measure runs the methods against one subject, which is awake meanwhile.
func (o *options) measure(ctx context.Context, s *subject, size int, d *report.Document) (err error) {
	if err := s.wake(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.rest()) }()
	bench := pktgen.Bench{
		Subject: s.name, Time: o.trial, Tolerance: o.tolerance, Resolution: 0.02,
		Trial: s.rig.Trial(pktgen.Load{Name: s.name, Streams: []pktgen.Stream{s.forward}}, pktgen.Limits{Threads: 1, Settle: 100 * time.Millisecond}),
		Say:   func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	}
	found, err := bench.Throughput(ctx, size)
	if err != nil {
		return err
	}
	d.Throughput = append(d.Throughput, found)
	if found.Found {
		// At nine tenths of it: at the very rate queues are full now and then.
		l, err := bench.Latency(ctx, size, 0.9*found.PPS, 1)
		if err != nil {
			return err
		}
		d.Latency = append(d.Latency, l)
	}
	if o.steps > 0 {
		points, err := bench.LossCurve(ctx, size, o.steps)
		if err != nil {
			return err
		}
		d.Loss = append(d.Loss, points...)
	}
	return nil
}

func (o *options) write(d *report.Document) error {
	err := d.WriteText(os.Stdout)
	for i, write := range []func(io.Writer) error{d.Write, d.WriteCSV, d.WriteHTML} {
		err = errors.Join(err, outfile.Write(o.files()[i], write))
	}
	fmt.Printf("written: %s.json, .csv, .html\n", o.out)
	return err
}

// files are those of the result.
func (o *options) files() []string { return []string{o.out + ".json", o.out + ".csv", o.out + ".html"} }

// pinProcess confines all threads; those to come inherit it.
func pinProcess(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, bad := strconv.Atoi(t.Name())
		err = errors.Join(err, bad, lab.Pin(tid, cpu))
	}
	return err
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // an empty name is as good as an error here
	return unix.ByteSliceToString(u.Release[:])
}
