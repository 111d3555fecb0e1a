package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
	"github.com/sluice-net/sluice/tools/vm/wire"
)

// localCases are about the machine itself behind the box, and about its memory.
var localCases = []testCase{
	{name: "host path: ping and TCP with the machine itself", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, natRules, 2); err != nil {
			return "", err
		}
		for _, way := range [][2]string{{client, boxC4}, {client, boxC6}, {server, boxS4}, {server, boxS6}, {client, boxS4}} {
			if err := w.reaches(ctx, way[0], way[1]); err != nil {
				return "", err
			}
			r, err := lab.Ping(w.lab.NS(way[0]), netip.MustParseAddr(way[1]), lab.PingConfig{Count: 5, Interval: 20 * time.Millisecond})
			if err != nil || r.Received != r.Sent {
				return "", fmt.Errorf("ping from %s to %s: %v: %w", way[0], way[1], r, err)
			}
		}
		for _, to := range []string{client4, server4, server6} {
			if _, err := w.guest.run(ctx, "/bin/ping", "-c", "2", "-i", "0.1", "-W", "2", to); err != nil {
				return "", err
			}
		}
		before, err := w.retransmitted(ctx)
		if err != nil {
			return "", err
		}
		var details []string
		for _, to := range []string{boxC4, boxC6} {
			detail, err := w.transfer(ctx, to, 2, 128<<10)
			if err != nil {
				return "", err
			}
			details = append(details, detail)
		}
		if err := w.modes(ctx, "zero-copy", 2); err != nil {
			return "", err
		}
		after, err := w.retransmitted(ctx)
		if err != nil {
			return "", err
		}
		even, err := w.ledger(ctx)
		return fmt.Sprintf("copying veths beside zero-copy cards; %s; %d segments sent again; %s", strings.Join(details, "; "), after-before, even), err
	}},
	{name: "DHCP client on a port", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, natRules, 2); err != nil {
			return "", err
		}
		stop, err := w.serveDHCP(ctx)
		if err != nil {
			return "", err
		}
		defer stop()
		// It prints what it was given instead of configuring it.
		script := "#!/bin/sh\n[ \"$1\" = bound ] && echo \"bound $ip router $router\"\nexit 0\n"
		if err := w.guest.write(ctx, "/tmp/dhcp.sh", script); err != nil {
			return "", err
		}
		if err := w.shell(ctx, "chmod +x /tmp/dhcp.sh"); err != nil {
			return "", err
		}
		text, err := w.guest.run(ctx, "/bin/udhcpc", "-i", boxS, "-f", "-n", "-q", "-t", "5", "-T", "1", "-s", "/tmp/dhcp.sh")
		if err != nil {
			return "", err
		}
		if err := mentions(text, "bound 10.77.2.", "router "+server4); err != nil {
			return "", err
		}
		_, lease, _ := strings.Cut(text, "bound ")
		even, err := w.ledger(ctx)
		lease, _, _ = strings.Cut(lease, "\n")
		return fmt.Sprintf("busybox udhcpc, dnsmasq: %s; %s", lease, even), err
	}},
	{name: "frames on huge pages when there are any", run: func(ctx context.Context, w *world) (string, error) {
		if s, err := w.status(ctx); err != nil || s.HugePages {
			return "", fmt.Errorf("without any, status says of huge pages %v (%v)", s.HugePages, err)
		}
		if err := w.stopBox(ctx); err != nil {
			return "", err
		}
		if err := w.shell(ctx, "echo 64 > /proc/sys/vm/nr_hugepages"); err != nil {
			return "", err
		}
		defer func() { _ = w.shell(ctx, "echo 0 > /proc/sys/vm/nr_hugepages") }()
		before, err := w.hugePages(ctx)
		if err != nil {
			return "", err
		}
		if err := w.startBox(ctx, routerRules, 2); err != nil {
			return "", err
		}
		after, err := w.hugePages(ctx)
		if err != nil {
			return "", err
		}
		s, err := w.status(ctx)
		if err != nil {
			return "", err
		}
		if !s.HugePages || after >= before {
			return "", fmt.Errorf("of %d huge pages %d are free; status says %v", before, after, s.HugePages)
		}
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("%d of %d pages of 2 MiB taken; %s", before-after, before, detail), errors.Join(err, w.stopBox(ctx))
	}},
	{name: "frame size by MTU: 3000 in one piece, 9000 in several", run: func(ctx context.Context, w *world) (string, error) {
		defer func() { _ = w.setMTU(ctx, 1500) }()
		var details []string
		for _, row := range []struct {
			mtu, chunk int
			mode       string
		}{{3000, 4096, "zerocopy"}, {9000, 4096, "auto"}} { // the driver sends no pieces in zero-copy mode: a page each, copied
			if err := errors.Join(w.stopBox(ctx), w.setMTU(ctx, row.mtu), w.startBox(ctx, routerRules, 2, modeFlag, row.mode)); err != nil {
				return "", fmt.Errorf("MTU of %d: %w", row.mtu, err)
			}
			if err := w.warm(ctx); err != nil {
				return "", err
			}
			size := row.mtu - 100
			r, err := lab.Ping(w.lab.NS(client), netip.MustParseAddr(server4), lab.PingConfig{Count: 5, Size: size, Interval: 20 * time.Millisecond})
			if err != nil || r.Received != r.Sent {
				return "", fmt.Errorf("ping with %d bytes: %v: %w", size, r, err)
			}
			sockets, err := w.sockets(ctx)
			if err != nil {
				return "", err
			}
			for _, s := range sockets {
				if s.Chunk != row.chunk {
					return "", fmt.Errorf("frames of %d bytes for an MTU of %d", s.Chunk, row.mtu)
				}
			}
			even, err := w.ledger(ctx)
			if err != nil {
				return "", err
			}
			s, err := w.status(ctx)
			if err != nil {
				return "", err
			}
			details = append(details, fmt.Sprintf("%d: %s, ping with %d bytes: %d of %d; %s", row.mtu, s.Ports[0].Mode, size, r.Received, r.Sent, even))
		}
		return strings.Join(details, "; "), w.stopBox(ctx)
	}},
}

// serveDHCP runs dnsmasq in the server's node.
func (w *world) serveDHCP(ctx context.Context) (stop func(), err error) {
	cmd := lab.CommandContext(ctx, w.lab.NS(server), "dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--no-hosts",
		"--interface="+serverIf, "--bind-interfaces", "--dhcp-authoritative", "--dhcp-no-override", "--no-ping",
		"--dhcp-range=10.77.2.100,10.77.2.150,255.255.255.0,1h", "--dhcp-option=3,"+server4,
		"--dhcp-leasefile="+w.dir+"/leases", "--pid-file=")
	log := &logBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for end := time.Now().Add(5 * time.Second); !strings.Contains(log.last(20), "DHCP, IP range"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			return nil, fmt.Errorf("dnsmasq does not serve: %s", log.last(5))
		}
	}
	return stop, nil
}

// retransmitted returns how many TCP segments the machine has sent again.
func (w *world) retransmitted(ctx context.Context) (n int, err error) {
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpRead, Text: "/proc/net/snmp"})
	if err != nil {
		return 0, err
	}
	// Two lines begin with Tcp: names, then values.
	var lines [][]string
	for line := range strings.Lines(r.Text) {
		if strings.HasPrefix(line, "Tcp:") {
			lines = append(lines, strings.Fields(line))
		}
	}
	if len(lines) != 2 {
		return 0, errors.New("/proc/net/snmp has no lines about TCP")
	}
	return strconv.Atoi(lines[1][slices.Index(lines[0], "RetransSegs")])
}

// hugePages returns how many huge pages are free.
func (w *world) hugePages(ctx context.Context) (int, error) {
	text, err := w.guest.run(ctx, "/bin/cat", "/proc/meminfo")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "HugePages_Free:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	return strconv.Atoi(number)
}

// setMTU sets it on all four interfaces.
func (w *world) setMTU(ctx context.Context, mtu int) error {
	return errors.Join(
		w.shell(ctx, fmt.Sprintf("ip link set eth0 mtu %d; ip link set eth1 mtu %d", mtu, mtu)),
		w.lab.SetMTU(client, clientIf, mtu), w.lab.SetMTU(server, serverIf, mtu))
}
