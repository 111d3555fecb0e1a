package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// Pages of the web servers, and the port of the UDP servers.
const (
	smallPage = "sluice lets this page pass\n"
	bigBytes  = 1 << 20
	udpPort   = "7"
)

var bigPage = func() []byte {
	b := make([]byte, bigBytes)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}()

// labHosts are the servers in the network and what they have seen.
type labHosts struct {
	closers []io.Closer
	mu      sync.Mutex
	foreign map[string]bool // sources seen on the internet that should not be; guarded by mu
	seen    atomic.Uint64   // requests whose source was looked at
}

// newLabHosts starts the servers of both sides.
func newLabHosts(l *lab.Lab) (_ *labHosts, err error) {
	h := &labHosts{foreign: map[string]bool{}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	for _, node := range []string{nodeHome, nodeInternet} {
		ns := l.NS(node)
		web, err := lab.ListenIn(ns, "tcp", ":80")
		if err != nil {
			return nil, err
		}
		server := &http.Server{Handler: h.pages(node == nodeInternet), ReadHeaderTimeout: 10 * time.Second}
		h.closers = append(h.closers, server)
		go func() { _ = server.Serve(web) }() // until it is closed
	}
	for _, a := range []netip.Addr{labServer4, labServer6} {
		p, err := lab.ListenPacketIn(l.NS(nodeInternet), "udp", addrPort(a, udpPort))
		if err != nil {
			return nil, err
		}
		h.closers = append(h.closers, p)
		go h.echo(p)
	}
	// Somebody would answer where nobody may go.
	for _, port := range []string{"23", "25"} {
		s, err := lab.ListenIn(l.NS(nodeInternet), "tcp", ":"+port)
		if err != nil {
			return nil, err
		}
		h.closers = append(h.closers, s)
	}
	return h, nil
}

func (h *labHosts) close() {
	for _, c := range h.closers {
		_ = c.Close()
	}
}

// pages serves; on the internet it looks at who asks.
func (h *labHosts) pages(internet bool) http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, page []byte) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if internet {
				h.look(r.RemoteAddr)
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(page) // who went away gets nothing
		})
	}
	serve("/small", []byte(smallPage))
	serve("/big", bigPage)
	return mux
}

// look notes a source other than those the router should show.
func (h *labHosts) look(source string) {
	h.seen.Add(1)
	a, err := netip.ParseAddrPort(source)
	addr := a.Addr().Unmap()
	if err == nil && (addr == demoNetwork.wan4.Addr() || demoNetwork.lan6.Contains(addr)) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.foreign[source] = true
}

func (h *labHosts) echo(p net.PacketConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := p.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			h.look(from.String())
			_, _ = p.WriteTo(b[:n], from) // who asked asks again
		}
	}
}

// labActor does one thing over and over, on several goroutines.
type labActor struct {
	name   string
	permit bool // the policy permits it
	loops  int
	pause  time.Duration
	do     func(context.Context) (bytes int, err error)

	opened, completed, bytes atomic.Uint64
	mu                       sync.Mutex
	last                     error // of something permitted; guarded by mu
}

// run goes on until the context ends; what has begun is finished.
func (a *labActor) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range a.loops {
		wg.Go(func() {
			for ctx.Err() == nil {
				a.opened.Add(1)
				n, err := a.do(context.WithoutCancel(ctx))
				a.bytes.Add(uint64(n))
				if err == nil {
					a.completed.Add(1)
				} else {
					a.mu.Lock()
					a.last = err
					a.mu.Unlock()
				}
				select {
				case <-ctx.Done():
				case <-time.After(a.pause):
				}
			}
		})
	}
	wg.Wait()
}

func (a *labActor) trouble() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// Times that hosts wait: what is permitted has time, what is forbidden gives up.
const (
	labPatience   = 5 * time.Second
	labImpatience = 500 * time.Millisecond
)

// meet lets the router find the link addresses of all hosts. It keeps only a few
// packets waiting for one, fewer than hosts that all begin at once send.
func meet(l *lab.Lab) error {
	n := &demoNetwork
	for _, a := range []netip.Addr{labHome4, labHome6, labInside4, labInside6, n.gateway4, n.gateway6} {
		if _, err := lab.Ping(l.NS(nodeRouter), a, lab.PingConfig{Count: 1, Timeout: 2 * time.Second}); err != nil {
			return err
		}
	}
	return nil
}

// labActors says who does what.
func labActors(l *lab.Lab) []*labActor {
	home, internet := l.NS(nodeHome), l.NS(nodeInternet)
	pause := 2 * time.Millisecond
	n := &demoNetwork
	return []*labActor{
		{name: "web pages, IPv4, a connection each", permit: true, loops: 2, pause: pause, do: fetching(home, addrPort(labServer4, "80"), "small", []byte(smallPage), false)},
		{name: "web pages, IPv6, a connection each", permit: true, loops: 2, pause: pause, do: fetching(home, addrPort(labServer6, "80"), "small", []byte(smallPage), false)},
		{name: "downloads of 1 MiB, IPv4", permit: true, loops: 1, pause: pause, do: fetching(home, addrPort(labServer4, "80"), "big", bigPage, true)},
		{name: "downloads of 1 MiB, IPv6", permit: true, loops: 1, pause: pause, do: fetching(home, addrPort(labServer6, "80"), "big", bigPage, true)},
		{name: "visitors of the forwarded port", permit: true, loops: 1, pause: pause, do: fetching(internet, addrPort(n.wan4.Addr(), "8080"), "small", []byte(smallPage), false)},
		{name: "UDP, IPv4", permit: true, loops: 1, pause: pause, do: asking(home, addrPort(labServer4, udpPort))},
		{name: "UDP, IPv6", permit: true, loops: 1, pause: pause, do: asking(home, addrPort(labServer6, udpPort))},
		{name: "ping, IPv4", permit: true, loops: 1, pause: pause, do: pinging(home, labServer4)},
		{name: "ping, IPv6", permit: true, loops: 1, pause: pause, do: pinging(home, labServer6)},
		{name: "ping of the router itself, IPv4", permit: true, loops: 1, pause: pause, do: pinging(home, n.lan4.Addr())},
		{name: "ping of the router itself, IPv6", permit: true, loops: 1, pause: pause, do: pinging(home, n.lan6.Addr())},
		{name: "telnet", loops: 1, pause: pause, do: connecting(home, addrPort(labServer4, "23"), false)},
		{name: "mail, which is refused", loops: 1, pause: 100 * time.Millisecond, do: connecting(home, addrPort(labServer4, "25"), true)},
		{name: "web pages of a blocked address", loops: 1, pause: pause, do: connecting(home, addrPort(labBlocked4, "80"), false)},
		{name: "intruders, IPv4", loops: 1, pause: pause, do: connecting(internet, addrPort(labInside4, "80"), false)},
		{name: "intruders, IPv6", loops: 1, pause: pause, do: connecting(internet, addrPort(labInside6, "80"), false)},
	}
}

// fetching gets a page and compares it.
func fetching(ns, address, page string, want []byte, stay bool) func(context.Context) (int, error) {
	client := &http.Client{Timeout: labPatience, Transport: &http.Transport{DialContext: lab.Dialer(ns), DisableKeepAlives: !stay}}
	return func(ctx context.Context) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/"+page, nil)
		if err != nil {
			return 0, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		got, err := io.ReadAll(answer.Body)
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%s: %d bytes that are not the page", answer.Status, len(got))
		}
		return len(got), err
	}
}

// Datagrams of one conversation, echoes of one ping, and how often each is sent
// before it counts as lost: a router under load may lose some.
const (
	askCount  = 16
	pingCount = 5
	pingBytes = 56
	askTries  = 3
)

// asking sends datagrams to an echo server from a new port and compares answers.
func asking(ns, address string) func(context.Context) (int, error) {
	return func(context.Context) (total int, err error) {
		c, err := lab.DialIn(ns, "udp", address, labPatience)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		ask, answer := make([]byte, 512), make([]byte, 2048)
		for i := range askCount {
			binary.BigEndian.PutUint64(ask, uint64(i))
			for try := 0; ; try++ {
				if _, err := c.Write(ask); err != nil {
					return total, err
				}
				if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
					return total, err
				}
				n, err := c.Read(answer)
				if err == nil && bytes.Equal(answer[:n], ask) {
					total += n
					break
				}
				if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || try+1 == askTries) {
					return total, err
				}
			}
		}
		return total, nil
	}
}

// pinging asks for echoes, each again when it is lost, as datagrams are.
func pinging(ns string, to netip.Addr) func(context.Context) (int, error) {
	return func(context.Context) (total int, err error) {
		for range pingCount {
			var r lab.PingResult
			for try := 0; try < askTries && r.Received == 0; try++ {
				if r, err = lab.Ping(ns, to, lab.PingConfig{Count: 1, Timeout: time.Second}); err != nil {
					return total, err
				}
			}
			if r.Received == 0 {
				return total, fmt.Errorf("no reply from %v to %d requests %v", to, askTries, r.Errors)
			}
			total += pingBytes
			time.Sleep(20 * time.Millisecond)
		}
		return total, nil
	}
}

// connecting tries to connect where it should not be possible. Its error is
// that it was stopped, as it should be: by a refusal or by silence. Stopped in
// the other way counts as a connection.
func connecting(ns, address string, refusal bool) func(context.Context) (int, error) {
	patience := labImpatience
	if refusal { // an answer is to come
		patience = labPatience
	}
	return func(context.Context) (int, error) {
		c, err := lab.DialIn(ns, "tcp", address, patience)
		if err == nil {
			return 0, c.Close()
		}
		if errors.Is(err, syscall.ECONNREFUSED) != refusal {
			return 0, nil
		}
		return 0, err
	}
}
