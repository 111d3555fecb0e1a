package conntrack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// Box is what a command line is for.
type Box interface {
	// Conntrack does a command and calls see with every line of the answer, whose
	// first byte says what it is. It returns when all is done or ctx has ended.
	Conntrack(ctx context.Context, c *Command, see func(line []byte) error) (Result, error)
}

// What a line of an answer is.
const (
	LineRow     = ' ' // to standard output
	LineMessage = '!' // to standard error
)

// Result is how a command ended.
type Result struct {
	Count int           `json:"count"` // entries shown or changed
	Errno syscall.Errno `json:"errno"` // 0: it went well
}

// Runner runs command lines.
type Runner struct {
	Connect        func(path string) (Box, error) // path: --control, empty when it was not given
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LabelFile      string // empty: the tool's
}

// Run runs a command line without the program's name and returns the exit
// status. Events end with ctx.
func (r *Runner) Run(ctx context.Context, args []string) int {
	path, args, err := takeControl(args)
	if err != nil {
		return r.fail(err)
	}
	if i := slices.Index(args, "-R"); i == 0 || slices.Index(args, "--load-file") == 0 {
		if len(args) > 1 {
			return r.load(ctx, path, args[1])
		}
	}
	c, err := r.parse(args)
	if err == nil {
		return r.do(ctx, path, c, true)
	}
	return r.fail(err)
}

// takeControl takes --control PATH out of the arguments.
func takeControl(args []string) (path string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		if value, ok := strings.CutPrefix(args[i], "--control="); ok {
			path = value
			continue
		}
		if args[i] != "--control" {
			rest = append(rest, args[i])
			continue
		}
		if i++; i == len(args) {
			return "", nil, usagef("option `--control' requires an argument")
		}
		path = args[i]
	}
	return path, rest, nil
}

func (r *Runner) parse(args []string) (*Command, error) {
	invalid := slices.Index(args, "--invalid")
	if invalid >= 0 {
		args = slices.Delete(slices.Clone(args), invalid, invalid+1)
		if len(args) != 0 && !slices.Equal(args, []string{"-o", "json"}) {
			return nil, usagef("--invalid goes with nothing but -o json")
		}
		args = append([]string{"-S"}, args...)
	}
	c, err := Parse(args, r.readLabels, r.Stderr)
	switch {
	case invalid < 0:
	case len(args) > 1: // -o, which -S does not take
		return &Command{Verb: Invalid, Output: OutJSON}, nil
	case err == nil:
		c.Verb = Invalid
	}
	return c, err
}

func (r *Runner) readLabels() (*conntracktext.LabelMap, error) {
	name := r.LabelFile
	if name == "" {
		name = conntracktext.LabelFile
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return conntracktext.ReadLabels(file)
}

func (r *Runner) fail(err error) int {
	var known *Error
	if errors.As(err, &known) {
		known.print(r.Stderr)
		return known.Status
	}
	fmt.Fprintf(r.Stderr, "sluice: %v\n", err)
	return exitFailed
}

// do does a command; closing: with the tool's last line.
func (r *Runner) do(ctx context.Context, path string, c *Command, closing bool) int {
	out := bufio.NewWriterSize(r.Stdout, 1<<16)
	status := r.answer(ctx, out, path, c, closing)
	if err := out.Flush(); err != nil && status == exitOK {
		return r.fail(err)
	}
	return status
}

func (r *Runner) answer(ctx context.Context, out *bufio.Writer, path string, c *Command, closing bool) int {
	switch c.Verb {
	case Version:
		fmt.Fprintf(out, "%s v%s (conntrack-tools)\n", programName, toolVersion)
		return exitOK
	case Help, None:
		io.WriteString(out, usage)
		c.printProtocol(out)
		return exitOK
	}
	if errno := c.FilterError(); errno != 0 {
		return r.fail(failf("Operation failed: %s", Failure(errno, c.Verb)))
	}
	box, err := r.Connect(path)
	if err != nil {
		return r.fail(err)
	}
	c.PID = os.Getpid()
	if c.Verb == Flush || c.Verb == FlushExpect {
		return r.flush(ctx, box, c, closing)
	}
	shown, err := r.show(ctx, out, box, c)
	_ = out.Flush() // the rows come before what is said of them; do sees the error again
	switch {
	case err != nil && ctx.Err() == nil:
		return r.fail(err)
	case shown.Errno != 0:
		return r.fail(failf("Operation failed: %s", Failure(shown.Errno, c.Verb)))
	}
	if !closing || int(c.Verb) >= verbs || closings[c.Verb] == "" {
		return exitOK
	}
	fmt.Fprintf(r.Stderr, banner+closings[c.Verb], shown.Count)
	switch c.Verb {
	case List, ListExpect, Events, EventsExpect, Add:
		return exitOK
	}
	if shown.Count == 0 {
		return exitFailed
	}
	return exitOK
}

func (r *Runner) flush(ctx context.Context, box Box, c *Command, closing bool) int {
	if _, err := box.Conntrack(ctx, c, func([]byte) error { return nil }); err != nil {
		return r.fail(err)
	}
	what := "connection tracking"
	if c.Verb == FlushExpect {
		what = "expectation"
	}
	fmt.Fprintf(r.Stderr, "%s%s table has been emptied.\n", banner, what)
	return exitOK
}

// show prints the rows of an answer.
func (r *Runner) show(ctx context.Context, out *bufio.Writer, box Box, c *Command) (Result, error) {
	header, footer := c.frame()
	events := c.Verb == Events || c.Verb == EventsExpect
	began, shown := false, 0
	result, err := box.Conntrack(ctx, c, func(line []byte) error {
		if line[0] == LineMessage {
			_ = out.Flush() // not into the middle of a row
			_, err := fmt.Fprintf(r.Stderr, "%s\n", line[1:])
			return err
		}
		if !began {
			began = true
			out.WriteString(header)
		}
		shown++
		out.Write(line[1:])
		err := out.WriteByte('\n')
		if events {
			err = out.Flush()
		}
		return err
	})
	if began {
		out.WriteString(footer)
	}
	if events {
		result.Count = shown
	}
	return result, err
}

// frame returns what stands around the rows.
func (c *Command) frame() (header, footer string) {
	if c.Output&OutXML == 0 {
		return "", ""
	}
	switch c.Verb {
	case List, Events:
		return conntracktext.XMLHeader, conntracktext.XMLFooter
	case Get:
		return conntracktext.XMLHeader, ""
	case ListExpect, EventsExpect:
		return conntracktext.XMLExpectedHeader, conntracktext.XMLExpectedFooter
	case GetExpect:
		return conntracktext.XMLExpectedHeader, ""
	}
	return "", ""
}

// printProtocol prints the options of the protocol that help was asked about.
func (c *Command) printProtocol(out io.Writer) {
	if !c.Has(OptProto) {
		return
	}
	for _, p := range append(slices.Clone(protocols), unknownProtocol(c.Object.Orig.Proto)) {
		if p.num != c.Object.Orig.Proto {
			continue
		}
		fmt.Fprintf(out, "\nOptions of %s:", p.officialName())
		if len(p.long) == 0 {
			io.WriteString(out, " none")
		}
		for _, l := range p.long {
			fmt.Fprintf(out, " --%s", l.Name)
		}
		io.WriteString(out, "\n")
		return
	}
}
