package dataplane

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"go.uber.org/zap"
)

// MaxWorkers bounds Config.Workers: a directory word has eight bits for the owner.
const MaxWorkers = 256

// MaxBurst bounds Config.Burst.
const MaxBurst = 256

// Config is everything a Box is made from. It is copied by New.
type Config struct {
	Workers int // one per queue; every port must have this many queues
	Burst   int // frames a worker takes at once, 1 to MaxBurst
	Frames  int // frames in each worker's UMEM
	Chunk   int // bytes per frame, a power of two; see afxdp.NewUMEM

	Ports      []PortConfig
	Routes     []route.Route // beside those that Ports' addresses imply
	Neighbours []route.Neighbour
	Conntrack  flowtable.Config // Workers and Helpers are filled in by New
	Defrag     defrag.Config
	Helpers    []helper.Helper // that rules may give to flows

	// Wire joins ports 0 and 1 transparently: every frame crosses, IP by way of
	// prerouting, forward and postrouting, with TTL and MAC addresses as they are.
	Wire bool
	// Resolve is asked, on the control side, to find the link address of a next
	// hop that packets wait for; SetState then brings it. nil: nothing waits.
	Resolve func(port uint16, addr netip.Addr)

	// LogInvalid logs some of the INVALID packets of that IP protocol, 255: of
	// any, 0: none (net.netfilter.nf_conntrack_log_invalid).
	LogInvalid uint8

	Checksum      bool // packets with a wrong transport checksum are invalid: net.netfilter.nf_conntrack_checksum
	HandoverSlots int  // frames each worker can have waiting for each other worker; a power of two
	ExpireSlice   int  // entries looked at for expiry in every round of a worker
	ICMPRate      int  // ICMP errors a second for the whole box, net.ipv4.icmp_msgs_per_sec
	ICMPBurst     int  // net.ipv4.icmp_msgs_burst
	ICMPGap       int  // net.ipv4.icmp_ratelimit: milliseconds between ICMP errors to one destination, six at once; 0: no limit

	// SamePorts makes NAT choose the ports that one worker would choose. Off, of
	// equally good ports it takes one whose answers need no handover.
	SamePorts bool

	// WalkAlways takes every packet through all rules, where otherwise established
	// ones skip them as packets of their flow before them went (plan.go).
	WalkAlways bool

	CompileCache int64 // bytes of earlier compiled generations to keep; 0: none

	// Seed, if not 0, is what everything is drawn from that is otherwise left to
	// chance: keys of hashes that are not given, cookies, the random numbers of
	// rules. Driven by Drain with a clock of its own, the box then does the same in
	// every run. Who knows it can foresee what a box does: not for running ones.
	Seed uint64

	Clock  *perf.Clock // nil: the real one
	Log    *zap.Logger // nil: none
	Trace  bool        // keep an Outcome for each packet (Drain only)
	Check  bool        // poison retired images and count packets that saw one
	Stages bool        // account worker time to stages
	Pin    bool        // pin worker i to the i-th CPU this process may use, all else in the process to those that are left
	Spin   bool        // never sleep when idle
}

// PortConfig is a port and what the router knows of it.
type PortConfig struct {
	Port  afxdp.Port
	Index uint32 // what iif and oif compare; 0: the number of the port plus one
	// Host leads to the box's own stack: what is for the box is sent there, and
	// what comes from there runs output and leaves by Port. nil: such packets
	// are counted and end.
	Host afxdp.Port
	// Unfinished says that senders may leave the TCP or UDP checksum at the sum
	// of the pseudo header (veth, tap): it is then completed here.
	Unfinished bool
	Addrs      []netip.Prefix // the box's addresses there, first one primary
	// Peer is the index of the port that takes packets no route leads
	// anywhere, with their MAC addresses as they are; -1 is none.
	Peer   int
	AnyMAC bool // take unicast frames for any destination MAC
}

// Default returns a Config without ports that works on a small machine.
func Default() Config {
	return Config{
		Workers: 1, Burst: 64, Frames: 8192, Chunk: 2048,
		Conntrack: flowtable.Default(), Defrag: defrag.Default(), Helpers: helper.Default(),
		Checksum: true, HandoverSlots: 2048, ExpireSlice: 16,
		ICMPRate: 1000, ICMPBurst: 50, ICMPGap: 1000,
	}
}

// Validate says what is wrong with c, naming the field.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Workers < 1 || c.Workers > MaxWorkers {
		bad("workers: %d is not in 1 to %d", c.Workers, MaxWorkers)
	}
	if c.Burst < 1 || c.Burst > MaxBurst {
		bad("burst: %d is not in 1 to %d", c.Burst, MaxBurst)
	}
	if c.Frames < 2*c.Burst {
		bad("frames: %d is less than two bursts of %d", c.Frames, c.Burst)
	}
	if c.HandoverSlots < 1 || c.HandoverSlots&(c.HandoverSlots-1) != 0 {
		bad("handover slots: %d is not a power of two", c.HandoverSlots)
	}
	if n := c.Defrag.FragsPerContext; n > 256 {
		bad("defrag: %d fragments per datagram, at most 256 can be handed over", n)
	}
	if c.ICMPRate < 1 || c.ICMPBurst < 1 || c.ICMPGap < 0 {
		bad("icmp rate %d and burst %d must be positive, gap %d not negative", c.ICMPRate, c.ICMPBurst, c.ICMPGap)
	}
	if err := helper.Check(c.Helpers); err != nil {
		bad("%w", err)
	}
	if len(c.Ports) == 0 {
		bad("ports: none given")
	}
	if c.Wire && len(c.Ports) != 2 {
		bad("wire: %d ports, want two", len(c.Ports))
	}
	names := map[string]int{}
	for i, p := range c.Ports {
		if p.Port == nil {
			bad("port %d: nil", i)
			continue
		}
		name := p.Port.Name()
		if j, dup := names[name]; dup {
			bad("port %d: the name %q is port %d's already", i, name, j)
		}
		names[name] = i
		if p.Host != nil && p.Host.Queues() < c.Workers {
			bad("port %s: its host side has %d queues for %d workers", name, p.Host.Queues(), c.Workers)
		}
		if p.Port.Queues() < c.Workers {
			bad("port %s: %d queues for %d workers", name, p.Port.Queues(), c.Workers)
		}
		if p.Peer != -1 && (p.Peer < 0 || p.Peer >= len(c.Ports)) {
			bad("port %s: peer %d is no port", name, p.Peer)
		}
	}
	return errors.Join(errs...)
}
