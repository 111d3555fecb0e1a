package rules

import (
	"sync/atomic"

	"github.com/sluice-net/sluice/rules/nft"
)

// Elements returns the elements of a set that changes, as they are at a time of
// the workers' clock, in the order of a listing; nil for other sets.
func (r *Ruleset) Elements(s *nft.Set, nanos int64) []*nft.Element {
	n, ok := r.ix.dynOf[s]
	if !ok || r.store == nil {
		return nil
	}
	d := &r.ix.dyns[n]
	t := r.store.table(d.table())
	if t == nil {
		return s.Elements.List()
	}
	if noded(s) {
		return d.given(t, nanos)
	}
	out := []*nft.Element{} // not nil: it changes, even if it is empty
	for i := range t.buckets {
		b := t.holdBucket(i)
		if b == nil {
			continue
		}
		for n := uint32(atomic.LoadUint64(b)); n != 0; {
			node := t.at(n)
			if t.listed(node, nanos) {
				out = append(out, d.element(t, node, nanos))
			}
			n = uint32(node[nodeNext])
		}
		release(b)
	}
	nft.SortElements(s, out)
	return out
}

// element makes a node an element of the tree.
func (d *dynSpec) element(t *dynTable, node []uint64, now int64) *nft.Element {
	e := &nft.Element{Pos: d.set.Pos}
	e.Key = parts(t.keyOf(node), len(d.set.Key), func(i int) int { return partBits(d.set, i) })
	if d.data > 0 {
		e.Data = parts(t.dataOf(node), len(d.set.Data), func(i int) int { return partOf(d.set, i) })
	}
	d.state(e, node, now)
	return e
}

// state gives an element of the tree what its node has. A node that is pending has
// all of its time left.
func (d *dynSpec) state(e *nft.Element, node []uint64, now int64) {
	e.Timeout, e.Expires, e.Stmts = 0, 0, nil
	if node[nodeTimeout] != d.timeout {
		e.Timeout = node[nodeTimeout] / 1e6
	}
	if end := node[nodeEnd]; end&pending != 0 {
		e.Expires = end &^ pending / 1e6
	} else if end > 0 {
		e.Expires = (end - uint64(now)) / 1e6
	}
	n := node[nodeRuns]
	if n == 0 || n > uint64(len(d.runs)) {
		return
	}
	for i, st := range d.runs[n-1].stmts {
		cell := node[nodeStmts+2*i:]
		switch st := st.(type) {
		case *nft.Counter:
			e.Stmts = append(e.Stmts, &nft.Counter{Packets: cell[0], Bytes: cell[1]})
		case *nft.Quota:
			x := *st
			x.Used = min(cell[0], x.Bytes)
			e.Stmts = append(e.Stmts, &x)
		case *nft.Last:
			e.Stmts = append(e.Stmts, &nft.Last{Used: cell[0] > 0, UsedMs: (uint64(now) - cell[0]) / 1e6})
		default:
			e.Stmts = append(e.Stmts, st)
		}
	}
}

// parts turns words into parts of a key or of data.
func parts(w []uint64, n int, bits func(int) int) []nft.KeyPart {
	var out []nft.KeyPart
	for i := range n {
		var b []byte
		for range wordsOf(bits(i)) {
			for s := 56; s >= 0; s -= 8 {
				b = append(b, byte(w[0]>>s))
			}
			w = w[1:]
		}
		b = b[len(b)-(bits(i)+7)/8:]
		out = append(out, nft.KeyPart{Lo: b, Hi: b, PrefixLen: -1})
	}
	return out
}
