package nft

import (
	"iter"
	"maps"
	"slices"
	"sort"
)

// Elements is a list of elements in the order of a listing. It is a value that
// never changes: what makes another list of it shares the pieces that stay, so one
// element more in a million costs a piece and the row of pieces. The zero value is
// empty. Elements themselves must not be changed either.
type Elements struct {
	pieces [][]*Element // none empty
	starts []int32      // number of the first element of each piece
	n      int
}

const pieceSize = 512 // elements; pieces of a list that was changed have up to twice as many

// ElementsOf makes a list of elements that are in order.
func ElementsOf(list ...*Element) Elements {
	var l Elements
	for part := range slices.Chunk(list, pieceSize) {
		l.add(part)
	}
	return l
}

func (l *Elements) add(piece []*Element) {
	if len(piece) > 0 {
		l.pieces, l.starts = append(l.pieces, piece), append(l.starts, int32(l.n))
		l.n += len(piece)
	}
}

// Len returns the number of elements.
func (l Elements) Len() int { return l.n }

// All visits the elements in order.
func (l Elements) All() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for _, p := range l.pieces {
			for _, e := range p {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// List returns the elements in a slice that is the caller's own.
func (l Elements) List() []*Element {
	if l.n == 0 {
		return nil
	}
	return slices.Concat(l.pieces...)
}

// At returns element i, 0 <= i < Len.
func (l Elements) At(i int) *Element {
	p := sort.Search(len(l.starts), func(p int) bool { return int(l.starts[p]) > i }) - 1
	return l.pieces[p][i-int(l.starts[p])]
}

// indexOf returns the number of an element, -1: it is not there.
func (l Elements) indexOf(e *Element) int {
	for n, p := range l.pieces {
		if i := slices.Index(p, e); i >= 0 {
			return int(l.starts[n]) + i
		}
	}
	return -1
}

// search returns the number of the first element of which f is true, Len if there is
// none; f must be false for all those before it and true for all behind.
func (l Elements) search(f func(*Element) bool) int {
	p := sort.Search(len(l.pieces), func(p int) bool { return f(l.pieces[p][len(l.pieces[p])-1]) })
	if p == len(l.pieces) {
		return l.n
	}
	return int(l.starts[p]) + sort.Search(len(l.pieces[p]), func(i int) bool { return f(l.pieces[p][i]) })
}

// exchange says what comes in the place of the elements from i up to, but not
// including, j of a list.
type exchange struct {
	i, j   int
	others []*Element
}

// replace returns the list with others in the place of the elements from i up to,
// but not including, j.
func (l Elements) replace(i, j int, others []*Element) Elements {
	return l.replaceAll([]exchange{{i, j, others}})
}

// replaceAll returns the list after several exchanges, which do not overlap and are in
// order. Pieces in which nothing changes are taken over; the row of them is made once.
func (l Elements) replaceAll(list []exchange) Elements {
	if len(list) == 0 {
		return l
	}
	m := merger{from: l, out: Elements{pieces: make([][]*Element, 0, len(l.pieces)+1), starts: make([]int32, 0, len(l.pieces)+1)}}
	at := 0
	for _, x := range list {
		m.take(at, x.i)
		m.mixed = append(m.mixed, x.others...)
		at = x.j
	}
	m.take(at, l.n)
	m.flush()
	return m.out
}

// without returns the list without the elements of some numbers.
func (l Elements) without(numbers map[int]bool) Elements {
	var list []exchange
	for _, i := range slices.Sorted(maps.Keys(numbers)) {
		list = append(list, exchange{i: i, j: i + 1})
	}
	return l.replaceAll(list)
}

// merger puts a list together of another one's elements, taken in order, and new ones.
type merger struct {
	from, out Elements
	n         int        // piece of from that is the next one
	mixed     []*Element // of pieces that are not taken whole, behind those of out
}

// take goes on with the elements from i up to, but not including, j.
func (m *merger) take(i, j int) {
	for ; m.n < len(m.from.pieces); m.n++ {
		p, start := m.from.pieces[m.n], int(m.from.starts[m.n])
		end := start + len(p)
		switch {
		case end <= i:
		case start >= j:
			return
		case i <= start && end <= j && (len(m.mixed) == 0 || len(m.mixed) >= pieceSize/2):
			m.flush()
			m.out.add(p)
		default:
			m.mixed = append(m.mixed, p[max(i-start, 0):min(j-start, len(p))]...)
			if end > j {
				return
			}
		}
	}
}

// flush makes pieces of what is mixed; few elements go to the piece before them.
func (m *merger) flush() {
	if last := len(m.out.pieces) - 1; last >= 0 && len(m.mixed) > 0 && len(m.mixed) < pieceSize/2 {
		m.mixed = slices.Concat(m.out.pieces[last], m.mixed)
		m.out.n = int(m.out.starts[last])
		m.out.pieces, m.out.starts = m.out.pieces[:last], m.out.starts[:last]
	}
	if len(m.mixed) < 2*pieceSize {
		m.out.add(m.mixed)
	} else {
		for part := range slices.Chunk(m.mixed, pieceSize) {
			m.out.add(part)
		}
	}
	m.mixed = nil
}

// Diff compares a list with an older one: the elements that only the older one has,
// and those that only this one has, in order. Elements are the same by pointer, and
// those that both have stand in the same order. It gives up, with ok false, when it
// would have to look at more than limit of them; what both lists have made by the same
// changes is not looked at.
func (l Elements) Diff(old Elements, limit int) (gone, fresh []*Element, ok bool) {
	a, b := old.pieces, l.pieces
	same := func(x, y []*Element) bool { return len(x) == len(y) && &x[0] == &y[0] }
	for len(a) > 0 && len(b) > 0 && same(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	at := make(map[**Element]int, len(a)) // where pieces of the older list stand, by their first element
	for i, p := range a {
		at[&p[0]] = i
	}
	var was, now []*Element // between two pieces that both have
	for i, j := 0, 0; i < len(a) || j < len(b); i, j = i+1, j+1 {
		was, now = was[:0], now[:0]
		next := len(a)
		for ; j < len(b); j++ {
			if n, ok := at[&b[j][0]]; ok && n >= i && same(a[n], b[j]) {
				next = n
				break
			}
			if limit -= len(b[j]); limit < 0 {
				return nil, nil, false
			}
			now = append(now, b[j]...)
		}
		for ; i < next; i++ {
			if limit -= len(a[i]); limit < 0 {
				return nil, nil, false
			}
			was = append(was, a[i]...)
		}
		x, y := was, now
		for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
			x, y = x[1:], y[1:]
		}
		for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
			x, y = x[:len(x)-1], y[:len(y)-1]
		}
		gone, fresh = append(gone, missing(x, y)...), append(fresh, missing(y, x)...)
	}
	return gone, fresh, true
}

// missing returns the elements of a list that are not, by pointer, among others.
func missing(list, others []*Element) (out []*Element) {
	if len(others) == 0 {
		return list
	}
	not := make(map[*Element]bool, len(others))
	for _, e := range others {
		not[e] = true
	}
	for _, e := range list {
		if !not[e] {
			out = append(out, e)
		}
	}
	return out
}
