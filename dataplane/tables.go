package dataplane

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/sluice-net/sluice/dataplane/packet"
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

// hookSteps is a hook's walk: base chains in ascending priority, and between
// them the two steps that the box itself takes there. At prerouting and output
// these are conntrack and destination NAT, at input and postrouting source NAT
// and confirming. Written out as fields, not as a list of steps, because a
// processor predicts straight code and not a switch in a loop.
type hookSteps struct {
	before          []rules.BaseChain // before both own steps
	track, natSrc   bool              // the first
	between         []rules.BaseChain
	natDst, confirm bool // the second
	after           []rules.BaseChain
	nat             []rules.BaseChain // what the NAT step asks
}

// tables is one generation as one worker sees it: its own copies of the rules
// and of the routes. Immutable but for the counters beside the image, judged and
// blocked, which its worker writes.
type tables struct {
	serial     uint64 // of the publish
	routed     reach  // what it changed of the ways of packets, by where they go
	touched    reach  // and of what rules say of them
	generation uint64 // of the rules; routes come and go within one
	image      *rules.Image
	routes     *route.Table
	ports      []portInfo
	own4       []uint32 // the ports' IPv4 addresses
	nat        bool     // some rule may translate
	track      [2]bool  // by familyIndex: some rule needs conntrack
	classes    bool     // some rule asks for meta priority
	early      bool     // a chain runs before conntrack, so a packet must be with its owner before
	hooks      [2][5]hookSteps
	below      *below              // chains that see frames as they come; nil: none
	egress     [][]rules.BaseChain // by port: those that see them leave; nil: none

	judged  uint64               // packets that walked while these were in force; written by the worker
	blocked [maxBlockers]Blocker // rules because of which packets had no plan; written by the worker
	costs   []RuleCost           // by rule id, while a profile is taken; nil: none was begun since; written by the worker
}

// familyIndex maps a packet's family to hooks' first index.
func familyIndex(family uint8) int {
	if family == flowtable.FamilyIPv6 {
		return 1
	}
	return 0
}

// change is what a publish replaces; nil: it stays as it is.
type change struct {
	rules   *rules.Ruleset
	routes  *route.Table // of which the workers get copies
	shelf   *route.Shelf // in whose memory
	ports   []portInfo
	routed  reach // of routes and ports
	touched reach // of rules
}

// newTables makes one worker's tables: copies of what changes, of rules by way of
// image if there is one, the rest from old, which is nil the first time.
func newTables(generation uint64, c change, image *rules.Image, old *tables, wire bool) (*tables, error) {
	t := &tables{generation: generation, routed: c.routed, touched: c.touched}
	if old != nil { // all but judged, which its worker is still counting
		t.serial = old.serial + 1
		t.generation, t.image, t.routes, t.track, t.early, t.classes = old.generation, old.image, old.routes, old.track, old.early, old.classes
		t.ports, t.own4, t.nat, t.hooks, t.below, t.egress = old.ports, old.own4, old.nat, old.hooks, old.below, old.egress
		if c.rules == nil {
			t.costs = old.costs // the worker goes on counting in them
		}
	}
	if c.ports != nil {
		t.ports, t.own4 = c.ports, nil
		for i := range c.ports {
			for _, a := range c.ports[i].addrs4 {
				t.own4 = append(t.own4, binary.BigEndian.Uint32(a[:]))
			}
		}
	}
	if c.routes != nil {
		own, err := c.routes.Copy(c.shelf)
		if err != nil {
			return nil, fmt.Errorf("copy routes: %w", err)
		}
		t.routes = own
	}
	if c.rules != nil {
		var err error
		if image == nil {
			image, err = c.rules.Copy()
		} else {
			image, err = c.rules.CopyOf(image)
		}
		if err != nil {
			if c.routes != nil {
				t.routes.Free()
			}
			return nil, fmt.Errorf("copy rules: %w", err)
		}
		t.generation, t.image, t.classes = generation, image, image.NeedsPriority()
		t.early, t.nat, t.hooks = false, false, [2][5]hookSteps{}
		t.below, t.egress = newBelow(image, len(t.ports), wire), newEgress(image, len(t.ports))
		for f, family := range []uint8{flowtable.FamilyIPv4, flowtable.FamilyIPv6} {
			t.build(f, family)
		}
	}
	return t, nil
}

// build sorts the base chains of a family around the box's own steps. As in
// Linux, conntrack is there only while some rule needs it, NAT while there is a
// nat chain.
func (t *tables) build(f int, family uint8) {
	nat, oldest := false, ^uint32(0) // newer chains have larger ids; NAT is at all hooks since the first nat chain
	for h := nft.HookPrerouting; h <= nft.HookPostrouting; h++ {
		for _, c := range t.image.Base(family, h) {
			if c.NAT {
				nat, oldest = true, min(oldest, c.PolicyID)
			}
		}
	}
	t.nat = t.nat || nat
	t.track[f] = t.image.NeedsConntrack(family)
	for h := nft.HookPrerouting; h <= nft.HookPostrouting; h++ {
		hs := &t.hooks[f][h]
		first, second, natAt := int64(prioNATSrc), int64(prioConfirm), int64(prioNATSrc)
		switch h {
		case nft.HookPrerouting, nft.HookOutput:
			first, second, natAt = prioConntrack, prioNATDst, prioNATDst
			hs.track, hs.natDst = t.track[f], nat
		case nft.HookInput, nft.HookPostrouting:
			hs.natSrc, hs.confirm = nat, t.track[f]
		}
		for _, c := range t.image.Base(family, h) {
			p := int64(c.Priority)
			if p == natAt && nat && c.PolicyID > oldest {
				p-- // of one priority the newest comes first
			}
			switch {
			case c.NAT:
				hs.nat = append(hs.nat, c)
			case p < first:
				hs.before = append(hs.before, c)
			case p < second:
				hs.between = append(hs.between, c)
			default:
				hs.after = append(hs.after, c)
			}
		}
		if h == nft.HookPrerouting && len(hs.before) > 0 {
			t.early = true
		}
	}
}

// ownAddress says that an IPv4 packet claims to come from the box itself, which
// nobody else may (fib_validate_source; IPv6 has no such check).
func (t *tables) ownAddress(p *packet.Packet) bool {
	if p.Family != flowtable.FamilyIPv4 {
		return false
	}
	src := binary.BigEndian.Uint32(p.Data[int(p.L3)+12:])
	for _, a := range t.own4 {
		if a == src {
			return true
		}
	}
	return false
}

// free gives back what c replaced.
func (t *tables) free(c change) error {
	if c.routes != nil {
		t.routes.Free()
	}
	if c.rules != nil {
		return t.image.Free()
	}
	return nil
}
