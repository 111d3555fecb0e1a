package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Result counts checks and tells each.
type Result struct {
	To             io.Writer
	Passed, Failed int
}

// Tell prints and counts a check: failed when err is not nil, else passed, with
// a detail if there is one.
func (r *Result) Tell(name, detail string, err error) {
	line := "ok   " + name
	switch {
	case err != nil:
		r.Failed++
		line = fmt.Sprintf("FAIL %s: %s", name, OneLine(err.Error()))
	case detail != "":
		r.Passed++
		line += " (" + OneLine(detail) + ")"
	default:
		r.Passed++
	}
	fmt.Fprintln(r.To, line)
}

// Sum prints the last line and says whether all have passed.
func (r *Result) Sum() bool {
	fmt.Fprintf(r.To, "%d passed, %d failed\n", r.Passed, r.Failed)
	return r.Failed == 0
}

// patience is how long a check may go on after its limit.
const patience = 3 * time.Second

// Bounded runs a check for its limit at most. One that does not heed its
// context is left behind.
func Bounded(ctx context.Context, limit time.Duration, run func(ctx context.Context) (detail string, err error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type outcome struct {
		detail string
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		detail, err := run(ctx)
		done <- outcome{detail, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.err = fmt.Errorf("not done after %v: %w", limit, r.err)
		}
		return r.detail, r.err
	case <-time.After(limit + patience):
		return "", fmt.Errorf("hangs: no end %v after its limit of %v", patience, limit)
	}
}

// OneLine folds a text into a line of bearable length.
func OneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 500 {
		s = s[:240] + " ... " + s[len(s)-240:]
	}
	return s
}
