package packet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

const (
	judgeFlows = 500 // flows of a trial; a frame's IPv4 id is the flow's number
	judgeSteps = 60  // packets of each
)

// step is one packet of a flow.
type step struct {
	side  uint8 // the cable it comes from; 0 is the client's
	frame []byte
	what  any // for the report
}

// trial sends packets of many flows side by side, each through the kernel and
// through a shard, and compares after every packet whether it is INVALID and
// what is then known of its flow. The client's port is 1024 + flow, the
// server's 80.
type trial struct {
	proto   uint8
	seed    uint64
	prepare func(*judge)
	change  func(*flowtable.Config)
	limit   time.Duration // no round begins behind it; shorter than the shortest timeout
	// invent makes the next packet. e is what sluice has of the flow, or nil;
	// origin the side that its original direction comes from.
	invent  func(j *judge, r *rand.Rand, before []step, flow int, e *flowtable.Entry, origin uint8) step
	compare func(e *flowtable.Entry, k *judged) bool
}

// settle waits until all that was sent is through. Sentinels follow it and come
// last.
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

// known lists the kernel's flows of a protocol by number.
func (j *judge) known(proto uint8) map[int]judged {
	all := map[int]judged{}
	for _, f := range j.dump() {
		if f.orig.Proto == proto {
			all[int(max(f.orig.SrcPort, f.orig.DstPort))-1024] = f
		}
	}
	return all
}

func (tr trial) run(t *testing.T) {
	j := newJudge(t)
	if tr.prepare != nil {
		tr.prepare(j)
	}
	c := flowtable.Default()
	c.Max, c.Acct = 4*judgeFlows, true
	if tr.change != nil {
		tr.change(&c)
	}
	tab, err := flowtable.New(c)
	j.must(err)
	defer tab.Close()
	shard := tab.Shard(0)
	r := rand.New(rand.NewPCG(tr.seed, 1))

	begin := time.Now()
	entries := make([]uint32, judgeFlows)
	history := make([][]step, judgeFlows)
	notes := make([][]string, judgeFlows)
	lost := make([]bool, judgeFlows) // differ already
	valid := make([]bool, judgeFlows)
	due := make([]uint32, judgeFlows) // when the entry was to end, before its packet; 0: there was none
	compared, invalid, differ, late := 0, 0, 0, 0
	reasons := map[flowtable.Reason]int{}
	for round := 0; round < judgeSteps && time.Since(begin) < tr.limit; round++ {
		began := uint32(time.Since(begin).Milliseconds())
		for i := range judgeFlows {
			var e *flowtable.Entry
			if due[i] = 0; entries[i] != 0 {
				e = shard.Entry(entries[i])
				due[i] = e.Expires
			}
			origin := uint8(0)
			if e != nil && e.Tuple.SrcPort == 80 {
				origin = 1
			}
			s := tr.invent(j, r, history[i], i, e, origin)
			j.send(s.side, s.frame)
			now := uint32(time.Since(begin).Milliseconds())
			p := Packet{Data: s.frame}
			if d := Parse(&p, tab); d != DropNone {
				t.Fatalf("%v: %v", s.what, d)
			}
			if !p.ChecksumOK() {
				p.Kind, p.Reason = flowtable.KindInvalid, flowtable.ReasonChecksum
			}
			a := shard.Track(&p.Probe, now)
			valid[i] = a == flowtable.ActionAccept && p.Info != flowtable.InfoInvalid
			reasons[p.Reason]++
			note := fmt.Sprintf("%v: %v", s.what, p.Reason)
			if valid[i] {
				shard.Confirm(&p.Probe, now)
				entries[i] = p.Entry
			}
			if n := entries[i]; n != 0 && shard.Entry(n).Live() {
				e := shard.Entry(n)
				note += fmt.Sprintf(" -> %d flags %02x %d", e.State, e.TCP, e.Proto)
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
		known := j.known(tr.proto)
		now := uint32(time.Since(begin).Milliseconds())
		for i := range judgeFlows {
			if lost[i] {
				continue
			}
			// On a machine this busy an entry may end here before the packet and in the
			// kernel behind it, or before the kernel is asked.
			ends := func(at uint32) bool { return int32(at-now) <= nearEnd }
			if due[i] != 0 && ends(due[i]) || entries[i] != 0 && ends(shard.Entry(entries[i]).Expires) {
				lost[i] = true
				late++
				continue
			}
			compared++
			if !valid[i] {
				invalid++
			}
			k, there := known[i]
			why := ""
			switch {
			case valid[i] != passed[i]:
				why = fmt.Sprintf("valid %t, the kernel says %t", valid[i], passed[i])
			case (entries[i] != 0) != there:
				why = fmt.Sprintf("entry %t, the kernel has %t", entries[i] != 0, there)
			case there:
				why = tr.differ(shard.Entry(entries[i]), &k, now, int32(1+(now-began)/1000))
			}
			if why != "" {
				lost[i] = true
				if differ++; differ <= 5 {
					t.Errorf("flow %d: %s\n\t%s", i, why, strings.Join(notes[i][max(0, len(notes[i])-6):], "\n\t"))
				}
			}
		}
	}
	t.Logf("%d packets compared, %d of them INVALID, %d flows differ, %d were too near their end; %v", compared, invalid, differ, late, reasons)
	if invalid == 0 || invalid == compared {
		t.Error("nothing was told apart")
	}
}

// nearEnd is how near the end of an entry must be, in milliseconds, to be left to the
// clocks.
const nearEnd = 500

// differ says in what a flow differs; empty when in nothing. slack is by how many
// seconds timeouts may, because the machine took its time.
func (tr *trial) differ(e *flowtable.Entry, k *judged, now uint32, slack int32) string {
	const status = flowtable.StatusSeenReply | flowtable.StatusAssured
	left := int32(e.Expires-now) / 1000
	if e.Tuple == k.orig && uint8(e.State) == k.state && e.Status&status == k.status&status && e.Packets == k.packets && e.Bytes == k.bytes &&
		left-int32(k.timeout) <= slack && int32(k.timeout)-left <= slack && tr.compare(e, k) {
		return ""
	}
	return fmt.Sprintf("%v state %d status %#x, %d s, %v %v, flags %02x, %d\n\tkernel %v state %d status %#x, %d s, %v %v, flags %02x, tags %x",
		e.Tuple, e.State, e.Status&status, left, e.Packets, e.Bytes, e.TCP, e.Proto,
		k.orig, k.state, k.status&status, k.timeout, k.packets, k.bytes, k.flags, k.vtag)
}
