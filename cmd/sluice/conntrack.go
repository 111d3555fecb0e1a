package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/flowtable"
)

// conntrackName begins the tool's closing lines; scripts look for them.
const conntrackName = "conntrack v1.4.7 (conntrack-tools): "

func newConntrack() *cobra.Command {
	var (
		path                      string
		list, count, stats, flush bool
		filter                    control.Filter
	)
	cmd := &cobra.Command{
		Use:   "conntrack -L [FILTER] | -C | -S | -F",
		Short: "list, count and flush the connections of the running box, as conntrack does",
		Long: `Speaks with the box of this network namespace and prints what the conntrack tool
(1.4.7) would: rows go to standard output, the closing line to standard error.
Filters are about the original direction. -S has a line for each worker.`,
		Example: `  sluice conntrack -L
  sluice conntrack -L -p tcp -s 192.0.2.0/24 --dport 443
  sluice conntrack -F`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != "conntrack" {
				return fmt.Errorf("unknown table %q: there is only conntrack", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			commands := 0
			for _, given := range []bool{list, count, stats, flush} {
				if given {
					commands++
				}
			}
			if commands != 1 {
				return errors.New("give one of -L, -C, -S and -F")
			}
			if _, err := filter.Match(); err != nil {
				return err
			}
			if filter != (control.Filter{}) && !list {
				return errors.New("filters go with -L")
			}
			box, err := control.Connect(path)
			if err != nil {
				return failed(err)
			}
			out, footer := cmd.OutOrStdout(), cmd.ErrOrStderr()
			switch {
			case list:
				n, err := box.Flows(out, filter)
				if err != nil {
					return failed(err)
				}
				fmt.Fprintf(footer, "%s%d flow entries have been shown.\n", conntrackName, n)
			case count:
				n, err := box.Count()
				if err != nil {
					return failed(err)
				}
				_, err = fmt.Fprintln(out, n)
				return failed(err)
			case stats:
				all, err := box.Stats()
				if err != nil {
					return failed(err)
				}
				return failed(printConntrackStats(out, all))
			case flush:
				if _, err := box.Flush(); err != nil {
					return failed(err)
				}
				fmt.Fprintf(footer, "%sconnection tracking table has been emptied.\n", conntrackName)
			}
			return nil
		},
	}
	controlFlag(cmd, &path)
	flags := cmd.Flags()
	flags.BoolVarP(&list, "dump", "L", false, "list connections")
	flags.BoolVarP(&count, "count", "C", false, "print how many there are")
	flags.BoolVarP(&stats, "stats", "S", false, "print counters of each worker")
	flags.BoolVarP(&flush, "flush", "F", false, "delete all connections")
	flags.StringVarP(&filter.Protocol, "proto", "p", "", "only of `PROTOCOL`, by name or number")
	flags.StringVarP(&filter.Src, "src", "s", "", "only from `ADDRESS` or prefix")
	flags.StringVarP(&filter.Dst, "dst", "d", "", "only to `ADDRESS` or prefix")
	flags.StringVar(&filter.Sport, "sport", "", "only from `PORT`")
	flags.StringVar(&filter.Dport, "dport", "", "only to `PORT`")
	flags.StringVarP(&filter.Family, "family", "f", "", "only of `FAMILY`, ipv4 or ipv6")
	return cmd
}

// printConntrackStats prints a line a worker in the place of the tool's CPUs.
func printConntrackStats(w io.Writer, workers []flowtable.Stats) error {
	out := bufio.NewWriter(w)
	for i := range workers {
		s := &workers[i]
		fmt.Fprintf(out, "cpu=%-4d\tfound=%d invalid=%d insert=%d insert_failed=%d drop=%d early_drop=%d error=%d "+
			"search_restart=%d clash_resolve=%d chaintoolong=%d \n",
			i, s.Found, s.Invalid, s.Insert, s.InsertFailed, s.Drop, s.EarlyDrop, s.Error,
			s.SearchRestart, s.ClashResolve, s.ChainTooLong)
	}
	return out.Flush()
}
