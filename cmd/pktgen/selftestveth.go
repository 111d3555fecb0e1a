package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	var seen [2][sha256.Size]byte
	for _, transmit := range []afxdp.Transmit{afxdp.TransmitAFXDP, afxdp.TransmitXDP} {
		if err := t.vethCounters(ctx, l, transmit); err != nil {
			t.check(fmt.Sprintf("veth, transmit %v, counters", transmit), false, "%v", err)
		}
	}
	// XDP frames arrive where no program is only with this.
	if out, err := l.Command("b", "ethtool", "-K", "b0", "gro", "on").CombinedOutput(); err != nil {
		t.check("veth, GRO", false, "%v: %s", err, out)
		return
	}
	for _, transmit := range []afxdp.Transmit{afxdp.TransmitAFXDP, afxdp.TransmitXDP} {
		if seen[transmit], err = t.vethCapture(ctx, l, transmit); err != nil {
			t.check(fmt.Sprintf("veth, transmit %v, tcpdump", transmit), false, "%v", err)
		}
	}
	t.check("veth, the same frames either way", seen[0] == seen[1], "SHA-256 of what tcpdump saw: %x and %x", seen[0][:4], seen[1][:4])
	if err := t.vethSessions(ctx, l); err != nil {
		t.check("veth, sessions", false, "%v", err)
	}
}

// openVeth opens an interface of a node.
func openVeth(l *lab.Lab, node, name string, transmit afxdp.Transmit) (*pktgen.Port, *afxdp.Interface, error) {
	opt := afxdp.DefaultOptions()
	opt.Transmit = transmit
	p := &pktgen.Port{Name: node, OneSend: transmit == afxdp.TransmitXDP, In: func(f func() error) error { return l.Do(node, f) }}
	var open *afxdp.Interface
	err := p.In(func() (err error) {
		open, err = afxdp.OpenInterface(name, opt)
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

// vethCounters sends from one interface to another.
func (t *selftest) vethCounters(ctx context.Context, l *lab.Lab, transmit afxdp.Transmit) error {
	const count = 50_000
	what := fmt.Sprintf("veth, transmit %v, ", transmit)
	a, aIf, err := openVeth(l, "a", "a0", transmit)
	if err != nil {
		return err
	}
	b, bIf, err := openVeth(l, "b", "b0", afxdp.TransmitAFXDP)
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
	t.equal(what+"sent against the kernel's TX counter", after.sent-before.sent, one.Sent)
	t.equal(what+"on its way against the kernel's RX counter", after.received-before.received, one.Sent)
	t.equal(what+"received and lost on the receive ring", one.Received+port.RxNoFrame+port.RxFull, one.Sent)
	t.equal(what+"sent against the count asked for", one.Sent, count)
	t.equal(what+"corrupt", run.Corrupt(), 0)
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

// vethCapture sends to an interface on which only tcpdump listens. It returns a
// hash of the frames.
func (t *selftest) vethCapture(ctx context.Context, l *lab.Lab, transmit afxdp.Transmit) (hash [sha256.Size]byte, err error) {
	const count = 5000
	dir, err := os.MkdirTemp("", "pktgen")
	if err != nil {
		return hash, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "seen.pcap")
	dump := l.Command("b", "tcpdump", "-i", "b0", "-n", "-U", "-Z", "root", "-B", "65536", "-w", file, "udp")
	if err := dump.Start(); err != nil {
		fmt.Fprintf(t.to, "skipped tcpdump: %v\n", err)
		return hash, nil
	}
	for i := 0; ; i++ { // the file is there when it listens
		if _, err := os.Stat(file); err == nil {
			break
		}
		if i == 100 {
			return hash, errors.Join(errors.New("tcpdump does not listen"), dump.Process.Kill(), dump.Wait())
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	sent, err := t.sendTo(ctx, l, count, transmit)
	for range 100 { // tcpdump may come to them late
		if seen, _, _ := captured(file); seen >= sent {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for one too many
	err = errors.Join(err, dump.Process.Signal(os.Interrupt))
	_ = dump.Wait() // how it takes the signal does not matter
	if err != nil {
		return hash, err
	}
	seen, hash, err := captured(file)
	t.equal(fmt.Sprintf("veth, transmit %v, sent against tcpdump's capture", transmit), seen, sent)
	return hash, err
}

// captured counts the frames of a pcap file of this machine and hashes them and
// their lengths; of one that is still written, as far as it is.
func captured(file string) (frames uint64, hash [sha256.Size]byte, err error) {
	const header, record, length = 24, 16, 8
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, hash, err
	}
	h := sha256.New()
	for b = b[min(header, len(b)):]; len(b) >= record; frames++ {
		end := record + int(binary.NativeEndian.Uint32(b[length:]))
		if end > len(b) {
			break
		}
		h.Write(b[length:end])
		b = b[end:]
	}
	return frames, [sha256.Size]byte(h.Sum(nil)), nil
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

// sendTo sends frames of the veth's end a, without signature: these have the time
// of sending.
func (t *selftest) sendTo(ctx context.Context, l *lab.Lab, count uint64, transmit afxdp.Transmit) (sent uint64, err error) {
	a, aIf, err := openVeth(l, "a", "a0", transmit)
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
	s.To, s.Unsigned = "", true
	run, err := rig.Run(ctx, pktgen.Load{Name: "tcpdump", Streams: []pktgen.Stream{s}}, pktgen.Limits{})
	if err != nil {
		return 0, err
	}
	return run.Streams[0].Sent, nil
}
