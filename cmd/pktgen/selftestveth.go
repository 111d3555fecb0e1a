package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/lab"
)

// veth compares counts with the kernel's on two namespaces joined by a veth.
func (t *selftest) veth(ctx context.Context) {
	l, err := lab.Empty(lab.Unique("pktgen"))
	if err != nil {
		t.check("veth", false, "%v", err)
		return
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.check("veth", false, "%v", err)
		}
	}()
	for _, n := range []string{"a", "b"} {
		if err = errors.Join(err, l.AddNode(n, false)); err == nil {
			err = lab.Sysctl(l.NS(n), "net/ipv6/conf/all/disable_ipv6", "1")
		}
	}
	if err == nil {
		err = l.Connect("a", "a0", "b", "b0", lab.Cable{})
	}
	if err != nil {
		t.check("veth", false, "%v", err)
		return
	}
	if err := t.vethCounters(ctx, l); err != nil {
		t.check("veth, counters", false, "%v", err)
	}
	if err := t.vethCapture(ctx, l); err != nil {
		t.check("veth, tcpdump", false, "%v", err)
	}
	if err := t.vethSessions(ctx, l); err != nil {
		t.check("veth, sessions", false, "%v", err)
	}
}

// openVeth opens an interface of a node.
func openVeth(l *lab.Lab, node, name string) (*pktgen.Port, *afxdp.Interface, error) {
	p := &pktgen.Port{Name: node, In: func(f func() error) error { return l.Do(node, f) }}
	var open *afxdp.Interface
	err := p.In(func() (err error) {
		open, err = afxdp.OpenInterface(name, afxdp.DefaultOptions())
		return err
	})
	p.Port = open
	return p, open, err
}

func vethStream(l *lab.Lab, count uint64, rate float64) (pktgen.Stream, error) {
	s := testStream(count, rate, pktgen.IMIX())
	for node, mac := range map[string]*net.HardwareAddr{"a": &s.Headers.SrcMAC, "b": &s.Headers.DstMAC} {
		link, err := l.Link(node, node+"0")
		if err != nil {
			return s, err
		}
		*mac = link.HardwareAddr
	}
	return s, nil
}

// vethCounters sends from one AF_XDP port to another.
func (t *selftest) vethCounters(ctx context.Context, l *lab.Lab) error {
	const count = 50_000
	a, aIf, err := openVeth(l, "a", "a0")
	if err != nil {
		return err
	}
	b, bIf, err := openVeth(l, "b", "b0")
	if err != nil {
		return errors.Join(err, aIf.Close())
	}
	rig, err := pktgen.NewRig(perf.NewClock(), a, b)
	if err != nil {
		return errors.Join(err, aIf.Close(), bIf.Close())
	}
	shut := func() error { return errors.Join(aIf.Close(), bIf.Close(), rig.Close()) }
	s, err := vethStream(l, count, 50_000)
	if err != nil {
		return errors.Join(err, shut())
	}
	before, err := vethCounts(l)
	if err != nil {
		return errors.Join(err, shut())
	}
	run, err := rig.Run(ctx, pktgen.Load{Name: "veth", Streams: []pktgen.Stream{s}}, pktgen.Limits{Threads: 1, Settle: 500 * time.Millisecond})
	if err != nil {
		return errors.Join(err, shut())
	}
	after, err := vethCounts(l)
	if err = errors.Join(err, shut()); err != nil {
		return err
	}
	one, port := &run.Streams[0], &run.Ports[1]
	t.equal("veth, sent against the kernel's TX counter", after.sent-before.sent, one.Sent)
	t.equal("veth, on its way against the kernel's RX counter", after.received-before.received, one.Sent)
	t.equal("veth, received and lost on the receive ring", one.Received+port.RxNoFrame+port.RxFull, one.Sent)
	t.equal("veth, corrupt", run.Corrupt(), 0)
	fmt.Fprintf(t.to, "       veth at %s (%s mode): latency p50 %s, p99 %s\n", report.Rate(one.SentPPS), port.Mode,
		report.Nanos(one.Latency.Quantile(0.5)), report.Nanos(one.Latency.Quantile(0.99)))
	return nil
}

type vethCount struct{ sent, received uint64 }

func vethCounts(l *lab.Lab) (c vethCount, err error) {
	a, err := l.Link("a", "a0")
	if err != nil {
		return c, err
	}
	b, err := l.Link("b", "b0")
	if err != nil {
		return c, err
	}
	return vethCount{a.Statistics.TxPackets, b.Statistics.RxPackets}, nil
}

// vethCapture sends to an interface on which only tcpdump listens.
func (t *selftest) vethCapture(ctx context.Context, l *lab.Lab) error {
	const count = 5000
	dir, err := os.MkdirTemp("", "pktgen")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "seen.pcap")
	dump := l.Command("b", "tcpdump", "-i", "b0", "-n", "-U", "-Z", "root", "-B", "65536", "-w", file, "udp")
	if err := dump.Start(); err != nil {
		fmt.Fprintf(t.to, "skipped tcpdump: %v\n", err)
		return nil
	}
	for i := 0; ; i++ { // the file is there when it listens
		if _, err := os.Stat(file); err == nil {
			break
		}
		if i == 100 {
			return errors.Join(errors.New("tcpdump does not listen"), dump.Process.Kill(), dump.Wait())
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	sent, err := t.sendTo(ctx, l, count)
	time.Sleep(500 * time.Millisecond)
	err = errors.Join(err, dump.Process.Signal(os.Interrupt))
	_ = dump.Wait() // how it takes the signal does not matter
	if err != nil {
		return err
	}
	seen := &pktgen.Replay{File: file}
	if _, err := seen.Load(); err != nil {
		return err
	}
	t.equal("veth, sent against tcpdump's capture", uint64(seen.Frames()), sent)
	return nil
}

// vethSessions opens connections over the veth, from a profile as a user would.
func (t *selftest) vethSessions(ctx context.Context, l *lab.Lab) error {
	p, err := parseProfile("selftest.yaml", fmt.Appendf(nil, `
ports:
  - {name: a, interface: a0, netns: %s}
  - {name: b, interface: b0, netns: %s}
sessions:
  from: a
  to: b
  clients: {first: 10.1.0.1, count: 100}
  servers: {first: 10.2.0.1, count: 10}
  open: 200
  rate: 2000
  total: 2000
  answer: 3000
`, l.NS("a"), l.NS("b")))
	if err != nil {
		return err
	}
	d, err := p.execute(ctx, newDisplay(io.Discard, true))
	if err != nil {
		return err
	}
	s := &d.Sessions[0]
	t.equal("veth, sessions completed", s.Completed, 2000)
	t.equal("veth, sessions with bad frames", s.Bad, 0)
	return nil
}

// sendTo sends frames of the veth's end a.
func (t *selftest) sendTo(ctx context.Context, l *lab.Lab, count uint64) (sent uint64, err error) {
	a, aIf, err := openVeth(l, "a", "a0")
	if err != nil {
		return 0, err
	}
	rig, err := pktgen.NewRig(perf.NewClock(), a)
	if err != nil {
		return 0, errors.Join(err, aIf.Close())
	}
	defer func() { err = errors.Join(err, aIf.Close(), rig.Close()) }()
	s, err := vethStream(l, count, 10_000)
	if err != nil {
		return 0, err
	}
	s.To = ""
	run, err := rig.Run(ctx, pktgen.Load{Name: "tcpdump", Streams: []pktgen.Stream{s}}, pktgen.Limits{})
	if err != nil {
		return 0, err
	}
	return run.Streams[0].Sent, nil
}
