package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// errDiffers ends the program with status 1 after everything was said.
var errDiffers = errors.New("the kernel and sluice differ")

func main() {
	root := &cobra.Command{
		Use:           "oracle",
		Short:         "drive the kernel and sluice with the same frames and compare",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(newCT(), newRun(), newFuzz(), newPcap(), newRules())
	if err := root.Execute(); err != nil {
		if !errors.Is(err, errDiffers) {
			fmt.Fprintln(os.Stderr, "oracle:", err)
		}
		os.Exit(1)
	}
}
