package dataplane

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/loop"
)

// loopFrames are UDP packets of some flows, those of queue i first seen there.
func loopFrames(queues, flows int) [][][]byte {
	out := make([][][]byte, queues)
	for q := range out {
		for i := range flows {
			out[q] = append(out[q], frame.Build(clientToBox,
				frame.IPv4{Src: fmt.Sprintf("10.0.0.%d", 2+i%20), Dst: "198.51.100.7"},
				frame.UDP{Src: uint16(1000 + q*flows + i), Dst: 53}, frame.Zeros(20)))
		}
	}
	return out
}

// TestSwapUnderLoad replaces the rules a thousand times while two workers run.
// Every packet is judged by exactly one generation: retired images are
// poisoned, so a packet that met two would be counted. The counters that the
// publishes give back, and those of the last generation, add up to exactly the
// packets that went through.
func TestSwapUnderLoad(t *testing.T) {
	const swaps, workers = 1000, 2
	lan := loop.New(loop.Config{Name: "lan", MAC: benchMAC(1), Frames: loopFrames(workers, 50)})
	wan := loop.New(loop.Config{Name: "wan", MAC: benchMAC(2), Frames: make([][][]byte, workers)})
	n := newNet(t, "", workers, func(c *Config) {
		c.Trace, c.Clock = false, nil
		c.Ports[0].Port, c.Ports[1].Port = lan, wan
	})
	text := func(i int) []byte {
		return fmt.Appendf(nil, `table inet t {
	chain pre { type filter hook prerouting priority -10; counter; }
	chain f { type filter hook forward priority 0; policy drop; ip daddr 192.0.2.%d drop; ct state new,established counter accept; }
	chain post { type filter hook postrouting priority 0; counter; }
}
`, i%250)
	}
	if _, err := n.box.Load("swap.nft", text(0)); err != nil {
		t.Fatal(err)
	}
	if err := n.box.Start(); err != nil {
		t.Fatal(err)
	}
	lan.Pause(false) // count from the first counted generation on
	var counted [3]uint64
	var judged uint64
	for i := 1; i <= swaps; i++ {
		r, err := n.box.Load("swap.nft", text(i))
		if err != nil {
			t.Fatal(err)
		}
		judged += r.Judged
		for k, c := range r.OldCounters() {
			counted[k] += c.Packets
		}
	}
	lan.Pause(true)
	n.box.Stop()
	n.box.Drain()
	for k, c := range n.box.Counters() {
		counted[k] += c.Packets
	}
	for _, w := range n.box.workers {
		judged += w.next.Load().judged
	}
	rx, tx := lan.Received(), wan.Sent()
	s := n.box.Stats().Total()
	t.Logf("%d swaps, %d packets in, %d out, %d handed over, drops %v", swaps, rx, tx, s.HandoversIn, dropNames(&s))
	if rx < swaps {
		t.Fatalf("only %d packets: no load", rx)
	}
	lost := uint64(0)
	for d, c := range s.Drops {
		if d != 0 {
			lost += c
		}
	}
	if s.Mixed != 0 {
		t.Errorf("%d packets met two generations", s.Mixed)
	}
	if tx+lost != rx {
		t.Errorf("%d in, %d out and %d dropped", rx, tx, lost)
	}
	for k, c := range counted {
		if c != tx {
			t.Errorf("counter %d of all generations: %d, want %d", k, c, tx)
		}
	}
	if judged != tx {
		t.Errorf("%d packets judged, want %d", judged, tx)
	}
	n.checkLedger()
}

// TestEditsUnderLoad edits rules one by one, and all of them, while a worker has
// little to do: no frame is lost, and none meets two generations.
func TestEditsUnderLoad(t *testing.T) {
	const rules, edits = 2000, 60
	lan := loop.New(loop.Config{Name: "lan", MAC: benchMAC(1), Frames: loopFrames(1, 50), Rate: 20000, Ring: 1 << 20})
	wan := loop.New(loop.Config{Name: "wan", MAC: benchMAC(2), Frames: make([][][]byte, 1)})
	n := newNet(t, "", 1, func(c *Config) {
		c.Trace, c.Clock = false, nil
		c.Ports[0].Port, c.Ports[1].Port = lan, wan
	})
	t.Logf("seed %d (repeat with -mutate.seed)", *mutateSeed)
	r := rand.New(rand.NewPCG(*mutateSeed, 7))
	rule := func() string {
		return fmt.Sprintf("ip saddr 10.%d.%d.0/24 tcp dport %d counter drop", 1+r.IntN(200), r.IntN(256), 1+r.IntN(60000))
	}
	whole := func() []byte {
		var b strings.Builder
		b.WriteString("table inet t {\nchain f { type filter hook forward priority 0; policy drop;\n")
		for range rules {
			b.WriteString(rule() + "\n")
		}
		b.WriteString("counter accept\n}\n}\n")
		return []byte(b.String())
	}
	if _, err := n.box.Load("whole.nft", whole()); err != nil {
		t.Fatal(err)
	}
	if err := n.box.Start(); err != nil {
		t.Fatal(err)
	}
	lan.Pause(false)
	for i := range edits {
		if i%20 == 19 {
			if _, err := n.box.Load("whole.nft", whole()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		chain := n.box.Rules().Tree.Tables[0].Chains[0]
		command := fmt.Sprintf("insert rule inet t f index %d %s\n", r.IntN(len(chain.Rules)), rule())
		if i%2 > 0 {
			command = fmt.Sprintf("delete rule inet t f handle %d\n", chain.Rules[r.IntN(len(chain.Rules)-1)].Handle)
		}
		n.edit(command)
	}
	lan.Pause(true)
	n.box.Stop()
	n.box.Drain()
	s := n.box.Stats().Total()
	t.Logf("%d edits, %d frames in, %d out, %d lost, %d mixed", edits, lan.Received(), wan.Sent(), lan.Lost(), s.Mixed)
	if lan.Received() == 0 {
		t.Fatal("no load")
	}
	if lan.Lost() != 0 || s.Mixed != 0 || wan.Sent() != lan.Received() {
		t.Errorf("drops %v", dropNames(&s))
	}
	n.checkLedger()
}

// TestGraceWaitsForTheBurst holds a worker inside a round: a publish must not
// return, and must not poison, before the round ends.
func TestGraceWaitsForTheBurst(t *testing.T) {
	n := newNet(t, acceptAll, 1)
	w := n.box.workers[0]
	w.epoch.Add(1) // as round does
	old := w.next.Load()
	done := make(chan error)
	go func() {
		_, err := n.box.Load("b.nft", []byte(natRules))
		done <- err
	}()
	for w.next.Load() == old { // until the exchange
		select {
		case err := <-done:
			t.Fatalf("the publish returned (%v) while the worker was in a round", err)
		default:
		}
	}
	if !old.image.Alive() {
		t.Error("the old image was poisoned while in use")
	}
	select {
	case <-done:
		t.Fatal("the publish returned while the worker was in a round")
	default:
	}
	w.epoch.Add(1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if old.image.Alive() {
		t.Error("checking mode left the old image alive")
	}
}
