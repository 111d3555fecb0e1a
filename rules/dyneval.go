package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// run runs the statements of an element (nft_set_elem_update_expr). False:
// one of them ends the rule. The caller holds the bucket.
func (d *dynSpec) run(t *dynTable, node []uint64, p *packet.Packet, env *Env, now int64) bool {
	n := node[nodeRuns]
	if n == 0 || n > uint64(len(d.runs)) {
		return true
	}
	r := &d.runs[n-1]
	for i, st := range r.stmts {
		cell := node[nodeStmts+2*i : nodeStmts+2*i+2]
		switch st.(type) {
		case *nft.Counter:
			cell[0]++
			cell[1] += uint64(p.Bytes)
		case *nft.Last:
			cell[0] = uint64(now)
		case *nft.Quota:
			cell[0] += uint64(p.Bytes)
			if (cell[0] > r.limits[i].mask) != (r.limits[i].flag != 0) {
				return false
			}
		case *nft.ConnLimit:
			if cell[1] != tallyMark {
				cell[0], cell[1] = uint64(t.flows.NewTally()), tallyMark
			}
			if !tallied(uint32(cell[0]), &r.limits[i], p, env) {
				return false
			}
		case *nft.Limit:
			if !limitCell(&cell[0], &r.limits[i], p, now) {
				return false
			}
		}
	}
	return true
}

// Verbs of opDyn, in ins.flag.
const (
	dynAdd = uint8(iota)
	dynRefresh
	dynDelete
	dynLookup
	dynLookupNot
	dynMap // the data are written over the key
)

// dyn is opDyn: it adds, updates, deletes or looks up the key from word key on;
// lo is the timeout in nanoseconds of an element that it adds, span the number of
// its statements.
func (im *Image) dyn(in *ins, p *packet.Packet, env *Env) bool {
	if uint64(in.arg) >= uint64(len(im.dyns)) {
		return false
	}
	t, d := im.dyns[in.arg], &im.specs[in.arg]
	from := uint32(in.key)
	if from+t.key+t.data > keyWords {
		return false
	}
	key := env.key[from : from+t.key]
	now := max(env.Nanos, 1)
	b := t.hold(key)
	if b == nil {
		return in.flag == dynLookupNot
	}
	ok := true
	node, n := t.find(b, key)
	lives := node != nil && alive(node, now)
	switch in.flag {
	case dynLookup, dynMap:
		if ok = lives && d.run(t, node, p, env, now); ok && in.flag == dynMap {
			copy(env.key[from:], t.dataOf(node))
		}
	case dynLookupNot:
		ok = !lives
	case dynDelete:
		if node != nil {
			t.remove(b, n)
		}
	default:
		if node == nil {
			node = t.insert(b, key, now)
		}
		if ok = node != nil; !ok {
			break
		}
		if lives = lives && !t.empty(node, now); !lives {
			t.renew(node)
			node[nodeRuns] = in.span
			copy(t.dataOf(node), env.key[from+t.key:from+t.key+t.data])
		}
		switch {
		case !lives:
			expire(node, now, in.lo)
		case in.flag == dynRefresh && node[nodeTimeout] > 0: // one without a timeout stays so
			node[nodeEnd] = uint64(now) + in.lo
		}
		ok = d.run(t, node, p, env, now)
	}
	release(b)
	return ok
}
