package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/lab"
	"github.com/sluice-net/sluice/tools/vm/wire"
)

// trafficCases are about what passes the box.
var trafficCases = []testCase{
	{name: "one worker: a card that adds queues with the program", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, routerRules, 1); err != nil {
			return "", err
		}
		sockets, err := w.sockets(ctx)
		if err != nil {
			return "", err
		}
		links, err := w.interfaces(ctx)
		if err != nil {
			return "", err
		}
		modes := map[string]int{}
		for _, s := range sockets {
			if s.Ifindex == links[boxC].Index || s.Ifindex == links[boxS].Index {
				modes[s.Option]++
			}
		}
		// The queues that go with the program must not be bound in zero-copy mode.
		if modes["zero-copy"] != 2 || modes["copy"] != 2*(maxQueues-1) {
			return "", fmt.Errorf("sockets by mode: %v, want 1 in zero-copy mode and %d that copy for each card", modes, maxQueues-1)
		}
		detail, err := w.exact(ctx, 4000, 64)
		return fmt.Sprintf("1 queue becomes %d: 1 in zero-copy mode, the others copy; %s", maxQueues, detail), err
	}},
	{name: "NAT and conntrack: TCP", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, natRules, 2); err != nil {
			return "", err
		}
		if err := w.warm(ctx); err != nil {
			return "", err
		}
		const conns = 8
		detail, err := w.transfer(ctx, server4, conns, 256<<10)
		if err != nil {
			return "", err
		}
		flows, err := w.flows(ctx, "tcp")
		if err != nil {
			return "", err
		}
		if len(flows) != conns {
			return "", fmt.Errorf("%d flows are listed, want %d: %v", len(flows), conns, flows)
		}
		for _, f := range flows {
			if err := mentions(f, "src="+client4, "dst="+server4, "src="+server4+" dst="+boxS4, "ASSURED"); err != nil {
				return "", err
			}
		}
		even, err := w.ledger(ctx)
		return fmt.Sprintf("%s; %d flows translated to %s; %s", detail, len(flows), boxS4, even), err
	}},
	{name: "TCP over IPv6", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.reaches(ctx, client, server6); err != nil {
			return "", err
		}
		detail, err := w.transfer(ctx, server6, 4, 256<<10)
		if err != nil {
			return "", err
		}
		even, err := w.ledger(ctx)
		return detail + "; " + even, err
	}},
	{name: "flows over 4 queues, both directions meet", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, natRules, 4); err != nil {
			return "", err
		}
		if err := w.warm(ctx); err != nil {
			return "", err
		}
		const flows = 64
		s := stream{from: client, to: server, source: client4, dest: server4, count: 6400, flows: flows, answer: true}
		t, err := s.run(ctx, w.lab)
		if err == nil {
			err = t.complete()
		}
		if err != nil {
			return "", err
		}
		listed, err := w.flows(ctx, "udp")
		if err != nil {
			return "", err
		}
		if len(listed) != flows || strings.Contains(strings.Join(listed, " "), "UNREPLIED") {
			return "", fmt.Errorf("%d flows are listed, want %d, all answered: %v", len(listed), flows, listed)
		}
		status, err := w.status(ctx)
		if err != nil {
			return "", err
		}
		var shares []string
		var over, all uint64
		for _, k := range status.Workers {
			if k.RxPackets == 0 {
				return "", fmt.Errorf("a worker has received nothing: %+v", status.Workers)
			}
			shares = append(shares, fmt.Sprint(k.RxPackets))
			over += k.HandoversOut
			all += k.RxPackets
		}
		if status.FramesLost != 0 {
			return "", fmt.Errorf("ledger: %d of %d frames are lost", status.FramesLost, status.Frames)
		}
		return fmt.Sprintf("%v; %d flows, each in both directions; received by workers %s, handed over %d of %d; ledger 0 of %d",
			t, flows, strings.Join(shares, "+"), over, all, status.Frames), nil
	}},
	{name: "VLAN tags cross a wire", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, routerRules, 2, "--mode", "wire"); err != nil {
			return "", err
		}
		return w.tagged(ctx)
	}},
	{name: "VLAN offload is refused with what mends it, off it works", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.stopBox(ctx); err != nil {
			return "", err
		}
		if err := w.shell(ctx, "ip link set "+offloadIf+" up"); err != nil {
			return "", err
		}
		said, err := w.refused(ctx, "--port", offloadIf, "--workers", "1")
		if err != nil {
			return said, err
		}
		if err := mentions(said, offloadIf, "ethtool -K "+offloadIf+" rxvlan off txvlan off"); err != nil {
			return "", err
		}
		r := wire.Request{Op: wire.OpFeatures, Text: offloadIf, Args: []string{"rx-vlan-hw-parse", "tx-vlan-hw-insert"}}
		if _, err := w.guest.call(ctx, r); err != nil {
			return "", err
		}
		if err := w.startBoxWith(ctx, routerRules, "--port", offloadIf, "--workers", "1"); err != nil {
			return "", err
		}
		s, err := w.status(ctx)
		if err != nil || len(s.Ports) != 1 {
			return "", fmt.Errorf("status %+v: %w", s, err)
		}
		return fmt.Sprintf("vmxnet3: %s; then %s, mode %s", said, s.Ports[0].XDP, s.Ports[0].Mode), nil
	}},
}

// flows returns the lines that conntrack lists for a protocol and the streams'
// and transfers' addresses.
func (w *world) flows(ctx context.Context, proto string) ([]string, error) {
	text, err := w.guest.run(ctx, "/bin/sluice", "conntrack", "-L", "-p", proto, "-s", client4, "-d", server4)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, proto) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all, nil
}

// tagged sends frames with one and two VLAN tags both ways and compares what
// comes out with what went in.
func (w *world) tagged(ctx context.Context) (string, error) {
	taps := map[string]*lab.Tap{}
	for _, at := range [][2]string{{client, clientIf}, {server, serverIf}} {
		t, err := lab.OpenTap(w.lab.NS(at[0]), at[1], lab.TapConfig{Incoming: true})
		if err != nil {
			return "", err
		}
		defer t.Close()
		taps[at[0]] = t
	}
	sent := 0
	for i, tags := range [][]frame.Layer{{}, {frame.VLAN{TCI: 100}}, {frame.VLAN{TCI: 7, TPID: frame.TypeQinQ}, frame.VLAN{TCI: 100}}} {
		for _, way := range [][4]string{{client, server, client4, server4}, {server, client, server4, client4}} {
			for n := range 20 {
				layers := []frame.Layer{frame.Ether{}}
				layers = append(layers, tags...)
				layers = append(layers,
					frame.IPv4{Src: way[2], Dst: way[3]},
					frame.UDP{Src: uint16(1000 + i), Dst: uint16(2000 + n)}, frame.Zeros(200+n))
				want := frame.Build(layers...)
				if err := taps[way[0]].Send(want); err != nil {
					return "", err
				}
				_, err := taps[way[1]].RecvIf(3*time.Second, func(f lab.Frame) bool { return string(f.Data) == string(want) })
				if err != nil {
					return "", fmt.Errorf("frame %d with %d tags from %s: %w", n, len(tags), way[0], err)
				}
				sent++
			}
		}
	}
	even, err := w.ledger(ctx)
	return fmt.Sprintf("%d frames with none, one and two tags, unchanged; %s", sent, even), err
}

// exact sends datagrams both ways and demands that as many arrive as were sent,
// that the box has counted as many, and that its ledger is even.
func (w *world) exact(ctx context.Context, count, flows int) (string, error) {
	if err := w.warm(ctx); err != nil {
		return "", err
	}
	before, err := w.counted(ctx)
	if err != nil {
		return "", err
	}
	began, err := w.status(ctx)
	if err != nil {
		return "", err
	}
	var all [2]tally
	for i, s := range bothWays(count, flows) {
		if all[i], err = s.run(ctx, w.lab); err != nil {
			return "", err
		}
		if err := all[i].complete(); err != nil {
			after, failure := w.status(ctx)
			return "", fmt.Errorf("%s to %s: %w; the box: %+v %w", s.from, s.to, err, after, failure)
		}
	}
	after, err := w.counted(ctx)
	if err != nil {
		return "", err
	}
	if after-before != uint64(2*count) {
		return "", fmt.Errorf("%d datagrams, counted by the box: %d", 2*count, after-before)
	}
	ended, err := w.status(ctx)
	if err != nil {
		return "", err
	}
	if ended.FramesLost != 0 {
		return "", fmt.Errorf("ledger: %d of %d frames are lost", ended.FramesLost, ended.Frames)
	}
	for _, p := range ended.Ports {
		if len(p.Lost) > 0 {
			return "", fmt.Errorf("%s lost %v", p.Name, p.Lost)
		}
	}
	var handed, shares string
	var over uint64
	for i, k := range ended.Workers {
		was := began.Workers[i]
		over += k.HandoversOut - was.HandoversOut
		shares += fmt.Sprintf("%s%d", map[bool]string{true: "+"}[i > 0], k.RxPackets-was.RxPackets)
	}
	if len(ended.Workers) > 1 {
		handed = fmt.Sprintf(", received by workers %s, %d handed over", shares, over)
	}
	return fmt.Sprintf("%d + %d datagrams arrived and counted%s, %.0f a second, ledger 0 of %d", all[0].got, all[1].got, handed,
		float64(2*count)/(all[0].took+all[1].took).Seconds(), ended.Frames), nil
}

// warm makes everybody know their neighbours: while the box asks for one, only
// some packets can wait.
func (w *world) warm(ctx context.Context) error {
	for _, way := range [][2]string{{client, server4}, {server, client4}} {
		if err := w.reaches(ctx, way[0], way[1]); err != nil {
			return err
		}
	}
	return nil
}

// reaches waits until a ping from a node is answered.
func (w *world) reaches(ctx context.Context, node, to string) error {
	for {
		r, err := lab.Ping(w.lab.NS(node), netip.MustParseAddr(to), lab.PingConfig{Count: 1, Timeout: 500 * time.Millisecond})
		if err == nil && r.Received == 1 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("ping from %s to %s: %v: %w", node, to, r, errors.Join(err, ctx.Err()))
		}
	}
}

// transfer sends bytes over TCP connections from the client to an echo service
// in the server's node, or the machine's own when to is not the server's, and
// back.
func (w *world) transfer(ctx context.Context, to string, conns, bytes int) (string, error) {
	port := "7"
	if to == server4 || to == server6 {
		l, err := lab.ListenIn(w.lab.NS(server), "tcp", net.JoinHostPort(to, port))
		if err != nil {
			return "", err
		}
		defer l.Close()
		go echo(l)
	}
	begin := time.Now()
	errs := make([]error, conns)
	var wait sync.WaitGroup
	for i := range conns {
		wait.Go(func() { errs[i] = w.thereAndBack(ctx, net.JoinHostPort(to, port), bytes) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("TCP to %s: %w", to, err)
	}
	took := time.Since(begin)
	return fmt.Sprintf("%d TCP connections, %d KiB each way, %.0f Mbit/s", conns, conns*bytes>>10,
		float64(2*8*conns*bytes)/1e6/took.Seconds()), nil
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c) // the peer sees what goes wrong
		}()
	}
}

// thereAndBack sends random bytes from the client to an echo service and
// compares what comes back.
func (w *world) thereAndBack(ctx context.Context, to string, bytes int) error {
	c, err := lab.DialIn(w.lab.NS(client), "tcp", to, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return err
		}
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	sent, got := sha256.New(), sha256.New()
	sending := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(c, sent), rand.NewChaCha8(seed), int64(bytes))
		sending <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	n, err := io.Copy(got, c)
	if err := errors.Join(err, <-sending); err != nil {
		return err
	}
	if n != int64(bytes) || [32]byte(got.Sum(nil)) != [32]byte(sent.Sum(nil)) {
		return fmt.Errorf("%d bytes sent, %d came back, or others", bytes, n)
	}
	return nil
}
