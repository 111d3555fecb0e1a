package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// probeEvery is the time between two datagrams, and so how exact gaps are.
const probeEvery = 5 * time.Millisecond

// traffic is what goes through the box while something is changed: datagrams
// and TCP connections from the client, over both families.
type traffic struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	probes  []*probe
	streams []*stream
}

// probe sends datagrams that are echoed.
type probe struct {
	name string
	conn net.Conn
	mu   sync.Mutex
	sent []time.Time // by number; guarded by mu
	got  []arrival   // in order of arrival; guarded by mu
}

// arrival is an answer: when it came and when what it answers was sent.
type arrival struct{ at, sent time.Time }

// stream is a TCP connection on which blocks go to and fro.
type stream struct {
	name   string
	conn   net.Conn
	rounds atomic.Uint64
	failed atomic.Pointer[error]
}

// startTraffic begins traffic to echo servers and waits until all of it flows.
func (w *world) startTraffic(ctx context.Context, to ...netip.Addr) (_ *traffic, err error) {
	t := &traffic{}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.cancel = cancel
	defer func() {
		if err != nil {
			t.stop()
		}
	}()
	for _, a := range to {
		address := net.JoinHostPort(a.String(), echoPort)
		u, err := lab.DialIn(w.lab.NS(lab.Client), "udp", address, time.Second)
		if err != nil {
			return nil, err
		}
		p := &probe{name: "udp to " + a.String(), conn: u}
		t.probes = append(t.probes, p)
		t.done.Add(2)
		go func() { defer t.done.Done(); p.send(run) }()
		go func() { defer t.done.Done(); p.receive() }()
		c, err := lab.DialIn(w.lab.NS(lab.Client), "tcp", address, 3*time.Second)
		if err != nil {
			return nil, err
		}
		s := &stream{name: "tcp to " + a.String(), conn: c}
		t.streams = append(t.streams, s)
		t.done.Add(1)
		go func() { defer t.done.Done(); s.play(run) }()
	}
	begin := time.Now()
	if _, err := t.recovered(ctx, begin, 3*time.Second); err != nil {
		return nil, fmt.Errorf("traffic does not begin: %w", err)
	}
	return t, t.alive(ctx, 3*time.Second)
}

// stop ends the traffic.
func (t *traffic) stop() {
	t.cancel()
	for _, p := range t.probes {
		_ = p.conn.Close()
	}
	for _, s := range t.streams {
		_ = s.conn.Close()
	}
	t.done.Wait()
}

func (p *probe) send(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	b := make([]byte, 64)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.mu.Lock()
			binary.BigEndian.PutUint64(b, uint64(len(p.sent)))
			p.sent = append(p.sent, now)
			p.mu.Unlock()
			_, _ = p.conn.Write(b) // errors are ICMP messages about earlier ones
		}
	}
}

func (p *probe) receive() {
	b := make([]byte, 128)
	for {
		n, err := p.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 8 {
			continue
		}
		p.mu.Lock()
		if i := binary.BigEndian.Uint64(b); i < uint64(len(p.sent)) {
			p.got = append(p.got, arrival{time.Now(), p.sent[i]})
		}
		p.mu.Unlock()
	}
}

// since returns how many answers came to what was sent after a time, and when
// the first of them came.
func (p *probe) since(t time.Time) (n int, first time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.got) - 1; i >= 0 && p.got[i].at.After(t); i-- {
		if p.got[i].sent.After(t) {
			n++
			first = p.got[i].at
		}
	}
	return n, first
}

// gap returns the longest time without an answer between two times.
func (p *probe) gap(from, to time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var longest time.Duration
	last := from
	for _, a := range p.got {
		if a.at.After(from) && a.at.Before(to) {
			longest = max(longest, a.at.Sub(last))
			last = a.at
		}
	}
	return max(longest, to.Sub(last))
}

// recovered waits until every probe has an answer to something sent after a
// time, and returns when the last of them had.
func (t *traffic) recovered(ctx context.Context, from time.Time, limit time.Duration) (time.Duration, error) {
	var longest time.Duration
	var missing []string
	for {
		longest, missing = 0, nil
		for _, p := range t.probes {
			n, first := p.since(from)
			if n == 0 {
				missing = append(missing, p.name)
			}
			longest = max(longest, first.Sub(from))
		}
		switch {
		case len(missing) == 0 && longest <= limit:
			return longest, nil
		case len(missing) == 0:
			return 0, fmt.Errorf("flows again after %v only: %s", longest.Round(time.Millisecond), t.times(from))
		case ctx.Err() != nil || time.Since(from) > limit+3*time.Second:
			return 0, fmt.Errorf("no answer %v later: %v", time.Since(from).Round(time.Millisecond), missing)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// times says when each probe had its first answer to something sent after a time.
func (t *traffic) times(from time.Time) string {
	var text []string
	for _, p := range t.probes {
		_, first := p.since(from)
		text = append(text, fmt.Sprintf("%s %v", p.name, first.Sub(from).Round(time.Millisecond)))
	}
	return strings.Join(text, ", ")
}

// gap returns the longest time that any probe had no answer.
func (t *traffic) gap(from, to time.Time) time.Duration {
	var longest time.Duration
	for _, p := range t.probes {
		longest = max(longest, p.gap(from, to))
	}
	return longest
}

// play sends blocks and compares what comes back.
func (s *stream) play(ctx context.Context) {
	block, back := make([]byte, 4096), make([]byte, 4096)
	for round := 0; ctx.Err() == nil; round++ {
		for i := range block {
			block[i] = byte(i ^ round)
		}
		_, err := s.conn.Write(block)
		if err == nil {
			_, err = io.ReadFull(s.conn, back)
		}
		if err == nil && !bytes.Equal(block, back) {
			err = errors.New("wrong bytes came back")
		}
		if err != nil {
			s.failed.Store(&err)
			return
		}
		s.rounds.Add(1)
		time.Sleep(2 * time.Millisecond)
	}
}

// alive waits until every connection has carried more, and fails when one is broken.
func (t *traffic) alive(ctx context.Context, limit time.Duration) error {
	before := make([]uint64, len(t.streams))
	for i, s := range t.streams {
		before[i] = s.rounds.Load()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for i, s := range t.streams {
		var broken error
		err := poll(ctx, 2*time.Millisecond, func() error {
			if e := s.failed.Load(); e != nil {
				broken = *e
				return nil
			}
			if s.rounds.Load() < before[i]+2 {
				return errors.New("stands still")
			}
			return nil
		})
		if err = errors.Join(broken, err); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
