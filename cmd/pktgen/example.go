package main

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed profiles/*.yaml
var profiles embed.FS

func newExample() *cobra.Command {
	return &cobra.Command{
		Use:   "example [NAME]",
		Short: "print a profile: " + strings.Join(exampleNames(), ", "),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "first"
			if len(args) > 0 {
				name = args[0]
			}
			text, err := profiles.ReadFile("profiles/" + name + ".yaml")
			if err != nil {
				return fmt.Errorf("there is no example %q: want %s", name, strings.Join(exampleNames(), ", "))
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

func exampleNames() (names []string) {
	files, _ := fs.Glob(profiles, "profiles/*.yaml") // the pattern is sound
	for _, f := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(f, "profiles/"), ".yaml"))
	}
	return names
}
