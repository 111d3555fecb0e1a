package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
	"github.com/spf13/cobra"
)

// options of ct and run.
type options struct {
	match   string
	workers []int
	verbose bool
	list    bool
	show    int
}

func (o *options) flags(cmd *cobra.Command) {
	cmd.Flags().IntSliceVar(&o.workers, "workers", []int{1}, "numbers of workers, each a box of its own")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "say what the kernel made of every line")
}

func newCT() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "ct",
		Short: "play all scripted connections; the last line says how many agreed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.ct(cmd.OutOrStdout())
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.match, "run", "", "only scripts whose GROUP/NAME the regular expression matches")
	cmd.Flags().BoolVar(&o.list, "list", false, "list the scripts and play none")
	cmd.Flags().IntVar(&o.show, "show", 3, "differences to show of each group")
	return cmd
}

func newRun() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "play scripts from files, such as fuzz prints",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			var all []*Script
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				s, err := parseScript(file, string(text))
				if err != nil {
					return err
				}
				s.Group = "file"
				all = append(all, s)
			}
			o.show = len(all)
			return o.playAll(cmd.OutOrStdout(), all)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *options) ct(w io.Writer) error {
	match, err := regexp.Compile(o.match)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	var chosen []*Script
	for _, s := range allScripts() {
		if match.MatchString(s.Group + "/" + s.Name) {
			chosen = append(chosen, s)
		}
	}
	if o.list {
		for _, s := range chosen {
			fmt.Fprintf(w, "%s/%s\n", s.Group, s.Name)
		}
		return nil
	}
	return o.playAll(w, chosen)
}

// tally counts a group's scripts.
type tally struct {
	name                  string
	passed, failed, known int
	shown                 []string
}

func (t *tally) print(w io.Writer) {
	fmt.Fprintf(w, "%-22s %4d passed, %d failed", t.name, t.passed, t.failed)
	if t.known > 0 {
		fmt.Fprintf(w, ", %d known", t.known)
	}
	fmt.Fprintln(w)
	for _, s := range t.shown {
		fmt.Fprintln(w, "  "+s)
	}
}

// playOut plays a script again when the machine's time has put an end to it.
func (c *court) playOut(s *Script) verdict {
	for range replays {
		if v := c.play(s); !v.edge {
			return v
		}
	}
	return verdict{script: s, err: fmt.Errorf("only one side found its time up, %d times", replays)}
}

// playAll plays scripts, prints a line for each group and the sum at the end.
func (o *options) playAll(w io.Writer, scripts []*Script) error {
	var sum tally
	reasons := map[string]int{}
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: o.workers}
		if o.verbose {
			c.trace = func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
		}
		start := time.Now()
		for i := 0; i < len(scripts); {
			group := tally{name: scripts[i].Group}
			for ; i < len(scripts) && scripts[i].Group == group.name; i++ {
				if o.verbose {
					fmt.Fprintf(w, "%s/%s\n", group.name, scripts[i].Name)
				}
				v := c.playOut(scripts[i])
				reason := known(scripts[i])
				switch {
				case v.agreed() && reason == "":
					group.passed++
				case !v.agreed() && v.err == nil && reason != "":
					group.known++
					reasons[reason]++
				default:
					group.failed++
					text := v.String()
					if v.agreed() {
						text = fmt.Sprintf("%s/%s agrees, but is listed as different: %s", group.name, scripts[i].Name, reason)
					}
					if group.failed <= o.show {
						group.shown = append(group.shown, text)
					}
				}
			}
			group.print(w)
			sum.passed += group.passed
			sum.failed += group.failed
		}
		took := time.Since(start)
		fmt.Fprintf(w, "%d comparisons of %d packets in %.1f s\n", c.steps, c.packets, took.Seconds())
		return nil
	})
	if err != nil {
		return err
	}
	for reason, n := range reasons {
		fmt.Fprintf(w, "known: %d scripts: %s\n", n, reason)
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", sum.passed, sum.failed)
	if sum.failed > 0 {
		return errDiffers
	}
	return nil
}
