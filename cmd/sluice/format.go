package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/rules/nft"
)

func newFormat() *cobra.Command {
	var (
		lang  language
		write bool
		force bool
	)
	cmd := &cobra.Command{
		Use:   "fmt FILE",
		Short: "print a ruleset as `nft list ruleset` does",
		Long: `Reads a ruleset, checks it and prints it the way "nft list ruleset" would list
it. FILE may be - for standard input. With -w the file is replaced instead, and
only when the ruleset is right.

A listing is not all of a file: variables and includes stand there as what they
mean, comments that start with # are gone, and so are commands that flush or
delete. -w refuses a file that has any of these, unless --force is given.`,
		Example: `  sluice fmt home.nft
  sluice fmt -w home.nft
  sluice fmt - <home.nft`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := lang.options()
			if err != nil {
				return err
			}
			if write && args[0] == "-" {
				return errors.New("-w needs a file: standard input cannot be replaced")
			}
			name, text, err := readInput(cmd, args[0])
			if err != nil {
				return failed(err)
			}
			tree, err := nft.Parse(name, text, opt)
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errReported
			}
			var out bytes.Buffer
			if err := nft.Fprint(&out, tree, nft.PrintOptions{}); err != nil {
				return failed(err)
			}
			if !write {
				_, err = cmd.OutOrStdout().Write(out.Bytes())
				return failed(err)
			}
			if bytes.Equal(text, out.Bytes()) {
				return nil
			}
			if what, pos := nft.Unlisted(name, text); what != "" && !force {
				return failed(fmt.Errorf("%v: %s would be lost from the file; --force writes it all the same", pos, what))
			}
			return failed(replaceFile(args[0], out.Bytes()))
		},
	}
	lang.flags(cmd)
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the result back to FILE")
	cmd.Flags().BoolVar(&force, "force", false, "with -w: also if comments, definitions, includes or commands are lost")
	return cmd
}

// replaceFile puts text in the place of file in one step, so that nobody ever
// reads half a ruleset. A link is followed; the mode is kept.
func replaceFile(file string, text []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".sluice-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails, as it should, after the rename
	if _, err = tmp.Write(text); err == nil {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closing := tmp.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(tmp.Name(), file)
}
