package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// PingConfig says how to ping. The zero value is three requests of 56 bytes, a
// tenth of a second apart, with a second for each answer.
type PingConfig struct {
	Count    int
	Interval time.Duration
	Timeout  time.Duration
	Size     int // bytes behind the ICMP header
}

// PingResult is what came of a ping.
type PingResult struct {
	Sent, Received int
	Min, Max, Sum  time.Duration // round trip times of the replies
	Errors         []string      // ICMP errors about the requests
}

// Mean returns the mean round trip time, 0 without replies.
func (r PingResult) Mean() time.Duration {
	if r.Received == 0 {
		return 0
	}
	return r.Sum / time.Duration(r.Received)
}

func (r PingResult) String() string {
	s := fmt.Sprintf("%d sent, %d received", r.Sent, r.Received)
	if r.Received > 0 {
		s += fmt.Sprintf(", round trip %v to %v, mean %v", r.Min, r.Max, r.Mean())
	}
	if len(r.Errors) > 0 {
		s += "; " + strings.Join(r.Errors, ", ")
	}
	return s
}

// Ping sends echo requests from a namespace and waits for the replies, one
// request at a time. Lost ones are no error.
func Ping(ns string, to netip.Addr, c PingConfig) (PingResult, error) {
	if c.Count == 0 {
		c.Count = 3
	}
	if c.Interval == 0 {
		c.Interval = 100 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	if c.Size == 0 {
		c.Size = 56
	}
	to = to.Unmap()
	network, any := "ip6:ipv6-icmp", "::"
	if to.Is4() {
		network, any = "ip4:icmp", "0.0.0.0"
	}
	var r PingResult
	conn, err := ListenPacketIn(ns, network, any)
	if err != nil {
		return r, fmt.Errorf("ping %s: %w", to, hint(err))
	}
	defer conn.Close()
	id := uint16(rand.Uint32())
	// Sent in the namespace, where a zone's name means something.
	err = Do(ns, func() error {
		for seq := range c.Count {
			if seq > 0 {
				time.Sleep(c.Interval)
			}
			start := time.Now()
			r.Sent++
			_, err := conn.WriteTo(echo(to.Is4(), id, uint16(seq), c.Size), &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()})
			if err != nil {
				r.Errors = append(r.Errors, err.Error())
				continue
			}
			if err := r.wait(conn, to, id, uint16(seq), start, c.Timeout); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("ping %s: %w", to, err)
	}
	return r, nil
}

// wait waits for the answer to one request.
func (r *PingResult) wait(conn net.PacketConn, to netip.Addr, id, seq uint16, start time.Time, timeout time.Duration) error {
	if err := conn.SetReadDeadline(start.Add(timeout)); err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(b) // without the IP header in both families
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		a, ok := readAnswer(to.Is4(), b[:n], id, to)
		if !ok || a.seq != seq {
			continue
		}
		if !a.reply {
			r.Errors = append(r.Errors, fmt.Sprintf("%v: ICMP type %d code %d", from, a.kind, a.code))
			return nil
		}
		took := time.Since(start)
		r.Received++
		r.Sum += took
		r.Max = max(r.Max, took)
		if r.Received == 1 || took < r.Min {
			r.Min = took
		}
		return nil
	}
}
