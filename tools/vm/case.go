package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/tools/checks"
)

// testCase is one line of the result.
type testCase struct {
	name  string
	limit time.Duration // 0: caseLimit
	run   func(ctx context.Context, w *world) (detail string, err error)
}

// caseLimit is the time that a case may take unless it has its own limit.
const caseLimit = 5 * time.Minute

func allCases() []testCase {
	var list []testCase
	for _, part := range [][]testCase{modeCases, trafficCases, localCases, {sshCase}, changeCases, lifeCases} {
		list = append(list, part...)
	}
	return list
}

// runCases runs what is wanted as often as is wanted, until the context ends.
func runCases(ctx context.Context, w *world, cases []testCase, r *checks.Result) {
	for range w.opt.count {
		runOnce(ctx, w, cases, r)
	}
}

func runOnce(ctx context.Context, w *world, cases []testCase, r *checks.Result) {
	for _, c := range cases {
		if w.opt.only != nil && !w.opt.only.MatchString(c.name) {
			continue
		}
		begin := time.Now()
		detail, err := checks.Bounded(ctx, cmp.Or(c.limit, caseLimit), func(ctx context.Context) (string, error) { return c.run(ctx, w) })
		if ctx.Err() != nil {
			return
		}
		if detail != "" {
			detail += "; "
		}
		r.Tell(c.name, detail+fmt.Sprintf("%.1f s", time.Since(begin).Seconds()), err)
		if err != nil { // the short and telling comes first: of a long text not all may be kept
			w.showAnatomy(ctx)
		}
		if err != nil || w.opt.log {
			w.showLog(ctx)
		}
	}
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
	if text := w.guest.console.last(30); text != "" {
		fmt.Printf("--- the console\n%s\n", text)
	}
}
