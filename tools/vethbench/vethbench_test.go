package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/sluice-net/sluice/tools/lab"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, 0},
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 9, 2}, 3},
	} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestIntervalHoldsTheMedian(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		widest float64
	}{
		{"all equal", []float64{2, 2, 2, 2}, 0},
		{"narrow", []float64{1.4, 1.41, 1.42, 1.43, 1.44, 1.45}, 0.05},
		{"one far off", []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 50}, 0},
	} {
		low, high := interval(tc.values)
		if m := median(tc.values); low > m || high < m || high-low > tc.widest {
			t.Errorf("%s: %v to %v around %v, want no wider than %v", tc.name, low, high, m, tc.widest)
		}
	}
}

// TestGeneratorFrames runs the generator's program on dirty frames, not live.
func TestGeneratorFrames(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skip("loading programs: ", err)
	}
	macs := append(net.HardwareAddr{2, 0, 0, 0, 0, 2}, 2, 0, 0, 0, 0, 1)
	for _, tc := range []struct {
		name string
		pattern
		sends, distinct int // of 4096 runs
	}{
		{"in order", pattern{flows: 1024}, 4096, 1024},
		{"many flows", pattern{flows: 1 << 20}, 4096, 4096},
		{"random", pattern{flows: 1 << 20, random: true}, 4096, 4080},
		{"paced", pattern{flows: 64, pace: 3}, 512, 64},
	} {
		tc.to, tc.from = macs[:6], macs[6:]
		g, err := newGenerator(tc.pattern)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		sends, seen := 0, map[uint32]bool{}
		for range 4096 {
			verdict, f, err := g.prog.Test(bytes.Repeat([]byte{0xa5}, frameLen))
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if verdict == xdpDrop && tc.pace > 0 {
				continue
			}
			if verdict != xdpTX {
				t.Fatalf("%s: verdict %d", tc.name, verdict)
			}
			sends++
			// What inspect wants of a forwarded frame, but for the TTL.
			if f[22] != 64 {
				t.Fatalf("%s: TTL %d", tc.name, f[22])
			}
			f[22]--
			sum := binary.BigEndian.Uint16(f[24:])
			if sum += 0x100; sum < 0x100 {
				sum++ // ones' complement: the carry comes in again
			}
			binary.BigEndian.PutUint16(f[24:], sum)
			flow, why := (&world{}).inspect(f, macs)
			if why != "" || flow >= tc.flows {
				t.Fatalf("%s: flow %d: %s: %x", tc.name, flow, why, f)
			}
			seen[flow] = true
		}
		if sent, err := g.sent(); err != nil || sent != uint64(tc.sends) || sends != tc.sends || len(seen) < tc.distinct {
			t.Errorf("%s: sent %d, counted %d (%v), %d flows; want %d and %d flows", tc.name, sends, sent, err, len(seen), tc.sends, tc.distinct)
		}
		g.close()
	}
}

func TestBetweenTakesTheBusyThread(t *testing.T) {
	a := moment{counts: counters{rx: 100}, threads: map[int]threadTime{7: {ns: 50, user: 5, system: 5}, 8: {ns: 1000}}, softirq: 40}
	b := a
	b.at = a.at.Add(1e6) // a millisecond
	b.counts.rx, b.softirq = 1100, 140
	b.threads = map[int]threadTime{7: {ns: 600_050, user: 6, system: 8}, 8: {ns: 1500}, 9: {ns: 10}}
	if got, want := between(a, b), (result{mpps: 1, cpu: 600.1, sys: 0.75}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSettingsOfLaterLines(t *testing.T) {
	text := settings("/r.nft", "own", 1<<20, []string{"ring: 512"})
	for _, want := range []string{"rules: /r.nft\n", "nf_conntrack_max: 2097152\n", "\nring: 512\n"} {
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
