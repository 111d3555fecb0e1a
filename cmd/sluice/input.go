package main

import (
	"fmt"
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

// readInput reads a ruleset from a file, or from standard input for "-". The name
// is what error texts call it.
func readInput(cmd *cobra.Command, file string) (name string, text []byte, err error) {
	if file == "-" {
		text, err = nft.ReadAll(standardInput, cmd.InOrStdin())
		return standardInput, text, err
	}
	text, err = nft.ReadFile(file)
	return file, text, err
}
