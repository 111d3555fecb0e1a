package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/rules/iptables"
)

// newIptablesRestore is iptables-restore or ip6tables-restore.
func newIptablesRestore(tool string) *cobra.Command {
	var (
		d          control.Dump
		path, sets string
		ignored    bool
		wait       int
	)
	cmd := &cobra.Command{
		Use:   tool + "-restore [-c] [-n] [--test] [-T TABLE] [--ipset FILE] [FILE]",
		Short: "load what " + tool + "-save wrote into the running box",
		Long: `Reads tables in the format of ` + tool + `-save (1.8.9) and puts them in force in the
box of this network namespace: all of the file, or nothing and an error that names
the place. A rule that cannot mean anything here is refused with the reason. The
tables are tables of nft too: "sluice nft list ruleset" shows them.

With --test nothing is changed; then a box need not run. Without FILE, standard
input is read. --ipset gives the sets that rules name, as "ipset save" writes them;
a set that is there in the table of nft needs no file. Countries of -m geoip come from the
box's folder /usr/share/xt_geoip, or the one in its variable SLUICE_GEOIP.`,
		Example: "  sluice " + tool + "-restore /etc/iptables/rules.v4\n  iptables-save | sluice " + tool + "-restore -c",
		Args:    arguments(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := "-"
			if len(args) == 1 {
				file = args[0]
			}
			name, text, err := readInput(cmd, file)
			if err != nil {
				return failed(err)
			}
			d.Name, d.Text = name, string(text)
			if sets != "" {
				_, text, err := readInput(cmd, sets)
				if err != nil {
					return failed(err)
				}
				d.SetsName, d.Sets = sets, string(text)
			}
			d.IPv6 = d.IPv6 || tool == "ip6tables"
			d.From = fmt.Sprintf("%d (%s-restore)", os.Getpid(), tool)
			return restoreTables(cmd, tool, path, &d)
		},
	}
	controlFlag(cmd, &path)
	flags := cmd.Flags()
	flags.BoolVarP(&d.Counters, "counters", "c", false, "give counters the values of the file")
	flags.BoolVarP(&d.NoFlush, "noflush", "n", false, "keep the rules that are there")
	flags.BoolVarP(&d.Check, "test", "t", false, "say whether it would work, change nothing")
	flags.StringVarP(&d.Table, "table", "T", "", "restore only table `NAME`")
	flags.StringVar(&sets, "ipset", "", "take sets from `FILE`, as `ipset save` writes them")
	flags.BoolVarP(&ignored, "verbose", "v", false, "accepted, says nothing more")
	flags.IntVarP(&wait, "wait", "w", 0, "accepted: changes wait for one another anyway")
	flags.Lookup("wait").NoOptDefVal = "0"
	if tool == "iptables" {
		flags.BoolVarP(&d.IPv6, "ipv6", "6", false, "as ip6tables-restore")
	}
	return cmd
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
		return errReported
	}
	return failed(err)
}

// newIptablesSave is iptables-save or ip6tables-save.
func newIptablesSave(tool string) *cobra.Command {
	var (
		path, table    string
		counters, ipv6 bool
	)
	cmd := &cobra.Command{
		Use:   tool + "-save [-c] [-t TABLE]",
		Short: "print the tables of " + tool + " in the running box",
		Long: `Prints the tables that ` + tool + `-restore loaded, as ` + tool + `-save (1.8.9) does. A
table in which nft has made rules or chains of its own is named in a comment.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			box, err := control.Connect(path)
			if err != nil {
				return failed(err)
			}
			return failed(box.Save(cmd.OutOrStdout(), ipv6 || tool == "ip6tables", counters, table))
		},
	}
	controlFlag(cmd, &path)
	flags := cmd.Flags()
	flags.BoolVarP(&counters, "counters", "c", false, "print packets and bytes of each rule")
	flags.StringVarP(&table, "table", "t", "", "print only table `NAME`")
	if tool == "iptables" {
		flags.BoolVarP(&ipv6, "ipv6", "6", false, "as ip6tables-save")
	}
	return cmd
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
