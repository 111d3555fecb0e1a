package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// check is one line of the result.
type check struct {
	name  string
	limit time.Duration // 0: checkLimit
	// box says that the check is about sluice itself and means nothing with -kernel.
	box bool
	run func(ctx context.Context, w *world) (detail string, err error)
}

// checkLimit is the time that a check may take unless it has its own limit.
const checkLimit = 15 * time.Second

// allChecks are the checks in order: each part continues where the one before
// it left the box.
func allChecks() []check {
	var list []check
	for _, part := range [][]check{
		startChecks, transferChecks, programChecks, helperChecks, policyChecks, changeChecks, crashChecks, leaveChecks,
	} {
		list = append(list, part...)
	}
	return list
}

// wanted says whether a check is to be run. What begins or continues a life of
// the box always is.
func (c *check) wanted(opt *options) bool {
	if opt.kernel && c.box {
		return false
	}
	return opt.only == nil || opt.only.MatchString(c.name) || strings.HasPrefix(c.name, "start")
}

// result counts checks.
type result struct {
	passed, failed int
	interrupted    bool
}

// tell prints and counts a check.
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

// runChecks runs what is wanted, until the context ends.
func runChecks(ctx context.Context, w *world) (r result) {
	for _, c := range allChecks() {
		if !c.wanted(w.opt) {
			continue
		}
		limit := c.limit
		if limit == 0 {
			limit = checkLimit
		}
		detail, err := runOne(ctx, w, &c, limit)
		if ctx.Err() != nil {
			r.interrupted = true
			return r
		}
		r.tell(c.name, detail, err)
	}
	return r
}

// runOne runs a check for its limit at most. A check that does not heed its
// context is left behind.
func runOne(ctx context.Context, w *world, c *check, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type outcome struct {
		detail string
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		detail, err := c.run(ctx, w)
		done <- outcome{detail, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.err = fmt.Errorf("not done after %v: %w", limit, r.err)
		}
		return r.detail, r.err
	case <-time.After(limit + 3*time.Second):
		return "", fmt.Errorf("hangs: no end %v after its limit of %v", 3*time.Second, limit)
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
