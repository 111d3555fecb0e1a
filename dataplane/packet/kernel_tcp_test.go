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

const (
	judgeFlows = 500
	judgeSteps = 60
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

// sentinels follow what was sent and come back last.
func (j *judge) settle(seen func(side uint8, frame []byte)) {
	for side := range uint8(2) {
		j.send(side, Build(j.ethers[side], IPv4{Src: judgeEnd4[side], Dst: judgeEnd4[side^1], ID: 0xffff}, UDP{Src: 9, Dst: 9}))
	}
	for side := range uint8(2) {
		j.arrived(side, func(f []byte) bool {
			if be16(f[12:]) == EtherIPv4 && be16(f[18:]) == 0xffff {
				return true
			}
			seen(side, f)
			return false
		})
	}
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
			judgeTCP(t, seed, nil, nil)
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
			judgeTCP(t, seed, func(j *judge) { j.sysctl("net/netfilter/nf_conntrack_tcp_"+row.sysctl[0], row.sysctl[1]) }, row.change)
		})
	}
}

func judgeTCP(t *testing.T, seed uint64, prepare func(*judge), change func(*flowtable.Config)) {
	j := newJudge(t)
	if prepare != nil {
		prepare(j)
	}
	c := flowtable.Default()
	c.Max, c.Acct = 4*judgeFlows, true
	if change != nil {
		change(&c)
	}
	tab, err := flowtable.New(c)
	j.must(err)
	defer tab.Close()
	shard := tab.Shard(0)
	r := rand.New(rand.NewPCG(seed, 1))

	begin := time.Now()
	entries := make([]uint32, judgeFlows)
	history := make([][]tcpSeg, judgeFlows)
	notes := make([][]string, judgeFlows)
	lost := make([]bool, judgeFlows) // differ already
	valid := make([]bool, judgeFlows)
	compared, invalid, differ := 0, 0, 0
	cells := map[string]int{} // of the state table: side, state before, flags
	for range judgeSteps {
		for i := range judgeFlows {
			var e *flowtable.Entry
			if n := entries[i]; n != 0 && shard.Entry(n).Live() {
				e = shard.Entry(n)
			}
			origin := uint8(0)
			if e != nil && e.Tuple.SrcPort == 80 {
				origin = 1
			}
			s := nextSegment(r, e, origin, history[i])
			s.payload = min(s.payload, 1400)
			f := s.frame(j, i)
			if e != nil {
				cells[fmt.Sprintf("%d %v %s", s.side^origin, e.State, strings.Trim(s.flags, "PUEW"))]++
			}
			j.send(s.side, f)
			now := uint32(time.Since(begin).Milliseconds())
			p := Packet{Data: f}
			if d := Parse(&p, tab); d != DropNone {
				t.Fatalf("%v: %v", s, d)
			}
			a := shard.Track(&p.Probe, now)
			valid[i] = a == flowtable.ActionAccept && p.Info != flowtable.InfoInvalid
			note := fmt.Sprintf("%v: %v", s, p.Reason)
			if valid[i] {
				shard.Confirm(&p.Probe, now)
				entries[i] = p.Entry
			}
			if n := entries[i]; n != 0 && shard.Entry(n).Live() {
				e := shard.Entry(n)
				note += fmt.Sprintf(" -> %v flags %02x %d", e.State, e.TCP, e.Proto)
			} else {
				entries[i] = 0 // the number may go to another flow
			}
			history[i], notes[i] = append(history[i], s), append(notes[i], note)
		}
		passed := make([]bool, judgeFlows)
		j.settle(func(_ uint8, f []byte) {
			if be16(f[12:]) == EtherIPv4 && int(be16(f[18:])) < judgeFlows {
				passed[be16(f[18:])] = true
			}
		})
		known := map[uint16]judged{}
		for _, f := range j.dump() {
			if f.orig.Proto == protoTCP {
				known[max(f.orig.SrcPort, f.orig.DstPort)-1024] = f
			}
		}
		now := uint32(time.Since(begin).Milliseconds())
		for i := range judgeFlows {
			if lost[i] {
				continue
			}
			compared++
			if !valid[i] {
				invalid++
			}
			k, there := known[uint16(i)]
			if why := differTCP(shard, entries[i], now, valid[i], passed[i], k, there); why != "" {
				lost[i] = true
				if differ++; differ <= 5 {
					t.Errorf("flow %d: %s\n\t%s", i, why, strings.Join(notes[i][max(0, len(notes[i])-6):], "\n\t"))
				}
			}
		}
	}
	t.Logf("%d segments compared, %d of them INVALID, %d flows differ", compared, invalid, differ)
	for dir := range 2 {
		for st := flowtable.TCPSynSent; st <= flowtable.TCPSynSent2; st++ {
			for _, flags := range []string{"S", "SA", "FA", "A", "R"} {
				if cells[fmt.Sprintf("%d %v %s", dir, st, flags)] == 0 {
					t.Logf("not reached: direction %d, %v, %s", dir, st, flags)
				}
			}
		}
	}
	if invalid == 0 || invalid == compared {
		t.Error("nothing was told apart")
	}
}

// differTCP says in what a flow differs; empty when in nothing.
func differTCP(s *flowtable.Shard, n, now uint32, valid, passed bool, k judged, there bool) string {
	if valid != passed {
		return fmt.Sprintf("valid %t, the kernel says %t", valid, passed)
	}
	ours := n != 0 && s.Entry(n).Live()
	if ours != there {
		return fmt.Sprintf("entry %t, the kernel has %t", ours, there)
	}
	if !ours {
		return ""
	}
	e := s.Entry(n)
	const status = flowtable.StatusSeenReply | flowtable.StatusAssured
	left := int32(e.Expires-now) / 1000
	if e.Tuple != k.orig || uint8(e.State) != k.state || e.Status&status != k.status&status || e.TCP != k.flags ||
		e.Packets != k.packets || e.Bytes != k.bytes || left-int32(k.timeout) > 1 || int32(k.timeout)-left > 1 {
		return fmt.Sprintf("%v %v status %#x flags %02x, %d s, %v %v\n\tkernel %v %v status %#x flags %02x, %d s, %v %v",
			e.Tuple, e.State, e.Status&status, e.TCP, left, e.Packets, e.Bytes,
			k.orig, flowtable.TCPState(k.state), k.status&status, k.flags, k.timeout, k.packets, k.bytes)
	}
	return ""
}
