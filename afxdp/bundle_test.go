package afxdp

import "testing"

// TestBundle: a port with fewer queues than the device receives on gets the
// frames of all, and Poll wakes up for each.
func TestBundle(t *testing.T) {
	const frames = 2000
	for _, tc := range []struct{ channels, queues int }{{2, 1}, {4, 1}, {4, 2}, {3, 2}} {
		n := newTestNet(t)
		n.veth("a0", "a1", tc.channels)
		_, near := n.open("a0", testOptions(tc.channels), n.umems(tc.channels, 1024))
		ifc, far := n.open("a1", testOptions(tc.queues), n.umems(tc.queues, 1024))
		sent, got := make([]uint64, tc.channels), make([]uint64, tc.channels)
		eventually(t, "all frames have arrived", func() bool {
			all := true
			for i := range tc.channels {
				if sent[i] < frames && sent[i]-got[i] < 64 {
					sent[i] += uint64(near[i].send(uint64(i), sent[i], min(16, int(frames-sent[i]))))
				}
			}
			for i := range far {
				far[i].takeAny(t, got)
			}
			for i := range got {
				all = all && got[i] == frames
			}
			return all
		})
		info := ifc.Info()
		if info.Channels != tc.channels || len(info.Queues) != tc.queues || info.Program != (ProgramCounts{}) {
			t.Errorf("%v: %+v", tc, info)
		}
		var received uint64
		for _, q := range info.Queues {
			received += q.Stats.RxFrames
		}
		if want := uint64(tc.channels * frames); received != want {
			t.Errorf("%v: %d frames received, want %d", tc, received, want)
		}
		near[tc.channels-1].send(uint64(tc.channels-1), frames, 1)
		last := far[(tc.channels-1)%tc.queues]
		if !Pollable([]Queue{last.q}) || !Poll([]Queue{last.q}, 5000) {
			t.Errorf("%v: a frame on the last queue wakes nobody", tc)
		}
	}
}

// TestBundleTurns: a part that always has frames does not starve the others.
func TestBundleTurns(t *testing.T) {
	b := &bundle{parts: []ifQueue{&greedy{}, &greedy{}, &greedy{}}}
	descs := make([]Desc, 8)
	for range 30 {
		if n := b.Recv(descs); n != len(descs) {
			t.Fatalf("%d frames, want %d", n, len(descs))
		}
	}
	for i, q := range b.parts {
		if got := q.(*greedy).calls; got != 10 {
			t.Errorf("part %d was asked %d times of 30, want 10", i, got)
		}
	}
}

// greedy always fills the whole burst.
type greedy struct {
	ifQueue
	calls int
}

func (g *greedy) Recv(descs []Desc) int {
	g.calls++
	return len(descs)
}
