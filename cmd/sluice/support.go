package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/rules/support"
)

func newSupport() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "support [--json]",
		Short: "print what the rule engine takes, in which families, and who judged it",
		Long: `Tries one example of every match, statement, object, feature of sets and command
that the language has, in every family of tables, and of every match and target of
iptables, with the parser and the compiler that rules go through, and prints a row
each.

yes: it works in the families named. known: the language takes it, so that a file
with it can be checked and listed, but it cannot be put in force, for the reason
given. no: it is refused, for the reason given.

Judged by "kernel oracle": what it does to packets was compared with the kernel's
rules; "text only": its listing was compared with nft's.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows := support.Matrix()
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return failed(e.Encode(rows))
			}
			return failed(support.Fprint(cmd.OutOrStdout(), rows))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
