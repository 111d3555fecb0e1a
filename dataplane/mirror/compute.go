package mirror

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"github.com/sluice-net/sluice/dataplane/route"
	"golang.org/x/sys/unix"
)

// maxWeight bounds the elements that one kernel route becomes. Larger sums of
// weights are scaled down.
const maxWeight = 256

// compute makes a State from the model and tells the keeper which next hops
// there are.
func (m *Mirror) compute() State {
	s := State{Addrs: map[string][]netip.Prefix{}, Links: map[string]Link{}}
	index := make([]int, len(m.ports)) // by port, 0: no such interface
	up := make([]bool, len(m.ports))
	portOf := make(map[int]uint16, len(m.ports))
	for i, name := range m.ports {
		if l, ok := m.model.byName[name]; ok {
			s.Links[name] = l
			index[i], up[i] = l.Index, l.Up
			portOf[l.Index] = uint16(i)
		}
	}
	m.computeAddrs(&s, portOf)
	hops := m.computeRoutes(&s, portOf)
	// Gateways of interfaces that are down cannot be resolved.
	maps.DeleteFunc(hops, func(h hop, _ struct{}) bool { return !up[portOf[h.index]] })
	m.keeper.setLinks(index, up, hops)
	s.Neighbours = m.keeper.usable()
	return s
}

func (m *Mirror) computeAddrs(s *State, portOf map[int]uint16) {
	list := slices.Clone(m.model.addrs)
	slices.SortStableFunc(list, func(a, b address) int { return cmp.Compare(a.rank(), b.rank()) })
	for _, a := range list {
		if port, ok := portOf[a.index]; ok && a.usable() {
			name := m.ports[port]
			s.Addrs[name] = append(s.Addrs[name], a.prefix)
		}
	}
}

// rank sorts addresses; within a rank the kernel's order stands.
func (a *address) rank() int {
	switch addr := a.prefix.Addr(); {
	case addr.Is4() && a.flags&unix.IFA_F_SECONDARY == 0:
		return 0
	case addr.Is4():
		return 1
	case a.flags&unix.IFA_F_DEPRECATED != 0:
		return 4
	case addr.IsLinkLocalUnicast():
		return 3
	default:
		return 2
	}
}

// routeKey is what two routes of a table cannot have both: of those that do
// (appended ones) the kernel uses the first.
type routeKey struct {
	table  uint32
	prefix netip.Prefix
	metric uint32
}

// computeRoutes fills s.Routes and returns the gateways on ports.
func (m *Mirror) computeRoutes(s *State, portOf map[int]uint16) map[hop]struct{} {
	hops := map[hop]struct{}{}
	skipped := 0
	for _, family := range [][]kernelRoute{m.model.routes4, m.model.routes6} {
		seen := make(map[routeKey]bool, len(family))
		// A later table is asked only for what no earlier one has an answer
		// for, however unspecific: its routes inside of an earlier table's count
		// for nothing. One longest match over all tables would take them.
		var earlier bart.Table[struct{}]
		for _, table := range []uint32{unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN, unix.RT_TABLE_DEFAULT} {
			var found []netip.Prefix
			for i := range family {
				r := &family[i]
				if r.table != table {
					continue
				}
				// Some systems refuse mapped addresses by such a route; no packet
				// has them.
				if r.tos != 0 || r.source || r.prefix.Addr().Is4In6() {
					skipped++
					continue
				}
				key := routeKey{table, r.prefix.Masked(), r.metric}
				if seen[key] {
					continue
				}
				if _, hidden := earlier.LookupPrefix(key.prefix); hidden {
					continue
				}
				n := len(s.Routes)
				s.Routes = r.paths(s.Routes, portOf, hops)
				if len(s.Routes) > n {
					seen[key] = true
					found = append(found, key.prefix)
				}
			}
			for _, p := range found {
				earlier.Insert(p, struct{}{})
			}
		}
	}
	// The kernel tells of it nowhere, but broadcasts it all the same.
	s.Routes = append(s.Routes, route.Route{
		Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 32), Kind: route.Broadcast, Port: route.NoPort})
	slices.SortFunc(s.Routes, compareRoute)
	m.count(func(c *Stats) { c.Skipped = uint64(skipped) })
	return hops
}

// paths appends what the route is to the box, nothing when it is not for it.
func (r *kernelRoute) paths(to []route.Route, portOf map[int]uint16, hops map[hop]struct{}) []route.Route {
	out := route.Route{Prefix: r.prefix.Masked(), Port: route.NoPort, MTU: r.mtu, Metric: r.metric}
	switch r.kind {
	case unix.RTN_UNICAST:
		return r.forward(to, out, portOf, hops)
	case unix.RTN_LOCAL, unix.RTN_ANYCAST:
		out.Kind = route.Local
	case unix.RTN_BROADCAST:
		out.Kind = route.Broadcast
	case unix.RTN_BLACKHOLE:
		out.Kind = route.Blackhole
	case unix.RTN_UNREACHABLE, unix.RTN_THROW:
		// The kernel looks for what it throws in the next table, where there
		// mostly is nothing.
		out.Kind = route.Unreachable
	case unix.RTN_PROHIBIT:
		out.Kind = route.Prohibit
	default: // multicast, and kinds for hardware
		return to
	}
	if out.Kind == route.Local || out.Kind == route.Broadcast {
		if port, ok := portOf[r.hops[0].index]; ok {
			out.Port = port
		}
	}
	return append(to, out)
}

// forward appends the live paths of a unicast route.
func (r *kernelRoute) forward(to []route.Route, out route.Route, portOf map[int]uint16, hops map[hop]struct{}) []route.Route {
	// Every interface has these; a packet to such an address never crosses a
	// router, and merged they would lead anywhere.
	if a := out.Prefix.Addr(); (a.IsLinkLocalUnicast() && a.Is6()) || a.IsMulticast() {
		return to
	}
	div, sum := 0, 0
	for _, h := range r.hops {
		if !h.dead {
			div, sum = gcd(div, h.weight), sum+h.weight
		}
	}
	for _, h := range r.hops {
		if h.dead {
			continue
		}
		out.Port, out.Gateway = route.NoPort, netip.Addr{}
		if port, ok := portOf[h.index]; ok && !h.foreign {
			out.Port = port
			if g := h.gateway.Unmap(); g.IsValid() && !g.IsUnspecified() {
				out.Gateway = g
				hops[hop{h.index, g}] = struct{}{}
			}
		}
		n := h.weight / div
		if sum/div > maxWeight {
			n = max(1, h.weight*maxWeight/sum)
		}
		for range n {
			to = append(to, out)
		}
	}
	return to
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// compareRoute makes equal sets of routes equal lists.
func compareRoute(a, b route.Route) int {
	return cmp.Or(
		a.Prefix.Addr().Compare(b.Prefix.Addr()),
		cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Metric, b.Metric),
		cmp.Compare(a.Port, b.Port),
		a.Gateway.Compare(b.Gateway),
		cmp.Compare(a.MTU, b.MTU),
	)
}

func compareNeighbour(a, b route.Neighbour) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), a.Addr.Compare(b.Addr))
}

func (s *State) equal(o *State) bool {
	return maps.EqualFunc(s.Addrs, o.Addrs, slices.Equal) &&
		slices.Equal(s.Routes, o.Routes) &&
		slices.Equal(s.Neighbours, o.Neighbours) &&
		maps.Equal(s.Links, o.Links)
}
