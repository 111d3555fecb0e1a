package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// streamPort is the UDP port that streams go to.
const streamPort = 9000

// stream is numbered datagrams from one node to the other, over several flows.
// Never more than a window of them is on its way, so that taps and sockets,
// which may lose some when they are full, have no reason to.
type stream struct {
	from, to string // nodes
	source   string // addresses
	dest     string
	count    int
	flows    int
	answer   bool          // the receiver sends each datagram back
	pace     time.Duration // between datagrams; 0: none
	patience time.Duration // without any arriving; 0: 10 s
}

const window = 200

// tally is what became of a stream.
type tally struct {
	sent, got, twice, answers int
	took                      time.Duration
}

func (t tally) String() string {
	s := fmt.Sprintf("%d sent, %d arrived", t.sent, t.got)
	if t.answers > 0 {
		s += fmt.Sprintf(", %d answers", t.answers)
	}
	return s
}

// complete says that everything has arrived exactly once.
func (t tally) complete() error {
	if t.got != t.sent || t.twice != 0 || t.answers != 0 && t.answers != t.sent {
		return fmt.Errorf("stream: %v, %d twice", t, t.twice)
	}
	return nil
}

// run sends the stream and counts.
func (s stream) run(ctx context.Context, l *lab.Lab) (t tally, err error) {
	if s.patience == 0 {
		s.patience = 10 * time.Second
	}
	receiver, err := lab.ListenPacketIn(l.NS(s.to), "udp", netip.AddrPortFrom(netip.MustParseAddr(s.dest), streamPort).String())
	if err != nil {
		return t, err
	}
	defer receiver.Close()
	roomy(receiver)
	token := rand.Uint64()
	seen := make([]bool, s.count)
	var got, twice, answers atomic.Int64
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := receiver.ReadFrom(b)
			if err != nil {
				return // closed at the end
			}
			if n < 16 || binary.BigEndian.Uint64(b[8:]) != token {
				continue
			}
			number := binary.BigEndian.Uint64(b)
			if number >= uint64(s.count) {
				continue
			}
			if seen[number] {
				twice.Add(1)
				continue
			}
			seen[number] = true
			if s.answer {
				_, _ = receiver.WriteTo(b[:n], from) // counted where it arrives
			}
			got.Add(1)
		}
	}()
	conns := make([]net.Conn, s.flows)
	for i := range conns {
		if conns[i], err = s.dial(l); err != nil {
			return t, err
		}
		defer conns[i].Close()
		if s.answer {
			go countAnswers(conns[i], token, &answers)
		}
	}
	arrived := &got
	if s.answer {
		arrived = &answers
	}
	begin := time.Now()
	payload := make([]byte, 64)
	binary.BigEndian.PutUint64(payload[8:], token)
	for t.sent < s.count && s.settle(ctx, arrived, t.sent-window) {
		binary.BigEndian.PutUint64(payload, uint64(t.sent))
		if _, err := conns[t.sent%s.flows].Write(payload); err != nil {
			time.Sleep(10 * time.Millisecond) // an ICMP error, or the interface is down
		}
		t.sent++
		if s.pace > 0 {
			time.Sleep(s.pace)
		}
	}
	s.settle(ctx, arrived, t.sent)
	t.took = time.Since(begin)
	t.got, t.twice, t.answers = int(got.Load()), int(twice.Load()), int(answers.Load())
	return t, ctx.Err()
}

// settle waits until so many have arrived; false when none come any more.
func (s *stream) settle(ctx context.Context, arrived *atomic.Int64, want int) bool {
	last, since := arrived.Load(), time.Now()
	for {
		now := arrived.Load()
		if now >= int64(want) {
			return true
		}
		if now != last {
			last, since = now, time.Now()
		}
		if ctx.Err() != nil || time.Since(since) > s.patience {
			return false
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func (s *stream) dial(l *lab.Lab) (conn net.Conn, err error) {
	err = lab.Do(l.NS(s.from), func() error {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(s.source)}}
		conn, err = d.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(s.dest), streamPort).String())
		return err
	})
	return conn, err
}

func countAnswers(conn net.Conn, token uint64, answers *atomic.Int64) {
	b := make([]byte, 2048)
	for {
		n, err := conn.Read(b)
		switch {
		case err == nil && n >= 16 && binary.BigEndian.Uint64(b[8:]) == token:
			answers.Add(1)
		case errors.Is(err, net.ErrClosed):
			return // else an ICMP error about what was sent
		}
	}
}

// roomy gives a socket a large receive buffer.
func roomy(c net.PacketConn) {
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // losses show in any case
	})
}

// bothWays are streams from each side to the other.
func bothWays(count, flows int) []stream {
	return []stream{
		{from: client, to: server, source: client4, dest: server4, count: count, flows: flows},
		{from: server, to: client, source: server4, dest: client4, count: count, flows: flows},
	}
}
