package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Report says what a publish did.
type Report struct {
	Generation    uint64
	Compile       time.Duration  // text to image; 0 when published compiled
	Copy          time.Duration  // image and routes to every worker
	Grace         time.Duration  // until no worker could see the old generation
	Judged        uint64         // packets that the replaced generation walked
	OldRuleset    *rules.Ruleset // nil the first time
	OldGeneration uint64
}

// OldCounters returns what was counted for the replaced rules; those that the new ones
// keep go on from there.
func (r *Report) OldCounters() []rules.CounterTotal {
	if r.OldRuleset == nil {
		return nil
	}
	return r.OldRuleset.Collect(nil)
}

// ErrClosed is returned by what cannot be done with a closed box.
var ErrClosed = errors.New("the box is closed")

// Load parses, checks, compiles and publishes a ruleset. On an error the rules
// in force stay as they are.
func (b *Box) Load(file string, text []byte) (*Report, error) {
	start := time.Now()
	tree, err := nft.Parse(file, text, nft.ParseOptions{Helpers: helper.Protocols(b.cfg.Helpers)})
	if err != nil {
		return nil, err
	}
	rs, err := b.Compile(tree)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	r, err := b.Publish(rs)
	if err != nil {
		return nil, err
	}
	r.Compile = took
	return r, nil
}

// Compile compiles a checked tree for this box's ports. It changes nothing. What
// the tree shares with that of the rules in force is not compiled again.
func (b *Box) Compile(tree *nft.Ruleset) (*rules.Ruleset, error) {
	opt := b.ruleOptions()
	if now := b.inForce.Load(); now != nil {
		opt.Before = now.rules
	}
	rs, err := rules.Compile(tree, opt)
	if err != nil {
		return nil, fmt.Errorf("compile rules: %w", err)
	}
	if c := rs.Bridge(); c != nil && !b.cfg.Wire {
		return nil, fmt.Errorf("compile rules: %w", &rules.Error{Pos: c.Pos, Msg: "tables of family bridge are for mode wire: a router bridges nothing"})
	}
	if b.cfg.Wire {
		if err := rs.OnWire(); err != nil {
			return nil, fmt.Errorf("compile rules: %w", err)
		}
	}
	return rs, nil
}

// Publish puts a compiled ruleset in force on every worker and returns when no
// worker can see the old one any more. Traffic goes on meanwhile: each burst is
// judged by the generation that its round loaded, old or new.
func (b *Box) Publish(rs *rules.Ruleset) (*Report, error) {
	b.control.Lock()
	defer b.control.Unlock()
	return b.publish(change{rules: rs})
}

// State is what the box knows of the network around it.
type State struct {
	Ports      []PortState // by port
	Routes     []route.Route
	Neighbours []route.Neighbour
}

// PortState is a port's side of State.
type PortState struct {
	Addrs []netip.Prefix // the box's addresses there, first one primary
	MAC   [6]byte
	MTU   int // L3 bytes
}

// SetState publishes new addresses, routes and neighbours at once. Unlike in
// Config nothing is added: routes to local addresses and connected nets must be
// in it. Rules and their counters stay. On an error everything stays.
func (b *Box) SetState(s State) error {
	if len(s.Ports) != len(b.cfg.Ports) {
		return fmt.Errorf("state of %d ports for a box with %d", len(s.Ports), len(b.cfg.Ports))
	}
	b.control.Lock()
	defer b.control.Unlock()
	ports := make([]portInfo, len(s.Ports))
	for i, p := range s.Ports {
		c := &b.cfg.Ports[i]
		info, err := newPortInfo(c, p)
		if err != nil {
			return fmt.Errorf("port %s: %w", c.Port.Name(), err)
		}
		ports[i] = info
	}
	routes, err := route.Build(s.Routes, s.Neighbours)
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	_, err = b.publish(change{routes: routes, shelf: &b.routes, ports: ports, routed: reachOf(b.state, &s)})
	if b.state = nil; err == nil {
		b.state = s.clone()
	}
	return err
}

// publish is read-copy-update: build every worker's copies, exchange the
// pointers, wait out the grace period, then collect and free the old ones.
// Held: b.control.
func (b *Box) publish(c change) (*Report, error) {
	generation := b.generation
	if c.rules != nil {
		generation++
		c.rules.Generation = generation
	}
	if b.closed {
		return nil, ErrClosed
	}
	start := time.Now()
	var common []int32
	if c.rules != nil {
		c.touched = reachOfRules(b.rules, c.rules)
		common = c.rules.Common(b.rules)
	}
	fresh, err := b.copies(generation, c)
	if err != nil {
		return nil, err
	}
	b.table.SetNAT(b.generation > 0 && b.workers[0].next.Load().nat || fresh[0].nat)
	r := &Report{Generation: generation, Copy: time.Since(start), OldRuleset: b.rules}

	start = time.Now()
	old := make([]*tables, len(b.workers))
	for i, w := range b.workers {
		old[i] = w.next.Swap(fresh[i])
	}
	b.quiesce()
	r.Grace = time.Since(start)
	b.table.SetNAT(fresh[0].nat)
	if c.rules != nil {
		b.writeLogs() // what the old rules logged
		b.takeTraces()
	}

	if old[0] == nil {
		b.adopt(generation, c)
		return r, nil
	}
	for _, t := range old {
		b.judged += t.judged
	}
	if c.rules != nil {
		images := make([]*rules.Image, len(old))
		for i, t := range old {
			images[i] = t.image
		}
		r.OldGeneration = old[0].generation
		r.Judged, b.judged = b.judged, 0
		b.rules.Close(images)
		c.rules.Carry(b.rules, common)
	}
	b.adopt(generation, c)
	if c.rules != nil {
		_ = b.pool.Submit(c.rules.Keep) // who has no time for it leaves the cache as it is
	}
	var errs []error
	for _, t := range old {
		gone := c
		if b.cfg.Check && c.rules != nil {
			// Kept for a while, so that a late reader meets poison and not memory used anew.
			t.image.Poison()
			b.poisoned = append(b.poisoned, t.image)
			gone.rules = nil
			if len(b.poisoned) > keptPoisoned*len(b.workers) {
				errs = append(errs, b.poisoned[0].Free())
				b.poisoned = slices.Delete(b.poisoned, 0, 1)
			}
		}
		errs = append(errs, t.free(gone))
	}
	return r, errors.Join(errs...)
}

// keptPoisoned is how many generations the checking mode keeps.
const keptPoisoned = 4

// adopt makes a published change the box's own. Held: b.control.
func (b *Box) adopt(generation uint64, c change) {
	if c.rules != nil {
		b.generation, b.rules = generation, c.rules
		b.inForce.Store(&inForce{generation, c.rules})
	}
}

// copies builds each worker's tables, the first one's and then, in the pool, those
// that are copied from it.
func (b *Box) copies(generation uint64, c change) ([]*tables, error) {
	fresh := make([]*tables, len(b.workers))
	errs := make([]error, len(b.workers))
	build := func(i int, image *rules.Image) {
		fresh[i], errs[i] = newTables(generation, c, image, b.workers[i].next.Load(), b.cfg.Wire)
		if b.profiling && errs[i] == nil && c.rules != nil {
			fresh[i].costs = newCosts(c.rules)
		}
	}
	if build(0, nil); errs[0] == nil {
		b.parallel(len(b.workers)-1, func(i int) { build(1+i, fresh[0].image) })
	}
	err := errors.Join(errs...)
	if err == nil {
		return fresh, nil
	}
	for _, t := range fresh {
		if t != nil {
			err = errors.Join(err, t.free(c))
		}
	}
	return nil, fmt.Errorf("generation %d: %w", generation, err)
}

// quiesce waits until every worker has been outside a round, or has begun one,
// since the call: it cannot hold what was exchanged before.
func (b *Box) quiesce() {
	for _, w := range b.workers {
		seen := w.epoch.Load()
		for i := 0; seen&1 == 1 && w.epoch.Load() == seen; i++ {
			if i < 100 {
				runtime.Gosched()
			} else {
				nap(20 * time.Microsecond)
			}
		}
	}
}
