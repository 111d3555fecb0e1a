package xtables

import (
	"fmt"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// maxName is the longest name of an extension.
const maxName = 29

// maxChainName is the longest name of a chain.
const maxChainName = 28

// Hooks is a set of hooks, bit nft.HookPrerouting and so on.
type Hooks uint8

// At makes a set of hooks.
func At(hooks ...nft.Hook) (set Hooks) {
	for _, h := range hooks {
		set |= 1 << h
	}
	return set
}

// Record is a match or a target.
type Record struct {
	Name     string
	Revision uint8
	Family   nft.Family // FamilyIP, FamilyIP6, or FamilyInet for both
	Table    string     // the only table it may be in; "": any
	Hooks    Hooks      // those it may be reached from; 0: all
	Proto    uint8      // transport protocol the rule has to be for; 0: any

	// Check judges the arguments a rule gives and makes the code for that rule.
	// Called for each rule of a table that is put together, outside of workers.
	Check func(*Use) (rules.Extension, error)
	// Destroy gets the code back once no worker can be inside it; may be nil.
	Destroy func(rules.Extension)
}

// Use is what a rule says about one of its extensions, and where it stands.
type Use struct {
	Name     string
	Revision uint8
	Args     any // for Check alone

	// Set before Check is called.
	Table  string
	Family nft.Family
	Hooks  Hooks // that lead to the rule's chain
	Proto  uint8 // of the rule; 0: any
}

// Engine is what carries tables: a box, or what stands for one in a test.
type Engine struct {
	Tree func() *nft.Ruleset // in force
	// Load puts a tree in force and returns when no worker can see the old one,
	// with what the old one has counted until then.
	Load func(*nft.Ruleset) (old []rules.CounterTotal, err error)
	// Counters gives what the tree in force has counted so far.
	Counters func() []rules.CounterTotal
}

// Registry holds what is registered.
type Registry struct {
	engine Engine

	mu      sync.Mutex
	matches []*Record
	targets []*Record
	tables  []*Table
	entries []*Entry
}

// New returns a registry without anything in it.
func New(e Engine) *Registry { return &Registry{engine: e} }

// covers says whether a record of family have serves family want.
func covers(have, want nft.Family) bool { return have == want || have == nft.FamilyInet }

func overlap(a, b nft.Family) bool { return covers(a, b) || covers(b, a) }

func add(to *[]*Record, kind string, list []*Record) error {
	before := len(*to)
	for _, r := range list {
		err := r.sound()
		for _, have := range *to {
			if err == nil && have.Name == r.Name && have.Revision == r.Revision && overlap(have.Family, r.Family) {
				err = ErrExists
			}
		}
		if err != nil {
			*to = (*to)[:before]
			return fmt.Errorf("%s %s revision %d: %w", kind, r.Name, r.Revision, err)
		}
		*to = append(*to, r)
	}
	return nil
}

func (r *Record) sound() error {
	if r.Name == "" || len(r.Name) > maxName || r.Check == nil {
		return fmt.Errorf("%w: a name of 1 to %d bytes and Check are needed", ErrInvalid, maxName)
	}
	switch r.Family {
	case nft.FamilyIP, nft.FamilyIP6, nft.FamilyInet:
		return nil
	}
	return fmt.Errorf("%w: family %d", ErrInvalid, r.Family)
}

// RegisterMatches registers matches, all of them or on an error none.
func (g *Registry) RegisterMatches(list ...*Record) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return add(&g.matches, "match", list)
}

// RegisterTargets registers targets, all of them or on an error none.
func (g *Registry) RegisterTargets(list ...*Record) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return add(&g.targets, "target", list)
}

// Unregister takes records away, matches or targets. Rules that use them keep
// their code until they are replaced.
func (g *Registry) Unregister(list ...*Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gone := func(r *Record) bool { return slices.Contains(list, r) }
	g.matches = slices.DeleteFunc(g.matches, gone)
	g.targets = slices.DeleteFunc(g.targets, gone)
}

// Names lists the records of a family, one name each: what the kernel has in
// ip_tables_matches and ip_tables_targets.
func (g *Registry) Names(f nft.Family) (matches, targets []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := func(list []*Record) (out []string) {
		for _, r := range list {
			if covers(r.Family, f) && !slices.Contains(out, r.Name) {
				out = append(out, r.Name)
			}
		}
		return out
	}
	return names(g.matches), names(g.targets)
}

// find returns the record of a use.
func find(list []*Record, kind string, u *Use) (*Record, error) {
	best := -1
	for _, r := range list {
		if r.Name != u.Name || !covers(r.Family, u.Family) {
			continue
		}
		if r.Revision == u.Revision {
			return r, nil
		}
		best = max(best, int(r.Revision))
	}
	if best >= 0 {
		return nil, fmt.Errorf("%s %s has no revision %d, the best is %d: %w", kind, u.Name, u.Revision, best, ErrNoEntry)
	}
	return nil, fmt.Errorf("%s %s: %w", kind, u.Name, ErrNoEntry)
}

// check judges a use by its record and has the code made.
func (r *Record) check(kind string, u *Use) (rules.Extension, error) {
	fail := func(why string, args ...any) error {
		return fmt.Errorf("%s %s: %s: %w", kind, u.Name, fmt.Sprintf(why, args...), ErrInvalid)
	}
	switch {
	case r.Table != "" && r.Table != u.Table:
		return nil, fail("is valid in table %s only, not %s", r.Table, u.Table)
	case r.Hooks != 0 && u.Hooks&^r.Hooks != 0:
		return nil, fail("hooks %#x lead here, it is valid at %#x", u.Hooks, r.Hooks)
	case r.Proto != 0 && r.Proto != u.Proto:
		return nil, fail("the rule is for protocol %d, it is for %d", u.Proto, r.Proto)
	}
	code, err := r.Check(u)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, u.Name, err)
	}
	return code, nil
}
