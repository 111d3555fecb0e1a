package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// testCase is one line of the result.
type testCase struct {
	name  string
	limit time.Duration // 0: caseLimit
	run   func(ctx context.Context, w *world) (detail string, err error)
}

// caseLimit is the time that a case may take unless it has its own limit.
const caseLimit = 90 * time.Second

func allCases() []testCase {
	var list []testCase
	for _, part := range [][]testCase{modeCases, trafficCases, localCases, changeCases, lifeCases} {
		list = append(list, part...)
	}
	return list
}

// result counts cases.
type result struct {
	passed, failed int
	interrupted    bool
}

// tell prints and counts a case.
func (r *result) tell(name, detail string, err error) {
	switch {
	case err != nil:
		r.failed++
		fmt.Printf("FAIL %s: %s\n", name, oneLine(err.Error()))
	case detail != "":
		r.passed++
		fmt.Printf("ok   %s (%s)\n", name, oneLine(detail))
	default:
		r.passed++
		fmt.Printf("ok   %s\n", name)
	}
}

// runCases runs what is wanted, until the context ends.
func runCases(ctx context.Context, w *world, cases []testCase) (r result) {
	for _, c := range cases {
		if w.opt.only != nil && !w.opt.only.MatchString(c.name) {
			continue
		}
		if c.limit == 0 {
			c.limit = caseLimit
		}
		begin := time.Now()
		one, cancel := context.WithTimeout(ctx, c.limit)
		detail, err := c.run(one, w)
		if err != nil && errors.Is(one.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("not done after %v: %w", c.limit, err)
		}
		cancel()
		if ctx.Err() != nil {
			r.interrupted = true
			return r
		}
		if detail != "" {
			detail += "; "
		}
		r.tell(c.name, detail+fmt.Sprintf("%.1f s", time.Since(begin).Seconds()), err)
		if err != nil || w.opt.log {
			w.showLog(ctx)
		}
	}
	return r
}

// showLog prints what the box has written, and the end of the console.
func (w *world) showLog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if w.box != nil {
		text, err := w.boxLog(ctx)
		fmt.Printf("--- the box has written\n%s\n", text)
		if text, failure := w.guest.run(ctx, "/bin/sluice", "status"); failure == nil {
			fmt.Printf("--- its status\n%s\n", text)
		}
		if err != nil {
			fmt.Printf("--- and no more: %v\n", err)
		}
	} else if n := len(w.boxes); n > 0 {
		fmt.Printf("--- the last box wrote\n%s\n", w.boxes[n-1])
	}
	if text := w.guest.console.last(80); text != "" {
		fmt.Printf("--- the console\n%s\n", text)
	}
}

// oneLine folds a text into a line of bearable length.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 500 {
		s = s[:240] + " ... " + s[len(s)-240:]
	}
	return s
}
