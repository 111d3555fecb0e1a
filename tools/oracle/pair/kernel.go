package pair

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Nodes of the kernel's lab: the box, and a namespace that holds the outer ends
// of its cables and has no address.
const (
	boxNode  = "box"
	wireNode = "wires"
)

// labName begins the lab's name.
const labName = "oracle"

// wireName is the outer end of a side's cable.
func wireName(s Side) string { return "w" + s.String() }

// Kernel is the contender to agree with: nftables and nf_conntrack in a
// namespace of their own. It is used by the thread that Run made.
type Kernel struct {
	lab    *lab.Lab
	taps   [2]*lab.Tap
	nf     *netfilter
	index  [2]int   // of the interfaces
	ask    []byte   // the barrier's question, an ARP request
	wire   bool     // it is a bridge
	aside  *lab.Tap // of a bridge: where the barrier goes
	rules  string   // in force
	tool   string   // whose tables have the case's dump: iptables, ip6tables or none
	named  string   // the dump, for the tables that it names
	mtu    int      // of the WAN's interface
	routes []Route
	was    map[string]string // settings that a script changed, and their values before
	known  map[Tuple]uint16  // original tuples that have been seen, with their zone
	stats  [statNumbers]uint64
	// With helpers in the rules: the counters of expectations before.
	expects  bool
	expected [statNumbers]uint64
	base     map[string]Counter // rule counters when the script began

	watching *monitor // of traced packets; nil: the rules trace none
	marks    int      // that it was shown

	processors unix.CPUSet // that the thread may use
}

// Run makes the kernel's side and calls f on a thread in the box's namespace.
// All methods of the Kernel must be called there, none after f returns.
func Run(f func(*Kernel) error) error { return run(false, f) }

func run(wire bool, f func(*Kernel) error) (err error) {
	if err := lab.Privileged(); err != nil {
		return err
	}
	if _, err := lab.CleanLeftovers(labName); err != nil {
		return err
	}
	l, err := lab.Empty(lab.Unique(labName))
	if err != nil {
		return err
	}
	k := &Kernel{lab: l, wire: wire, mtu: MTU, was: map[string]string{}, known: map[Tuple]uint16{}}
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.build(); err != nil {
		return fmt.Errorf("the kernel's network: %w", err)
	}
	return l.Do(boxNode, func() error {
		if k.nf, err = dialNetfilter(); err != nil {
			return err
		}
		defer k.nf.close()
		if err := unix.SchedGetaffinity(0, &k.processors); err != nil {
			return err
		}
		return f(k)
	})
}

func (k *Kernel) close() error {
	errs := []error{k.unwatch()}
	for _, t := range append(k.taps[:], k.aside) {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(append(errs, k.lab.Close())...)
}

// quiet are settings that leave only what frames bring about.
var quiet = [][2]string{
	{"net/netfilter/nf_conntrack_acct", "1"},
	{"net/ipv4/icmp_ratelimit", "0"},
	{"net/ipv4/icmp_msgs_per_sec", "1000000"},
	{"net/ipv4/icmp_msgs_burst", "1000000"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv6/icmp/ratelimit", "0"},
	{"net/ipv6/conf/default/addr_gen_mode", "1"},
	{"net/ipv6/conf/default/router_solicitations", "0"},
	{"net/ipv6/conf/default/mldv1_unsolicited_report_interval", "1"}, // milliseconds: over before we begin
	{"net/ipv6/conf/default/mldv2_unsolicited_report_interval", "1"},
	{"net/ipv6/auto_flowlabels", "0"}, // labels of what the box itself makes would be random
}

func (k *Kernel) build() error {
	if err := k.lab.AddNode(boxNode, true); err != nil {
		return err
	}
	if err := k.lab.AddNode(wireNode, false); err != nil {
		return err
	}
	for _, s := range quiet {
		if err := lab.Sysctl(k.lab.NS(boxNode), s[0], s[1]); err != nil {
			return err
		}
	}
	silent := []string{wireNode}
	if k.wire {
		silent = append(silent, boxNode)
	}
	for _, node := range silent {
		for _, name := range []string{"all", "default"} {
			if err := lab.Sysctl(k.lab.NS(node), "net/ipv6/conf/"+name+"/disable_ipv6", "1"); err != nil {
				return err
			}
		}
	}
	for _, s := range []Side{Lan, Wan} {
		if err := k.cable(s); err != nil {
			return err
		}
	}
	if k.wire {
		if err := k.bridge(); err != nil {
			return err
		}
		time.Sleep(settle)
		return nil
	}
	for _, six := range []bool{false, true} {
		if err := k.lab.AddRoute(boxNode, "", HostAddr(Wan, 0, six).String()); err != nil {
			return err
		}
	}
	k.ask = arpRequest(Lan)
	time.Sleep(settle) // multicast listener reports leave, which rules would count
	return nil
}

// cable connects a side: fixed addresses, neighbours for good, no checksums
// left for anyone to finish.
func (k *Kernel) cable(s Side) error {
	name := s.String()
	if err := k.lab.Connect(boxNode, name, wireNode, wireName(s), lab.Cable{MTU: MTU}); err != nil {
		return err
	}
	mac := BoxMAC(s)
	if err := k.lab.SetMAC(boxNode, name, mac[:]); err != nil {
		return err
	}
	for _, end := range [][2]string{{boxNode, name}, {wireNode, wireName(s)}} {
		out, err := k.lab.Command(end[0], "ethtool", "-K", end[1], "rx", "off", "tx", "off", "gso", "off", "tso", "off", "gro", "off").CombinedOutput()
		if err != nil {
			return fmt.Errorf("turn offloads of %s off: %w: %s", end[1], err, out)
		}
	}
	link, err := k.lab.Link(boxNode, name)
	if err != nil {
		return err
	}
	k.index[s] = link.Index
	if !k.wire {
		if err := k.address(s); err != nil {
			return err
		}
	}
	k.taps[s], err = lab.OpenTap(k.lab.NS(wireNode), wireName(s), lab.TapConfig{Incoming: true, Direct: true})
	return err
}

// address gives an interface of a router its addresses and neighbours.
func (k *Kernel) address(s Side) error {
	for _, p := range boxNet[s] {
		if err := k.lab.AddAddr(boxNode, s.String(), p.String()); err != nil {
			return err
		}
	}
	return k.lab.Do(boxNode, func() error {
		mac := HostMAC(s)
		for _, a := range neighbours(s) {
			err := netlink.NeighSet(&netlink.Neigh{LinkIndex: k.index[s], IP: a.AsSlice(), HardwareAddr: mac[:], State: netlink.NUD_PERMANENT})
			if err != nil {
				return fmt.Errorf("neighbour %v: %w", a, err)
			}
		}
		return nil
	})
}

// arpRequest asks for the box's address on a side.
func arpRequest(s Side) []byte {
	return arpAsk(HostMAC(s), HostAddr(s, 0, false), BoxAddr(s, false))
}

// arpAsk asks for the address to.
func arpAsk(mac [6]byte, sender, target netip.Addr) []byte {
	from, to := sender.As4(), target.As4()
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, mac[:]...), from[:]...)
	return append(append(b, 0, 0, 0, 0, 0, 0), to[:]...)
}

// stay keeps the thread on the processor where it is. What a thread sends its
// own processor forwards, in order: a frame of the barrier is then behind all
// frames before it.
func (k *Kernel) stay() error {
	cpu, _, errno := unix.Syscall(unix.SYS_GETCPU, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("getcpu: %w", errno)
	}
	var one unix.CPUSet
	one.Set(int(cpu))
	return unix.SchedSetaffinity(0, &one)
}

// Begin empties the table and puts a case in force, meanwhile the thread may go
// to a processor that has more time for it.
func (k *Kernel) Begin(c *Case) error {
	if err := unix.SchedSetaffinity(0, &k.processors); err != nil {
		return err
	}
	if err := k.begin(c); err != nil {
		return err
	}
	return k.stay()
}

func (k *Kernel) begin(c *Case) error {
	if err := k.clear(); err != nil {
		return err
	}
	if err := k.set(c.Settings); err != nil {
		return err
	}
	if err := k.tables(c); err != nil {
		return err
	}
	nft := c.Rules
	if c.dump() {
		nft = "\n"
	}
	watched := k.rules == nft
	if err := k.load(nft); err != nil {
		return err
	}
	if err := k.watch(c, watched); err != nil {
		return err
	}
	if err := k.route(c.Routes); err != nil {
		return err
	}
	if mtu := c.mtu(Wan); mtu != k.mtu {
		if err := k.lab.SetMTU(boxNode, Wan.String(), mtu); err != nil {
			return err
		}
		k.mtu = mtu
	}
	counters, err := k.nf.ruleCounters()
	if err != nil {
		return err
	}
	k.base = map[string]Counter{}
	for _, c := range counters {
		k.base[fmt.Sprint(c.Chain, c.Number)] = c
	}
	if k.expects = c.expects(); k.expects {
		if k.expected, err = k.nf.expectStats(); err != nil {
			return err
		}
	}
	k.stats, err = k.nf.stats()
	return err
}

func (k *Kernel) clear() error {
	for t, zone := range k.known {
		if err := k.nf.remove(&t, zone); err != nil {
			return err
		}
	}
	clear(k.known)
	n, err := k.nf.count()
	if err == nil && n != 0 {
		err = k.nf.flush()
	}
	return err
}

const settingDir = "/proc/sys/net/netfilter/nf_conntrack_"

func (k *Kernel) set(settings []Setting) error {
	for path, value := range k.was {
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return err
		}
	}
	clear(k.was)
	for _, s := range settings {
		path := filepath.Clean(settingDir + s.Name)
		was, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("setting %s: %w", s.Name, err)
		}
		k.was[path] = string(was)
		if err := os.WriteFile(path, []byte(strconv.Itoa(s.Value)), 0); err != nil {
			return fmt.Errorf("setting %s: %w", s.Name, err)
		}
	}
	return nil
}

func (k *Kernel) load(rules string) error {
	if rules == k.rules && !strings.Contains(rules, "flags dynamic") && !strings.Contains(rules, "interval,timeout") && !strings.Contains(rules, "numgen") {
		return nil // nothing in them remembers the case before but counters
	}
	k.rules = ""
	c := k.lab.Command(boxNode, "nft", "-f", "-")
	c.Stdin = strings.NewReader("flush ruleset\n" + rules)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("the kernel refuses the rules: %w\n%s", err, bytes.TrimSpace(out))
	}
	k.rules = rules
	return nil
}

func (k *Kernel) route(routes []Route) error {
	change := func(r Route, how func(*netlink.Route) error) error {
		dst := &net.IPNet{IP: r.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(r.Prefix.Bits(), r.Prefix.Addr().BitLen())}
		gw := HostAddr(r.Side, 0, r.Prefix.Addr().Is6())
		err := how(&netlink.Route{LinkIndex: k.index[r.Side], Dst: dst, Gw: gw.AsSlice()})
		if err != nil {
			return fmt.Errorf("route to %v: %w", r.Prefix, err)
		}
		return nil
	}
	for _, r := range k.routes {
		if err := change(r, netlink.RouteDel); err != nil {
			return err
		}
	}
	k.routes = nil
	for _, r := range routes {
		if err := change(r, netlink.RouteAdd); err != nil {
			return err
		}
		k.routes = append(k.routes, r)
	}
	return nil
}

// barrierTime bounds the wait for the answer to a barrier.
const barrierTime = 5 * time.Second

// Send lets frames arrive one after the other and returns what they brought
// about.
func (k *Kernel) Send(frames ...Frame) ([]Frame, error) {
	for _, f := range frames {
		if most := k.longest(f.Side); len(f.Data) > most {
			return nil, fmt.Errorf("frame of %d bytes, and the interface takes %d", len(f.Data), most)
		}
		if err := k.taps[f.Side].Send(f.Data); err != nil {
			return nil, err
		}
	}
	if k.wire {
		return k.crossed()
	}
	if err := k.taps[Lan].Send(k.ask); err != nil {
		return nil, err
	}
	var out []Frame
	mac := BoxMAC(Lan)
	for deadline := time.Now().Add(barrierTime); ; {
		f, err := k.taps[Lan].Recv(time.Until(deadline))
		if err != nil {
			return nil, fmt.Errorf("barrier: %w", err)
		}
		if len(f.Data) >= 42 && f.Data[12] == 8 && f.Data[13] == 6 && bytes.Equal(f.Data[6:12], mac[:]) {
			break
		}
		out = append(out, Frame{Lan, f.Data})
	}
	for {
		f, err := k.taps[Wan].Recv(0)
		if errors.Is(err, lab.ErrTimeout) {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Frame{Wan, f.Data})
	}
	return dropNoise(out), nil
}

// longest is the length of the longest frame that can come in by a side.
func (k *Kernel) longest(s Side) int {
	if s == Lan {
		return MTU + 14
	}
	return k.mtu + 14
}

// dropNoise leaves out what the box says of its own accord: multicast listener
// reports and router solicitations.
func dropNoise(frames []Frame) []Frame {
	kept := frames[:0]
	for _, f := range frames {
		if len(f.Data) > 62 && binary.BigEndian.Uint16(f.Data[12:]) == unix.ETH_P_IPV6 && [6]byte(f.Data[6:12]) == boxMAC[f.Side] {
			src := netip.AddrFrom16([16]byte(f.Data[22:38]))
			if src.IsUnspecified() || src.IsLinkLocalUnicast() {
				continue
			}
			// A listener report: hop-by-hop options in front of ICMPv6 type 131, 132 or 143.
			if kind := f.Data[62]; f.Data[20] == 0 && f.Data[54] == unix.IPPROTO_ICMPV6 && src == BoxAddr(f.Side, true) && (kind == 131 || kind == 132 || kind == 143) {
				continue
			}
		}
		kept = append(kept, f)
	}
	return kept
}

// Entries lists the table, sorted. hints are entries that are likely there:
// asking for each is much cheaper than walking the table of all namespaces.
func (k *Kernel) Entries(hints []Entry) ([]Entry, error) {
	for i := range hints {
		k.known[hints[i].Orig] = hints[i].Zone
	}
	var all []Entry
	for t, zone := range k.known {
		e, err := k.nf.entry(&t, zone)
		if errors.Is(err, ErrNoEntry) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e.Orig == t { // not when t is the reply tuple of another
			all = append(all, e)
		}
	}
	n, err := k.nf.count()
	if err != nil {
		return nil, err
	}
	if n != len(all) {
		if all, err = k.nf.entries(); err != nil {
			return nil, err
		}
		for i := range all {
			k.known[all[i].Orig] = all[i].Zone
		}
	}
	sortEntries(all)
	return all, nil
}

// Table lists the table, sorted, with one walk of it.
func (k *Kernel) Table() ([]Entry, error) {
	all, err := k.nf.entries()
	for i := range all {
		k.known[all[i].Orig] = all[i].Zone
	}
	sortEntries(all)
	return all, err
}

// Counters returns what the rules have counted since Begin.
func (k *Kernel) Counters() ([]Counter, error) {
	if k.tool != "" {
		return k.tableCounters()
	}
	all, err := k.nf.ruleCounters()
	for i := range all {
		base := k.base[fmt.Sprint(all[i].Chain, all[i].Number)]
		all[i].Packets -= base.Packets
		all[i].Bytes -= base.Bytes
	}
	return all, err
}

// Stats returns conntrack's own counters since Begin.
func (k *Kernel) Stats() (Stats, error) {
	now, err := k.nf.stats()
	since := func(n int) uint64 { return now[n] - k.stats[n] }
	s := Stats{
		Invalid: since(statInvalid), InsertFailed: since(statInsertFailed), Drop: since(statDrop),
		EarlyDrop: since(statEarlyDrop), Error: since(statError), ClashResolve: since(statClashResolve),
	}
	if err == nil && k.expects {
		var e [statNumbers]uint64
		e, err = k.nf.expectStats()
		s.ExpectNew, s.ExpectCreate = e[statExpectNew]-k.expected[statExpectNew], e[statExpectCreate]-k.expected[statExpectCreate]
	}
	return s, err
}

// Index returns the numbers of the box's interfaces.
func (k *Kernel) Index() [2]int { return k.index }

// Command prepares a program to run in the box's namespace.
func (k *Kernel) Command(name string, args ...string) *lab.Cmd {
	return k.lab.Command(boxNode, name, args...)
}
