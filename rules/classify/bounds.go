package classify

// bounds are where the ranges of boxes begin and end, for each field:
//
//	value << 32 | id << 1 | 1 if the range of box id has ended there
//
// ascending by value. A range up to the field's last value has no end.
type bounds [ranges][]uint64

// idOf returns the box of a bound.
func idOf(bound uint64) uint32 { return uint32(bound) >> 1 }

// boundsOf returns the bounds of the boxes ids.
func boundsOf(boxes []Box, ids []uint32) *bounds {
	b := &bounds{}
	words := make([]uint64, 2*len(ids)*(ranges+1))
	spare, words := words[:2*len(ids)], words[2*len(ids):]
	for d := range b {
		last, n := lastOf(d), 0
		for _, id := range ids {
			box := &boxes[id]
			words[n] = uint64(box.Lo[d])<<32 | uint64(id)<<1
			if n++; box.Hi[d] < last {
				words[n] = uint64(box.Hi[d]+1)<<32 | uint64(id)<<1 | 1
				n++
			}
		}
		b[d], words = words[:n], words[n:]
		sortBy(b[d], spare, 32)
	}
	return b
}

// sortBy sorts v by the 32 bits from a shift on, byte by byte, so what has the same
// stays in order, and says whether any differ. spare is at least as long.
func sortBy(v, spare []uint64, shift int) (differ bool) {
	var bits uint64 // that differ
	for _, x := range v {
		bits |= x ^ v[0]
	}
	from, to := v, spare[:len(v)]
	for end := shift + 32; shift < end; shift += 8 {
		if uint8(bits>>shift) == 0 {
			continue
		}
		differ = true
		var at [256]int
		for _, x := range from {
			at[uint8(x>>shift)]++
		}
		n := 0
		for i, k := range at {
			at[i] = n
			n += k
		}
		for _, x := range from {
			k := uint8(x >> shift)
			to[at[k]] = x
			at[k]++
		}
		from, to = to, from
	}
	copy(v, from) // they may be the same
	return differ
}
