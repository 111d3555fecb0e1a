package traffic

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/afxdp"
)

// ServerConfig says how a server answers.
type ServerConfig struct {
	Seed    uint64
	MAC     [6]byte                // own; answers go to the MAC that the question came from
	Closed  func(port uint16) bool // TCP ports answered by a reset; nil: all below 80 except 22 and 53
	Segment int                    // payload bytes of an answer's TCP segments, a multiple of 8, 0: 1400

	// Sources and Destinations are what the addresses of all questions must lie
	// in; what does not is answered and counted as foreign. nil: anything goes.
	Sources, Destinations []netip.Prefix
}

// Server answers whatever arrives. It keeps no state of sessions.
type Server struct {
	host
	cfg ServerConfig

	// An answer in several segments that is being sent; left is 0 if none is.
	flow     flow
	head     head
	seq, ack uint32
	left     uint32
}

// NewServer makes a server on an end, which stays the caller's to close.
func NewServer(cfg ServerConfig, end *afxdp.End) (*Server, error) {
	if cfg.Segment == 0 {
		cfg.Segment = 1400
	}
	if cfg.Segment < 8 || cfg.Segment > 1440 || cfg.Segment%8 != 0 {
		return nil, fmt.Errorf("traffic server: segments of %d bytes: want a multiple of 8 up to 1440", cfg.Segment)
	}
	if cfg.Closed == nil {
		cfg.Closed = func(port uint16) bool { return port < 80 && port != 22 && port != 53 }
	}
	return &Server{host: host{end: end, mac: cfg.MAC}, cfg: cfg}, nil
}

// Step answers what has arrived and says whether there was anything to do.
func (s *Server) Step() bool {
	before := s.frames.Received + s.frames.Sent
	var p packet
	// A packet is read only when there is room for a frame, so that every
	// answer of one frame can be sent at once and only one longer answer can be
	// on its way.
	for n := 0; n < stepFrames && s.answer() && s.room() != nil && s.receive(&p); n++ {
		s.take(&p)
	}
	s.end.Flush()
	return s.frames.Received+s.frames.Sent != before
}

// Report returns the counts so far.
func (s *Server) Report() Frames { return s.frames }

// Run steps until ctx ends.
func (s *Server) Run(ctx context.Context) {
	run(ctx, func() (work, done bool) { return s.Step(), false })
}

func (s *Server) take(p *packet) {
	if p.error {
		s.frames.Stray++
		return
	}
	if !within(s.cfg.Sources, &p.src, p.v6) || !within(s.cfg.Destinations, &p.dst, p.v6) {
		s.frames.Foreign++
	}
	f := flow{src: p.dst, dst: p.src, sport: p.dport, dport: p.sport, mac: p.from, v6: p.v6}
	switch {
	case p.proto == protoTCP:
		s.takeTCP(&f, p)
	case p.proto == protoUDP:
		s.takeUDP(&f, p)
	case p.typ == echoRequest:
		b := s.room()
		n := copy(b[f.payload(icmpBytes):], p.payload)
		s.send(f.putEcho(b, s.mac, true, uint16(p.seq), n))
	default:
		s.frames.Stray++
	}
}

func within(list []netip.Prefix, a *[16]byte, v6 bool) bool {
	if list == nil {
		return true
	}
	addr := netip.AddrFrom16(*a)
	if !v6 {
		addr = netip.AddrFrom4([4]byte(a[:4]))
	}
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// takeTCP answers a segment. The server's initial sequence number is a hash of
// addresses, ports and the client's initial number, which can be told from any
// request since requests of a session are equally long; so both numbers of a
// request are verified without state.
func (s *Server) takeTCP(f *flow, p *packet) {
	switch {
	case p.flags&rst != 0:
	case p.flags&syn != 0:
		reply := segment{s.isn(f, p.seq), p.seq + 1, syn | ack}
		if s.cfg.Closed(p.dport) {
			reply = segment{0, p.seq + 1, rst | ack}
		}
		s.send(f.putTCP(s.room(), s.mac, reply, 0))
	case p.flags&fin != 0:
		s.send(f.putTCP(s.room(), s.mac, segment{p.ack, p.seq + 1 + uint32(len(p.payload)), fin | ack}, 0))
	case len(p.payload) > 0:
		h, ok := s.verify(p)
		n := uint32(len(p.payload))
		if !ok || p.ack != s.isn(f, p.seq-1-h.request*n)+1+h.request*h.want {
			s.frames.Payload++
			return
		}
		s.flow, s.head, s.seq, s.ack, s.left = *f, h, p.ack, p.seq+n, h.want
		if h.want == 0 {
			s.send(f.putTCP(s.room(), s.mac, segment{p.ack, p.seq + n, ack}, 0))
		}
	}
}

// answer sends the segments of the answer on its way and says whether it is
// complete.
func (s *Server) answer() bool {
	for s.left > 0 {
		b := s.room()
		if b == nil {
			return false
		}
		n := min(s.left, uint32(s.cfg.Segment))
		fill(b[s.flow.payload(tcpBytes):][:n], s.head.key(answered), int(s.head.want-s.left))
		out := segment{s.seq, s.ack, ack}
		if n == s.left {
			out.flags |= psh
		}
		s.send(s.flow.putTCP(b, s.mac, out, int(n)))
		s.left -= n
		s.seq += n
	}
	return true
}

func (s *Server) takeUDP(f *flow, p *packet) {
	h, ok := s.verify(p)
	if !ok || h.want > maxAnswer {
		s.frames.Payload++
		return
	}
	b := s.room()
	out := b[f.payload(udpBytes):][:headBytes+h.want]
	h.put(out)
	fill(out[headBytes:], h.key(answered), 0)
	s.send(f.putUDP(b, s.mac, len(out)))
}

// verify returns the head of a request whose pattern is right.
func (s *Server) verify(p *packet) (head, bool) {
	if len(p.payload) < headBytes {
		return head{}, false
	}
	h := getHead(p.payload)
	return h, matches(p.payload[headBytes:], h.key(asked), 0)
}

// isn returns the initial sequence number towards a client.
func (s *Server) isn(f *flow, client uint32) uint32 {
	x := s.cfg.Seed ^ uint64(client)<<32 ^ uint64(f.sport)<<16 ^ uint64(f.dport)
	for _, a := range [2]*[16]byte{&f.src, &f.dst} {
		x = (x ^ binary.LittleEndian.Uint64(a[:8])) * 0x9e3779b97f4a7c15
		x = (x ^ x>>32 ^ binary.LittleEndian.Uint64(a[8:])) * 0xd6e8feb86659fd93
		x ^= x >> 32
	}
	return uint32(x)
}
