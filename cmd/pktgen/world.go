package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/afxdp/pcap"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/tools/lab"
	"github.com/sluice-net/sluice/tools/traffic"
)

// world is what a profile stands for: open ports, and streams.
type world struct {
	clock   *perf.Clock
	ports   []*pktgen.Port
	links   []*pktgen.Suffered // what the links did to frames for their second end
	closers []func() error
	load    pktgen.Load
	method  *method // nil: one run
	notes   []string
	probe   bool // the network may be asked where routers are
	wires   []*wire
	befell  error                // what befell interfaces from begin to close; nil: nothing
	client  traffic.ClientConfig // of sessions
	server  traffic.ServerConfig
}

func (w *world) port(name string) *pktgen.Port {
	for _, p := range w.ports {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// close closes the ports.
func (w *world) close() error {
	var errs []error
	for _, c := range w.closers {
		errs = append(errs, c())
	}
	w.closers = nil
	return errors.Join(errs...)
}

// build checks the whole profile and opens what it names. Nothing is attached or
// written yet; with probe, routers may be asked for their MAC.
func (p *profile) build(probe bool) (w *world, err error) {
	w = &world{clock: perf.NewClock(), probe: probe}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	ends := map[string][]afxdp.Port{}
	for i := range p.Links {
		if err := p.openLink(w, i, ends); err != nil {
			return w, err
		}
	}
	if len(p.Ports) == 0 {
		return w, p.wrong("ports", "none is given")
	}
	for i := range p.Ports {
		if err := p.openPort(w, i, ends); err != nil {
			return w, err
		}
	}
	for name, left := range ends {
		if len(left) > 0 {
			return w, p.wrong("links", "link %s has an end that no port is at: name it in two ports", name)
		}
	}
	w.load = pktgen.Load{Name: p.Title, Seed: p.Seed, Window: p.Window}
	for i := range p.Streams {
		s, err := p.stream(w, i)
		if err != nil {
			return w, err
		}
		if slices.ContainsFunc(w.load.Streams, func(o pktgen.Stream) bool { return o.Name == s.Name }) {
			return w, p.wrong(fmt.Sprintf("streams[%d].name", i), "%q: want a name of its own", s.Name)
		}
		w.load.Streams = append(w.load.Streams, s)
	}
	for i := range p.Ports {
		c := &p.Ports[i]
		sends := slices.ContainsFunc(p.Streams, func(s streamProfile) bool { return s.From == c.Name }) ||
			p.Sessions != nil && (p.Sessions.From == c.Name || p.Sessions.To == c.Name)
		if c.Pcap != "" && !sends {
			return w, p.wrong(fmt.Sprintf("ports[%d].pcap", i), "nothing is sent from port %s: the file would be left without a frame", c.Name)
		}
	}
	switch {
	case len(p.Streams) == 0 && p.Sessions == nil:
		return w, p.wrong("streams", "neither streams nor sessions are given")
	case len(p.Streams) > 0 && p.Sessions != nil:
		return w, p.wrong("sessions", "a profile has streams or sessions, not both")
	}
	return w, p.sound(w)
}

func (p *profile) openLink(w *world, i int, ends map[string][]afxdp.Port) error {
	l, path := &p.Links[i], fmt.Sprintf("links[%d]", i)
	if _, taken := ends[l.Name]; taken || l.Name == "" {
		return p.wrong(path+".name", "%q: want a name of its own", l.Name)
	}
	mtu := l.MTU
	if mtu == 0 {
		mtu = 1500
	}
	to := pktgen.Impairments{
		Delay: l.Delay, Drop: l.Drop, Duplicate: l.Duplicate, Corrupt: l.Corrupt,
		Reorder: l.Reorder, Behind: l.Behind, Seed: l.Seed,
	}
	ports, did, err := pktgen.NewLink(afxdp.PipeConfig{Name: [2]string{l.Name + "-0", l.Name + "-1"}, MTU: mtu, Ring: l.Ring}, [2]pktgen.Impairments{to, to}, w.clock)
	if err != nil {
		return p.wrong(path, "%w", err)
	}
	ends[l.Name] = ports[:]
	w.links = append(w.links, did[1])
	return nil
}

func (p *profile) openPort(w *world, i int, ends map[string][]afxdp.Port) error {
	c, path := &p.Ports[i], fmt.Sprintf("ports[%d]", i)
	if c.Name == "" || w.port(c.Name) != nil {
		return p.wrong(path+".name", "%q: want a name of its own", c.Name)
	}
	speed, err := parseSpeed(c.Speed)
	if err != nil {
		return p.wrong(path+".speed", "%w", err)
	}
	for _, name := range []string{"netns", "mode", "generic", "queues", "ring", "budget", "transmit"} {
		if at := path + "." + name; (c.Link != "" || c.Pcap != "") && p.file.Has(at) {
			return p.wrong(at, "this is for ports with an interface")
		}
	}
	port := &pktgen.Port{Name: c.Name, Speed: speed}
	kinds := 0
	for _, set := range []bool{c.Interface != "", c.Link != "", c.Pcap != ""} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return p.wrong(path, "want one of interface, link and pcap")
	case c.Link != "":
		left, ok := ends[c.Link]
		if !ok {
			return p.wrong(path+".link", "there is no link %q", c.Link)
		}
		if len(left) == 0 {
			return p.wrong(path+".link", "link %s has two ports already", c.Link)
		}
		port.Port, ends[c.Link] = left[0], left[1:]
	case c.Pcap != "":
		f, err := pcap.OpenPort(pcap.Config{Name: c.Name, Out: c.Pcap, MTU: 1500, Clock: w.clock})
		if err != nil {
			return p.wrong(path+".pcap", "%w", err)
		}
		port.Port, port.After = f, f.Collect
	default:
		if err := p.openInterface(port, c, path); err != nil {
			return err
		}
		wire, err := newWire(port, c)
		if err != nil {
			return errors.Join(p.wrong(path+".interface", "%w", err), port.Port.Close())
		}
		w.wires = append(w.wires, wire)
		w.notes = append(w.notes, wire.notes()...)
	}
	w.ports = append(w.ports, port)
	w.closers = append(w.closers, port.Port.Close)
	return nil
}

// defaultBudget is how many frames a transmit call takes at top speed. Against 64
// on veth, 256 sent 6 % more frames a CPU second and 1024, which hold up what is
// received for a millisecond, 15 %.
const defaultBudget = 512

func (p *profile) openInterface(port *pktgen.Port, c *portProfile, path string) error {
	o := afxdp.DefaultOptions()
	o.Generic, o.Discovery = c.Generic, true
	if c.Queues > 0 {
		o.Queues = c.Queues
	}
	if c.Ring > 0 {
		o.Ring = c.Ring
	}
	if o.TxBudget = min(defaultBudget, o.Ring); c.Budget != 0 {
		o.TxBudget = c.Budget
	}
	switch c.Mode {
	case "", "auto":
	case "copy":
		o.Mode = afxdp.ModeCopy
	case "zerocopy":
		o.Mode = afxdp.ModeZeroCopy
	default:
		return p.wrong(path+".mode", "%q: want auto, zerocopy or copy", c.Mode)
	}
	var err error
	if o.Transmit, err = parseTransmit(c.Transmit); err != nil {
		return p.wrong(path+".transmit", "%w", err)
	}
	if os.Geteuid() != 0 {
		return p.wrong(path+".interface", "AF_XDP on %s needs root (or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF); links and pcap ports do not", c.Interface)
	}
	port.In = func(f func() error) error { return within(c.Netns, lab.Do(c.Netns, f)) }
	port.Frames = 4 * o.Ring
	port.Bursts, port.OneSend = o.TxBudget/64, o.Transmit == afxdp.TransmitXDP
	err = port.In(func() error {
		f, err := afxdp.OpenInterface(c.Interface, o)
		if err == nil {
			port.Port = f
		}
		return err
	})
	if err != nil {
		return p.wrong(path+".interface", "%w", err)
	}
	return nil
}

// elsewhere is an error from another network namespace, in words that say where
// it was found and lead there.
type elsewhere struct {
	netns string
	error
}

// within says that an error is from a network namespace; empty: from this one.
func within(netns string, err error) error {
	if err == nil || netns == "" {
		return err
	}
	return elsewhere{netns, err}
}

func (e elsewhere) Error() string {
	return strings.NewReplacer("this network namespace", "network namespace "+e.netns, "`ip link ", "`ip -n "+e.netns+" link ").Replace(e.error.Error())
}

func (e elsewhere) Unwrap() error { return e.error }

func (p *profile) stream(w *world, i int) (s pktgen.Stream, err error) {
	c, path := &p.Streams[i], fmt.Sprintf("streams[%d]", i)
	s = pktgen.Stream{Name: c.Name, From: c.From, To: c.To, Queue: c.Queue, Burst: c.Burst, Count: c.Count, Unsigned: c.Unsigned}
	if s.Name == "" {
		s.Name = fmt.Sprintf("stream%d", i+1)
	}
	from := w.port(c.From)
	if from == nil {
		return s, p.wrong(path+".from", "there is no port %q", c.From)
	}
	var to *pktgen.Port
	if c.To != "" {
		if to = w.port(c.To); to == nil {
			return s, p.wrong(path+".to", "there is no port %q", c.To)
		}
		if to == from && w.wire(to) == nil {
			return s, p.wrong(path+".to", "%q: nothing comes back to the port that it is sent from: only an interface may have a box that sends it back", c.To)
		}
	}
	if s.Rate, err = parseRate(c.Rate); err != nil {
		return s, p.wrong(path+".rate", "%w", err)
	}
	if c.Pcap != "" {
		for _, name := range []string{"size", "unsigned", "eth", "vlan", "ip", "udp", "tcp", "icmp", "vary"} {
			if at := path + "." + name; p.file.Has(at) {
				return s, p.wrong(at, "the frames are those of the capture, which nothing changes")
			}
		}
		return s, p.replay(w, &s, c, path)
	}
	for _, name := range []string{"speed", "loops"} {
		if at := path + "." + name; p.file.Has(at) {
			return s, p.wrong(at, "this is for streams with a pcap")
		}
	}
	if s.Sizes, err = parseSizes(c.Size); err != nil {
		return s, p.wrong(path+".size", "%w", err)
	}
	h := &s.Headers
	h.VLANs, h.TTL, h.DSCP = c.VLAN, c.IP.TTL, c.IP.DSCP
	if h.Src, err = parseAddr(c.IP.Src); err != nil {
		return s, p.wrong(path+".ip.src", "%w", err)
	}
	if h.Dst, err = parseAddr(c.IP.Dst); err != nil {
		return s, p.wrong(path+".ip.dst", "%w", err)
	}
	if h.SrcMAC, err = parseMAC(c.Eth.Src, from.Port.MAC()); err != nil {
		return s, p.wrong(path+".eth.src", "%w", err)
	}
	if h.DstMAC, err = parseMAC(c.Eth.Dst, nil); err != nil {
		return s, p.wrong(path+".eth.dst", "%w", err)
	}
	if h.DstMAC == nil {
		h.DstMAC = w.far(from, to, h.Dst, len(h.VLANs) > 0)
	}
	switch {
	case c.UDP != nil && c.TCP == nil && c.ICMP == nil:
		h.Proto, h.SrcPort, h.DstPort = pktgen.UDP, c.UDP.Src, c.UDP.Dst
	case c.TCP != nil && c.UDP == nil && c.ICMP == nil:
		h.Proto, h.SrcPort, h.DstPort = pktgen.TCP, c.TCP.Src, c.TCP.Dst
		if h.Flags, err = parseFlags(c.TCP.Flags); err != nil {
			return s, p.wrong(path+".tcp.flags", "%w", err)
		}
	case c.ICMP != nil && c.UDP == nil && c.TCP == nil:
		h.Proto, h.SrcPort, h.DstPort = pktgen.ICMP, c.ICMP.ID, c.ICMP.Seq
	default:
		return s, p.wrong(path, "want one of udp, tcp and icmp")
	}
	for j, v := range c.Vary {
		at := fmt.Sprintf("%s.vary[%d]", path, j)
		f, ok := pktgen.FieldByName(v.Field)
		if !ok {
			return s, p.wrong(at+".field", "%q: want one of %v", v.Field, pktgen.FieldNames())
		}
		order, ok := map[string]pktgen.Order{"": pktgen.Sequential, "sequential": pktgen.Sequential, "random": pktgen.Random, "zipf": pktgen.Zipf}[v.Order]
		if !ok {
			return s, p.wrong(at+".order", "%q: want sequential, random or zipf", v.Order)
		}
		if order != pktgen.Zipf && p.file.Has(at+".skew") {
			return s, p.wrong(at+".skew", "only order: zipf has one")
		}
		s.Vary = append(s.Vary, pktgen.Variation{Field: f, Count: v.Count, Step: v.Step, Order: order, Skew: v.Skew})
	}
	if err := pktgen.Check(&s, from); err != nil {
		return s, p.wrong(path, "%w", err)
	}
	return s, nil
}

func (p *profile) replay(w *world, s *pktgen.Stream, c *streamProfile, path string) error {
	r := &pktgen.Replay{File: c.Pcap, Loops: c.Loops, Speed: 1}
	switch c.Speed {
	case "", "original":
	case "max", "top":
		r.Speed = 0
	default:
		v, unit, err := parseAmount(c.Speed)
		if err != nil || v <= 0 || unit != "" && unit != "x" {
			return p.wrong(path+".speed", "%q: want a multiple of the original speed, such as 2.5, or original or max", c.Speed)
		}
		r.Speed = v
	}
	if c.Rate != "" {
		r.Speed = 0
	}
	if c.Loops == 0 && p.Duration == 0 {
		r.Loops = 1
	}
	skipped, err := r.Load()
	if err != nil {
		return p.wrong(path+".pcap", "%w", err)
	}
	if skipped > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%s: %d packets cannot be sent and are left out", c.Pcap, skipped))
	}
	s.Replay = r
	if err := pktgen.Check(s, w.port(c.From)); err != nil {
		return p.wrong(path, "%w", err)
	}
	return nil
}

// limits are the profile's for one run.
func (p *profile) limits() pktgen.Limits {
	return pktgen.Limits{Duration: p.Duration, Settle: p.Settle, Threads: p.Threads}
}

// defaultTrial is how long a trial of a method takes.
const defaultTrial = 2 * time.Second
