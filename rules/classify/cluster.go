package classify

import (
	"cmp"
	"math"
	"slices"
)

// clustering puts rules that lie close together side by side and cuts them into
// groups of 16. It cuts in two, at a multiple of 16 in one of several orders,
// until 16 are left; of all cuts it takes the one with the least
//
//	P(left) * groups in left + P(right) * groups in right
//
// where P guesses how often a lookup visits a side: the share of keys in the box
// around it, less when its first rule comes late, for lookups visit leaves in
// the order of their first rules and stop once none can come before the match.
// Keys are taken to be spread evenly over the bounds that occur in the rules,
// not over all values: packets go where rules are.
type clustering struct {
	extents []extent // by id
	last    uint64   // ranks, as in extents
	late    float64  // per id
	orders  [][]uint16
	left    []uint8 // by id: 1 if it comes to the left of a cut
	spare   []uint16
	chunks  []extent
	visits  []float64 // of so many first chunks
	ids     []uint32
	groups  [][]uint32 // parts of ids
}

// lateness is by how much the last rule of all is visited less than the first.
// 0.9 halved the visits of 0 on sets rich in wildcards, and up to 0.99 it hardly
// matters; 1 made late boxes shapeless.
const lateness = 0.95

// cluster returns the groups of the rules ids, ordered by their first rules.
func cluster(boxes []Box, ids []uint32, ends *bounds) [][]uint32 {
	n := len(ids)
	if n == 0 {
		return nil
	}
	m := (n + lanes - 1) / lanes
	c := &clustering{
		late: lateness / float64(len(boxes)),
		left: make([]uint8, len(boxes)), spare: make([]uint16, n),
		chunks: make([]extent, m), visits: make([]float64, m),
		ids: make([]uint32, 0, n), groups: make([][]uint32, 0, m),
	}
	c.extents, c.last = extentsOf(boxes, ids, ends)
	c.sort(boxes, ids)
	c.cut(0, n)
	slices.SortFunc(c.groups, func(a, b []uint32) int { return cmp.Compare(a[0], b[0]) })
	return c.groups
}

// sort makes the orders: by each field's first value and width, by facts, and by
// id. More orders, as by last values, only led to worse cuts further down.
func (c *clustering) sort(boxes []Box, ids []uint32) {
	keys, spare := make([]uint64, len(ids)), make([]uint64, len(ids))
	add := func(key func(id uint32) uint32) {
		for i, id := range ids {
			keys[i] = uint64(key(id))<<16 | uint64(id)
		}
		if sortBy(keys, spare, 16) { // else it is the order by id
			c.order(keys)
		}
	}
	for d := range ranges {
		shift := 16 * d
		add(func(id uint32) uint32 {
			e := &c.extents[id]
			return uint32(uint16(e.lo>>shift))<<16 | uint32(uint16(e.hi>>shift))
		})
		add(func(id uint32) uint32 { return uint32(uint16(c.widths(c.extents[id]) >> shift)) })
	}
	add(func(id uint32) uint32 { return uint32(boxes[id].Mask)<<16 | uint32(boxes[id].Need) })
	for i, id := range ids {
		keys[i] = uint64(id)
	}
	c.order(keys)
}

// order appends an order, of ids in the low bits of keys.
func (c *clustering) order(keys []uint64) {
	order := make([]uint16, len(keys))
	for i, k := range keys {
		order[i] = uint16(k)
	}
	c.orders = append(c.orders, order)
}

// cut partitions every order between from and to, and appends groups.
func (c *clustering) cut(from, to int) {
	if to-from <= lanes {
		for _, id := range c.orders[len(c.orders)-1][from:to] { // the one by id
			c.ids = append(c.ids, uint32(id))
		}
		c.groups = append(c.groups, c.ids[from:to])
		return
	}
	by, at := c.best(from, to)
	for i, id := range c.orders[by][from:to] {
		c.left[id] = 0
		if i < at {
			c.left[id] = 1
		}
	}
	for o, order := range c.orders {
		if o == by || to-from <= 2*lanes && o < len(c.orders)-1 {
			continue // it is so already, or no more cut in it
		}
		order = order[from:to]
		right := c.spare[:len(order)]
		l, r := 0, 0
		for _, id := range order { // each goes to both, for nobody can foresee a branch here
			order[l], right[r] = id, id
			is := int(c.left[id])
			l += is
			r += 1 - is
		}
		copy(order[l:], right[:r])
	}
	c.cut(from, from+at)
	c.cut(from+at, to)
}

// best returns the order and the place of the best cut.
func (c *clustering) best(from, to int) (by, at int) {
	n := to - from
	best := math.Inf(1)
	m := (n + lanes - 1) / lanes
	chunks, visits := c.chunks[:m], c.visits[:m]
	for o, order := range c.orders {
		order = order[from:to]
		for i := range chunks {
			e := c.extents[order[i*lanes]]
			for _, id := range order[i*lanes+1 : min((i+1)*lanes, n)] {
				e = e.join(&c.extents[id])
			}
			chunks[i] = e
		}
		e := chunks[0]
		for i := range chunks {
			e = e.join(&chunks[i])
			visits[i] = c.visit(e)
		}
		e = chunks[m-1]
		for i := m - 1; i > 0; i-- {
			e = e.join(&chunks[i])
			if cost := visits[i-1]*float64(i) + c.visit(e)*float64(m-i); cost < best {
				best, at, by = cost, i*lanes, o
			}
		}
	}
	return by, at
}

// widths returns how many ranks of each field are behind the extent's first and in it.
func (c *clustering) widths(e extent) uint64 { return c.last - e.hi - e.lo }

// visit guesses how often lookups visit an extent, as a multiple of the same share for all.
func (c *clustering) visit(e extent) float64 {
	p, w := 1-c.late*float64(e.first), c.widths(e)
	for range ranges {
		p *= float64(w&0xffff + 1)
		w >>= 16
	}
	if e.facts != 0 {
		p /= 2
	}
	return p
}
