package dataplane

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/nft"
)

// benchStart is where virtual clocks begin.
var benchStart = time.Unix(1_700_000_000, 0)

// handPort is a port whose frames a test puts in and takes out by hand.
type handPort struct {
	name   string
	mac    net.HardwareAddr
	queues []*handQueue
	steer  func(frame []byte, queues int) int // nil: queue 0
	serial uint32
	lock   sync.Mutex // guards out when workers run at once
	out    [][]byte   // what the box sent, in order
}

type handQueue struct {
	port    *handPort
	umem    *afxdp.UMEM
	pending [][]byte
	serials []uint32
	quiet   bool // forget what is sent, so that the port itself allocates nothing
}

func newHandPort(name string, mac byte, queues int) *handPort {
	p := &handPort{name: name, mac: benchMAC(mac)}
	for range queues {
		p.queues = append(p.queues, &handQueue{port: p})
	}
	return p
}

func (p *handPort) Name() string          { return p.name }
func (p *handPort) MAC() net.HardwareAddr { return p.mac }
func (p *handPort) MTU() int              { return 1500 }
func (p *handPort) Queues() int           { return len(p.queues) }
func (p *handPort) Close() error          { return nil }
func (p *handPort) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	p.queues[i].umem = u
	return p.queues[i], nil
}

// put lets a frame arrive and returns the queue it arrived on.
func (p *handPort) put(frame []byte) int {
	i := 0
	if p.steer != nil {
		i = p.steer(frame, len(p.queues))
	}
	p.serial++
	q := p.queues[i]
	q.pending = append(q.pending, frame)
	q.serials = append(q.serials, p.serial)
	return i
}

// take returns what the box sent since the last call.
func (p *handPort) take() [][]byte {
	out := p.out
	p.out = nil
	return out
}

func (q *handQueue) Recv(descs []afxdp.Desc) int {
	n := min(len(descs), len(q.pending))
	for i := range n {
		a, ok := q.umem.Alloc()
		if !ok {
			panic("the box ran out of frames")
		}
		f := q.pending[i]
		copy(q.umem.Frame(a, uint32(len(f))), f)
		descs[i] = afxdp.Desc{Addr: a, Len: uint32(len(f)), Options: q.serials[i]}
	}
	q.pending, q.serials = q.pending[n:], q.serials[n:]
	return n
}

func (q *handQueue) Send(descs []afxdp.Desc) int {
	for _, d := range descs {
		if q.quiet {
			q.umem.Free(d.Addr)
			continue
		}
		q.port.lock.Lock()
		q.port.out = append(q.port.out, bytes.Clone(q.umem.Frame(d.Addr, d.Len)))
		q.port.lock.Unlock()
		q.umem.Free(d.Addr)
	}
	return len(descs)
}

func (q *handQueue) Flush()                      {}
func (q *handQueue) Stats() (s afxdp.QueueStats) { return s }

// testNet is the router that most tests use: lan 10.0.0.0/24 and fd00:a::/64,
// wan 203.0.113.0/24 and fd00:b::/64 with everything else behind its gateway.
type testNet struct {
	t        testing.TB
	box      *Box
	lan, wan *handPort
	clock    *perf.Clock
}

type netOption func(*Config)

func newNet(t testing.TB, rules string, workers int, options ...netOption) *testNet {
	t.Helper()
	n := &testNet{t: t, lan: newHandPort("lan", 1, workers), wan: newHandPort("wan", 2, workers)}
	n.clock = perf.NewVirtual(benchStart)
	cfg := Default()
	cfg.Workers, cfg.Clock, cfg.Trace, cfg.Check, cfg.SamePorts = workers, n.clock, true, true, true
	cfg.Conntrack.HashKey = [2]uint64{7, 11} // the same owners in every run
	cfg.Conntrack.Max = 1 << 16
	cfg.Ports = []PortConfig{
		{Port: n.lan, Peer: -1, Addrs: prefixes("10.0.0.1/24", "fd00:a::1/64")},
		{Port: n.wan, Peer: -1, Addrs: prefixes("203.0.113.1/24", "fd00:b::1/64")},
	}
	cfg.Routes = []route.Route{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("203.0.113.2"), Port: 1},
		{Prefix: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr("fd00:b::2"), Port: 1},
	}
	for i := range 32 {
		cfg.Neighbours = append(cfg.Neighbours,
			route.Neighbour{Port: 0, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)}), MAC: [6]byte(benchMAC(0x10))},
			route.Neighbour{Port: 0, Addr: netip.MustParseAddr(fmt.Sprintf("fd00:a::%x", 2+i)), MAC: [6]byte(benchMAC(0x10))})
	}
	cfg.Neighbours = append(cfg.Neighbours,
		route.Neighbour{Port: 1, Addr: netip.MustParseAddr("203.0.113.2"), MAC: [6]byte(benchMAC(0x20))},
		route.Neighbour{Port: 1, Addr: netip.MustParseAddr("fd00:b::2"), MAC: [6]byte(benchMAC(0x20))})
	for _, o := range options {
		o(&cfg)
	}
	box, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.box = box
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	n.load(rules)
	return n
}

func prefixes(s ...string) (p []netip.Prefix) {
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}

func (n *testNet) load(rules string) *Report {
	n.t.Helper()
	r, err := n.box.Load("test.nft", []byte(rules))
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// edit carries commands out on the rules in force.
func (n *testNet) edit(commands string) {
	n.t.Helper()
	tree, err := nft.Apply(n.box.Rules().Tree, "edit", []byte(commands), nft.ParseOptions{}, nft.PrintOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	rs, err := n.box.Compile(tree)
	if err == nil {
		_, err = n.box.Publish(rs)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// conntrack lists the connections as conntrack -L would, sorted.
func (n *testNet) conntrack() []string {
	flows := n.box.Flows()
	lines := make([]string, len(flows))
	for i := range flows {
		lines[i] = conntracktext.FlowLine(&flows[i], "")
	}
	slices.Sort(lines)
	return lines
}

// counters lists the rules' counters with their places.
func (n *testNet) counters() string {
	var s strings.Builder
	for _, c := range n.box.Counters() {
		fmt.Fprintf(&s, "%v packets %d bytes %d\n", c.Counter.Pos, c.Packets, c.Bytes)
	}
	return s.String()
}

// checkLedger demands that no frame is lost and that every frame received has
// exactly one end.
func (n *testNet) checkLedger() {
	n.t.Helper()
	s := n.box.Stats()
	if s.FreeFrames != s.Frames {
		n.t.Errorf("%d of %d frames are free when nothing moves", s.FreeFrames, s.Frames)
	}
	if m := s.Total().Mixed; m != 0 {
		n.t.Errorf("%d packets saw two generations", m)
	}
}

// runUntilIdle starts the workers on threads of their own and stops them when
// everything that was put in has ended.
func (n *testNet) runUntilIdle() {
	n.t.Helper()
	want := uint64(n.lan.serial + n.wan.serial)
	if err := n.box.Start(); err != nil {
		n.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		s := n.box.Stats().Total()
		ends := uint64(0)
		for _, f := range s.Fates {
			ends += f
		}
		if ends >= want {
			break
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%d of %d packets ended", ends, want)
		}
	}
	n.box.Stop()
}
