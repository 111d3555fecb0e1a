package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/iptables"
)

// Stats are the counters of nf_conntrack that are compared.
type Stats struct {
	Invalid, InsertFailed, Drop, EarlyDrop, Error, ClashResolve uint64
	ExpectNew, ExpectCreate                                     uint64 // with helpers in the rules
}

// Sluice is the contender that is judged: a Box on ports in memory, whose clock
// Now sets.
type Sluice struct {
	workers int
	box     *dataplane.Box
	clock   *perf.Clock
	start   time.Time
	ports   [2]*port
	ask     []byte          // the question of the kernel's barrier
	turn    int             // number of frames so far
	tables  iptables.Family // of the dump that was loaded; 0: none was
	named   string          // the dump
}

// NewSluice makes a box with the kernel's network. index are the numbers of
// its interfaces, as iif compares them; see Kernel.Index.
func NewSluice(workers int, index [2]int, c *Case) (*Sluice, error) {
	now := time.Now() // rules may ask for the time of the day
	s := &Sluice{ask: arpRequest(Lan), workers: workers, clock: perf.NewVirtual(now), start: now}
	cfg := dataplane.Default()
	cfg.Workers, cfg.Clock, cfg.SamePorts = workers, s.clock, true
	cfg.Frames, cfg.HandoverSlots, cfg.Conntrack.Max = 512, 64, 1024
	cfg.Burst = 64
	cfg.ICMPRate, cfg.ICMPBurst, cfg.ICMPGap = 1_000_000, 1_000_000, 0
	cfg.Conntrack.Acct = true
	cfg.Conntrack.HashKey = [2]uint64{0x6f7261636c65, 1} // the same owners in every run
	cfg.Defrag.Contexts, cfg.Defrag.Frags = 64, 256
	for _, set := range c.Settings {
		if err := apply(&cfg, set); err != nil {
			return nil, err
		}
	}
	cfg.Wire = c.Wire
	for _, side := range []Side{Lan, Wan} {
		s.ports[side] = newPort(side, c.mtu(side), workers)
		if c.Wire {
			cfg.Ports = append(cfg.Ports, dataplane.PortConfig{Port: s.ports[side], Index: uint32(index[side]), Peer: -1})
			continue
		}
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{
			Port: s.ports[side], Index: uint32(index[side]), Peer: -1, Addrs: boxNet[side][:],
		})
		for _, a := range neighbours(side) {
			cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: uint16(side), Addr: a, MAC: HostMAC(side)})
		}
	}
	ways := append([]Route{{netip.MustParsePrefix("0.0.0.0/0"), Wan}, {netip.MustParsePrefix("::/0"), Wan}}, c.Routes...)
	if c.Wire { // no way leads anywhere, and the barrier goes by another cable
		ways, s.ask = nil, nil
	}
	for _, r := range ways {
		cfg.Routes = append(cfg.Routes, route.Route{Prefix: r.Prefix, Gateway: HostAddr(r.Side, 0, r.Prefix.Addr().Is6()), Port: uint16(r.Side)})
	}
	var err error
	if s.box, err = dataplane.New(cfg); err != nil {
		return nil, err
	}
	if c.dump() {
		s.tables, s.named = tableFamily(c.Six), c.Rules
		if err := loadTables(s.box, c); err != nil {
			return nil, errors.Join(fmt.Errorf("sluice refuses the tables: %w", err), s.box.Close())
		}
		return s, nil
	}
	if _, err := s.box.Load("rules", []byte(c.Rules)); err != nil {
		return nil, errors.Join(fmt.Errorf("sluice refuses the rules: %w", err), s.box.Close())
	}
	s.box.WatchTraces(c.traced())
	return s, nil
}

// apply translates a setting of the kernel.
func apply(cfg *dataplane.Config, s Setting) error {
	ct := &cfg.Conntrack
	seconds := map[string]*uint32{
		"udp_timeout": &ct.Timeouts.UDP, "udp_timeout_stream": &ct.Timeouts.UDPStream,
		"icmp_timeout": &ct.Timeouts.ICMP, "icmpv6_timeout": &ct.Timeouts.ICMPv6,
		"gre_timeout": &ct.Timeouts.GRE, "gre_timeout_stream": &ct.Timeouts.GREStream,
		"generic_timeout":            &ct.Timeouts.Generic,
		"tcp_timeout_unacknowledged": &ct.Timeouts.TCPUnacknowledged,
		"tcp_timeout_max_retrans":    &ct.Timeouts.TCPMaxRetrans,
	}
	for state := flowtable.TCPSynSent; int(state) < flowtable.TCPStates; state++ {
		seconds["tcp_timeout_"+strings.ToLower(state.String())] = &ct.Timeouts.TCP[state]
	}
	for state := flowtable.SCTPClosed; int(state) < flowtable.SCTPStates; state++ {
		seconds["sctp_timeout_"+strings.ToLower(sctpStates[state])] = &ct.Timeouts.SCTP[state]
	}
	if p := seconds[s.Name]; p != nil {
		*p = uint32(s.Value)
		return nil
	}
	switch s.Name {
	case "checksum":
		cfg.Checksum = s.Value != 0
	case "tcp_loose":
		ct.Loose = s.Value != 0
	case "tcp_be_liberal":
		ct.TCPBeLiberal = s.Value != 0
	case "tcp_ignore_invalid_rst":
		ct.TCPIgnoreInvalidRST = s.Value != 0
	case "timestamp":
		ct.Timestamp = s.Value != 0
	case "tcp_max_retrans":
		ct.TCPMaxRetrans = uint8(s.Value)
	default:
		return fmt.Errorf("sluice has no setting %s", s.Name)
	}
	return nil
}

// Now sets the box's clock, to when the kernel did what the box does next.
func (s *Sluice) Now(t time.Time) { s.clock.Set(t) }

// Send lets frames arrive one after the other, those that come by one
// side in one burst if there is one worker, and returns what they brought about. Several workers get them in
// turn, so that most packets reach one that does not own their flow.
func (s *Sluice) Send(frames ...Frame) ([]Frame, error) {
	for i, f := range frames {
		s.ports[f.Side].put(s.turn%s.workers, f.Data)
		s.turn++
		if s.workers > 1 || i+1 < len(frames) && frames[i+1].Side != f.Side { // ports are polled one after the other
			s.box.Drain()
		}
	}
	if s.ask != nil {
		s.ports[Lan].put(0, s.ask) // chains at a port's ingress see the kernel's barrier too
	}
	s.box.Drain()
	var out []Frame
	for _, side := range []Side{Lan, Wan} {
		if s.ports[side].lost > 0 {
			return nil, fmt.Errorf("%d frames did not fit into the frame memory", s.ports[side].lost)
		}
		for _, b := range s.ports[side].take() {
			out = append(out, Frame{side, b})
		}
	}
	return out, nil
}

// Entries lists the flow table, sorted.
func (s *Sluice) Entries() []Entry {
	s.box.Drain() // workers take notice of the time
	flows := s.box.Flows()
	all := make([]Entry, len(flows))
	for i := range flows {
		all[i] = ofFlow(&flows[i])
	}
	sortEntries(all)
	return all
}

// Counters returns what the rules have counted.
func (s *Sluice) Counters() []Counter {
	if s.tables != 0 {
		return s.tableCounters()
	}
	totals := s.box.Counters()
	ruleset := s.box.Rules()
	numbers := map[string]int{}
	var all []Counter
	for _, t := range totals {
		r := ruleset.Rule(t.RuleID)
		if r == nil {
			continue // a named one
		}
		chain := r.Table + " " + r.Chain
		all = append(all, Counter{Chain: chain, Number: numbers[chain], Packets: t.Packets, Bytes: t.Bytes})
		numbers[chain]++
	}
	return all
}

// Stats returns conntrack's own counters.
func (s *Sluice) Stats() Stats {
	var t flowtable.Stats
	for _, w := range s.box.Stats().Conntrack {
		t.Add(&w)
	}
	return Stats{
		Invalid: t.Invalid, InsertFailed: t.InsertFailed, Drop: t.Drop,
		EarlyDrop: t.EarlyDrop, Error: t.Error, ClashResolve: t.ClashResolve,
		ExpectNew: t.ExpectNew, ExpectCreate: t.ExpectCreate,
	}
}

// Leaks says what is wrong with the frame memory, empty when nothing is.
func (s *Sluice) Leaks() string {
	st := s.box.Stats()
	if st.FreeFrames+st.Held != st.Frames {
		return fmt.Sprintf("%d frames are free and %d held of %d", st.FreeFrames, st.Held, st.Frames)
	}
	return ""
}

// Reasons names the packets of Stats.Invalid, most frequent first.
func (s *Sluice) Reasons() []string {
	var t flowtable.Stats
	for _, w := range s.box.Stats().Conntrack {
		t.Add(&w)
	}
	var names []string
	for r, n := range t.Reasons {
		if n > 0 {
			names = append(names, fmt.Sprintf("%v: %d", flowtable.Reason(r), n))
		}
	}
	slices.Sort(names)
	return names
}

// Box returns the box, for what the comparison does not ask of it.
func (s *Sluice) Box() *dataplane.Box { return s.box }

// Close gives back what the box took.
func (s *Sluice) Close() error { return s.box.Close() }
