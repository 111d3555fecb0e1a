package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/perf"
)

func newDemo() *cobra.Command {
	var (
		length  time.Duration
		workers int
		plain   bool
		memory  bool
		keep    bool
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "run traffic through a home router, and check the result",
		Long: `Runs a home router with stateful filter, masquerading, a forwarded port and some
services forbidden, and lets hosts on both sides use it.

As root, the network is made of namespaces of its own (home - router - internet,
joined by veth pairs, IPv4 and IPv6), the box runs on AF_XDP, and programs of
these hosts speak real TCP (HTTP), UDP and ICMP through it. With --keep the
network stays until Ctrl-C, for commands of your own, which are printed; traffic
then runs before only if --for is given. Nothing is left behind.

With --memory, or without root or AF_XDP, the router's two ports are in memory:
captures of real traffic are played into it, and generated hosts open sessions.
That touches no network interface and needs no privileges.

In both forms it shows the rates once a second, reports what passed, what was
dropped, the counters of the rules, some of the connections and nanoseconds per
packet, and checks itself: everything permitted works with the right bytes,
nothing forbidden does, and the router's counters agree with what the hosts
counted. Exit status 1 means that a check failed; it is named.`,
		Example: `  sluice demo
  sluice demo --keep
  sluice demo --memory --for 60s --workers 4`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case length <= 0 || length > 24*time.Hour:
				return fmt.Errorf("--for %v: want more than 0s, at most 24h", length)
			case workers < 0 || workers > 64:
				return fmt.Errorf("--workers %d: want 1 to 64, or 0", workers)
			case memory && keep:
				return errors.New("--keep: a network in memory cannot be used from outside; leave out --memory")
			}
			out := cmd.OutOrStdout()
			live := !plain && isTerminal(out)
			if !memory {
				why := labPossible()
				if why == nil {
					ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
					defer stop()
					if keep && !cmd.Flags().Changed("for") {
						length = 0
					}
					if workers == 0 { // hosts need a CPU as well
						workers = min(max(1, runtime.NumCPU()-1), 4)
					}
					return runLabDemo(ctx, out, length, workers, live, keep)
				}
				if keep {
					return failed(fmt.Errorf("--keep: %w", why))
				}
				fmt.Fprintf(out, "In memory, because AF_XDP and namespaces cannot be used here: %v\n", why)
			}
			if workers == 0 {
				workers = min(max(2, runtime.NumCPU()-1), 4)
			}
			return runDemo(out, length, workers, live)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&length, "for", 10*time.Second, "how `LONG` hosts use the router")
	f.IntVar(&workers, "workers", 0, "`NUMBER` of workers; 0: CPUs less one, 4 at most")
	f.BoolVar(&plain, "plain", false, "print a line a second even on a terminal")
	f.BoolVar(&memory, "memory", false, "use ports in memory, even as root")
	f.BoolVar(&keep, "keep", false, "leave the network running until Ctrl-C and say how to use it")
	return cmd
}

// isTerminal says whether w is a terminal, or near enough: a character device
// that is not the null device.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// measureTime is how long the time of a packet is measured.
const measureTime = 2 * time.Second

func runDemo(out io.Writer, length time.Duration, workers int, live bool) error {
	fmt.Fprintf(out, "A home router in memory: ports lan and wan, %d workers, ruleset cmd/sluice/demo.nft\n", workers)
	d, err := newDemoBox(workers)
	if err != nil {
		return failed(err)
	}
	defer d.close()
	if err := d.box.Start(); err != nil {
		return failed(err)
	}
	results, err := d.playCaptures()
	if err != nil {
		return failed(err)
	}
	reportCaptures(out, results)

	played := d.snapshot()
	w, err := newWorld(d, perf.NewClock())
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "\nSessions for %v: %s\n", length, "permitted ones must complete, forbidden ones must not")
	if err := w.live(out, length, live); err != nil {
		return failed(err)
	}
	d.box.Stop()
	for _, f := range d.far {
		f.take() // what is still on the wires
	}
	end := d.snapshot()
	reportSessions(out, w)
	reportBox(out, d, end)
	measured, err := measure(min(measureTime, length))
	if err != nil {
		return failed(fmt.Errorf("measurement: %w", err))
	}
	reportMeasure(out, &measured)

	checks := check(d, w, results, played, end)
	if reportChecks(out, checks) {
		return nil
	}
	return errReported
}

// live runs the world for a time and shows the rates once a second.
func (w *world) live(out io.Writer, length time.Duration, live bool) error {
	stop := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		w.d.showRates(out, live, stop)
	}()
	defer func() { close(stop); <-shown }()
	end := time.Now().Add(length)
	for {
		more := time.Now().Before(end)
		work, rest, err := w.step(more)
		if err != nil {
			return err
		}
		if rest && !more && !work && w.calm() {
			break
		}
		if !work {
			time.Sleep(20 * time.Microsecond)
		}
	}
	return nil
}

// calm says that nothing is under way: what the hosts sent has come in, what
// the workers handed over has arrived, and the hosts have all that was sent.
func (w *world) calm() bool {
	stats := w.d.box.Stats()
	t := stats.Total()
	hosts := w.frames()
	for _, f := range w.d.far {
		hosts.Sent, hosts.Received = hosts.Sent+f.sent, hosts.Received+f.received
	}
	return t.RxFrames == hosts.Sent && t.HandoversIn == t.HandoversOut && t.TxFrames == hosts.Received
}

// showRates prints what the router does once a second until told to stop.
func (d *demoBox) showRates(out io.Writer, live bool, stop chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	start := time.Now()
	last, at := d.box.Stats(), start
	for {
		select {
		case <-stop:
			if live {
				fmt.Fprint(out, "\n")
			}
			return
		case now := <-tick.C:
			stats := d.box.Stats()
			t := since(stats.Total(), last.Total())
			seconds := now.Sub(at).Seconds()
			line := fmt.Sprintf("%4.0f s %9.0f packets/s in %9.0f out %7.0f dropped %7.0f between workers %7d connections",
				now.Sub(start).Seconds(), float64(t.RxFrames)/seconds, float64(t.TxFrames)/seconds,
				float64(t.Fates[dataplane.FateDropped]+t.Fates[dataplane.FateRejected])/seconds, float64(t.HandoversIn)/seconds, stats.Flows)
			if live {
				fmt.Fprintf(out, "\r%s\x1b[K", line)
			} else {
				fmt.Fprintln(out, line)
			}
			last, at = stats, now
		}
	}
}
