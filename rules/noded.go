package rules

import (
	"math"
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// Some sets no packet changes, but their elements' times end and their statements
// remember: intervals, verdict maps and the like with timeouts or counters. Such a
// set is in the image as any other one is, and says which element a key belongs to;
// whether that one still lives, and what its statements remember, is in its node, in
// the table that all workers and generations share. The row of an element is
//
//	| value | first key | last key |
//
// and both keys together are the key of the node, so it is the same one whatever else
// comes and goes around it. The text's elements whose nodes have gone are dead; the
// next edit of the set leaves them out.

// noded says whether a set is such a one.
func noded(s *nft.Set) bool { return stateful(s) && s.Given() }

// living returns the value of an element that lives, for which p counts if it is not
// nil, and whether it lives. One of its statements may end the rule: then the value is 0.
func (im *Image) living(d *setDesc, table uint32, value uint64, p *packet.Packet, env *Env) (uint64, bool) {
	if uint64(table) > uint64(len(im.dyns)) {
		return 0, false
	}
	t, spec, row := im.dyns[table-1], &im.specs[table-1], im.rowAt(d, value)
	if len(row) <= int(t.key) {
		return 0, false
	}
	key := row[1 : 1+t.key]
	b := t.hold(key)
	if b == nil {
		return 0, false
	}
	now := max(env.Nanos, 1)
	node, _ := t.find(b, key)
	lives := node != nil && alive(node, now)
	if value = row[0]; !lives || p != nil && !spec.run(t, node, p, env, now) {
		value = 0
	}
	release(b)
	return value, lives
}

// beginGiven is begin for a set that only texts change.
func (d *dynSpec) beginGiven(t *dynTable, before *dynSpec) {
	var key [2 * keyWords]uint64
	put := func(e *nft.Element, again bool) {
		if keys, ok, err := d.shape.keyOf(e, key[:0], d.ports); ok && err == nil {
			d.put(t, e, element{lo: keys}, again)
		}
	}
	remove := func(shape *setDesc, ps *ports, e *nft.Element) {
		keys, ok, err := shape.keyOf(e, key[:0], ps)
		if !ok || err != nil {
			return
		}
		if b := t.hold(keys); b != nil {
			if node, n := t.find(b, keys); node != nil {
				t.remove(b, n)
			}
			release(b)
		}
	}
	edit := d.set.Live
	switch {
	case before == nil:
		for e := range d.set.Elements.All() {
			put(e, false)
		}
	case edit != nil && slices.Equal(before.ports.rows, d.ports.rows):
		if edit.Flush {
			t.flush()
		}
		for _, e := range edit.Gone {
			remove(&d.shape, d.ports, e)
		}
		for _, e := range edit.Fresh {
			put(e, true)
		}
	default: // the text of a whole ruleset: what it still has stays as it is
		had := make(map[string]bool, before.set.Elements.Len())
		for e := range before.set.Elements.All() {
			had[before.idOf(e)] = true
		}
		has := make(map[string]bool, d.set.Elements.Len())
		for e := range d.set.Elements.All() {
			id := d.idOf(e)
			if has[id] = true; !had[id] {
				put(e, false)
			}
		}
		for e := range before.set.Elements.All() {
			if !has[before.idOf(e)] {
				remove(&before.shape, before.ports, e)
			}
		}
	}
}

// idOf is the key of an element's node as a string.
func (d *dynSpec) idOf(e *nft.Element) string {
	var key [2 * keyWords]uint64
	keys, ok, err := d.shape.keyOf(e, key[:0], d.ports)
	if !ok || err != nil {
		return ""
	}
	b := make([]byte, 0, 8*len(keys))
	for _, k := range keys {
		for s := 0; s < 64; s += 8 {
			b = append(b, byte(k>>s))
		}
	}
	return string(b)
}

// given returns the text's elements that live, with what their nodes say.
func (d *dynSpec) given(t *dynTable, nanos int64) []*nft.Element {
	out := make([]*nft.Element, 0, d.set.Elements.Len())
	var key [2 * keyWords]uint64
	for e := range d.set.Elements.All() {
		keys, ok, err := d.shape.keyOf(e, key[:0], d.ports)
		if !ok || err != nil {
			out = append(out, e)
			continue
		}
		b := t.hold(keys)
		if b == nil {
			continue
		}
		if node, _ := t.find(b, keys); node != nil && t.listed(node, nanos) {
			now := *e
			d.state(&now, node, nanos)
			out = append(out, &now)
		}
		release(b)
	}
	return out
}

// newElements returns the elements of a set that an earlier spec of it has not looked
// at; nil as the earlier one: all.
func (d *dynSpec) newElements(before *dynSpec) []*nft.Element {
	if before == nil {
		return d.set.Elements.List()
	}
	_, fresh, _ := d.set.Elements.Diff(before.set.Elements, math.MaxInt)
	return fresh
}
