package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// objectValue is elementValue for a map of objects: the row has the number of
// the object's counter or state and what the instruction of a limit or quota
// has.
func objectValue(s *nft.Set, e *nft.Element, data *rows, ix *index) (uint64, error) {
	var row []uint64
	for _, o := range ix.setOf[s].table.Objects {
		if o.Name != e.Object || o.Kind != s.ObjectKind {
			continue
		}
		switch o.Kind {
		case nft.ObjCounter:
			row = []uint64{uint64(ix.slots[o.Counter]), 0, 0, 0, 0}
		case nft.ObjQuota:
			over := uint64(0)
			if o.Quota.Over {
				over = 1
			}
			row = []uint64{uint64(ix.slots[o.Quota]), over, o.Quota.Bytes, 0, 0}
		case nft.ObjLimit:
			in, err := limitIns(o.Limit, ix.slots[o.Limit])
			if err != nil {
				return 0, err
			}
			row = []uint64{uint64(in.arg), uint64(in.flag), in.mask, in.lo, in.span}
		}
	}
	if row == nil {
		return 0, errorf(e.Pos, "object %s does not exist", e.Object)
	}
	return setHit | data.add(row), nil
}

// object is opObject.
func (im *Image) object(in *ins, p *packet.Packet, env *Env, rule uint32) bool {
	w := im.rowOf(in, p, env)
	if len(w) < 5 {
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
