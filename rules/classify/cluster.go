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
	boxes  []Box    // bounds are ranks
	order  []uint32 // place in boxes to id, ascending
	scale  [ranges]float64
	late   float64 // per id
	orders [][]uint32
	left   []bool
	spare  []uint32
	chunks []extent
	prefix []float64
}

// extent is the box around some rules and the first of them.
type extent struct {
	Box
	first uint32
}

// lateness is by how much the last rule of all is visited less than the first.
// 0.9 halved the visits of 0 on sets rich in wildcards, and up to 0.99 it hardly
// matters; 1 made late boxes shapeless.
const lateness = 0.95

// cluster returns the groups of the rules ids, ordered by their first rules.
func cluster(boxes []Box, ids []uint32) [][]uint32 {
	n := len(ids)
	if n == 0 {
		return nil
	}
	c := &clustering{order: ids, left: make([]bool, n), spare: make([]uint32, n), late: lateness / float64(n)}
	c.rank(boxes)
	c.sort()
	c.chunks = make([]extent, (n+lanes-1)/lanes)
	c.prefix = make([]float64, len(c.chunks))
	var groups [][]uint32
	c.cut(0, n, &groups)
	slices.SortFunc(groups, func(a, b []uint32) int { return cmp.Compare(a[0], b[0]) })
	return groups
}

// rank takes the boxes over, with ranks for bounds.
func (c *clustering) rank(boxes []Box) {
	c.boxes = make([]Box, len(c.order))
	for i, id := range c.order {
		c.boxes[i] = boxes[id]
	}
	starts := make([]uint32, 0, 2*len(c.boxes))
	for d := range c.scale {
		starts = starts[:0]
		for i := range c.boxes {
			starts = append(starts, c.boxes[i].Lo[d])
			if c.boxes[i].Hi[d] != ^uint32(0) {
				starts = append(starts, c.boxes[i].Hi[d]+1)
			}
		}
		slices.Sort(starts)
		starts = slices.Compact(starts)
		for i := range c.boxes {
			b := &c.boxes[i]
			at, _ := slices.BinarySearch(starts, b.Lo[d])
			end := len(starts)
			if b.Hi[d] != ^uint32(0) {
				end, _ = slices.BinarySearch(starts, b.Hi[d]+1)
			}
			b.Lo[d], b.Hi[d] = uint32(at), uint32(end-1)
		}
		c.scale[d] = 1 / float64(len(starts))
	}
}

// sort makes the orders: by each field's first value and width, by facts, and by
// id. More orders, as by last values, only led to worse cuts further down. Ranks
// are less than 2^16.
func (c *clustering) sort() {
	keys := make([]uint64, len(c.boxes))
	add := func(key func(b *Box) uint64) {
		for i := range c.boxes {
			keys[i] = key(&c.boxes[i])<<16 | uint64(i)
		}
		slices.Sort(keys)
		order := make([]uint32, len(keys))
		for i, k := range keys {
			order[i] = uint32(k & 0xffff)
		}
		c.orders = append(c.orders, order)
	}
	for d := range c.scale {
		add(func(b *Box) uint64 { return uint64(b.Lo[d])<<16 | uint64(0xffff-b.Hi[d]) })
		add(func(b *Box) uint64 { return uint64(b.Hi[d] - b.Lo[d]) })
	}
	add(func(b *Box) uint64 { return uint64(b.Mask)<<16 | uint64(b.Need) })
	add(func(*Box) uint64 { return 0 })
}

// cut partitions every order between from and to, and appends groups.
func (c *clustering) cut(from, to int, groups *[][]uint32) {
	n := to - from
	if n <= lanes {
		ids := make([]uint32, n)
		for i, p := range c.orders[0][from:to] {
			ids[i] = c.order[p]
		}
		slices.Sort(ids)
		*groups = append(*groups, ids)
		return
	}
	by, at := c.best(from, to)
	for i, p := range c.orders[by][from:to] {
		c.left[p] = i < at
	}
	for o, order := range c.orders {
		if o == by {
			continue
		}
		order = order[from:to]
		l, r := 0, 0
		for _, p := range order {
			if c.left[p] {
				order[l] = p
				l++
			} else {
				c.spare[r] = p
				r++
			}
		}
		copy(order[l:], c.spare[:r])
	}
	c.cut(from, from+at, groups)
	c.cut(from+at, to, groups)
}

// best returns the order and the place of the best cut.
func (c *clustering) best(from, to int) (by, at int) {
	n := to - from
	best := math.Inf(1)
	m := (n + lanes - 1) / lanes
	chunks, prefix := c.chunks[:m], c.prefix[:m]
	for o, order := range c.orders {
		order = order[from:to]
		for i := range chunks {
			of := order[i*lanes : min((i+1)*lanes, n)]
			e := extent{c.boxes[of[0]], of[0]}
			for _, p := range of[1:] {
				e.join(&c.boxes[p])
				e.first = min(e.first, p)
			}
			chunks[i] = e
		}
		e := chunks[0]
		for i := range chunks {
			e.widen(&chunks[i])
			prefix[i] = c.visits(&e)
		}
		e = chunks[m-1]
		for i := m - 1; i > 0; i-- {
			e.widen(&chunks[i])
			if cost := prefix[i-1]*float64(i) + c.visits(&e)*float64(m-i); cost < best {
				best, at, by = cost, i*lanes, o
			}
		}
	}
	return by, at
}

func (e *extent) widen(o *extent) {
	e.join(&o.Box)
	e.first = min(e.first, o.first)
}

// visits guesses the share of lookups that visit an extent.
func (c *clustering) visits(e *extent) float64 {
	p := 1 - c.late*float64(e.first)
	for d := range c.scale {
		p *= float64(e.Hi[d]-e.Lo[d]+1) * c.scale[d]
	}
	if e.Mask != 0 {
		p /= 2
	}
	return p
}
