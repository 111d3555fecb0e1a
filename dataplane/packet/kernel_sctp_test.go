package packet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// nextChunks invents the packet that an association's end might send next, or
// should not. e is what sluice has of it, or nil.
func nextChunks(r *rand.Rand, e *flowtable.Entry, origin uint8) (side uint8, tag uint32, chunks string) {
	side = uint8(r.IntN(2))
	tags := []uint32{0, uint32(1 + r.IntN(3)), r.Uint32()}
	kind := oneOf[byte](r, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 10, 11, 11, 14, byte(r.Uint32()))
	if e == nil {
		kind = oneOf[byte](r, 1, 1, 1, 1, 4, 8, kind)
		tag = oneOf(r, tags...)
		if kind == 1 && r.IntN(8) != 0 {
			tag = 0
		}
	} else {
		dir := side ^ origin
		if r.IntN(2) == 0 { // on to the next state
			switch e.State {
			case flowtable.SCTPClosed:
				dir, kind = 1, 2
			case flowtable.SCTPCookieWait:
				dir, kind = 0, 10
			case flowtable.SCTPCookieEchoed:
				dir, kind = 1, 11
			case flowtable.SCTPEstablished:
				kind = oneOf[byte](r, 0, 3, 7, 4, 5)
			case flowtable.SCTPShutdownSent, flowtable.SCTPShutdownRecd:
				kind = 8
			case flowtable.SCTPShutdownAckSent:
				kind = 14
			}
			side = dir ^ origin
		}
		tag = e.Proto[dir]
		switch r.IntN(8) {
		case 0:
			tag = oneOf(r, tags...)
		case 1:
			tag = e.Proto[dir^1]
		}
		if kind == 1 && r.IntN(4) != 0 {
			tag = 0
		}
	}
	chunk := func(kind byte) string {
		size := r.IntN(12)
		if kind == 1 || kind == 2 {
			size = 16
		}
		if r.IntN(20) == 0 {
			size = r.IntN(24)
		}
		b := make([]byte, 4+size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[0], b[1] = kind, byte(r.IntN(2))
		if size >= 4 && (kind == 1 || kind == 2) {
			binary.BigEndian.PutUint32(b[4:], oneOf(r, uint32(1+r.IntN(3)), r.Uint32()))
			if e != nil && r.IntN(3) == 0 {
				binary.BigEndian.PutUint32(b[4:], e.Proto[r.IntN(2)])
			}
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		if r.IntN(30) == 0 {
			binary.BigEndian.PutUint16(b[2:], uint16(r.IntN(30)))
		}
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return string(b)
	}
	chunks = chunk(kind)
	for r.IntN(5) == 0 {
		chunks += chunk(oneOf[byte](r, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, byte(r.IntN(16))))
	}
	if r.IntN(40) == 0 {
		chunks = chunks[:r.IntN(len(chunks))]
	}
	return side, tag, chunks
}

// TestKernelSCTP is TestKernelTCP for sequences of chunks.
func TestKernelSCTP(t *testing.T) {
	for round := range *judgeRounds {
		seed := *judgeSeed + uint64(round)
		if *judgeSeed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { trialSCTP(t, seed) })
	}
}

func trialSCTP(t *testing.T, seed uint64) {
	cells := map[[3]uint8]bool{} // of the state table
	trial{
		proto: protoSCTP, seed: seed, limit: 2500 * time.Millisecond,
		invent: func(j *judge, r *rand.Rand, before []step, flow int, e *flowtable.Entry, origin uint8) step {
			if len(before) > 0 && r.IntN(10) == 0 {
				return before[len(before)-1]
			}
			side, tag, chunks := nextChunks(r, e, origin)
			h := SCTP{Src: uint16(1024 + flow), Dst: 80, Tag: tag, Sum: oneOf(r, SumRight, SumRight, SumRight, SumRight, SumRight, SumRight, SumRight, SumRight, SumRight, SumWrong)}
			if side == 1 {
				h.Src, h.Dst = h.Dst, h.Src
			}
			if e != nil && len(chunks) > 0 {
				cells[[3]uint8{side ^ origin, uint8(e.State), chunks[0]}] = true
			}
			f := Build(j.ethers[side], IPv4{Src: judgeEnd4[side], Dst: judgeEnd4[side^1], ID: uint16(flow)}, h, Data(chunks))
			return step{side, f, fmt.Sprintf("side %d tag %x sum %d chunks %x", side, tag, h.Sum, chunks)}
		},
		compare: func(e *flowtable.Entry, k *judged) bool { return [2]uint32(e.Proto[:2]) == k.vtag },
	}.run(t)
	for dir := range uint8(2) {
		for st := flowtable.SCTPClosed; st <= flowtable.SCTPHeartbeatSent; st++ {
			for _, kind := range []uint8{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 14} {
				if !cells[[3]uint8{dir, uint8(st), kind}] {
					t.Logf("not reached: direction %d, state %d, chunk %d", dir, st, kind)
				}
			}
		}
	}
}
