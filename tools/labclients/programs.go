package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// both makes a check for each family.
func both(name string, v4, v6 netip.Addr, run func(ctx context.Context, w *world, to netip.Addr) (string, error)) []check {
	var list []check
	for _, a := range []struct {
		to     netip.Addr
		family string
	}{{v4, "IPv4"}, {v6, "IPv6"}} {
		list = append(list, check{name: name + " " + a.family, run: func(ctx context.Context, w *world) (string, error) {
			return run(ctx, w, a.to)
		}})
	}
	return list
}

var programChecks = func() []check {
	var list []check
	add := func(c ...check) { list = append(list, c...) }
	add(both("iperf3: TCP over", lab.Server4, lab.Server6, iperfTCP())...)
	add(both("iperf3: TCP from server to client over", lab.Server4, lab.Server6, iperfTCP("--reverse"))...)
	add(both("iperf3: UDP without loss over", lab.Server4, lab.Server6, iperfUDP)...)
	add(both("dig: UDP over", lab.Server4, lab.Server6, digs())...)
	add(both("dig: TCP over", lab.Server4, lab.Server6, digs("+tcp"))...)
	add(both("dig: an answer in fragments over", lab.Server4, lab.Server6, digLong)...)
	add(both("ping: through the box over", lab.Server4, lab.Server6, pings(lab.Client))...)
	add(both("ping: in fragments over", lab.Server4, lab.Server6, pings(lab.Client, "-s", "5000"))...)
	add(both("ping: the box over", lab.RouterC4, lab.RouterC6, pings(lab.Client))...)
	add(both("ping: from the box over", lab.Server4, lab.Server6, pings(lab.Router))...)
	add(check{name: "traceroute: the box is a hop", run: traceroute(lab.Server4, lab.RouterC4)},
		check{name: "traceroute6: the box is a hop", run: traceroute(lab.Server6, lab.RouterC6, "-6")},
		check{name: "traceroute: with ICMP the box is a hop", run: traceroute(lab.Server4, lab.RouterC4, "-I")},
		check{name: "tracepath: smaller MTU behind the box over IPv4", run: tracepath(far4, farMTU)},
		check{name: "tracepath: smaller MTU behind the box over IPv6", run: tracepath(far6, farMTU)})
	add(both("ssh: to the box over", lab.RouterC4, lab.RouterC6, func(ctx context.Context, w *world, to netip.Addr) (string, error) {
		return w.ssh(ctx, to)
	})...)
	return list
}()

const iperfSeconds = 3

// iperf runs iperf3's client against a server of its own: one that has served
// others may still be busy with them.
func (w *world) iperf(ctx context.Context, to netip.Addr, args ...string) (r iperfResult, err error) {
	server, err := startProcess(w.lab, lab.Server, "iperf3", "--server", "--one-off", "--forceflush", "--bind", to.String())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.end()) }()
	if err := poll(ctx, 10*time.Millisecond, func() error {
		if !strings.Contains(server.output.String(), "listening") {
			return fmt.Errorf("the server does not listen: %s", server.output)
		}
		return nil
	}); err != nil {
		return r, err
	}
	out, err := w.output(ctx, lab.Client, "iperf3", append([]string{"--client", to.String(), "--json",
		"--time", strconv.Itoa(iperfSeconds), "--connect-timeout", "2000"}, args...)...)
	if at := strings.IndexByte(out, '{'); at >= 0 {
		if parsed, failure := parseIperf(out[at:]); err == nil || failure != nil {
			return parsed, failure
		}
	}
	return r, err
}

func iperfTCP(args ...string) func(context.Context, *world, netip.Addr) (string, error) {
	return func(ctx context.Context, w *world, to netip.Addr) (string, error) {
		r, err := w.iperf(ctx, to, args...)
		if err == nil && r.End.SumReceived.Bytes < 1e6 {
			err = fmt.Errorf("%.0f bytes only in %d s", r.End.SumReceived.Bytes, iperfSeconds)
		}
		return fmt.Sprintf("%.2f Gbit/s, %d retransmissions", r.End.SumReceived.BitsPerSecond/1e9, r.End.SumSent.Retransmits), err
	}
}

func iperfUDP(ctx context.Context, w *world, to netip.Addr) (string, error) {
	r, err := w.iperf(ctx, to, "--udp", "--bitrate", "20M", "--length", "1200", "--get-server-output")
	s := &r.End.Sum
	if err == nil && (s.LostPackets != 0 || s.Packets < 1000) {
		err = fmt.Errorf("%d of %d datagrams lost", s.LostPackets, s.Packets)
	}
	return fmt.Sprintf("%.0f Mbit/s, %d datagrams", s.BitsPerSecond/1e6, s.Packets), err
}

// digs asks the name server behind the box for an address.
func digs(args ...string) func(context.Context, *world, netip.Addr) (string, error) {
	return func(ctx context.Context, w *world, to netip.Addr) (string, error) {
		out, err := w.output(ctx, lab.Client, "dig", append([]string{"@" + to.String(), "box.test", "A", "+short", "+time=2", "+tries=1"}, args...)...)
		if got := strings.TrimSpace(out); err == nil && got != "192.0.2.80" {
			err = fmt.Errorf("answer %q, want 192.0.2.80", got)
		}
		return "", err
	}
}

// digLong asks for an answer that needs two fragments.
func digLong(ctx context.Context, w *world, to netip.Addr) (string, error) {
	out, err := w.output(ctx, lab.Client, "dig", "@"+to.String(), "long.test", "TXT", "+short", "+ignore", "+bufsize=4096", "+time=2", "+tries=1")
	if n := len(out); err == nil && n < 250*txtStrings {
		err = fmt.Errorf("an answer of %d characters, want %d or more", n, 250*txtStrings)
	}
	return fmt.Sprintf("%d characters", len(out)), err
}

func pings(from string, args ...string) func(context.Context, *world, netip.Addr) (string, error) {
	return func(ctx context.Context, w *world, to netip.Addr) (string, error) {
		out, err := w.output(ctx, from, "ping", append([]string{"-n", "-q", "-c", "5", "-i", "0.1", "-W", "1", to.String()}, args...)...)
		m := lossText.FindStringSubmatch(out)
		if err == nil && (m == nil || m[2] != "5") {
			err = fmt.Errorf("want 5 replies: %s", out)
		}
		if at := strings.Index(out, "rtt "); err == nil && at >= 0 {
			return out[at:], nil
		}
		return "", err
	}
}

// traceroute wants the box to be the first hop and the target the second.
func traceroute(to, box netip.Addr, args ...string) func(context.Context, *world) (string, error) {
	return func(ctx context.Context, w *world) (string, error) {
		out, err := w.output(ctx, lab.Client, "traceroute", append(append([]string{"-n", "-q", "1", "-w", "2", "-m", "4"}, args...), to.String())...)
		if err != nil {
			return "", err
		}
		if h := hops(out); h[1] != box.String() || h[2] != to.String() {
			return "", fmt.Errorf("hops %v, want %v and %v: %s", h, box, to, out)
		}
		return fmt.Sprintf("%v, %v", box, to), nil
	}
}

// tracepath wants to be told of the MTU.
func tracepath(to netip.Addr, mtu int) func(context.Context, *world) (string, error) {
	return func(ctx context.Context, w *world) (string, error) {
		defer w.forgetPaths(ctx)
		out, err := w.output(ctx, lab.Client, "tracepath", "-n", "-m", "6", to.String())
		if err != nil {
			return "", err
		}
		if got := lastPMTU(out); got != mtu || !strings.Contains(out, "reached") {
			return "", fmt.Errorf("path MTU %d, want %d and %v reached: %s", got, mtu, to, out)
		}
		return fmt.Sprintf("path MTU %d", mtu), nil
	}
}

// forgetPaths makes the client forget what it has learnt of path MTUs.
func (w *world) forgetPaths(ctx context.Context) {
	for _, family := range []string{"-4", "-6"} {
		_, _ = w.output(ctx, lab.Client, "ip", family, "route", "flush", "cache") // best effort: the next check has another target
	}
}

// ssh runs `true` on the box.
func (w *world) ssh(ctx context.Context, to netip.Addr) (string, error) {
	begin := time.Now()
	_, err := w.output(ctx, lab.Client, "ssh", "-F", "/dev/null", "-i", filepath.Join(w.dir, "ssh", "user"),
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=3", "root@"+to.String(), "true")
	return fmt.Sprintf("%v", time.Since(begin).Round(time.Millisecond)), err
}
