package traffic

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// fix makes the checksums of a changed IPv4 or IPv6 TCP or UDP frame right.
func fix(b []byte) []byte {
	f := flow{v6: b[12] == 0x86}
	at := f.payload(0)
	proto := b[23]
	if f.v6 {
		proto = b[20]
		copy(f.src[:], b[22:38])
		copy(f.dst[:], b[38:54])
	} else {
		copy(f.src[:], b[26:30])
		copy(f.dst[:], b[30:34])
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], ^fold(sum(b[14:34], 0)))
	}
	sumAt := map[uint8]int{protoTCP: 16, protoUDP: 6}[proto]
	b[at+sumAt], b[at+sumAt+1] = 0, 0
	f.putSum(b[at:], proto, sumAt)
	return b
}

// TestTrouble has a relay that does harm: the hosts notice and say which.
func TestTrouble(t *testing.T) {
	tcp := Mix{Kind: TCP, Answer: 4000}
	udp := Mix{Kind: UDPStream, Requests: 10, Window: 1, Answer: 20}
	flags := func(b []byte) byte { return b[14+20+13] }
	l4 := 14 + 20
	pass := func(b []byte) ([][]byte, [][]byte) { return [][]byte{b}, nil }
	for _, tc := range []struct {
		name   string
		mix    Mix
		server ServerConfig
		change func(up bool, b []byte) (on, back [][]byte)
		want   func(r *Report, s *Frames, c *Sessions) bool
	}{
		{"nothing", tcp, ServerConfig{}, func(_ bool, b []byte) ([][]byte, [][]byte) { return pass(b) },
			func(r *Report, s *Frames, c *Sessions) bool { return r.Clean() }},
		{"SYN lost", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if up && flags(b) == syn {
				return nil, nil
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.TimedOut == 20 && c.Completed == 0 }},
		{"segment lost", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up && len(b) == 14+20+20+1400 && b[l4+7]&1 == 0 && b[l4+6]&2 == 0 {
				return nil, nil
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonSequence]+c.TimedOut > 0 }},
		{"bytes changed in answers", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up && len(b) > 100 {
				b[len(b)-1] ^= 1
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonPayload] == 20 }},
		{"bytes changed in requests", Mix{Kind: TCP, Ask: 40}, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if up && len(b) > 80 {
				b[len(b)-1] ^= 1
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return s.Payload == 20 && c.TimedOut == 20 }},
		{"sequence number shifted", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if up && flags(b)&psh != 0 {
				b[l4+7]++
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return s.Payload == 20 && c.TimedOut == 20 }},
		{"acknowledgement shifted", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up && flags(b) == syn|ack {
				b[l4+11]++
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonSequence] == 20 }},
		{"checksum wrong", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			b[len(b)-1] ^= 1
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return s.Bad == 20 && c.TimedOut == 20 }},
		{"reset by the path", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up && flags(b) == ack {
				b[l4+13] = rst
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonReset] == 20 }},
		{"refused by ICMP", udp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			return nil, [][]byte{icmpError(b)}
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonUnreachable] == 20 }},
		{"flags from nowhere", tcp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up && flags(b) == syn|ack {
				b[l4+13] = syn
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonFlags] == 20 }},
		{"every third answer lost", udp, ServerConfig{}, every(3, false, func(b []byte) [][]byte { return nil }),
			func(r *Report, s *Frames, c *Sessions) bool { return c.TimedOut > 0 }},
		{"lost inside a window", Mix{Kind: UDPStream, Requests: 30, Window: 30}, ServerConfig{}, every(7, true, func(b []byte) [][]byte { return nil }),
			func(r *Report, s *Frames, c *Sessions) bool { return r.Lost > 0 && c.Completed+c.TimedOut == 20 }},
		{"answers doubled", udp, ServerConfig{}, every(1, false, func(b []byte) [][]byte { return [][]byte{b, bytes.Clone(b)} }),
			func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonSequence]+r.Stray >= 20 }},
		{"answer cut", udp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up {
				b = b[:len(b)-1]
				b[17]--
				b[l4+5]--
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return c.Failed[ReasonLength] == 20 }},
		{"answer from another port", udp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up {
				b[l4+1]++
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return r.Stray == 20 && c.TimedOut == 20 }},
		{"answer to another address", udp, ServerConfig{}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if !up {
				b[33] ^= 0x80
				fix(b)
			}
			return pass(b)
		}, func(r *Report, s *Frames, c *Sessions) bool { return r.Stray == 20 && c.TimedOut == 20 }},
		{"translated both ways", udp, ServerConfig{Sources: []netip.Prefix{netip.MustParsePrefix("74.0.0.0/8")}}, func(up bool, b []byte) ([][]byte, [][]byte) {
			if up {
				b[26] ^= 0x40 // source 10.x becomes 74.x
			} else {
				b[30] ^= 0x40
			}
			return pass(fix(b))
		}, func(r *Report, s *Frames, c *Sessions) bool { return r.Clean() && s.Foreign == 0 }},
		{"not translated", udp, ServerConfig{Sources: []netip.Prefix{netip.MustParsePrefix("74.0.0.0/8")}}, func(_ bool, b []byte) ([][]byte, [][]byte) { return pass(b) },
			func(r *Report, s *Frames, c *Sessions) bool { return r.Clean() && s.Foreign == 200 }},
		{"not translated, destination", udp, ServerConfig{Destinations: []netip.Prefix{netip.MustParsePrefix("74.0.0.0/8")}}, func(_ bool, b []byte) ([][]byte, [][]byte) { return pass(b) },
			func(r *Report, s *Frames, c *Sessions) bool { return r.Clean() && s.Foreign == 200 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire(t, pools(ClientConfig{Seed: 5, Mix: []Mix{tc.mix}, Open: 5, Total: 20}), tc.server)
			w.change = tc.change
			r := w.run()
			s := w.server.Report()
			if total := r.Total(); !tc.want(&r, &s, &total) || total.Opened != 20 {
				t.Errorf("client: %v\nserver: %v", &r, &s)
			}
		})
	}
}

// every changes each nth frame of one direction.
func every(n int, up bool, change func(b []byte) [][]byte) func(bool, []byte) ([][]byte, [][]byte) {
	seen := 0
	return func(fromClient bool, b []byte) ([][]byte, [][]byte) {
		if fromClient == up {
			if seen++; seen%n == 0 {
				return change(b), nil
			}
		}
		return [][]byte{b}, nil
	}
}

// icmpError returns the port-unreachable answer to an IPv4 frame.
func icmpError(b []byte) []byte {
	d, err := frame.Decode(b)
	if err != nil {
		panic(err)
	}
	out := frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.254", Dst: d.Src.String()}, frame.ICMP{Type: 3, Code: 3}, frame.Data(b[14:14+28]))
	return out
}
