package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// The value of an element of a map of objects is the place of its object among those of
// the map, whatever the objects' numbers are. Their rows, which have these, are made for
// every ruleset.

// objects are those that a map leads to.
type objects struct {
	names []string // in the order in which the elements name them first
	rows  []uint64 // objectWords for each
}

// objectWords is the size of a row, which is the object's instruction: its arg, its
// op, flag and shift in a byte each, and its test.
const objectWords = 5

// objectsOf makes the rows of objects of a map.
func (ix *index) objectsOf(s *nft.Set, names []string) (objects, error) {
	out := objects{names: names, rows: make([]uint64, 0, objectWords*len(names))}
	by := make(map[string]*nft.Object, len(names))
	for _, o := range ix.setOf[s].table.Objects {
		if o.Kind == s.ObjectKind {
			by[o.Name] = o
		}
	}
	for _, name := range names {
		var row [objectWords]uint64 // of what no element names any more: nobody asks
		if o := by[name]; o != nil {
			s, err := ix.objectStep(o)
			if err != nil {
				return out, err
			}
			if s.of != nil {
				s.arg = ix.numberOf(nil, s.of, s.op)
			}
			row = [objectWords]uint64{uint64(s.arg), uint64(s.op) | uint64(s.flag)<<8 | uint64(s.shift)<<16, s.mask, s.lo, s.span}
		}
		out.rows = append(out.rows, row[:]...)
	}
	return out, nil
}

// objectStep is what the use of an object comes to, by its name or by a map.
func (ix *index) objectStep(o *nft.Object) (step, error) {
	switch o.Kind {
	case nft.ObjCounter:
		return step{ins: ins{op: opCounter}, of: o.Counter}, nil
	case nft.ObjLimit:
		return stateStep(o.Limit)
	case nft.ObjQuota:
		return stateStep(o.Quota)
	case nft.ObjHelper:
		if arg, ok := ix.helpers[o]; ok {
			return step{ins: ins{op: opHelper, arg: arg}}, nil
		}
	case nft.ObjTimeout:
		return ix.timeoutStep(o), nil
	case nft.ObjExpectation:
		return expectStep(o)
	case nft.ObjSynproxy:
		return step{ins: synproxyIns(o.Synproxy)}, nil
	}
	return step{}, errorf(o.Pos, "%s %s is not supported", o.Kind, o.Name)
}

// objectAt returns the row of the object that a value says.
func (im *Image) objectAt(d *setDesc, value uint64) []uint64 {
	at := uint64(d.objects) + uint64(uint32(value))
	if d.objects == 0 || at+objectWords > uint64(len(im.data)) {
		return nil
	}
	return im.data[at : at+objectWords]
}

// object is opObject.
func (im *Image) object(in *ins, p *packet.Packet, env *Env, rule uint32) bool {
	w := im.rowOf(in, p, env)
	if len(w) < objectWords {
		return false
	}
	own := ins{op: uint8(w[1]), arg: uint32(w[0]), flag: uint8(w[1] >> 8), shift: uint8(w[1] >> 16), test: test{mask: w[2], lo: w[3], span: w[4]}}
	switch own.op {
	case opQuota:
		return im.quota(&own, p)
	case opLimit:
		return im.limit(&own, p, env.Nanos)
	case opHelper:
		setHelper(&own, p, env)
	case opTimeout:
		im.setTimeout(&own, p, env)
	case opExpect:
		return im.expect(&own, p, env)
	case opSynproxy:
		return synproxy(&own, p, env)
	case opCounter:
		if uint(own.arg) < uint(len(im.counters)) {
			c := &im.counters[own.arg]
			c.Packets++
			c.Bytes += uint64(p.Bytes)
			env.Trail.opened(rule)
		}
	default:
		return false
	}
	return true
}
