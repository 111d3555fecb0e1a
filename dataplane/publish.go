package dataplane

import (
	"fmt"
	"runtime"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Report says what a publish did.
type Report struct {
	Generation   uint64
	Compile      time.Duration // text to image; 0 when published compiled
	Copy         time.Duration // image and routes to every worker
	Grace        time.Duration // until no worker could see the old generation
	Judged       uint64        // packets that the replaced generation walked
	OldCounters  []rules.CounterTotal
	OldRuleset   *rules.Ruleset // nil the first time
	OldGenerated uint64
}

// Load parses, checks, compiles and publishes a ruleset. On an error the rules
// in force stay as they are.
func (b *Box) Load(file string, text []byte) (*Report, error) {
	start := time.Now()
	tree, err := nft.Parse(file, text, nft.ParseOptions{})
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

// Compile compiles a checked tree for this box's ports. It changes nothing.
func (b *Box) Compile(tree *nft.Ruleset) (*rules.Ruleset, error) {
	rs, err := rules.Compile(tree, b.ruleOptions())
	if err != nil {
		return nil, fmt.Errorf("compile rules: %w", err)
	}
	return rs, nil
}

// Publish puts a compiled ruleset in force on every worker and returns when no
// worker can see the old one any more. Traffic goes on meanwhile: each burst is
// judged by the generation that its round loaded, old or new.
func (b *Box) Publish(rs *rules.Ruleset) (*Report, error) {
	b.control.Lock()
	defer b.control.Unlock()
	return b.publish(rs, b.routes)
}

// SetRoutes publishes new routes and neighbours with the rules in force.
func (b *Box) SetRoutes(routes []route.Route, neighbours []route.Neighbour) (*Report, error) {
	b.control.Lock()
	defer b.control.Unlock()
	table, err := b.buildRoutes(routes, neighbours)
	if err != nil {
		return nil, err
	}
	r, err := b.publish(b.rules, table)
	if err != nil {
		_ = table.Free()
		return nil, err
	}
	old := b.routes
	b.routes = table
	return r, old.Free()
}

// publish is read-copy-update: build every worker's copy, exchange the
// pointers, wait out the grace period, then collect and free the old ones.
// Held: b.control.
func (b *Box) publish(rs *rules.Ruleset, routes *route.Table) (*Report, error) {
	generation := b.generation + 1
	rs.Generation = generation
	start := time.Now()
	fresh, err := b.copies(generation, rs, routes)
	if err != nil {
		return nil, err
	}
	r := &Report{Generation: generation, Copy: time.Since(start), OldRuleset: b.rules}

	start = time.Now()
	old := make([]*tables, len(b.workers))
	for i, w := range b.workers {
		old[i] = w.next.Swap(fresh[i])
	}
	b.quiesce()
	r.Grace = time.Since(start)
	b.generation, b.rules = generation, rs
	b.inForce.Store(&inForce{generation, rs})

	if old[0] == nil {
		return r, nil
	}
	r.OldGenerated = old[0].generation
	images := make([]*rules.Image, len(old))
	for i, t := range old {
		images[i] = t.image
		r.Judged += t.judged
	}
	r.OldCounters = r.OldRuleset.Collect(images)
	for _, t := range old {
		if b.cfg.Check {
			t.image.Poison()
			b.poisoned = append(b.poisoned, t)
			continue // kept, so that a late reader meets poison and not reused memory
		}
		if err := t.free(); err != nil {
			return r, fmt.Errorf("free generation %d: %w", t.generation, err)
		}
	}
	return r, nil
}

// copies builds each worker's tables, in the pool when there are several.
func (b *Box) copies(generation uint64, rs *rules.Ruleset, routes *route.Table) ([]*tables, error) {
	fresh := make([]*tables, len(b.workers))
	errs := make([]error, len(b.workers))
	b.parallel(len(b.workers), func(i int) {
		fresh[i], errs[i] = newTables(generation, rs, routes)
	})
	for _, err := range errs {
		if err == nil {
			continue
		}
		for _, t := range fresh {
			if t != nil {
				_ = t.free()
			}
		}
		return nil, fmt.Errorf("generation %d: %w", generation, err)
	}
	return fresh, nil
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
				time.Sleep(20 * time.Microsecond)
			}
		}
	}
}
