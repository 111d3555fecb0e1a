package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// commandLine is what errors call commands that were given as arguments.
const commandLine = "<cmdline>"

// controlFlag adds the flag by which clients name a box.
func controlFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "control", "", "speak with the box whose control socket is `PATH`")
}

func newNft() *cobra.Command {
	var (
		lang                      language
		path, file                string
		check, handles, stateless bool
	)
	cmd := &cobra.Command{
		Use:   "nft [-c] -f FILE | nft [-a] [-s] list ruleset | nft [-c] COMMAND",
		Short: "list and change the rules of the running box, as nft does",
		Long: `Speaks with the box of this network namespace. "list ruleset" prints its rules as
nft does, with the values that counters have now. Files and commands are applied
to the rules in force as one transaction: all of it, or nothing and an error that
points at the place. A file that begins with "flush ruleset" replaces them.

With -c nothing is changed. FILE may be - for standard input.`,
		Example: `  sluice nft list ruleset
  sluice nft -f /etc/nftables.conf
  sluice nft -c -f new.nft
  sluice nft add element ip filter blocked '{ 192.0.2.1 }'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := lang.options()
			if err != nil {
				return err
			}
			script := control.Script{Include: lang.include, Define: opt.Defines}
			switch listing := slices.Equal(args, []string{"list", "ruleset"}); {
			case file != "" && len(args) > 0:
				return errors.New("give either -f FILE or a command")
			case file == "" && len(args) == 0:
				return errors.New("give -f FILE, list ruleset, or another command")
			case listing:
				return listRuleset(cmd, path, handles, stateless)
			case file == "":
				script.Name, script.Text = commandLine, strings.Join(args, " ")+"\n"
			default:
				name, text, err := readInput(cmd, file)
				if err != nil {
					return failed(err)
				}
				script.Name, script.Text = name, string(text)
			}
			return applyScript(cmd, path, script, check)
		},
	}
	lang.flags(cmd)
	controlFlag(cmd, &path)
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "apply the commands in `FILE`")
	flags.BoolVarP(&check, "check", "c", false, "say whether it would work, change nothing")
	flags.BoolVarP(&handles, "handle", "a", false, "list handles")
	flags.BoolVarP(&stateless, "stateless", "s", false, "leave counters' values out of the list")
	flags.SetInterspersed(false) // what follows a command is its own: priority -100
	return cmd
}

func listRuleset(cmd *cobra.Command, path string, handles, stateless bool) error {
	box, err := control.Connect(path)
	if err != nil {
		return failed(err)
	}
	return failed(box.Ruleset(cmd.OutOrStdout(), handles, stateless))
}

func applyScript(cmd *cobra.Command, path string, script control.Script, check bool) (err error) {
	if script.Dir, err = os.Getwd(); err != nil {
		return failed(err)
	}
	box, err := control.Connect(path)
	if err != nil {
		return failed(err)
	}
	_, err = box.Apply(script, check)
	var wrong *control.ErrScript
	if errors.As(err, &wrong) {
		fmt.Fprintln(cmd.ErrOrStderr(), withoutCommandLine(wrong.Error()))
		return errReported
	}
	return failed(err)
}

// withoutCommandLine takes the place away from errors about commands that were
// given as arguments, as nft does: the carets show it.
func withoutCommandLine(text string) string {
	var out bytes.Buffer
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, commandLine+":"); ok {
			if _, after, ok := strings.Cut(rest, ": "); ok {
				line = after
			}
		}
		out.WriteString(line)
	}
	return out.String()
}
