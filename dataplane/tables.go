package dataplane

import (
	"fmt"
	"math"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Priorities of the steps that are no rules (enum nf_ip_hook_priorities).
const (
	prioConntrack = -200
	prioNATDst    = -100
	prioNATSrc    = 100
	prioConfirm   = math.MaxInt32
)

// stepKind is what happens at one place of a hook.
type stepKind uint8

const (
	stepChain stepKind = iota // a base chain
	stepTrack
	stepNATDst
	stepNATSrc
	stepConfirm
)

type step struct {
	kind     stepKind
	priority int32
	chain    rules.BaseChain // of stepChain
}

// hookSteps is a hook's walk in ascending priority, and the nat chains that the
// NAT steps consult in theirs.
type hookSteps struct {
	steps []step
	nat   []rules.BaseChain
}

// tables is one generation as one worker sees it: its own copies of the rules
// and of the routes. Immutable but for the counters beside the image, the
// neighbours' addresses and judged, which its worker writes.
type tables struct {
	generation uint64
	image      *rules.Image
	routes     *route.Table
	track      bool // some rule needs conntrack
	early      bool // a chain runs before conntrack, so a packet must be with its owner before
	hooks      [2][5]hookSteps

	judged uint64 // packets that walked under this generation; written by the worker
}

// familyIndex maps a packet's family to hooks' first index.
func familyIndex(family uint8) int {
	if family == flowtable.FamilyIPv6 {
		return 1
	}
	return 0
}

func newTables(generation uint64, rs *rules.Ruleset, routes *route.Table) (*tables, error) {
	image, err := rs.Copy()
	if err != nil {
		return nil, fmt.Errorf("copy rules: %w", err)
	}
	own, err := routes.Copy()
	if err != nil {
		_ = image.Free()
		return nil, fmt.Errorf("copy routes: %w", err)
	}
	t := &tables{generation: generation, image: image, routes: own, track: image.NeedsConntrack()}
	for f, family := range []uint8{flowtable.FamilyIPv4, flowtable.FamilyIPv6} {
		t.build(f, family)
	}
	return t, nil
}

// build sorts the base chains of a family and the steps between them into walks.
func (t *tables) build(f int, family uint8) {
	anyNAT := false
	for h := nft.HookPrerouting; h <= nft.HookPostrouting; h++ {
		for _, c := range t.image.Base(family, h) {
			anyNAT = anyNAT || c.NAT
		}
	}
	for h := nft.HookPrerouting; h <= nft.HookPostrouting; h++ {
		w := &t.hooks[f][h]
		own := t.ownSteps(h, anyNAT)
		for _, c := range t.image.Base(family, h) {
			if c.NAT {
				w.nat = append(w.nat, c)
				continue
			}
			for len(own) > 0 && own[0].priority <= c.Priority {
				w.steps, own = append(w.steps, own[0]), own[1:]
			}
			w.steps = append(w.steps, step{kind: stepChain, priority: c.Priority, chain: c})
			t.early = t.early || h == nft.HookPrerouting && c.Priority < prioConntrack
		}
		w.steps = append(w.steps, own...)
	}
}

// ownSteps returns what the box itself does in a hook, ascending. As in Linux,
// conntrack is there only while some rule needs it, NAT while there is a nat chain.
func (t *tables) ownSteps(h nft.Hook, nat bool) []step {
	if !t.track {
		return nil
	}
	var s []step
	add := func(when bool, kind stepKind, priority int32) {
		if when {
			s = append(s, step{kind: kind, priority: priority})
		}
	}
	switch h {
	case nft.HookPrerouting, nft.HookOutput:
		add(true, stepTrack, prioConntrack)
		add(nat, stepNATDst, prioNATDst)
	case nft.HookInput, nft.HookPostrouting:
		add(nat, stepNATSrc, prioNATSrc)
		add(true, stepConfirm, prioConfirm)
	}
	return s
}

func (t *tables) free() error {
	if err := t.image.Free(); err != nil {
		return err
	}
	return t.routes.Free()
}
