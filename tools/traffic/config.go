package traffic

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// Pool is a run of addresses.
type Pool struct {
	First netip.Addr
	Count int // 0: one
}

// Mix is a kind of session and how much of it there is.
type Mix struct {
	Kind     Kind
	IPv6     bool
	Weight   int // share among all of the mix, 0: 1
	Requests int // requests, datagrams or echoes in a session, 0: 1
	Ask      int // payload bytes of a request, 16 at least and 1400 at most, 0: 16
	Answer   int // pattern bytes of an answer; other kinds than TCP: 1384 at most; echo: none
	Window   int // UDPStream: datagrams under way, 0: 1
}

// ClientConfig says what a client does.
type ClientConfig struct {
	Seed    uint64
	MAC     [6]byte // own
	Gateway [6]byte // next hop

	Clients4, Clients6 Pool     // own addresses; needed for the families in Mix
	Servers4, Servers6 Pool     // addresses to go to
	Ports              []uint16 // server ports of TCP and UDP, nil: 80
	ClosedPort         uint16   // server port of TCPRefused, 0: 1

	Mix     []Mix
	Open    int           // sessions open at once, 0: 1
	Total   uint64        // sessions in all, 0: without end
	Timeout time.Duration // of a session without progress, 0: 2 s
	Rate    float64       // sessions opened per second, late ones at up to four times that; 0: as fast as others end
	Think   time.Duration // TCP: pause between an answer and the next request
	Clock   *perf.Clock
}

const (
	maxAsk    = 1400
	maxAnswer = maxAsk - headBytes
	lowPort   = 1024
)

func (c *ClientConfig) complete() error {
	if c.Clock == nil {
		return errors.New("no clock")
	}
	if len(c.Mix) == 0 {
		return errors.New("empty mix")
	}
	if c.Open == 0 {
		c.Open = 1
	}
	if c.Open < 0 || c.Open > 1<<24 {
		return fmt.Errorf("%d sessions at once: want 1 to %d", c.Open, 1<<24)
	}
	if !(c.Rate >= 0) || math.IsInf(c.Rate, 0) || c.Think < 0 {
		return fmt.Errorf("%g sessions per second with pauses of %v: want no negative number", c.Rate, c.Think)
	}
	if c.Ports == nil {
		c.Ports = []uint16{80}
	}
	if c.ClosedPort == 0 {
		c.ClosedPort = 1
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	c.Mix = append([]Mix(nil), c.Mix...)
	for i := range c.Mix {
		m := &c.Mix[i]
		if err := m.complete(); err != nil {
			return fmt.Errorf("mix %d (%v): %w", i, m.Kind, err)
		}
		clients, servers, v6 := &c.Clients4, &c.Servers4, "IPv4"
		if m.IPv6 {
			clients, servers, v6 = &c.Clients6, &c.Servers6, "IPv6"
		}
		for name, p := range map[string]*Pool{"client": clients, "server": servers} {
			if err := p.complete(m.IPv6); err != nil {
				return fmt.Errorf("mix %d (%v): %s addresses for %s: %w", i, m.Kind, name, v6, err)
			}
		}
		if perAddr := (c.Open + clients.Count - 1) / clients.Count; perAddr > math.MaxUint16+1-lowPort {
			return fmt.Errorf("%d sessions at once need more than %d client addresses for %s", c.Open, clients.Count, v6)
		}
	}
	return nil
}

// Validate says whether NewClient would take the configuration.
func (c ClientConfig) Validate() error { return c.complete() }

func (m *Mix) complete() error {
	if m.Weight == 0 {
		m.Weight = 1
	}
	if m.Requests == 0 {
		m.Requests = 1
	}
	if m.Ask == 0 {
		m.Ask = headBytes
	}
	if m.Window == 0 {
		m.Window = 1
	}
	switch {
	case m.Kind >= kinds:
		return errors.New("no such kind")
	case m.Weight < 0 || m.Requests < 0 || m.Requests > math.MaxUint16 || m.Window < 0:
		return errors.New("weight, requests and window want to be positive, requests at most 65535")
	case m.Ask < headBytes || m.Ask > maxAsk:
		return fmt.Errorf("%d bytes of request: want %d to %d", m.Ask, headBytes, maxAsk)
	case m.Answer < 0 || m.Answer > 1<<30 || (!m.Kind.tcp() && m.Answer > maxAnswer):
		return fmt.Errorf("%d bytes of answer: want up to %d", m.Answer, maxAnswer)
	case m.Kind == UDP && m.Requests != 1:
		return errors.New("a query has one request")
	}
	return nil
}

func (p *Pool) complete(v6 bool) error {
	if p.Count == 0 {
		p.Count = 1
	}
	if !p.First.IsValid() || p.First.Is4() == v6 || p.First.Is4In6() {
		return fmt.Errorf("%v is not of the family", p.First)
	}
	if p.Count < 0 || p.Count > 1<<24 {
		return fmt.Errorf("%d addresses: want 1 to %d", p.Count, 1<<24)
	}
	if last := p.at(p.Count - 1); last.Less(p.First) {
		return fmt.Errorf("%d addresses from %v on run over the end", p.Count, p.First)
	}
	return nil
}

// at returns the address number i. Pools lie in the last 32 bits.
func (p *Pool) at(i int) netip.Addr {
	b := p.First.AsSlice()
	for j := len(b) - 1; i > 0 && j >= len(b)-4; j-- {
		i += int(b[j])
		b[j] = byte(i)
		i >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
