package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/checks"
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

// runChecks runs what is wanted, until the context ends.
func runChecks(ctx context.Context, w *world, r *checks.Result) {
	for _, c := range allChecks() {
		if !c.wanted(w.opt) {
			continue
		}
		detail, err := checks.Bounded(ctx, cmp.Or(c.limit, checkLimit), func(ctx context.Context) (string, error) { return c.run(ctx, w) })
		if ctx.Err() != nil {
			return
		}
		r.Tell(c.name, detail, err)
	}
}
