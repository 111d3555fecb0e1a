package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

func newCheck() *cobra.Command {
	var (
		lang    language
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "say whether rulesets are right",
		Long: `Parses, checks and compiles each FILE by itself, as a load would, and changes
nothing. An error names file, line and column and points at the place. What
sluice does not understand is an error, never ignored. FILE may be - for
standard input.

Warns on standard error about rulesets that are legal but rarely meant.`,
		Example: `  sluice check /etc/nftables.conf
  sluice check -v -D wan=eth0 home.nft office.nft`,
		Args: arguments(1, -1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := lang.options()
			if err != nil {
				return err
			}
			good := true
			for _, file := range args {
				tree, err := checkFile(cmd, file, opt)
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					good = false
					continue
				}
				for _, text := range advise(tree) {
					fmt.Fprintln(cmd.ErrOrStderr(), text)
				}
				if verbose {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", file, summary(tree))
				}
			}
			if !good {
				return errReported
			}
			return nil
		},
	}
	lang.flags(cmd)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print a line for each file that is right")
	return cmd
}

// checkFile goes as far with a file as a load would before it publishes.
func checkFile(cmd *cobra.Command, file string, opt nft.ParseOptions) (*nft.Ruleset, error) {
	name, text, err := readInput(cmd, file)
	if err != nil {
		return nil, fmt.Errorf("sluice: %w", err)
	}
	tree, err := nft.Parse(name, text, opt)
	if err != nil {
		return nil, err
	}
	if _, err := rules.Compile(tree, rules.Options{}); err != nil {
		return nil, control.Explain(err, name, text)
	}
	return tree, nil
}

func summary(tree *nft.Ruleset) string {
	chains, count, sets := 0, 0, 0
	for _, t := range tree.Tables {
		chains += len(t.Chains)
		sets += len(t.Sets)
		for _, c := range t.Chains {
			count += len(c.Rules)
		}
	}
	return strings.Join([]string{
		amount(len(tree.Tables), "table"), amount(chains, "chain"), amount(count, "rule"), amount(sets, "set"),
	}, ", ")
}

func amount(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
