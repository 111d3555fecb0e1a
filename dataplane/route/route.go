package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// Kind says what happens to packets that a route matches.
type Kind uint8

// Kinds of routes and hops. NoRoute is never in a Route: it is the kind of hop 0,
// which a lookup gives when nothing matches.
const (
	Forward     Kind = iota // to the gateway, or to the destination itself
	Local                   // an address of the box
	Broadcast               // a directed or the limited broadcast address
	Unreachable             // refused with ICMP host unreachable
	Blackhole               // dropped silently
	Prohibit                // refused with ICMP administratively prohibited
	NoRoute                 // nothing matches
)

var kindNames = [...]string{"forward", "local", "broadcast", "unreachable", "blackhole", "prohibit", "no route"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// NoPort is the Port of a hop that leads to no port.
const NoPort uint16 = 0xffff

// Families as netfilter numbers them, the same numbers as flowtable's.
const (
	familyIPv4 uint8 = 2
	familyIPv6 uint8 = 10
)

// Route is one route of the control side. Several routes of the same prefix,
// metric and kind Forward are equal-cost paths; one that is there several times
// takes so many shares.
type Route struct {
	Prefix  netip.Prefix // host bits are ignored
	Gateway netip.Addr   // zero: the destination is on the link itself. May be IPv6 for an IPv4 prefix
	Port    uint16       // dataplane port number, ignored for kinds that lead nowhere
	Kind    Kind
	MTU     uint32 // L3 bytes, 0: that of the port
	Metric  uint32 // of several for one prefix the lowest counts; Local and Broadcast come before any metric
}

// path is one way to go for a prefix, with its rank among the others.
type path struct {
	hop    Hop
	metric uint32
}

// collect sorts routes into a table from prefix to the paths that count there.
func collect(routes []Route) (*bart.Table[[]path], error) {
	all := new(bart.Table[[]path])
	for i := range routes {
		r := &routes[i]
		prefix, hop, err := r.check()
		if err != nil {
			return nil, fmt.Errorf("route %v: %w", r.Prefix, err)
		}
		var bad error
		all.Modify(prefix, func(paths []path, _ bool) ([]path, bool) {
			paths, bad = addPath(paths, path{hop, r.Metric})
			return paths, false
		})
		if bad != nil {
			return nil, fmt.Errorf("route %v: %w", r.Prefix, bad)
		}
	}
	return all, nil
}

// check returns the route as a masked prefix and a hop.
func (r *Route) check() (netip.Prefix, Hop, error) {
	var h Hop
	p := r.Prefix
	if !p.IsValid() {
		return p, h, fmt.Errorf("invalid prefix")
	}
	if p.Addr().Is4In6() {
		return p, h, fmt.Errorf("IPv4-mapped IPv6 prefix")
	}
	h = Hop{Kind: r.Kind, Port: NoPort, MTU: r.MTU}
	switch r.Kind {
	case Forward:
		h.Port = r.Port // NoPort: to a device that is no port, where packets end
		if g := r.Gateway; g.IsValid() && !g.IsUnspecified() {
			if g.Is4In6() {
				return p, h, fmt.Errorf("gateway %v: IPv4-mapped IPv6 address", g)
			}
			if g.Is4() && p.Addr().Is6() {
				return p, h, fmt.Errorf("gateway %v: an IPv6 route cannot have an IPv4 gateway", g)
			}
			h.HasGateway = true
			h.Gateway, h.GatewayFamily = Addr(g.WithZone(""))
		}
	case Local, Broadcast:
		h.Port = r.Port
	case Unreachable, Blackhole, Prohibit:
	default:
		return p, h, fmt.Errorf("%v is not a kind of route", r.Kind)
	}
	if r.Kind != Forward && r.Gateway.IsValid() {
		return p, h, fmt.Errorf("a gateway makes no sense for kind %v", r.Kind)
	}
	return p.Masked(), h, nil
}

// addPath puts p among the paths of one prefix, which all have equal rank. The
// box's own addresses come first, as the kernel looks at its local table first.
func addPath(paths []path, p path) ([]path, error) {
	if len(paths) == 0 {
		return []path{p}, nil
	}
	switch c := compareRank(&p, &paths[0]); {
	case c < 0:
		return []path{p}, nil
	case c > 0:
		return paths, nil
	}
	if p.hop.Kind != Forward && slices.Contains(paths, p) {
		return paths, nil
	}
	if paths[0].hop.Kind == Local || paths[0].hop.Kind == Broadcast {
		return paths, nil // the same address on two ports: the first one stands
	}
	if paths[0].hop.Kind != Forward || p.hop.Kind != Forward {
		return paths, fmt.Errorf("two routes of metric %d, one %v and one %v", p.metric, paths[0].hop.Kind, p.hop.Kind)
	}
	if len(paths) == maxPaths {
		return paths, fmt.Errorf("more than %d paths", maxPaths)
	}
	paths = append(paths, p)
	// In order, so that equal sets of paths are found equal and the choice by
	// hash does not depend on the order in which routes were learned.
	slices.SortFunc(paths, func(a, b path) int { return compareHop(&a.hop, &b.hop) })
	return paths, nil
}

func compareRank(a, b *path) int {
	rank := func(p *path) uint64 {
		switch p.hop.Kind {
		case Local:
			return 0
		case Broadcast:
			return 1
		default:
			return 2 + uint64(p.metric)
		}
	}
	return cmp.Compare(rank(a), rank(b))
}

func compareHop(a, b *Hop) int {
	return cmp.Or(
		cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.GatewayFamily, b.GatewayFamily),
		slices.Compare(a.Gateway[:], b.Gateway[:]),
		cmp.Compare(a.MTU, b.MTU),
	)
}

// Addr returns an address as tables and tuples hold it, network byte order with
// an IPv4 address in the first four bytes, and its family (2 or 10; 0 for the
// zero Addr). IPv4-mapped IPv6 addresses count as IPv4.
func Addr(a netip.Addr) (b [16]byte, family uint8) {
	switch a = a.Unmap(); {
	case a.Is4():
		v4 := a.As4()
		copy(b[:], v4[:])
		return b, familyIPv4
	case a.Is6():
		return a.As16(), familyIPv6
	default:
		return b, 0
	}
}
