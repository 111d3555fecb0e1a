package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

var policyChecks = []check{
	{name: "policy: a port that is not allowed times out and is counted", run: func(ctx context.Context, w *world) (string, error) {
		return w.stopped(ctx, lab.Client, net.JoinHostPort(lab.Server4.String(), closedPort), "not allowed")
	}},
	{name: "policy: the same over IPv6", run: func(ctx context.Context, w *world) (string, error) {
		return w.stopped(ctx, lab.Client, net.JoinHostPort(lab.Server6.String(), closedPort), "not allowed")
	}},
	{name: "policy: nothing comes in from the server side", run: func(ctx context.Context, w *world) (string, error) {
		return w.stopped(ctx, lab.Server, net.JoinHostPort(lab.Client4.String(), closedPort), "not allowed")
	}},
	{name: "policy: a closed port of the box times out and is counted", run: func(ctx context.Context, w *world) (string, error) {
		return w.stopped(ctx, lab.Server, net.JoinHostPort(lab.RouterS4.String(), "9"), "closed to all")
	}},
	{name: "policy: reject with a reset", run: rejected},
	{name: "sluice status: ports and workers", box: true, run: func(ctx context.Context, w *world) (string, error) {
		out, err := w.box.control(ctx, "status")
		for _, word := range []string{lab.RouterIfC, lab.RouterIfS} {
			if err == nil && !strings.Contains(out, word) {
				err = fmt.Errorf("no %s in %s", word, out)
			}
		}
		return "", err
	}},
	{name: "sluice conntrack: a masqueraded connection is listed", box: true, run: listed},
	{name: "sluice nft -f: a broken file changes nothing", box: true, run: brokenRules},
	{name: "sluice nft -f: new rules hold at once, connections live on", box: true, run: newRules},
	{name: "neighbour advertisements have the router flag", run: routerFlag},
}

// stopped wants a connection not to come about, without an answer, and the rule
// that drops it to count it.
func (w *world) stopped(ctx context.Context, from, address, comment string) (string, error) {
	before, err := w.box.counter(ctx, comment)
	if err != nil {
		return "", err
	}
	c, err := lab.DialIn(w.lab.NS(from), "tcp", address, 1500*time.Millisecond)
	if err == nil {
		_ = c.Close()
		return "", fmt.Errorf("%s can be reached", address)
	}
	if !silent(err) {
		return "", fmt.Errorf("%s: want silence, got: %w", address, err)
	}
	after, err := w.box.counter(ctx, comment)
	if err != nil {
		return "", err
	}
	if after <= before {
		return "", fmt.Errorf("the rule %q counts %d packets before and %d after", comment, before, after)
	}
	return fmt.Sprintf("%q counted %d packets", comment, after-before), nil
}

// silent says whether a connection failed for want of any answer.
func silent(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func rejected(ctx context.Context, w *world) (string, error) {
	c, err := lab.DialIn(w.lab.NS(lab.Client), "tcp", net.JoinHostPort(lab.Server4.String(), refusedPort), 1500*time.Millisecond)
	if err == nil {
		_ = c.Close()
		return "", errors.New("the port can be reached")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return "", fmt.Errorf("want a refusal, got: %w", err)
	}
	n, err := w.box.counter(ctx, "refused")
	if err == nil && n == 0 {
		err = errors.New("the rule has not counted it")
	}
	return "", err
}

func listed(ctx context.Context, w *world) (string, error) {
	c, err := lab.DialIn(w.lab.NS(lab.Client), "tcp", net.JoinHostPort(lab.Server4.String(), echoPort), 2*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	port := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	out, err := w.box.control(ctx, "conntrack", "-L")
	if err != nil {
		return "", err
	}
	original := fmt.Sprintf("src=%v dst=%v sport=%d dport=%s", lab.Client4, lab.Server4, port, echoPort)
	reply := fmt.Sprintf("src=%v dst=%v sport=%s", lab.Server4, lab.RouterS4, echoPort)
	for line := range strings.Lines(out) {
		if strings.Contains(line, original) {
			if !strings.Contains(line, reply) || !strings.Contains(line, "ESTABLISHED") || !strings.Contains(line, "[ASSURED]") {
				return "", fmt.Errorf("want %q, ESTABLISHED and [ASSURED]: %s", reply, line)
			}
			return line, nil
		}
	}
	return "", fmt.Errorf("no %q among %d connections", original, strings.Count(out, "\n"))
}

// writeRules writes rules beside those of the box and returns the file.
func (w *world) writeRules(name string, text []byte) (string, error) {
	path := w.dir + "/" + name
	return path, os.WriteFile(path, text, 0o600)
}

func brokenRules(ctx context.Context, w *world) (string, error) {
	before, err := w.box.control(ctx, "nft", "list", "ruleset")
	if err != nil {
		return "", err
	}
	path, err := w.writeRules("broken.nft", []byte("flush ruleset\ntable inet filter {\n\tchain forward { tcp dport nonsense accept\n\t}\n}\n"))
	if err != nil {
		return "", err
	}
	if out, err := w.box.control(ctx, "nft", "-f", path); err == nil {
		return "", fmt.Errorf("it was accepted: %s", out)
	}
	after, err := w.box.control(ctx, "nft", "list", "ruleset")
	if err == nil && counterText.ReplaceAllString(before, "") != counterText.ReplaceAllString(after, "") {
		err = fmt.Errorf("the rules have changed from %s to %s", before, after)
	}
	return "", err
}

// newRules allows the closed port and forbids it again under traffic.
func newRules(ctx context.Context, w *world) (string, error) {
	t, err := w.startTraffic(ctx, lab.Server4, lab.Server6)
	if err != nil {
		return "", err
	}
	defer t.stop()
	begin := time.Now()
	address := net.JoinHostPort(lab.Server4.String(), closedPort)
	open := "flush ruleset\n" + strings.Replace(string(labRules), "tcp dport { 7,", "tcp dport { "+closedPort+", 7,", 1)
	path, err := w.writeRules("open.nft", []byte(open))
	if err != nil {
		return "", err
	}
	if _, err := w.box.control(ctx, "nft", "-f", path); err != nil {
		return "", err
	}
	c, err := lab.DialIn(w.lab.NS(lab.Client), "tcp", address, 2*time.Second)
	if err != nil {
		return "", fmt.Errorf("after the port was opened: %w", err)
	}
	_ = c.Close()
	path, err = w.writeRules("again.nft", []byte("flush ruleset\n"+string(labRules)))
	if err != nil {
		return "", err
	}
	if _, err := w.box.control(ctx, "nft", "-f", path); err != nil {
		return "", err
	}
	if _, err := w.stopped(ctx, lab.Client, address, "not allowed"); err != nil {
		return "", err
	}
	if gap := t.gap(begin, time.Now()); gap > 300*time.Millisecond {
		return "", fmt.Errorf("traffic paused for %v", gap)
	}
	return "", t.alive(ctx, 3*time.Second)
}

// Places in the frame of a neighbour advertisement.
const (
	advertType  = 136
	ipv6At      = 14
	icmpAt      = ipv6At + 40
	flagsAt     = icmpAt + 4
	targetAt    = icmpAt + 8
	advertBytes = targetAt + 16
	routerBit   = 0x80
)

// routerFlag makes the client ask who has the box's address and looks at the
// answers. A host without the flag would be dropped from default routers.
func routerFlag(ctx context.Context, w *world) (string, error) {
	tap, err := lab.OpenTap(w.lab.NS(lab.Client), lab.ClientIf, lab.TapConfig{Incoming: true})
	if err != nil {
		return "", err
	}
	defer tap.Close()
	if _, err := w.output(ctx, lab.Client, "ip", "-6", "neigh", "flush", "dev", lab.ClientIf); err != nil {
		return "", err
	}
	pinged := make(chan error, 1)
	go func() {
		_, err := w.output(ctx, lab.Client, "ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "1", lab.RouterC6.String())
		pinged <- err
	}()
	f, err := tap.RecvIf(3*time.Second, func(f lab.Frame) bool {
		b := f.Data
		return len(b) >= advertBytes && b[12] == 0x86 && b[13] == 0xdd && b[ipv6At+6] == 58 && b[icmpAt] == advertType &&
			netip.AddrFrom16([16]byte(b[targetAt:])) == lab.RouterC6
	})
	if failure := <-pinged; err == nil {
		err = failure
	}
	if err != nil {
		return "", fmt.Errorf("no neighbour advertisement of the box: %w", err)
	}
	if f.Data[flagsAt]&routerBit == 0 {
		return "", fmt.Errorf("flags %#02x have no router bit", f.Data[flagsAt])
	}
	return fmt.Sprintf("flags %#02x", f.Data[flagsAt]), nil
}
