package dataplane

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// Routes, neighbours and elements of sets change many times a second, and each time
// for few addresses. So a publish says for which, and the workers' plans of all other
// flows hold without another look at routes and rules.

// reach is for whom a publish changes something.
type reach struct {
	all   bool
	spans []span // without all: packets with addresses in these alone
	moves []move // and neighbours
}

// move is a neighbour that has another link address. Plans by way of it have it
// written in.
type move struct {
	next     uint64
	was, now [6]byte
}

// span is addresses of one family by their first bits, all 32 or 64, both ends
// included.
type span struct {
	first, last uint64
	wide        bool // of IPv6
}

// What is kept to compare the next state with, and how much of both may differ.
const (
	reachRoutes = 1 << 17 // routes of a state that is kept
	reachMost   = 1 << 12 // elements that differ; also cells that one publish may mark
)

// reachOf compares the state in force, nil: nobody knows it, with the next one.
func reachOf(was, now *State) reach {
	all := reach{all: true}
	if was == nil || len(now.Routes) > reachRoutes || !slices.EqualFunc(was.Ports, now.Ports, samePort) {
		return all
	}
	var r reach
	routes, next, ok := between(was.Routes, now.Routes)
	if !ok {
		return all
	}
	for _, list := range [][]route.Route{routes, next} {
		for i := range list {
			p := list[i].Prefix
			r.addPrefix(unmapped(p.Addr(), p.Bits()))
		}
	}
	before, after, ok := between(was.Neighbours, now.Neighbours)
	if !ok {
		return all
	}
	gone := r.addNeighbours(before, after)
	via := func(r route.Route) bool { return r.Gateway.IsValid() && gone[r.Gateway.Unmap().WithZone("")] }
	if len(gone) > 0 && (slices.ContainsFunc(now.Routes, via) || slices.ContainsFunc(was.Routes, via)) {
		return all // whatever goes by that gateway
	}
	return r.bounded()
}

// reachOfRules compares the rules in force, nil: there are none, with the next ones.
func reachOfRules(was, now *rules.Ruleset) reach {
	ranges, ok := now.Touched(was)
	r := reach{all: !ok}
	for _, x := range ranges {
		r.spans = append(r.spans, span{firstBits(x.First), firstBits(x.Last), !x.First.Is4()})
	}
	return r.bounded()
}

func (r *reach) addPrefix(p netip.Prefix) {
	first, bits := firstBits(p.Addr()), 64
	if p.Addr().Is4() {
		bits = 32
	}
	last := first | (1<<max(bits-p.Bits(), 0) - 1)
	r.spans = append(r.spans, span{first, last, !p.Addr().Is4()})
}

// addNeighbours adds what two lists differ in, and returns the addresses of those that
// are in one of them alone.
func (r *reach) addNeighbours(before, after []route.Neighbour) (gone map[netip.Addr]bool) {
	was := map[uint64]route.Neighbour{}
	for _, n := range before {
		was[n.Key()] = n
	}
	gone = map[netip.Addr]bool{}
	lone := func(n route.Neighbour) {
		p := unmapped(n.Addr, n.Addr.BitLen())
		r.addPrefix(p)
		gone[p.Addr()] = true
	}
	for _, n := range after {
		key := n.Key()
		old, ok := was[key]
		delete(was, key)
		if !ok {
			lone(n)
		} else if old.MAC != n.MAC {
			r.moves = append(r.moves, move{key, old.MAC, n.MAC})
		}
	}
	for _, n := range was {
		lone(n)
	}
	return gone
}

// bounded returns a reach that takes no worker long to mark.
func (r reach) bounded() reach {
	cells := uint64(0)
	for _, s := range r.spans {
		first, last := s.keys()
		if cells += last - first + 1; last < first || last-first >= reachMost || cells > reachMost {
			return reach{all: true}
		}
	}
	return r
}

func samePort(a, b PortState) bool {
	return a.MAC == b.MAC && a.MTU == b.MTU && slices.Equal(a.Addrs, b.Addrs)
}

// unmapped returns a prefix as route.Build takes it: an IPv4 one also where it is
// written as a mapped IPv6 one.
func unmapped(a netip.Addr, bits int) netip.Prefix {
	if a.Is4In6() && bits >= 96 {
		bits -= 96
		a = a.Unmap()
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked()
}

// between returns two lists without what both begin with and what both end with;
// false: it is too much. What the order means is nobody's business here.
func between[T comparable](a, b []T) (_, _ []T, ok bool) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b, len(a)+len(b) <= reachMost
}

// clone returns a state that the caller's lists are no part of, nil if it is too
// large to be kept.
func (s *State) clone() *State {
	if len(s.Routes) > reachRoutes {
		return nil
	}
	out := &State{Routes: slices.Clone(s.Routes), Neighbours: slices.Clone(s.Neighbours), Ports: slices.Clone(s.Ports)}
	for i := range out.Ports {
		out.Ports[i].Addrs = slices.Clone(out.Ports[i].Addrs)
	}
	return out
}

// changed is when, in stamps, something last changed for addresses. There are cells
// for IPv4 addresses and IPv6 nets of 64 bits, and for nets of 24 and 48 bits; some
// share a place, which costs a look too many. A worker's own.
type changed struct {
	cells []uint32
	all   uint32 // when it changed for all addresses
}

const (
	cellCount = 1 << 16
	netBits4  = 8 // how many bits fewer nets have
	netBits6  = 16
)

// firstBits returns all of an IPv4 address, half of an IPv6 one.
func firstBits(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:])
}

// keys returns which cells a span has: of few addresses that are no whole nets their
// own, else of nets.
func (s *span) keys() (first, last uint64) {
	net := uint64(1)<<netBits4 - 1
	if s.wide {
		net = 1<<netBits6 - 1
	}
	if whole := s.first&net == 0 && s.last&net == net; !whole && s.last-s.first < 256 && s.first <= s.last {
		return addressKey(s.first), addressKey(s.last)
	}
	return netKey(s.first, s.wide), netKey(s.last, s.wide)
}

// Keys of cells are in two rows, by their uppermost bits.
func addressKey(first uint64) uint64 { return first &^ (1 << 63) }

func netKey(first uint64, wide bool) uint64 {
	if wide {
		return first>>netBits6 | 1<<63
	}
	return first>>netBits4 | 1<<63
}

// cell returns the place of a cell.
func cell(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> 48 }

// mark notes what changes with a stamp.
func (c *changed) mark(r *reach, stamp uint32, m *marked) {
	if r.all {
		c.all = stamp
		return
	}
	for _, s := range r.spans {
		key, last := s.keys()
		for ; key <= last; key++ {
			at := cell(key)
			c.cells[at] = stamp
			for i := range m.sets {
				m.sets[i][at/64] |= 1 << (at % 64)
			}
		}
	}
}

// reset forgets everything, when stamps begin anew.
func (c *changed) reset() {
	clear(c.cells)
	c.all = 0
}

// since says whether something may have changed since a stamp for an address of 4 or
// 16 bytes.
func (c *changed) since(addr []byte, stamp uint32) bool {
	own, net := cellsOf(addr)
	return c.cells[own] > stamp || c.cells[net] > stamp
}

// cellsOf returns the places of an address's own cell and of its net's.
func cellsOf(addr []byte) (own, net uint64) {
	if len(addr) == 4 {
		first := uint64(binary.BigEndian.Uint32(addr))
		return cell(addressKey(first)), cell(netKey(first, false))
	}
	first := binary.BigEndian.Uint64(addr)
	return cell(addressKey(first)), cell(netKey(first, true))
}

// marked has a bit for each cell that was marked lately, by changes of either kind:
// few enough words to be near when every packet asks. There are two sets, so that old
// marks go without those of now.
type marked struct {
	sets  [2][cellCount / 64]uint64
	from  [2]uint32 // each has all marks behind this stamp
	newer int       // the one whose stamp is the later
}

// markStamps is how many stamps a set is the newer one.
const markStamps = 512

// turn begins a set anew when the newer one is old.
func (m *marked) turn(stamp uint32) {
	if stamp-m.from[m.newer] < markStamps {
		return
	}
	m.newer ^= 1
	m.sets[m.newer], m.from[m.newer] = [cellCount / 64]uint64{}, stamp
}

// since returns the set that has all marks behind a stamp, nil: none has.
func (m *marked) since(stamp uint32) *[cellCount / 64]uint64 {
	if stamp >= m.from[m.newer] {
		return &m.sets[m.newer]
	}
	if old := m.newer ^ 1; stamp >= m.from[old] {
		return &m.sets[old]
	}
	return nil
}

// has says whether a set has a mark for an address.
func has(set *[cellCount / 64]uint64, addr []byte) bool {
	own, net := cellsOf(addr)
	return (set[own/64%uint64(len(set))]>>(own%64)|set[net/64%uint64(len(set))]>>(net%64))&1 != 0
}

// addresses returns the source and the destination in a packet's header.
func addresses(p *packet.Packet) (src, dst []byte) {
	if l3 := p.Data[p.L3:]; p.Family == flowtable.FamilyIPv4 {
		return l3[12:16], l3[16:20]
	} else {
		return l3[8:24], l3[24:40]
	}
}
