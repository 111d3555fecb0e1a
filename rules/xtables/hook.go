package xtables

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Entry is a function at a hook.
type Entry struct {
	Family   nft.Family
	Hook     nft.Hook
	Priority int32
	Run      rules.Extension // its Action is the verdict: ActContinue accepts

	table *Table
}

// maxEntries is how many entries a hook of a family may have.
const maxEntries = 1024

// RegisterHooks registers entries, all of them or on an error none. Of one
// priority the newest comes first, before tables that are there already too.
func (g *Registry) RegisterHooks(list ...*Entry) error {
	for i, e := range list {
		if err := g.registerHook(e); err != nil {
			for _, done := range list[:i] {
				_ = g.UnregisterHook(done)
			}
			return fmt.Errorf("hook %d priority %d: %w", e.Hook, e.Priority, err)
		}
	}
	return nil
}

func (g *Registry) registerHook(e *Entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	same := 0
	for _, have := range g.entries {
		if have.Hook == e.Hook && overlap(have.Family, e.Family) {
			same++
		}
	}
	switch {
	case e.Run == nil || int(e.Hook) >= len(hookNames):
		return ErrInvalid
	case slices.Contains(g.entries, e):
		return ErrExists
	case same >= maxEntries:
		return fmt.Errorf("%w: %d entries at one hook", ErrInvalid, maxEntries)
	}
	// A table of its own, the newest of the tree.
	name := ""
	for n := len(g.entries); name == "" || findTable(g.engine.Tree(), e.Family, name) != nil; n++ {
		name = fmt.Sprintf("hook%d", n)
	}
	e.table = &Table{TableSpec: TableSpec{Name: name, Family: e.Family, Chains: []Builtin{{Name: "entry", Hook: e.Hook, Priority: e.Priority}}}}
	own := New(g.engine)
	own.targets = []*Record{{Name: "hook", Family: e.Family, Check: func(*Use) (rules.Extension, error) { return e.Run, nil }}}
	e.table.registry = own
	if _, err := e.table.put([]Chain{{Name: "entry", Rules: []Rule{{Target: &Use{Name: "hook"}}}}}); err != nil {
		return err
	}
	g.entries = append(g.entries, e)
	return nil
}

// UnregisterHook takes an entry away; no worker is inside it any more.
func (g *Registry) UnregisterHook(e *Entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.entries, e) {
		return ErrNoEntry
	}
	if _, err := e.table.put(nil); err != nil {
		return err
	}
	g.entries = slices.DeleteFunc(g.entries, func(have *Entry) bool { return have == e })
	return nil
}

// Walk sends a packet through what an image has at a hook, from the entry of
// index from on. It returns the verdict that ended the walk and the index of who
// gave it: what was queued there goes on at the next index. Accept with the number
// of entries is the end. It belongs to the image's worker and does not allocate.
func Walk(im *rules.Image, hook nft.Hook, from int, p *packet.Packet, env *rules.Env) (rules.Verdict, int) {
	chains := im.Base(p.Family, hook)
	last := rules.Verdict{Code: rules.Accept}
	for i := max(from, 0); i < len(chains); i++ {
		env.NLogs = 0
		if last = im.Eval(&chains[i], p, env); last.Code != rules.Accept {
			return last, i
		}
	}
	return last, len(chains)
}
