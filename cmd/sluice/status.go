package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

func newStatus() *cobra.Command {
	var (
		path   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "say how the running box is doing",
		Long: `Prints ports with their modes and rates, workers, rules, connections, what was
dropped and why, and whether the kernel's tables are followed. Rates are over
the last second, all else counts since the box started.`,
		Example: `  sluice status
  sluice status --json | jq .drops`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			box, err := control.Connect(path)
			if err != nil {
				return failed(err)
			}
			status, err := box.Status()
			if err != nil {
				return failed(err)
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return failed(enc.Encode(status))
			}
			return failed(printStatus(cmd.OutOrStdout(), &status))
		},
	}
	controlFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func printStatus(to io.Writer, s *control.Status) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "sluice %s, pid %d, mode %s, up %v, control %s\n", s.Version, s.PID, s.Mode,
		(time.Duration(s.UptimeSec) * time.Second), s.Control)
	for _, what := range s.Trouble {
		fmt.Fprintf(&b, "TROUBLE: %s\n", what)
	}
	printPorts(&b, s.Ports)
	printWorkers(&b, s.Workers)
	fmt.Fprintf(&b, "\nrules    generation %d, %s from %s", s.Rules.Generation, amount(s.Rules.Rules, "rule"), orDash(s.Rules.File))
	if n := s.Rules.Scripts; n > 0 {
		fmt.Fprintf(&b, ", changed by %s since", amount(n, "script"))
	}
	fmt.Fprintf(&b, "\nflows    %d", s.Flows)
	if s.MaxFlows > 0 {
		fmt.Fprintf(&b, " of %d", s.MaxFlows)
	}
	printPlans(&b, &s.Plans)
	fmt.Fprintf(&b, "\nframes   %d of %d free", s.FreeFrames, s.Frames)
	if s.HugePages {
		b.WriteString(", on huge pages")
	}
	if s.FramesLost != 0 {
		fmt.Fprintf(&b, ", %d LOST", s.FramesLost)
	}
	b.WriteByte('\n')
	if m := s.Mirror; m != nil {
		fmt.Fprintf(&b, "kernel   %s, %s; followed %s, %s", amount(m.Routes, "route"), amount(m.Neighbours, "neighbour"),
			amount(int(m.Applied), "time"), amount(int(m.ApplyErrors), "failure"))
		for _, x := range []struct {
			n    uint64
			what string
		}{{m.Overflows, "resync after lost event"}, {m.Skipped, "route left out"}, {m.PolicyRules, "ip rule not followed"}} {
			if x.n > 0 {
				fmt.Fprintf(&b, ", %d x %s", x.n, x.what)
			}
		}
		b.WriteByte('\n')
	}
	guard := "missing"
	if s.Guard.Installed {
		guard = "in place"
	}
	fmt.Fprintf(&b, "guard    %s", guard)
	if len(s.Guard.Untrusted) > 0 {
		fmt.Fprintf(&b, ", untrusted: %s", strings.Join(s.Guard.Untrusted, " "))
	}
	if s.Guard.OpenOnExit {
		b.WriteString(", goes at the end")
	}
	b.WriteByte('\n')
	for _, rule := range s.KernelRules {
		fmt.Fprintf(&b, "kernel filters too: %s\n", rule)
	}
	printDrops(&b, s)
	_, err := to.Write(b.Bytes())
	return err
}

// printPlans says how many packets of established flows skipped the rules, and
// which rules kept the others from it.
func printPlans(to io.Writer, s *control.PlanStatus) {
	if s.Established == 0 {
		return
	}
	fmt.Fprintf(to, "\nplans    %.1f %% of %d packets of established flows", 100*float64(s.Planned)/float64(s.Established), s.Established)
	for _, f := range s.Forbidden {
		fmt.Fprintf(to, "\n         %d walked because of %s: %s", f.Packets, f.Place, f.Rule)
	}
}

func printPorts(to io.Writer, ports []control.PortStatus) {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nport\tlink\tdriver\tmode\tqueues\tmtu\trx pps\ttx pps\trx packets\ttx packets\taddresses")
	for _, p := range ports {
		link, mode := "down", p.Mode
		if p.Up {
			link = "up"
		}
		if p.XDP != "native" {
			mode += " " + p.XDP
		}
		if p.Backend != "own" {
			mode += " " + p.Backend
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%s\n", p.Name, link, orDash(p.Driver), mode, p.Queues, p.MTU,
			p.RxRate, p.TxRate, p.RxPackets, p.TxPackets, orDash(strings.Join(p.Addresses, " ")))
	}
	_ = w.Flush() // a buffer takes everything
	for _, p := range ports {
		for _, reason := range slices.Sorted(maps.Keys(p.Lost)) {
			fmt.Fprintf(to, "%s lost %d: %s\n", p.Name, p.Lost[reason], reason)
		}
	}
}

func printWorkers(to io.Writer, workers []control.WorkerStatus) {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nworker\trx pps\ttx pps\trx packets\ttx packets\tdropped\thanded over\ttaken over")
	for i, s := range workers {
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%d\t%d\t%d\t%d\t%d\n", i, s.RxRate, s.TxRate, s.RxPackets, s.TxPackets, s.Dropped, s.HandoversOut, s.HandoversIn)
	}
	_ = w.Flush() // a buffer takes everything
}

// printCounts prints counts below a headline, the greatest first.
func printCounts(to io.Writer, headline string, counts map[string]uint64) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	if len(names) > 0 {
		fmt.Fprintln(to, headline)
	}
	for _, name := range names {
		fmt.Fprintf(to, "%10d  %s\n", counts[name], name)
	}
}

func printDrops(to io.Writer, s *control.Status) {
	printCounts(to, "\nconntrack met (INVALID: sluice conntrack --invalid)", s.Conntrack)
	printCounts(to, "\npackets dropped", s.Drops)
	for _, x := range []struct {
		n    uint64
		what string
	}{
		{s.ICMPUnsent.Limited, "ICMP errors not sent: rate"},
		{s.ICMPUnsent.NoSource, "ICMP errors not sent: the port has no address"},
		{s.LogsLost, "log records lost"},
		{s.TracesLost, "steps of traced packets lost"},
	} {
		if x.n > 0 {
			fmt.Fprintf(to, "%10d  %s\n", x.n, x.what)
		}
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
