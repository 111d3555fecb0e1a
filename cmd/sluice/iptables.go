package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/getopt"
	"github.com/sluice-net/sluice/rules/iptables"
)

// restoreOptions are those of the tool's restore, and --ipset and --control.
const restoreShort = "bcvVthnwWM:T:46"

var restoreLong = getopt.List(`binary.b counters.c verbose.v version.V test.t help.h noflush.n modprobe=M table=T
wait?w wait-interval?W ipv4.4 ipv6.6 ipset=s control=C`)

// newIptablesRestore is iptables-restore or ip6tables-restore.
func newIptablesRestore(tool string) *cobra.Command {
	return &cobra.Command{
		Use:   tool + "-restore [-c] [-n] [--test] [-T TABLE] [--ipset FILE] [FILE]",
		Short: "load what " + tool + "-save wrote into the running box",
		Long: `Reads tables in the format of ` + tool + `-save (1.8.9) and puts them in force in the
box of this network namespace: all of the file, or nothing and an error that names
the place. A rule that cannot mean anything here is refused with the reason. The
tables are tables of nft too: "sluice nft list ruleset" shows them.

The options are the tool's: -c gives counters the values of the file, -n keeps the
rules that are there, -T restores only one table. With --test nothing is changed; then
a box need not run. -v, -w and -W are accepted: changes wait for one another anyway.
Without FILE, standard input is read. --ipset gives the sets that rules name, as
"ipset save" writes them; a set that is there in the table of nft needs no file.
Countries of -m geoip come from the box's folder /usr/share/xt_geoip, or the one in its
variable SLUICE_GEOIP. --control PATH names the control socket of another box.`,
		Example:            "  sluice " + tool + "-restore /etc/iptables/rules.v4\n  iptables-save | sluice " + tool + "-restore -c",
		DisableFlagParsing: true, // the tool's options are read as getopt reads them
		RunE:               func(cmd *cobra.Command, args []string) error { return runRestore(cmd, tool, args) },
	}
}

func runRestore(cmd *cobra.Command, tool string, args []string) error {
	d := &control.Dump{IPv6: tool == "ip6tables", From: fmt.Sprintf("%d (%s-restore)", os.Getpid(), tool)}
	path, sets := "", ""
	g := &getopt.Scanner{Args: append([]string{tool + "-restore"}, args...), Short: restoreShort, Long: restoreLong}
	for opt := g.Next(); opt != getopt.End; opt = g.Next() {
		switch opt {
		case 'c':
			d.Counters = true
		case 'n':
			d.NoFlush = true
		case 't':
			d.Check = true
		case 'T':
			d.Table = g.Arg
		case '4', '6':
			d.IPv6 = opt == '6'
		case 'w', 'W':
			_, _ = g.Optional()
		case 'b', 'v', 'M':
		case 's':
			sets = g.Arg
		case 'C':
			path = g.Arg
		case 'h':
			return cmd.Help()
		case 'V':
			return printToolVersion(cmd, tool+"-restore")
		default:
			return wrongOption(cmd, tool+"-restore", g, opt)
		}
	}
	file := "-"
	switch rest := g.Args[g.Index:]; {
	case len(rest) == 1:
		file = rest[0]
	case len(rest) > 1:
		fmt.Fprintln(cmd.ErrOrStderr(), "Unknown arguments found on commandline")
		return errReported
	}
	var err error
	if d.Name, d.Text, err = readText(cmd, file); err != nil {
		return failed(err)
	}
	if sets != "" {
		if d.SetsName, d.Sets, err = readText(cmd, sets); err != nil {
			return failed(err)
		}
	}
	return restoreTables(cmd, tool, path, d)
}

// readText is readInput with the text as a string.
func readText(cmd *cobra.Command, file string) (name, text string, err error) {
	name, bytes, err := readInput(cmd, file)
	return name, string(bytes), err
}

func printToolVersion(cmd *cobra.Command, program string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s v%s (sluice %s)\n", program, iptables.Version, version)
	return failed(err)
}

// wrongOption says what getopt says of an option that it cannot read.
func wrongOption(cmd *cobra.Command, program string, g *getopt.Scanner, opt int) error {
	what := "unrecognized option"
	if opt == getopt.Missing {
		what = "option needs a value:"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s '%s'\nTry `sluice %s -h' for more information.\n", program, what, g.Word(), program)
	return errReported
}

func restoreTables(cmd *cobra.Command, tool, path string, d *control.Dump) error {
	box, err := control.Connect(path)
	switch {
	case err == nil:
		_, err = box.Restore(d)
	case d.Check && errors.Is(err, control.ErrNoBox):
		if err = control.TryDump(d); err != nil {
			err = control.WrongScript(err)
		}
	}
	var wrong *control.ErrScript
	if errors.As(err, &wrong) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s-restore: %s\n", tool, strings.TrimRight(wrong.Error(), "\n"))
		return exitStatus(wrong.Status())
	}
	return failed(err)
}

// saveShort and saveLong are the options of the tool's save, and --control.
const saveShort = "bcdVht:M:f:46"

var saveLong = getopt.List(`binary.b counters.c dump.d version.V help.h table=t modprobe=M file=f ipv4.4 ipv6.6 control=C`)

// newIptablesSave is iptables-save or ip6tables-save.
func newIptablesSave(tool string) *cobra.Command {
	return &cobra.Command{
		Use:   tool + "-save [-c] [-t TABLE] [-f FILE]",
		Short: "print the tables of " + tool + " in the running box",
		Long: `Prints the tables that ` + tool + `-restore loaded, as ` + tool + `-save (1.8.9) does, with -c
packets and bytes of each rule, with -t only one table, with -f into a file. A table in
which nft has made rules or chains of its own is named in a comment. --control PATH
names the control socket of another box.`,
		Example:            "  sluice " + tool + "-save -c -t nat",
		DisableFlagParsing: true, // the tool's options are read as getopt reads them
		RunE:               func(cmd *cobra.Command, args []string) error { return runSave(cmd, tool, args) },
	}
}

func runSave(cmd *cobra.Command, tool string, args []string) error {
	var path, table, file string
	counters, ipv6 := false, tool == "ip6tables"
	g := &getopt.Scanner{Args: append([]string{tool + "-save"}, args...), Short: saveShort, Long: saveLong}
	for opt := g.Next(); opt != getopt.End; opt = g.Next() {
		switch opt {
		case 'c':
			counters = true
		case 't':
			table = g.Arg
		case 'f':
			file = g.Arg
		case '4', '6':
			ipv6 = opt == '6'
		case 'b', 'd', 'M':
		case 'C':
			path = g.Arg
		case 'h':
			return cmd.Help()
		case 'V':
			return printToolVersion(cmd, tool+"-save")
		default:
			return wrongOption(cmd, tool+"-save", g, opt)
		}
	}
	switch {
	case g.Index < len(g.Args):
		fmt.Fprintln(cmd.ErrOrStderr(), "Unknown arguments found on commandline")
		return errReported
	case table != "" && !iptables.IsTable(table):
		fmt.Fprintf(cmd.ErrOrStderr(), "Table `%s' does not exist\n", table)
		return errReported
	}
	box, err := control.Connect(path)
	if err != nil {
		return failed(err)
	}
	if file == "" {
		return failed(box.Save(cmd.OutOrStdout(), ipv6, counters, table))
	}
	out, err := os.Create(file)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(box.Save(out, ipv6, counters, table), out.Close()))
}

// newIptablesTranslate is iptables-translate or ip6tables-translate.
func newIptablesTranslate(tool string) *cobra.Command {
	return &cobra.Command{
		Use:   tool + "-translate COMMAND",
		Short: "print a command of " + tool + " as one of nft",
		Long: `Prints nft's counterpart of one ` + tool + ` command, as ` + tool + `-translate does. What
nft has no counterpart for is printed as a comment, with the reason on standard
error. No box need run.`,
		Example:            "  sluice " + tool + "-translate -A FORWARD -p tcp --dport 22 -j ACCEPT",
		DisableFlagParsing: true, // all of it is the tool's
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			family := iptables.IPv4
			if tool == "ip6tables" {
				family = iptables.IPv6
			}
			text, err := iptables.Translate(family, args)
			if text != "" {
				fmt.Fprintln(cmd.OutOrStdout(), text)
			}
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s-translate: %v\n", tool, err)
				if text == "" {
					return errReported
				}
			}
			return nil
		},
	}
}
