package rules

import (
	"fmt"

	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/rules/nft"
)

// Interface ties an interface's name to the dataplane's number for it.
type Interface struct {
	Name  string // at most 15 bytes, as the kernel's
	Port  uint16 // the dataplane's port number; packet.NoPort is not allowed
	Index uint32 // what `meta iif` compares
}

// Options says what Compile needs beside the tree. The zero value is valid: no
// interface exists, chains compile one after the other, nothing is remembered.
type Options struct {
	// Interfaces lists every port that rules may name. A name that nobody bears
	// is no error: it never matches.
	Interfaces []Interface
	// Helpers are the conntrack helpers that rules may set, in the order of their
	// numbers; nil: helper.Default.
	Helpers []helper.Helper
	// Cache remembers compiled rulesets of earlier generations; nil is none.
	Cache *Cache
	// Store holds the memory of limits and quotas over generations and workers;
	// without one Copy refuses rulesets that have any.
	Store *Store
	// Before is the ruleset that the tree was made from, as nft.Run does: what the
	// trees share is not compiled again. nil: there is none.
	Before *Ruleset
	// Pool compiles chains and sets in parallel, and what is for later behind the
	// caller's back; nil compiles them in the caller's goroutine. Compile may itself
	// run in the pool.
	Pool Pool

	// shortestRun is how many rules get a classifier at least; 0: minRun.
	shortestRun int
}

// Pool runs jobs in goroutines of its own. It refuses those that it has no goroutine
// for (ants.Pool with ants.WithNonblocking).
type Pool interface{ Submit(job func()) error }

// Error is why a tree could not be compiled, and where. errors.As finds it in
// what Compile returns.
type Error struct {
	Pos nft.Pos
	Msg string
}

func (e *Error) Error() string { return fmt.Sprintf("%v: Error: %s", e.Pos, e.Msg) }

func errorf(pos nft.Pos, format string, args ...any) error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}
