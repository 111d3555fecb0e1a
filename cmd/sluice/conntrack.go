package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/cmd/sluice/control"
)

func newConntrack() *cobra.Command {
	return &cobra.Command{
		Use:   "conntrack COMMAND [TABLE] [OPTION]...",
		Short: "list, watch and change the connections of the running box, as conntrack does",
		Long: `Speaks with the box of this network namespace and does what the conntrack tool
(1.4.7) would, with its options, text and exit statuses: see 'sluice conntrack -h'.
Workers stand for CPUs. Additions: -o json, an object a line; --invalid, the
named reasons for which packets were INVALID; --control PATH.`,
		Example: `  sluice conntrack -L -o extended
  sluice conntrack -L -p tcp --dport 443 -s 192.0.2.0/24
  sluice conntrack -E -e NEW,DESTROY -o timestamp
  sluice conntrack -D -d 198.51.100.7
  sluice conntrack --invalid`,
		DisableFlagParsing: true, // the tool's options are read as getopt reads them
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			r := &conntrack.Runner{
				Connect: func(path string) (conntrack.Box, error) { return control.Connect(path) },
				Stdin:   cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
			}
			return exitStatus(r.Run(ctx, args))
		},
	}
}

func newProc() *cobra.Command {
	var path string
	files := map[string]string{"nf_conntrack": control.ProcConntrack, "stat": control.ProcStat, "expect": control.ProcExpect}
	cmd := &cobra.Command{
		Use:   "proc nf_conntrack | stat | expect",
		Short: "print the connections of the running box as the files below /proc/net",
		Long: `Prints what /proc/net/nf_conntrack, /proc/net/stat/nf_conntrack and
/proc/net/nf_conntrack_expect would, for programs that read those. Workers
stand for CPUs.`,
		Example:   "  sluice proc stat",
		Args:      cobra.MatchAll(arguments(1, 1, "nf_conntrack, stat or expect"), cobra.OnlyValidArgs),
		ValidArgs: []string{"nf_conntrack", "stat", "expect"},
		RunE: func(cmd *cobra.Command, args []string) error {
			box, err := control.Connect(path)
			if err != nil {
				return failed(err)
			}
			return failed(box.Proc(cmd.OutOrStdout(), files[args[0]]))
		},
	}
	controlFlag(cmd, &path)
	return cmd
}
