package packet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

var (
	judgeRounds = flag.Int("judge.rounds", 1, "rounds of random sequences for the kernel to judge")
	judgeSeed   = flag.Uint64("judge.seed", 0, "seed of the first round; 0: a new one")
)

// tcpSeg is one segment of a random sequence.
type tcpSeg struct {
	side     uint8 // of the wire: 0 is the client
	flags    string
	seq, ack uint32
	win      uint16
	options  string
	payload  int
}

func (s tcpSeg) String() string {
	return fmt.Sprintf("side %d %-3s seq %d ack %d win %d payload %d options %x", s.side, s.flags, s.seq, s.ack, s.win, s.payload, s.options)
}

func (s tcpSeg) frame(j *judge, flow int) []byte {
	t := TCP{Src: uint16(1024 + flow), Dst: 80, Seq: s.seq, Ack: s.ack, Flags: s.flags, Window: s.win, WindowZero: s.win == 0, Options: s.options}
	if s.side == 1 {
		t.Src, t.Dst = t.Dst, t.Src
	}
	return Build(j.ethers[s.side], IPv4{Src: judgeEnd4[s.side], Dst: judgeEnd4[s.side^1], ID: uint16(flow)}, t, Zeros(s.payload))
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func near(r *rand.Rand, v uint32) uint32 { return v + uint32(r.IntN(5)) - 2 }

// nextSegment invents a segment for a flow: mostly what an end would send,
// often one byte inside or outside of a window, sometimes nonsense. e is what
// sluice has of the flow, or nil.
func nextSegment(r *rand.Rand, e *flowtable.Entry, origin uint8, before []tcpSeg) tcpSeg {
	s := tcpSeg{side: uint8(r.IntN(2)), win: oneOf[uint16](r, 0, 1, 100, 5000, 5000, 5000, 65535, uint16(r.Uint32()))}
	if len(before) > 0 && r.IntN(6) == 0 {
		return before[len(before)-1] // the same again
	}
	if e == nil {
		s.flags = oneOf(r, "S", "S", "S", "S", "A", "PA", "FA", "R", "SA")
		s.seq, s.ack = r.Uint32(), r.Uint32()
		if r.IntN(3) == 0 {
			s.seq = -uint32(r.IntN(2000)) // about to wrap
		}
		if s.flags == "S" {
			s.ack = 0
			s.options = synOptions(r)
		}
		if r.IntN(4) == 0 {
			s.payload = r.IntN(300)
		}
		return s
	}
	side := func(dir uint8) []uint32 { return e.Proto[4*dir : 4*dir+4] } // end, maxEnd, maxWin, maxAck
	const end, maxEnd, maxWin, maxAck = 0, 1, 2, 3
	if e.State == flowtable.TCPClose && r.IntN(4) == 0 { // it would stay there
		s.side, s.flags, s.seq, s.options = origin, "S", r.Uint32(), synOptions(r)
		return s
	}
	// The next step of the handshake, more often than not.
	if r.IntN(3) != 0 {
		dir := uint8(2)
		switch e.State {
		case flowtable.TCPSynSent:
			dir, s.flags, s.options = 1, "SA", synOptions(r)
		case flowtable.TCPSynRecv:
			dir, s.flags = 0, "A"
		}
		if dir < 2 {
			s.side = dir ^ origin
			s.seq, s.ack = side(dir)[end], side(dir ^ 1)[end]
			if s.flags == "SA" && side(dir)[maxWin] == 0 {
				s.seq = r.Uint32()
			}
			return s
		}
	}
	dir := s.side ^ origin
	send, recv := side(dir), side(dir^1)
	s.flags = oneOf(r, "A", "A", "A", "A", "A", "A", "A", "A", "PA", "PA", "FA", "FA", "S", "SA", oneOf(r, "R", "RA", "A", "FA"), oneOf(r, "FA", "AU", "SU", "FAU", "", "F", "SF", "SEW", "UPA", "RS", "PR"))
	last := tcpSeg{}
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	lastEnd := last.seq + uint32(last.payload+strings.Count(last.flags, "S")+strings.Count(last.flags, "F"))
	s.payload = oneOf(r, 0, 0, 0, 0, 1, 10, 500, r.IntN(1400))
	ackWindow := max(send[maxWin], 66000)
	switch r.IntN(12) {
	default:
		s.seq = send[end]
	case 0:
		s.seq = near(r, send[maxEnd])
	case 1:
		s.seq = near(r, send[end]-recv[maxWin]-1) - uint32(s.payload)
	case 2:
		s.seq = near(r, recv[maxAck])
	case 3:
		s.seq = oneOf(r, 0, r.Uint32(), near(r, send[end]), send[end]-uint32(r.IntN(3000)), last.ack, lastEnd)
	case 4:
		s.seq = near(r, send[maxEnd]+recv[maxWin]) - uint32(s.payload) // as far as overshooting may go
		s.payload += r.IntN(2) * r.IntN(1000)
	case 5:
		s.seq = send[maxEnd] - uint32(r.IntN(1000))
	}
	if strings.Contains(s.flags, "A") || r.IntN(10) == 0 {
		switch r.IntN(10) {
		default:
			s.ack = recv[end]
		case 0:
			s.ack = near(r, recv[end])
		case 1:
			s.ack = near(r, recv[end]-ackWindow-1)
		case 2:
			s.ack = oneOf(r, 0, r.Uint32(), recv[end]-uint32(r.IntN(3000)), recv[maxEnd], lastEnd, lastEnd, send[maxAck])
		}
	}
	if strings.Contains(s.flags, "S") && r.IntN(3) != 0 {
		s.options = synOptions(r)
		return s
	}
	switch r.IntN(8) {
	case 0:
		s.options = "\x01\x01\x08\x0a12345678"
	case 1, 2: // SACK
		o := ""
		for range 1 + r.IntN(3) {
			right := oneOf(r, near(r, recv[end]), recv[end]-uint32(r.IntN(2000)), s.ack+uint32(r.IntN(3000)), r.Uint32())
			o += string([]byte{0, 0, 0, 0, byte(right >> 24), byte(right >> 16), byte(right >> 8), byte(right)})
		}
		o = "\x05" + string(byte(len(o)+2)) + o
		s.options = oneOf(r, "\x01\x01", "\x01\x01\x08\x0a12345678", "\x00", "\x08\x03", "\x09\x04\x00\x00")
		if len(s.options)+len(o) <= 40 {
			s.options += o
		}
		if r.IntN(8) == 0 && len(s.options) > 4 {
			s.options = s.options[:len(s.options)-4]
		}
	}
	return s
}

func synOptions(r *rand.Rand) (o string) {
	if r.IntN(3) == 0 {
		return ""
	}
	o = "\x02\x04\x05\xb4"
	if r.IntN(3) != 0 {
		o += "\x04\x02"
	}
	if r.IntN(3) != 0 {
		o += "\x01\x03\x03" + string([]byte{byte(r.IntN(16))})
	}
	if r.IntN(10) == 0 {
		o = o[:len(o)-1]
	}
	return o
}

// TestKernelTCP sends random sequences of segments through the kernel and
// through a shard, and compares after each segment whether it is INVALID and
// what is then known of the flow.
func TestKernelTCP(t *testing.T) {
	for round := range *judgeRounds {
		seed := *judgeSeed + uint64(round)
		if *judgeSeed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			trialTCP(t, seed, nil, nil)
		})
	}
	for _, row := range []struct {
		name   string
		sysctl [2]string
		change func(*flowtable.Config)
	}{
		{"be_liberal", [2]string{"be_liberal", "1"}, func(c *flowtable.Config) { c.TCPBeLiberal = true }},
		{"ignore_invalid_rst", [2]string{"ignore_invalid_rst", "1"}, func(c *flowtable.Config) { c.TCPIgnoreInvalidRST = true }},
		{"strict", [2]string{"loose", "0"}, func(c *flowtable.Config) { c.Loose = false }},
		{"max_retrans 1", [2]string{"max_retrans", "1"}, func(c *flowtable.Config) { c.TCPMaxRetrans = 1 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			seed := *judgeSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("seed %d", seed)
			trialTCP(t, seed, func(j *judge) { j.sysctl("net/netfilter/nf_conntrack_tcp_"+row.sysctl[0], row.sysctl[1]) }, row.change)
		})
	}
}

func trialTCP(t *testing.T, seed uint64, prepare func(*judge), change func(*flowtable.Config)) {
	cells := map[string]int{} // of the state table: side, state before, flags
	trial{
		proto: protoTCP, seed: seed, prepare: prepare, change: change, limit: 8 * time.Second,
		invent: func(j *judge, r *rand.Rand, before []step, flow int, e *flowtable.Entry, origin uint8) step {
			var segs []tcpSeg
			for _, s := range before {
				segs = append(segs, s.what.(tcpSeg))
			}
			s := nextSegment(r, e, origin, segs)
			s.payload = min(s.payload, 1400)
			if e != nil {
				cells[fmt.Sprintf("%d %v %s", s.side^origin, e.State, strings.Trim(s.flags, "PUEW"))]++
			}
			return step{s.side, s.frame(j, flow), s}
		},
		compare: func(e *flowtable.Entry, k *judged) bool { return e.TCP == k.flags },
	}.run(t)
	for dir := range 2 {
		for st := flowtable.TCPSynSent; st <= flowtable.TCPSynSent2; st++ {
			for _, flags := range []string{"S", "SA", "FA", "A", "R"} {
				if cells[fmt.Sprintf("%d %v %s", dir, st, flags)] == 0 {
					t.Logf("not reached: direction %d, %v, %s", dir, st, flags)
				}
			}
		}
	}
}
