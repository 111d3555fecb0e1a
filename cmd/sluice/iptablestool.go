package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/rules/iptables"
)

// newIptables is iptables or ip6tables.
func newIptables(tool string) *cobra.Command {
	return &cobra.Command{
		Use:   tool + " [-t TABLE] COMMAND [CHAIN] [RULE] [OPTION]...",
		Short: "list and change tables as " + tool + " does",
		Long: `Does to the tables of the box of this network namespace what ` + tool + ` (1.8.9) would,
with its text and exit statuses: -L and -S with -n -v -x --line-numbers, -A -I -D -R -C
-N -X -E -P -F -Z. A command is all or nothing, and packets see the tables before it
or behind it. -w, -W and --modprobe are accepted: changes wait for one another anyway.

Additions: --control PATH; --file FILE, which lists what ` + tool + `-save wrote, without a
box (- is standard input). Names of hosts are not looked up, in neither direction.`,
		Example:            "  sluice " + tool + " -nvL FORWARD --line-numbers\n  sluice " + tool + " -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n  " + tool + "-save | sluice " + tool + " --file - -S",
		DisableFlagParsing: true, // all of it is the tool's
		RunE: func(cmd *cobra.Command, args []string) error {
			words, own := ownOptions(args, "--control", "--file")
			c := &control.Command{IPv6: tool == "ip6tables", Args: words, From: fmt.Sprintf("%d (%s)", os.Getpid(), tool)}
			for _, w := range words {
				switch w {
				case "-h", "--help":
					return cmd.Help()
				case "-V", "--version":
					return printToolVersion(cmd, tool)
				}
			}
			return runIptables(cmd, c, own)
		},
	}
}

// ownOptions takes options that are not the tool's, each with a value, out of a
// command line.
func ownOptions(args []string, names ...string) (words []string, own map[string]string) {
	own = map[string]string{}
next:
	for i := 0; i < len(args); i++ {
		for _, name := range names {
			if val, ok := strings.CutPrefix(args[i], name+"="); ok {
				own[name] = val
				continue next
			}
			if args[i] == name && i+1 < len(args) {
				i++
				own[name] = args[i]
				continue next
			}
		}
		words = append(words, args[i])
	}
	return words, own
}

func runIptables(cmd *cobra.Command, c *control.Command, own map[string]string) error {
	var done control.Commanded
	var err error
	if file := own["--file"]; file != "" {
		var name string
		var text []byte
		if name, text, err = readInput(cmd, file); err == nil {
			done, err = control.CommandDump(c, name, text, cmd.OutOrStdout())
		}
	} else {
		var box *control.Client
		if box, err = control.Connect(own["--control"]); err == nil {
			done, err = box.Command(c)
		}
	}
	if err != nil {
		return failed(err)
	}
	_, _ = io.WriteString(cmd.OutOrStdout(), done.Out)
	_, _ = io.WriteString(cmd.ErrOrStderr(), done.Err)
	if done.Status != exitOK {
		return exitStatus(done.Status)
	}
	return nil
}

// newRestoreTranslate is iptables-restore-translate or ip6tables-restore-translate.
func newRestoreTranslate(tool string) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   tool + "-restore-translate -f FILE",
		Short: "print what " + tool + "-save wrote as commands of nft",
		Long: `Prints the tables of a file as commands for "nft -f", as ` + tool + `-restore-translate
does. A rule that nft has no counterpart for is a comment, and standard error says
why. No box need run.`,
		Example: "  sluice " + tool + "-restore-translate -f /etc/iptables/rules.v4",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return fmt.Errorf("-f FILE is missing")
			}
			name, text, err := readInput(cmd, file)
			if err != nil {
				return failed(err)
			}
			family := iptables.IPv4
			if tool == "ip6tables" {
				family = iptables.IPv6
			}
			left, err := iptables.TranslateDump(cmd.OutOrStdout(), family, name, text, time.Now())
			for _, why := range left {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s-restore-translate: %v\n", tool, why)
			}
			return failed(err)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "read `FILE`")
	return cmd
}
