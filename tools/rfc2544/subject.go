package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/tools/lab"
)

// rules are what both filter by: an established flow meets the first one.
const rules = `table ip filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		ip saddr 192.168.0.0/16 drop
		ip daddr 172.16.0.0/12 drop
		tcp dport { 22, 80, 443 } ct state new accept
		udp dport 123 ct state new accept
		icmp type echo-request accept
		udp dport 53 ct state new accept
	}
}
`

// subject is what forwards, its lab, and the generator around it.
type subject struct {
	name    string
	lab     *lab.Lab
	dir     string
	box     *lab.Cmd // nil: the kernel
	log     bytes.Buffer
	ended   chan error
	ports   []*afxdp.Interface
	rig     *pktgen.Rig
	forward pktgen.Stream // client to server
}

func (o *options) newSubject(ctx context.Context, name string) (s *subject, err error) {
	s = &subject{name: name}
	if s.dir, err = os.MkdirTemp("", "rfc2544"); err != nil {
		return s, err
	}
	if s.lab, err = lab.New(lab.Unique("rfc" + strings.Fields(name)[0][:1])); err != nil {
		return s, err
	}
	if err = s.network(); err != nil {
		return s, err
	}
	if name == "sluice" {
		err = s.startBox(o)
	} else {
		err = s.startKernel(o)
	}
	if err != nil {
		return s, err
	}
	if err = s.generator(o); err != nil {
		return s, err
	}
	if err = s.establish(ctx, uint64(o.flows)); err != nil {
		return s, err
	}
	return s, s.rest()
}

// network gives the lab routes and neighbours, so that nobody asks for any.
func (s *subject) network() error {
	ns := s.lab.NS(lab.Router)
	errs := []error{
		s.lab.AddRoute(lab.Router, "10.128.0.0/10", lab.Client4.String()),
		s.lab.AddRoute(lab.Router, "10.64.0.0/10", lab.Server4.String()),
	}
	for _, n := range []struct{ node, ifname, own, addr string }{
		{lab.Client, lab.ClientIf, lab.RouterIfC, lab.Client4.String()},
		{lab.Server, lab.ServerIf, lab.RouterIfS, lab.Server4.String()},
	} {
		far, err := s.lab.Link(n.node, n.ifname)
		if err != nil {
			return err
		}
		errs = append(errs,
			s.run(lab.Router, "", "ip", "neigh", "replace", n.addr, "lladdr", far.HardwareAddr.String(), "dev", n.own, "nud", "permanent"),
			lab.Sysctl(ns, "net/ipv4/conf/"+n.own+"/rp_filter", "0"),
			lab.Sysctl(s.lab.NS(n.node), "net/ipv6/conf/all/disable_ipv6", "1"))
	}
	return errors.Join(errs...)
}

func (s *subject) run(node, input, name string, args ...string) error {
	cmd := s.lab.Command(node, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// startKernel makes the kernel filter and forward, in threads on its CPU.
func (s *subject) startKernel(o *options) error {
	ns := s.lab.NS(lab.Router)
	err := errors.Join(
		s.run(lab.Router, "", "ethtool", "-K", lab.RouterIfC, "gro", "on"),
		s.run(lab.Router, "", "ethtool", "-K", lab.RouterIfS, "gro", "on"),
		s.run(lab.Router, rules, "nft", "-f", "-"),
		lab.Sysctl(ns, "net/netfilter/nf_conntrack_udp_timeout", "7200"),
		lab.Sysctl(ns, "net/netfilter/nf_conntrack_udp_timeout_stream", "7200"),
	)
	if err != nil {
		return err
	}
	for _, ifname := range []string{lab.RouterIfC, lab.RouterIfS} {
		tid, err := lab.ThreadNAPI(ns, ifname)
		if err != nil {
			return err
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, -20); err != nil {
			return fmt.Errorf("priority of the NAPI thread of %s: %w", ifname, err)
		}
		if err := lab.Pin(tid, o.cpus[1]); err != nil {
			return err
		}
	}
	return nil
}

// startBox runs the box on its CPU.
func (s *subject) startBox(o *options) error {
	program, err := filepath.Abs(o.sluice)
	if err != nil {
		return err
	}
	ruleset, config := filepath.Join(s.dir, "rules.nft"), filepath.Join(s.dir, "sluice.yaml")
	text := fmt.Sprintf("rules: %s\nports:\n  - name: r0\n  - name: r1\nworkers: 1\nlog_level: warn\nconntrack:\n  nf_conntrack_udp_timeout: 7200\n  nf_conntrack_udp_timeout_stream: 7200\n", ruleset)
	if err := errors.Join(os.WriteFile(ruleset, []byte(rules), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return err
	}
	s.box = s.lab.Command(lab.Router, "taskset", "-c", fmt.Sprint(o.cpus[1]), program, "run", "-c", config)
	s.box.Stdout, s.box.Stderr = &s.log, &s.log
	if err := s.box.Start(); err != nil {
		s.box = nil
		return err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.box.Wait() }()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if s.run(lab.Router, "", program, "status") == nil {
			return nil
		}
		select {
		case err := <-s.ended:
			s.box = nil
			return fmt.Errorf("the box ended: %v\n%s", err, s.log.String())
		default:
		}
		if time.Now().After(limit) {
			return errors.New("the box is not ready after 20 s")
		}
	}
}

// bursts are how many of them go by one system call at top speed.
const bursts = 8

// generator opens the client's and the server's interface.
func (s *subject) generator(o *options) error {
	var ports []*pktgen.Port
	var macs [2]net.HardwareAddr
	for i, n := range []struct{ node, ifname, gateway string }{{lab.Client, lab.ClientIf, lab.RouterIfC}, {lab.Server, lab.ServerIf, lab.RouterIfS}} {
		opt := afxdp.DefaultOptions()
		opt.TxBudget = 64 * bursts
		p := &pktgen.Port{Name: n.node, Bursts: bursts, In: func(f func() error) error { return s.lab.Do(n.node, f) }}
		err := p.In(func() error {
			f, err := afxdp.OpenInterface(n.ifname, opt)
			if err == nil {
				p.Port = f
				s.ports = append(s.ports, f)
			}
			return err
		})
		if err != nil {
			return err
		}
		ports = append(ports, p)
		gateway, err := s.lab.Link(lab.Router, n.gateway)
		if err != nil {
			return err
		}
		macs[i] = gateway.HardwareAddr
	}
	var err error
	if s.rig, err = pktgen.NewRig(perf.NewClock(), ports...); err != nil {
		return err
	}
	s.forward = pktgen.Stream{
		Name: "flows", From: lab.Client, To: lab.Server, Sizes: pktgen.FixedSize(64),
		Headers: pktgen.Headers{
			SrcMAC: ports[0].Port.MAC(), DstMAC: macs[0], Src: netip.MustParseAddr("10.128.0.1"), Dst: netip.MustParseAddr("10.64.0.1"),
			SrcPort: 1024, DstPort: 53,
		},
		Vary: []pktgen.Variation{{Field: pktgen.FieldSrc, Count: uint32(o.flows)}},
	}
	return nil
}

// establish sends a frame of every flow and an answer to it.
func (s *subject) establish(ctx context.Context, flows uint64) error {
	there := s.forward
	back := there
	back.From, back.To = there.To, there.From
	h := &back.Headers
	link, err := s.lab.Link(lab.Router, lab.RouterIfS)
	if err != nil {
		return err
	}
	h.SrcMAC, h.DstMAC = s.ports[1].MAC(), link.HardwareAddr
	h.Src, h.Dst, h.SrcPort, h.DstPort = h.Dst, h.Src, h.DstPort, h.SrcPort
	back.Vary = []pktgen.Variation{{Field: pktgen.FieldDst, Count: uint32(flows)}}
	for _, one := range []pktgen.Stream{there, back} {
		one.Count, one.Rate = flows, pktgen.Rate{Value: 5000, Unit: pktgen.PacketsPerSec}
		run, err := s.rig.Run(ctx, pktgen.Load{Name: "establish", Streams: []pktgen.Stream{one}}, pktgen.Limits{Threads: 1})
		if err != nil {
			return err
		}
		if r := &run.Streams[0]; r.Lost*100 > r.Sent {
			return fmt.Errorf("flows from %s are not forwarded: %d of %d arrived", one.From, r.Received, r.Sent)
		}
	}
	return nil
}

// rest and wake take a waiting box's hands off the CPU.
func (s *subject) rest() error { return s.signal(unix.SIGSTOP) }
func (s *subject) wake() error { return s.signal(unix.SIGCONT) }

func (s *subject) signal(sig unix.Signal) error {
	if s.box == nil {
		return nil
	}
	return s.box.Process.Signal(sig)
}

// close removes everything, however far it was made.
func (s *subject) close() error {
	var errs []error
	for _, p := range s.ports {
		errs = append(errs, p.Close())
	}
	if s.rig != nil {
		errs = append(errs, s.rig.Close())
	}
	if s.box != nil {
		errs = append(errs, s.wake(), s.signal(unix.SIGTERM))
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			errs = append(errs, errors.New("the box did not end on SIGTERM"), s.box.Process.Kill())
		}
	}
	if s.lab != nil {
		errs = append(errs, s.lab.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
