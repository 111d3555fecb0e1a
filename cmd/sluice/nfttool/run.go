package nfttool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/rules/nft"
)

// commandLine is what errors call commands that were given as arguments.
const commandLine = "<cmdline>"

// Box carries out what the tool is told.
type Box interface {
	Nft(ctx context.Context, r *control.Request, w io.Writer) error
}

// Runner carries out one command line.
type Runner struct {
	Connect        func(path string) (Box, error)
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string
}

// Run carries out a command line, without the program's name, and returns the
// exit status. A monitor ends with ctx.
func (r *Runner) Run(ctx context.Context, args []string) int {
	err := r.run(ctx, args)
	var wrong *control.ErrScript
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(r.Stderr, withoutCommandLine(wrong.Error()))
	default:
		fmt.Fprintln(r.Stderr, err)
	}
	return 1
}

func (r *Runner) run(ctx context.Context, args []string) error {
	o, err := parse(args)
	switch {
	case err != nil:
		return err
	case o.help:
		_, err = io.WriteString(r.Stdout, usage)
		return err
	case o.version, o.verbose:
		_, err = fmt.Fprintf(r.Stdout, "nftables v%s (%s), as sluice %s speaks it\n", nft.ToolVersion, nft.ToolRelease, r.Version)
		if err == nil && o.verbose {
			_, err = io.WriteString(r.Stdout, "  cli:\t\tno\n  json:\t\tyes\n  minigmp:\tno\n  libxtables:\tno\n")
		}
		return err
	}
	request := &control.Request{
		Script: control.Script{Name: commandLine, Text: strings.Join(o.words, " ") + "\n", Include: o.include, Define: o.define},
		Check:  o.check, Echo: o.echo, Stats: o.stats, Show: o.show, From: fmt.Sprintf("%d (sluice)", os.Getpid()),
	}
	if len(o.words) == 0 {
		if err := r.read(o.file, &request.Script); err != nil {
			return err
		}
	}
	if request.Dir, err = os.Getwd(); err != nil {
		return err
	}
	if len(o.words) > 0 && o.words[0] == "describe" {
		return r.describe(request)
	}
	box, err := r.Connect(o.control)
	if err != nil {
		return fmt.Errorf("sluice: %w", err)
	}
	err = box.Nft(ctx, request, r.Stdout)
	var wrong *control.ErrScript
	if err != nil && !errors.As(err, &wrong) {
		err = fmt.Errorf("sluice: %w", err)
	}
	return err
}

// read takes a script from a file, or from standard input.
func (r *Runner) read(file string, s *control.Script) error {
	var text []byte
	var err error
	s.Name = file
	if file == "-" || file == "/dev/stdin" {
		s.Name = "/dev/stdin"
		text, err = nft.ReadAll(s.Name, r.Stdin)
	} else {
		text, err = nft.ReadFile(file)
	}
	s.Text = string(text)
	var why *os.PathError
	if errors.As(err, &why) {
		message := why.Err.Error()
		return usagef("internal:0:0-0: Error: Could not open file \"%s\": %s\n\n", file, strings.ToUpper(message[:1])+message[1:])
	}
	return err
}

// describe answers without a box: it is about the language only.
func (r *Runner) describe(request *control.Request) error {
	out, err := nft.Run(&nft.Ruleset{}, request.Name, []byte(request.Text), nft.ParseOptions{}, nft.PrintOptions{})
	if err != nil {
		return control.WrongScript(err)
	}
	for _, q := range out.Queries {
		if err := q.Fprint(r.Stdout, out.Rules, request.Show); err != nil {
			return err
		}
	}
	return nil
}

// withoutCommandLine takes the place away from errors about commands that were
// given as arguments, as nft does: the carets show it.
func withoutCommandLine(text string) string {
	var out strings.Builder
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
