package classify

import (
	"math/rand/v2"
	"slices"
)

// mostVisits is how many leaves lookups visit on the average before singles are worth
// their room. One leaf is quicker than they are.
const mostVisits = 1.1

// manyVisits guesses whether lookups would visit more leaves than that, if the groups
// got a leaf each. Its keys are in boxes, at bounds of others where these reach into
// them: packets go where rules are.
func manyVisits(boxes []Box, ids []uint32, groups [][]uint32) bool {
	const most = 256
	hulls := make([]Box, len(groups))
	for i, ids := range groups {
		hulls[i] = hull(boxes, ids)
	}
	r := rand.New(rand.NewPCG(1, 1))
	pick := func() *Box { return &boxes[ids[r.IntN(len(ids))]] }
	visits := 0
	for range most {
		b := pick()
		var v [ranges]uint32
		for d := range v {
			o := pick()
			if v[d] = b.Lo[d]; b.Lo[d] <= o.Lo[d] && o.Lo[d] <= b.Hi[d] {
				v[d] = o.Lo[d]
			}
		}
		facts := b.Need | pick().Need&^b.Mask
		k := &Key{Src: v[Src], Dst: v[Dst], Sport: uint16(v[Sport]), Dport: uint16(v[Dport]), Facts: facts}
		found := none
		for i, ids := range groups {
			if ids[0] >= found {
				break
			}
			if hulls[i].Has(k) && leads(boxes, ids, k) {
				visits++
				found = min(found, firstOf(boxes, ids, k))
			}
		}
		if float64(visits) > mostVisits*most {
			return true
		}
	}
	return false
}

// hull returns the smallest ranges around those of boxes, with any facts.
func hull(boxes []Box, ids []uint32) Box {
	h := boxes[ids[0]]
	h.Need, h.Mask = 0, 0
	for _, id := range ids[1:] {
		b := &boxes[id]
		for d := range h.Lo {
			h.Lo[d], h.Hi[d] = min(h.Lo[d], b.Lo[d]), max(h.Hi[d], b.Hi[d])
		}
	}
	return h
}

// leads says whether the key's rows lead to a leaf of boxes: each of its ranges and its
// protocol is one that a box takes.
func leads(boxes []Box, ids []uint32, k *Key) bool {
	for d, v := range [ranges]uint32{k.Src, k.Dst, uint32(k.Sport), uint32(k.Dport)} {
		if !slices.ContainsFunc(ids, func(id uint32) bool { return boxes[id].Lo[d] <= v && v <= boxes[id].Hi[d] }) {
			return false
		}
	}
	return slices.ContainsFunc(ids, func(id uint32) bool { return uint8(k.Facts&boxes[id].Mask) == uint8(boxes[id].Need) })
}

// firstOf returns the first of some boxes that has the key.
func firstOf(boxes []Box, ids []uint32, k *Key) uint32 {
	for _, id := range ids {
		if boxes[id].Has(k) {
			return id
		}
	}
	return none
}
