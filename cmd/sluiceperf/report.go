package main

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/perf/outfile"
)

// reportRules and reportFunctions are how many rows a report shows.
const (
	reportRules     = 25
	reportFunctions = 25
)

func newReport() *cobra.Command {
	var page, svg string
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "show a recording as text, and as HTML or a flame graph",
		Long: `Prints what a recording says: workers, stages, rules, burst times and functions.
The table of stages has the account's share beside that of the CPU profile's
samples: the first counts cycles, the second says in which functions. Below it
stands what the kernel counted for the workers' threads in the same time, which
has to be about what the account adds up to.
--html writes a page that needs no network, with the flame graph in it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rep, err := readReport(args[0])
			if err != nil {
				return err
			}
			if err := outfile.Check(page, svg); err != nil {
				return err
			}
			if svg != "" && rep.stacks == nil {
				return fmt.Errorf("%s: has no CPU profile to draw", args[0])
			}
			if svg != "" {
				if err := outfile.Write(svg, func(w io.Writer) error { return rep.stacks.graph.WriteSVG(w, "samples") }); err != nil {
					return err
				}
			}
			if page != "" {
				if err := outfile.Write(page, rep.writeHTML); err != nil {
					return err
				}
			}
			return rep.writeText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&page, "html", "", "write a page to `FILE` too")
	cmd.Flags().StringVar(&svg, "flame", "", "write the flame graph to `FILE` as SVG")
	return cmd
}

// reportOf is a recording and what was made of it.
type reportOf struct {
	*recording
	interval
	all    workerInterval
	stacks *stacks // nil without a CPU profile
}

// readReport reads a recording and makes a report of it.
func readReport(name string) (*reportOf, error) {
	r, err := readRecording(name)
	if err != nil {
		return nil, err
	}
	rep, err := newReportOf(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rep, nil
}

func newReportOf(r *recording) (*reportOf, error) {
	rep := &reportOf{recording: r, interval: between(&r.Start, &r.End)}
	rep.all = rep.total()
	if len(r.CPU) > 0 {
		var err error
		if rep.stacks, err = readStacks(r.CPU); err != nil {
			return nil, err
		}
	}
	return rep, nil
}

// stageRow is a row of the table of stages.
type stageRow struct {
	Name      string
	PerPacket float64 // ns
	Account   float64 // share of the cycles of bursts with packets
	Samples   float64 // share of the samples of these stages; below 0: no CPU profile
}

// stageRows joins the account with the samples. Samples outside the stages, of
// polling when nothing comes, are left out on both sides.
func (r *reportOf) stageRows() []stageRow {
	var rows []stageRow
	var samples int64
	if r.stacks != nil {
		for _, name := range r.interval.Stages {
			samples += r.stacks.stages[name]
		}
	}
	for i, name := range r.interval.Stages {
		row := stageRow{Name: name, PerPacket: r.all.Stages[i], Samples: -1}
		if r.all.PerPacket > 0 {
			row.Account = r.all.Stages[i] / r.all.PerPacket
		}
		if samples > 0 {
			row.Samples = float64(r.stacks.stages[name]) / float64(samples)
		}
		rows = append(rows, row)
	}
	return rows
}

// outside holds the account against what the kernel counted for the threads.
func (w *workerInterval) outside() string {
	if w.CPU == 0 || w.Packets == 0 {
		return "no count of the kernel's to hold against the account"
	}
	n := float64(w.Packets)
	text := fmt.Sprintf("Of a packet, the account has %.1f ns of work and %.1f ns of polling, the kernel %.1f ns of CPU time: %+.1f %%; about %.0f bursts were interrupted and are left out",
		w.Work/n, w.Polling/n, w.CPU/n, 100*w.beside(), w.Interrupted)
	if w.Work < busyShare*w.CPU {
		text += fmt.Sprintf(". The box was mostly idle: only %.0f %% of its CPU time was work. Falling asleep and waking, which no account has, take much of the rest, "+
			"so that the two differ, and many of the CPU profile's samples are of polling; ns/packet and its stages hold, for bursts as small as these", 100*w.Work/w.CPU)
	}
	return text
}

// busyShare is the share of the workers' CPU time that has to be work for account
// and kernel to be comparable.
const busyShare = 0.5

// beside is by how much the account is above what the kernel counted.
func (w *workerInterval) beside() float64 { return (w.Work+w.Polling)/w.CPU - 1 }

func (r *reportOf) title() string {
	s := fmt.Sprintf("sluice %s on %s, %s, %v", r.Version, r.Host, r.Begun.Format(time.DateTime), r.Took.Round(time.Millisecond))
	if r.Cut != "" {
		s += ", cut short: " + r.Cut
	}
	return s
}

func (r *reportOf) writeText(to io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%d packets, %.1f ns/packet, workers %.1f %% idle\n\n", r.title(), r.all.Packets, r.all.PerPacket, 100*r.all.Idle)
	writeWorkers(&b, &r.interval)
	r.writeStages(&b)
	fmt.Fprintln(&b, r.all.outside())
	writeRules(&b, &r.interval, reportRules)
	writeQueues(&b, r.Queues)
	if r.stacks != nil {
		fmt.Fprintf(&b, "\n%d samples of the process, %d of them in workers\n", r.stacks.all, r.stacks.workers)
		w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "itself\twith what it calls\tfunction")
		for i, f := range r.stacks.graph.Functions() {
			if i == reportFunctions || f.Self == 0 {
				break
			}
			fmt.Fprintf(w, "%.1f%%\t%.1f%%\t%s\n", percent(f.Self, r.stacks.all), percent(f.Total, r.stacks.all), f.Name)
		}
		_ = w.Flush() // a buffer takes everything
	}
	_, err := to.Write(b.Bytes())
	return err
}

func percent(n, all int64) float64 { return 100 * float64(n) / float64(max(all, 1)) }

func (r *reportOf) writeStages(to io.Writer) {
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "stage\tns/packet\taccount\tsamples")
	for _, row := range r.stageRows() {
		samples := "-"
		if row.Samples >= 0 {
			samples = fmt.Sprintf("%.1f%%", 100*row.Samples)
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f%%\t%s\n", row.Name, row.PerPacket, 100*row.Account, samples)
	}
	fmt.Fprintf(w, "all\t%.1f\t\t\n", r.all.PerPacket)
	_ = w.Flush() // a buffer takes everything
}
