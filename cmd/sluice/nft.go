package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/nfttool"
)

// controlFlag adds the flag by which clients name a box.
func controlFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "control", "", "speak with the box whose control socket is `PATH`")
}

func newNft() *cobra.Command {
	return &cobra.Command{
		Use:   "nft [OPTION]... [COMMAND]...",
		Short: "list and change the rules of the running box, as nft does",
		Long: `Speaks with the box of this network namespace and does what nft (1.0.6) would,
with its options, text and exit statuses: see 'sluice nft -h'. Files and commands
are applied to the rules in force as one transaction: all of it, or nothing and an
error that points at the place. A file that begins with "flush ruleset" replaces
them. An addition: --control PATH.`,
		Example: `  sluice nft -a list ruleset
  sluice nft -f /etc/nftables.conf
  sluice nft -c -f new.nft
  sluice nft add element ip filter blocked '{ 192.0.2.1 }'
  sluice nft monitor`,
		DisableFlagParsing: true, // the tool's options are read as getopt reads them
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			r := &nfttool.Runner{
				Connect: func(path string) (nfttool.Box, error) { return control.Connect(path) },
				Stdin:   cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
				Version: version,
			}
			if status := r.Run(ctx, args); status != exitOK {
				return exitStatus(status)
			}
			return nil
		},
	}
}
