package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
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

// recentFiles is the folder of the lists of -m recent.
const recentFiles = "xt_recent"

func newProc() *cobra.Command {
	var path string
	var write bool
	files := map[string]string{"nf_conntrack": control.ProcConntrack, "stat": control.ProcStat, "expect": control.ProcExpect, recentFiles: ""}
	cmd := &cobra.Command{
		Use:   "proc nf_conntrack | stat | expect | xt_recent [NAME]",
		Short: "print the connections of the running box as the files below /proc/net",
		Long: `Prints what /proc/net/nf_conntrack, /proc/net/stat/nf_conntrack,
/proc/net/nf_conntrack_expect and /proc/net/xt_recent/NAME would, for programs that
read those. Workers stand for CPUs; stamps in lists of -m recent are milliseconds.
Without NAME xt_recent prints the names of the lists. With --write a list gets what
the file would: +ADDRESS, -ADDRESS or / (empty it), a line each from standard input.`,
		Example: "  sluice proc stat\n  sluice proc xt_recent ssh\n  echo +192.0.2.7 | sluice proc xt_recent ssh --write",
		Args: func(_ *cobra.Command, args []string) error {
			most := 1
			if len(args) > 0 && args[0] == recentFiles {
				most = 2
			}
			if err := arguments(1, most, "nf_conntrack, stat, expect or xt_recent")(nil, args); err != nil {
				return err
			}
			if _, ok := files[args[0]]; !ok {
				return fmt.Errorf("invalid argument %q for \"sluice proc\"", args[0])
			}
			if write && len(args) < 2 {
				return errors.New("--write is for xt_recent NAME")
			}
			return nil
		},
		ValidArgs: []string{"nf_conntrack", "stat", "expect", recentFiles},
		RunE: func(cmd *cobra.Command, args []string) error {
			box, err := control.Connect(path)
			switch {
			case err != nil:
			case args[0] != recentFiles:
				err = box.Proc(cmd.OutOrStdout(), files[args[0]])
			case write:
				err = writeRecent(cmd.InOrStdin(), box, args[1])
			default:
				err = box.Recent(cmd.OutOrStdout(), strings.Join(args[1:], ""))
			}
			return failed(err)
		},
	}
	controlFlag(cmd, &path)
	cmd.Flags().BoolVar(&write, "write", false, "change a list of -m recent")
	return cmd
}

// writeRecent carries out the lines of a reader on a list of -m recent.
func writeRecent(r io.Reader, box *control.Client, name string) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			if err := box.EditRecent(control.RecentEdit{Name: name, Text: text}); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}
