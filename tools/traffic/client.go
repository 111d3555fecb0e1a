package traffic

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/sluice-net/sluice/afxdp"
)

const (
	stepFrames = 512 // read in one step at most
	stepOpens  = 256 // sessions opened in one step at most

	stepHurried = 16 // sessions whose pause is cut short in one step
)

// Client opens sessions and follows them.
type Client struct {
	host
	cfg    ClientConfig
	rnd    *rand.Rand
	places [2]places // by family
	weight int       // of the whole mix

	sessions []session
	idle     queue // sessions that are not open, the longest idle first
	ready    queue // sessions that have something to send
	now      int64 // of the clock, at the beginning of the step
	scan     int64 // when to look for timeouts next

	thinking queue // sessions between two requests, the next to go on first

	started uint64 // sessions opened
	stopped bool   // no more become due
	until   uint64 // by then so many had, with a Rate
	hurried bool   // pauses are over
	behind  uint64 // sessions that Rate allowed and that were not opened in time
	spread  spread // of those that are late
	begin   int64  // of the first step
	report  Report
	times   *Times
}

// places maps sessions to client addresses and ports and back. A session has
// one address and a few ports, which it takes in turns, so that an address and
// port do not come again at once.
type places struct {
	clients, servers poolBytes
	turns            int // ports of one session
}

// poolBytes is a pool in the form of flow.
type poolBytes struct {
	first [16]byte
	low   uint32 // last 32 bits of first
	at    int    // where they lie
	count int
}

func (p *Pool) bytes(v6 bool) poolBytes {
	b := poolBytes{first: address(p.First), count: p.Count}
	if v6 {
		b.at = 12
	}
	b.low = binary.BigEndian.Uint32(b.first[b.at:])
	return b
}

func (p *poolBytes) address(i int) [16]byte {
	a := p.first
	binary.BigEndian.PutUint32(a[p.at:], p.low+uint32(i))
	return a
}

// index returns the number of an address in the pool, or -1.
func (p *poolBytes) index(a *[16]byte) int {
	i := binary.BigEndian.Uint32(a[p.at:]) - p.low
	if uint64(i) >= uint64(p.count) || p.address(int(i)) != *a {
		return -1
	}
	return int(i)
}

// NewClient makes a client on an end, which stays the caller's to close.
func NewClient(cfg ClientConfig, end *afxdp.End) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("traffic client: %w", err)
	}
	c := &Client{
		host: host{end: end, mac: cfg.MAC}, cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x73657373)),
		sessions: make([]session, cfg.Open), idle: newQueue(cfg.Open), ready: newQueue(cfg.Open),
		thinking: newQueue(cfg.Open), times: &Times{}, begin: -1,
	}
	for _, m := range cfg.Mix {
		c.weight += m.Weight
		p := &c.places[family(m.IPv6)]
		if p.turns > 0 {
			continue
		}
		clients, servers := &cfg.Clients4, &cfg.Servers4
		if m.IPv6 {
			clients, servers = &cfg.Clients6, &cfg.Servers6
		}
		p.clients, p.servers = clients.bytes(m.IPv6), servers.bytes(m.IPv6)
		perAddr := (cfg.Open + clients.Count - 1) / clients.Count
		p.turns = (1<<16 - lowPort) / perAddr
	}
	for i := range c.sessions {
		c.idle.push(uint32(i))
	}
	return c, nil
}

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// Step takes in what has arrived, answers it, opens sessions and gives up the
// timed-out ones. It says whether there was anything to do.
func (c *Client) Step() bool {
	c.now = c.cfg.Clock.Nanos()
	before := c.frames.Received + c.frames.Sent
	work := false
	var p packet
	for n := range stepFrames {
		if !c.receive(&p) {
			break
		}
		if n == 0 { // it may have come since the step began, long ago where others take the CPU
			c.now = c.cfg.Clock.Nanos()
		}
		c.take(&p)
	}
	if c.now >= c.scan {
		c.scan = c.now + int64(c.cfg.Timeout)/8
		work = c.expire()
	}
	for n := 0; c.thinking.n > 0 && (c.hurried && n < stepHurried || c.sessions[c.thinking.first()].resume <= c.now); n++ {
		s := &c.sessions[c.thinking.pop()]
		s.thinks = false
		if s.state == thinkWait {
			c.next(s, askSend)
		}
	}
	for range c.allowed() {
		if c.idle.n == 0 || (c.cfg.Total > 0 && c.opened() >= c.cfg.Total) {
			break
		}
		c.start(c.idle.pop())
	}
	for c.ready.n > 0 {
		s := &c.sessions[c.ready.first()]
		if !c.emit(s) {
			break
		}
		s.queued = false
		c.ready.pop()
	}
	c.end.Flush()
	return work || c.frames.Received+c.frames.Sent != before
}

// allowed returns how many sessions may be opened in this step. Of what Rate
// allows and could not be opened, for want of free places or of time, no more is
// kept than falls due in 10 ms, and stepOpens; that leaves spread.
func (c *Client) allowed() uint64 {
	switch {
	case c.cfg.Rate == 0 && c.stopped:
		return 0
	case c.cfg.Rate == 0:
		return stepOpens
	case c.begin < 0:
		c.begin = c.now
	}
	n := c.late()
	if most := uint64(c.cfg.Rate/100) + stepOpens; n > most {
		c.behind += n - most
		n = most
	}
	return c.spread.allow(c.now, min(n, uint64(c.idle.n)), c.cfg.Rate)
}

// late returns how many sessions Rate has allowed that were neither opened nor
// given up.
func (c *Client) late() uint64 {
	due := c.until
	if !c.stopped {
		due = c.due()
	}
	return due - min(due, c.started+c.behind)
}

// due returns how many sessions Rate allows until now.
func (c *Client) due() uint64 {
	if c.cfg.Rate == 0 || c.begin < 0 {
		return 0
	}
	return uint64(float64(c.now-c.begin)*c.cfg.Rate/1e9) + 1
}

// Stop ends the opening of sessions, but for those that are late; those that are
// open go on.
func (c *Client) Stop() {
	if !c.stopped {
		c.stopped, c.until = true, c.due()
	}
}

// Hurry ends the pauses between requests, those of some sessions in each step.
func (c *Client) Hurry() { c.hurried = true }

// Behind returns how many sessions Rate allowed and that were given up, because
// too many were open or the client was too slow.
func (c *Client) Behind() uint64 { return c.behind }

// Times returns the client's histograms, which any goroutine may read.
func (c *Client) Times() *Times { return c.times }

// Done says whether all sessions have been opened and have ended.
func (c *Client) Done() bool {
	over := c.stopped && c.late() == 0 || c.cfg.Total > 0 && c.opened() >= c.cfg.Total
	return over && c.idle.n == len(c.sessions)
}

func (c *Client) opened() uint64 { return c.started }

// Open returns how many sessions are open.
func (c *Client) Open() int { return len(c.sessions) - c.idle.n }

// Report returns the counts so far.
func (c *Client) Report() Report {
	r := c.report
	r.Frames = c.frames
	return r
}

// Run steps until the client is done or ctx ends, and leaves the processor to
// others when there is nothing to do.
func (c *Client) Run(ctx context.Context) {
	run(ctx, func() (work, done bool) { return c.Step(), c.Done() })
}

func run(ctx context.Context, step func() (work, done bool)) {
	for idle := 0; ctx.Err() == nil; {
		work, done := step()
		if done {
			return
		}
		if work {
			idle = 0
			continue
		}
		if idle++; idle < 64 {
			runtime.Gosched()
		} else {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// take gives a packet to its session.
func (c *Client) take(p *packet) {
	addr, port, peer, peerPort := &p.dst, p.dport, &p.src, p.sport
	if p.error {
		addr, port, peer, peerPort = peer, peerPort, addr, port
	}
	s := c.find(p.v6, addr, port)
	if s == nil || s.flow.dst != *peer || s.flow.dport != peerPort || s.proto() != p.proto {
		c.frames.Stray++
		return
	}
	switch {
	case p.error:
		c.fail(s, ReasonUnreachable)
	case s.kind.tcp():
		c.takeTCP(s, p)
	default:
		c.takeDatagram(s, p)
	}
}

// find returns the open session of an own address and port.
func (c *Client) find(v6 bool, addr *[16]byte, port uint16) *session {
	p := &c.places[family(v6)]
	if p.turns == 0 || port < lowPort {
		return nil
	}
	i := p.clients.index(addr)
	if i < 0 {
		return nil
	}
	slot := int(port-lowPort)/p.turns*p.clients.count + i
	if slot >= len(c.sessions) {
		return nil
	}
	s := &c.sessions[slot]
	if s.state == closed || s.flow.v6 != v6 || s.flow.sport != port {
		return nil
	}
	return s
}

// start opens the session in a slot.
func (c *Client) start(slot uint32) {
	pick := c.rnd.IntN(c.weight)
	m := &c.cfg.Mix[0]
	for i := 0; pick >= m.Weight; {
		pick -= m.Weight
		i++
		m = &c.cfg.Mix[i]
	}
	c.report.MostOpen = max(c.report.MostOpen, c.Open())
	s := &c.sessions[slot]
	queued, thinks, turn := s.queued, s.thinks, s.turn+1
	*s = session{queued: queued, thinks: thinks, turn: turn, mix: m, kind: m.Kind}
	p := &c.places[family(m.IPv6)]
	s.flow = flow{
		src: p.clients.address(int(slot) % p.clients.count), dst: p.servers.address(c.rnd.IntN(p.servers.count)),
		sport: lowPort + uint16(int(slot)/p.clients.count*p.turns+int(turn)%p.turns),
		mac:   c.cfg.Gateway, v6: m.IPv6,
	}
	switch m.Kind {
	case TCPRefused:
		s.flow.dport = c.cfg.ClosedPort
	case Echo:
		s.flow.dport = s.flow.sport
	default:
		s.flow.dport = c.cfg.Ports[c.rnd.IntN(len(c.cfg.Ports))]
	}
	if c.cfg.Rate > 0 {
		s.since = c.begin + int64(float64(c.started+c.behind)*1e9/c.cfg.Rate) // when it was due
	}
	c.started++
	s.head = head{id: c.started*0x9e3779b97f4a7c15 ^ c.cfg.Seed, want: uint32(m.Answer)}
	s.state = streaming
	if m.Kind.tcp() {
		s.state = synSend
		s.seq = c.rnd.Uint32()
	}
	c.progress(s)
	c.report.By[m.Kind][family(m.IPv6)].Opened++
	c.wake(s, slot)
}

// expire gives up sessions without progress.
func (c *Client) expire() (any bool) {
	for i := range c.sessions {
		if s := &c.sessions[i]; s.state != closed && c.now >= s.deadline {
			c.counts(s).TimedOut++
			c.close(s)
			any = true
		}
	}
	return any
}

func (c *Client) progress(s *session) { s.deadline = c.now + int64(c.cfg.Timeout) }

func (c *Client) counts(s *session) *Sessions {
	return &c.report.By[s.kind][family(s.flow.v6)]
}

func (c *Client) complete(s *session) {
	c.counts(s).Completed++
	c.close(s)
}

func (c *Client) fail(s *session, r Reason) {
	c.counts(s).Failed[r]++
	c.close(s)
}

func (c *Client) close(s *session) {
	s.state = closed
	c.idle.push(c.slot(s))
}

// slot returns the place of a session, from its address and port.
func (c *Client) slot(s *session) uint32 {
	p := &c.places[family(s.flow.v6)]
	return uint32(int(s.flow.sport-lowPort)/p.turns*p.clients.count + p.clients.index(&s.flow.src))
}

// wake puts a session among those that have something to send.
func (c *Client) wake(s *session, slot uint32) {
	if !s.queued {
		s.queued = true
		c.ready.push(slot)
	}
}

// queue is a first-in first-out list of slots that never holds more than all.
type queue struct {
	slots []uint32
	at, n int
}

func newQueue(size int) queue { return queue{slots: make([]uint32, size)} }

func (q *queue) first() uint32 { return q.slots[q.at] }

func (q *queue) push(v uint32) {
	i := q.at + q.n
	if i >= len(q.slots) {
		i -= len(q.slots)
	}
	q.slots[i] = v
	q.n++
}

func (q *queue) pop() uint32 {
	v := q.slots[q.at]
	if q.at++; q.at == len(q.slots) {
		q.at = 0
	}
	q.n--
	return v
}
