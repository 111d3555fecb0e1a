package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

var transferChecks = []check{
	{name: "curl: 100 MB through masquerade", limit: time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.download(ctx, lab.Client, netip.AddrPortFrom(lab.Server4, 80))
	}},
	{name: "curl: 100 MB over IPv6", limit: time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.download(ctx, lab.Client, netip.AddrPortFrom(lab.Server6, 80))
	}},
	{name: "curl: 100 MB through DNAT", limit: time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.download(ctx, lab.Server, netip.AddrPortFrom(lab.RouterS4, 8080))
	}},
	{name: "masquerade: the server sees the box's address", run: masqueraded},
	{name: "2,000 parallel short HTTP connections", limit: time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.manyConnections(ctx, 2000)
	}},
}

// download fetches the large file with curl and compares the hash.
func (w *world) download(ctx context.Context, from string, server netip.AddrPort) (string, error) {
	hash := sha256.New()
	var stderr logBuffer
	cmd := lab.CommandContext(ctx, w.lab.NS(from), "curl", "--silent", "--show-error", "--fail", "--noproxy", "*",
		"--connect-timeout", "3", fmt.Sprintf("http://%v/%s", server, bigName))
	cmd.Stdout, cmd.Stderr = hash, &stderr
	cmd.WaitDelay = time.Second
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("curl: %w: %s", err, &stderr)
	}
	took := time.Since(begin)
	if sum := [32]byte(hash.Sum(nil)); sum != w.big {
		return "", fmt.Errorf("SHA-256 %x, want %x", sum, w.big)
	}
	return fmt.Sprintf("equal SHA-256, %.0f MB/s", bigBytes/1e6/took.Seconds()), nil
}

// masqueraded asks a server for the address it sees.
func masqueraded(_ context.Context, w *world) (string, error) {
	p, err := lab.ListenPacketIn(w.lab.NS(lab.Server), "udp4", "0.0.0.0:44444")
	if err != nil {
		return "", err
	}
	defer p.Close()
	c, err := lab.DialIn(w.lab.NS(lab.Client), "udp", netip.AddrPortFrom(lab.Server4, 44444).String(), time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := c.Write([]byte("who am I")); err != nil {
		return "", err
	}
	if err := p.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	_, from, err := p.ReadFrom(make([]byte, 100))
	if err != nil {
		return "", err
	}
	if got := netip.MustParseAddrPort(from.String()).Addr().Unmap(); got != lab.RouterS4 {
		return "", fmt.Errorf("it sees %v, want %v", got, lab.RouterS4)
	}
	return lab.RouterS4.String(), nil
}

// manyConnections opens connections, keeps all open until the last one is
// there, and then fetches a page on each.
func (w *world) manyConnections(ctx context.Context, n int) (string, error) {
	address := netip.AddrPortFrom(lab.Server4, 80).String()
	var (
		wg, connected sync.WaitGroup
		dialing       = make(chan struct{}, 100) // so many handshakes at once
		mu            sync.Mutex
		failures      = map[string]int{}
		go1           = make(chan struct{})
		begin         = time.Now()
	)
	connected.Add(n)
	for range n {
		wg.Go(func() {
			c, err := func() (net.Conn, error) {
				defer connected.Done()
				dialing <- struct{}{}
				defer func() { <-dialing }()
				return lab.DialIn(w.lab.NS(lab.Client), "tcp", address, 10*time.Second)
			}()
			if err == nil {
				defer c.Close()
				<-go1
				err = fetch(ctx, c)
			}
			if err != nil {
				mu.Lock()
				failures[err.Error()]++
				mu.Unlock()
			}
		})
	}
	connected.Wait()
	open := time.Since(begin)
	close(go1)
	wg.Wait()
	if len(failures) > 0 {
		bad, example := 0, ""
		for e, k := range failures {
			bad, example = bad+k, e
		}
		return "", fmt.Errorf("%d of %d failed, such as: %s", bad, n, example)
	}
	return fmt.Sprintf("all open after %v, all answered after %v", open.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond)), nil
}

// fetch gets the small page on a connection.
func fetch(ctx context.Context, c net.Conn) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return os.ErrNoDeadline
	}
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /"+smallName+" HTTP/1.0\r\nHost: server\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if s := string(answer); !strings.HasPrefix(s, "HTTP/1.1 200 ") || !strings.HasSuffix(s, "\r\n\r\n"+smallText) {
		return fmt.Errorf("wrong answer %q", s)
	}
	return nil
}
