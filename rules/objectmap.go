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

// objectWords is the size of a row: the number of the object's counter or state, and
// what the instruction of a limit or quota has.
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
		o := by[name]
		var row [objectWords]uint64 // of what no element names any more: nobody asks
		switch {
		case o == nil:
		case o.Kind == nft.ObjCounter:
			row[0] = uint64(ix.slots[o.Counter])
		case o.Kind == nft.ObjQuota:
			row[0], row[2] = uint64(ix.slots[o.Quota]), o.Quota.Bytes
			if o.Quota.Over {
				row[1] = 1
			}
		case o.Kind == nft.ObjLimit:
			in, err := limitIns(o.Limit, ix.slots[o.Limit])
			if err != nil {
				return out, err
			}
			row = [objectWords]uint64{uint64(in.arg), uint64(in.flag), in.mask, in.lo, in.span}
		}
		out.rows = append(out.rows, row[:]...)
	}
	return out, nil
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
	own := ins{arg: uint32(w[0]), flag: uint8(w[1]), test: test{mask: w[2], lo: w[3], span: w[4]}}
	switch nft.ObjectKind(in.flag) {
	case nft.ObjQuota:
		return im.quota(&own, p)
	case nft.ObjLimit:
		return im.limit(&own, p, env.Nanos)
	}
	if uint(own.arg) < uint(len(im.counters)) {
		c := &im.counters[own.arg]
		c.Packets++
		c.Bytes += uint64(p.Bytes)
		env.Trail.opened(rule)
	}
	return true
}
