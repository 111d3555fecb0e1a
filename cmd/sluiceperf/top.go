package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// topRules is how many rules a screen shows.
const topRules = 10

func newTop() *cobra.Command {
	var (
		path  string
		every time.Duration
		count int
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "show live where the workers' time goes",
		Long: `Shows, anew every interval, for each worker: packets a second, the shares of
time in which it was idle or waited for a CPU that others had, ns a packet by
stage, packets a burst, burst times, handovers and drops by reason; for each
rule: its packets and their time; for each port: rates; for each queue: how full
its four rings were, and what was lost there, in the kernel
(no-frame-or-too-long, rx-ring-full, bad-descriptors) or the box.

Profiling is switched on in the box meanwhile. Times come from a sample: stages
and bursts from a quarter of the rounds, rules from the packets of one in 16. On
a terminal the screen is overwritten; elsewhere one follows the other.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < 10*time.Millisecond || count < 0 {
				return usageError{fmt.Errorf("--interval %v --count %d: want at least 10ms, and no negative count", every, count)}
			}
			box, err := control.Connect(path)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			return profiled(box, func(last control.Profile) error {
				queues := &queueWatch{box: box}
				if err := queues.look(); err != nil {
					return err
				}
				for n := 0; count == 0 || n < count; n++ {
					if err := queues.watch(cmd.Context().Done(), every, nil); err != nil {
						return err
					}
					if cmd.Context().Err() != nil {
						return nil
					}
					now, err := box.Profile()
					if err != nil {
						return err
					}
					status, err := box.Status()
					if err != nil {
						return err
					}
					in := between(&last, &now)
					last = now
					if err := writeScreen(out, &in, queues.next(), &status); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	boxFlag(cmd, &path)
	cmd.Flags().DurationVarP(&every, "interval", "i", time.Second, "time between screens")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "end after so many screens; 0: on Ctrl-C")
	return cmd
}

// writeScreen shows one interval. On a terminal it begins at its top.
func writeScreen(to io.Writer, in *interval, queues []queueInterval, s *control.Status) error {
	var b bytes.Buffer
	if terminal(to) {
		b.WriteString("\x1b[H\x1b[2J")
	}
	fmt.Fprintf(&b, "sluice %s, pid %d, up %v, %d flows, rules of generation %d\n\n", s.Version, s.PID,
		time.Duration(s.UptimeSec)*time.Second, s.Flows, s.Rules.Generation)
	writeWorkers(&b, in)
	writeRules(&b, in, topRules)
	writePorts(&b, s.Ports)
	writeQueues(&b, queues)
	b.WriteByte('\n')
	_, err := to.Write(b.Bytes())
	return err
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// writeWorkers writes the workers' table and what they dropped.
func writeWorkers(to io.Writer, in *interval) {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "worker\trx pps\ttx pps\tidle\twaiting\tfill\tns/packet\t")
	for _, s := range in.Stages {
		fmt.Fprintf(w, "%s\t", s)
	}
	fmt.Fprint(w, "planned\thanded over\ttaken over\tburst p50\tp99\tp99.9\t\n")
	for i := range in.Workers {
		writeWorker(w, fmt.Sprint(i), &in.Workers[i])
	}
	if len(in.Workers) > 1 {
		t := in.total()
		writeWorker(w, "all", &t)
	}
	_ = w.Flush() // a buffer takes everything
	t := in.total()
	for _, reason := range byNumber(t.Drops) {
		fmt.Fprintf(to, "%12.0f dropped a second: %s\n", t.Drops[reason], reason)
	}
}

func writeWorker(to io.Writer, name string, w *workerInterval) {
	fmt.Fprintf(to, "%s\t%.0f\t%.0f\t%.1f%%\t%.1f%%\t%.1f\t%.1f\t", name, w.RxRate, w.TxRate, 100*w.Idle, 100*w.Waiting, w.Fill, w.PerPacket)
	for _, ns := range w.Stages {
		fmt.Fprintf(to, "%.1f\t", ns)
	}
	planned := "-"
	if w.Planned > 0 {
		planned = fmt.Sprintf("%.1f%%", 100*w.Planned)
	}
	fmt.Fprintf(to, "%s\t%.0f\t%.0f\t%v\t%v\t%v\t\n", planned, w.HandOut, w.HandIn,
		short(w.burstTime(0.5)), short(w.burstTime(0.99)), short(w.burstTime(0.999)))
}

// short rounds to what can be told apart.
func short(d time.Duration) time.Duration {
	if d > 100*time.Microsecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Nanosecond)
}

// writeRules writes the rules that cost most.
func writeRules(to io.Writer, in *interval, most int) {
	if len(in.Rules) == 0 {
		return
	}
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "about pps\tpackets\ttime\tns/packet\trule that decided")
	for i := range in.Rules {
		if i == most {
			fmt.Fprintf(w, "\t\t\t\tand %d more\n", len(in.Rules)-most)
			break
		}
		r := &in.Rules[i]
		fmt.Fprintf(w, "%.0f\t%.1f%%\t%.1f%%\t%.0f\t%s\n", r.Rate, 100*r.Decided, 100*r.Share, r.PerPacket, ruleName(&r.RuleProfile))
	}
	_ = w.Flush() // a buffer takes everything
	if in.NewRules {
		fmt.Fprintln(to, "the rules changed meanwhile: these are the new ones'")
	}
}

// ruleName is a rule's place and text.
func ruleName(r *control.RuleProfile) string {
	if r.ID == 0 {
		return "(no rule was asked)"
	}
	return strings.TrimSpace(r.Place + "  " + counterValues.ReplaceAllString(r.Rule, "counter"))
}

// counterValues are those that a rule's text begins with, not what it has counted.
var counterValues = regexp.MustCompile(`\bcounter packets [0-9]+ bytes [0-9]+`)

func writePorts(to io.Writer, ports []control.PortStatus) {
	if len(ports) == 0 {
		return
	}
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "port\tmode\tqueues\tring\trx pps\ttx pps\tlost since the start")
	for i := range ports {
		p := &ports[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.0f\t%.0f\t%s\n", p.Name, p.Mode, p.Queues, p.Ring, p.RxRate, p.TxRate, listed(p.Lost))
	}
	_ = w.Flush() // a buffer takes everything
}

// byNumber returns the keys, those of large values first.
func byNumber(m map[string]float64) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
}
