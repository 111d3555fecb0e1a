package dataplane

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// ftpScript is many masqueraded FTP sessions at once, their packets mixed: two
// active transfers each, whose commands grow by three bytes on the way out.
func ftpScript(seed uint64, sessions int) []arrival {
	rng := rand.New(rand.NewPCG(seed, 5))
	var lines [][]arrival
	for i := range sessions {
		var s []arrival
		client, port, data := fmt.Sprintf("10.0.0.%d", 2+i%20), uint16(2000+i), uint16(30000+2*i)
		up := func(t frame.TCP, text string) {
			t.Src, t.Dst, t.Window = port, 21, 60000
			s = append(s, arrival{port: 0, frame: frame.Build(lanIn(frame.IPv4{Src: client, Dst: "198.51.100.1"}, t, frame.Data(text))...)})
		}
		down := func(t frame.TCP, text string) {
			t.Src, t.Dst, t.Window = 21, port, 60000
			s = append(s, arrival{port: 1, frame: frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, t, frame.Data(text))...)})
		}
		cSeq, sSeq, grown := uint32(1000), uint32(9000), uint32(0)
		command := func(text string, more uint32) {
			up(frame.TCP{Seq: cSeq, Ack: sSeq, Flags: "PA"}, text)
			cSeq += uint32(len(text))
			grown += more
			const answer = "200 ok\r\n"
			down(frame.TCP{Seq: sSeq, Ack: cSeq + grown, Flags: "PA"}, answer)
			sSeq += uint32(len(answer))
		}
		up(frame.TCP{Seq: cSeq - 1, Flags: "S"}, "")
		down(frame.TCP{Seq: sSeq - 1, Ack: cSeq, Flags: "SA"}, "")
		up(frame.TCP{Seq: cSeq, Ack: sSeq, Flags: "A"}, "")
		command("USER a\r\n", 0)
		for k := range uint16(2) {
			p := data + k
			command(fmt.Sprintf("PORT %s,%d,%d\r\n", fmt.Sprintf("10,0,0,%d", 2+i%20), p>>8, p&0xff), uint32(len("203,0,113,1")-len(fmt.Sprintf("10,0,0,%d", 2+i%20))))
			child := frame.TCP{Src: 20, Dst: p, Seq: 1, Flags: "S", Window: 60000}
			s = append(s, arrival{port: 1, frame: frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, child)...)})
			answer := frame.TCP{Src: p, Dst: 20, Seq: 1, Ack: 2, Flags: "SA", Window: 60000}
			s = append(s, arrival{port: 0, frame: frame.Build(lanIn(frame.IPv4{Src: client, Dst: "198.51.100.1"}, answer)...)})
			command("RETR x\r\n", 0)
		}
		command("QUIT\r\n", 0)
		lines = append(lines, s)
	}
	var script []arrival
	for len(lines) > 0 {
		i := rng.IntN(len(lines))
		n := min(1+rng.IntN(3), len(lines[i]))
		script = append(script, lines[i][:n]...)
		if lines[i] = lines[i][n:]; len(lines[i]) == 0 {
			lines = append(lines[:i], lines[i+1:]...)
		}
	}
	return script
}

// TestHelpersSameForAllWorkers: how packets come in bursts, and to how many
// workers, changes neither bytes nor connections of masters and children.
func TestHelpersSameForAllWorkers(t *testing.T) {
	const sessions = 40
	for _, seed := range []uint64{1, 2} {
		script := ftpScript(seed, sessions)
		want := play(t, helperRules, script, 1, 1)
		if n := len(want.conntrack); n != 3*sessions {
			t.Fatalf("seed %d: %d connections, want %d; drops %v", seed, n, 3*sessions, want.drops)
		}
		if len(want.drops) != 0 {
			t.Fatalf("seed %d: drops %v", seed, want.drops)
		}
		for _, workers := range []int{1, 2, 4} {
			for _, burst := range []int{1, 64} {
				got := play(t, helperRules, script, workers, burst)
				same(t, fmt.Sprintf("seed %d, %d workers, burst %d", seed, workers, burst), want, got, workers == 1)
				if workers > 1 && got.crossed == 0 {
					t.Errorf("%d workers: nothing was handed over, so nothing was tested", workers)
				}
			}
		}
	}
}
