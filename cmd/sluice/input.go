package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/rules/nft"
)

// language holds the flags of every command that reads a ruleset.
type language struct {
	include []string
	define  []string
}

func (l *language) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&l.include, "includepath", "I", nil, "look for included files in `DIR` (may be repeated)")
	cmd.Flags().StringArrayVarP(&l.define, "define", "D", nil, "define a variable, `NAME=VALUE` (may be repeated)")
}

func (l *language) options() (nft.ParseOptions, error) {
	opt := nft.ParseOptions{IncludeDirs: l.include, Defines: map[string]string{}}
	for _, d := range l.define {
		name, value, ok := strings.Cut(d, "=")
		if !ok || name == "" {
			return opt, fmt.Errorf("--define %q: want NAME=VALUE", d)
		}
		opt.Defines[name] = value
	}
	return opt, nil
}

// standardInput is what error texts call it.
const standardInput = "/dev/stdin"

// maxRuleset bounds the bytes of a ruleset: a device may have no end.
const maxRuleset = 256 << 20

// readInput reads a ruleset from a file, or from standard input for "-". The name
// is what error texts call it.
func readInput(cmd *cobra.Command, file string) (name string, text []byte, err error) {
	in := cmd.InOrStdin()
	if file == "-" {
		file = standardInput
	} else {
		f, err := os.Open(file)
		if err != nil {
			return file, nil, err
		}
		defer f.Close()
		in = f
	}
	text, err = io.ReadAll(io.LimitReader(in, maxRuleset+1))
	switch {
	case err != nil:
		return file, nil, err
	case len(text) > maxRuleset:
		return file, nil, fmt.Errorf("%s: longer than the %d MiB that a ruleset may have", file, maxRuleset>>20)
	}
	return file, text, nil
}
