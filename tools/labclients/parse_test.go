package main

import (
	"maps"
	"testing"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
)

func TestCounterOf(t *testing.T) {
	const listing = `table inet filter {
	chain forward {
		ct state invalid counter packets 0 bytes 0 drop comment "invalid"
		iifname "r0" tcp dport 22 accept comment "plain"
		counter packets 17 bytes 1020 drop comment "not allowed"
	}
}
`
	for _, row := range []struct {
		comment string
		want    uint64
		ok      bool
	}{
		{"not allowed", 17, true}, {"invalid", 0, true}, {"plain", 0, false}, {"allowed", 0, false},
	} {
		got, err := counterOf(listing, row.comment)
		if got != row.want || (err == nil) != row.ok {
			t.Errorf("%s: %d, %v", row.comment, got, err)
		}
	}
}

func TestHops(t *testing.T) {
	for _, row := range []struct {
		name, text string
		hops       map[int]string
		pmtu       int
	}{
		{"traceroute", "traceroute to 10.77.2.2 (10.77.2.2), 4 hops max, 60 byte packets\n 1  10.77.1.1  0.061 ms\n 2  10.77.2.2  0.031 ms\n",
			map[int]string{1: "10.77.1.1", 2: "10.77.2.2"}, 0},
		{"traceroute without an answer", "traceroute to fd77:2::2\n 1  *\n 2  fd77:2::2  0.031 ms\n", map[int]string{1: "", 2: "fd77:2::2"}, 0},
		{"tracepath", " 1?: [LOCALHOST]                      pmtu 1500\n 1:  10.77.1.1      0.089ms \n 1:  10.77.1.1      0.030ms \n" +
			" 2:  10.77.2.2    0.042ms pmtu 1400\n 3:  10.77.3.2  0.063ms reached\n     Resume: pmtu 1400 hops 3 back 3 \n",
			map[int]string{1: "10.77.1.1", 2: "10.77.2.2", 3: "10.77.3.2"}, 1400},
		{"tracepath without an answer", " 1?: [LOCALHOST]  pmtu 1500\n 1:  no reply\n", map[int]string{1: ""}, 1500},
	} {
		if got := hops(row.text); !maps.Equal(got, row.hops) {
			t.Errorf("%s: hops %v, want %v", row.name, got, row.hops)
		}
		if got := lastPMTU(row.text); got != row.pmtu {
			t.Errorf("%s: path MTU %d, want %d", row.name, got, row.pmtu)
		}
	}
}

func TestParseIperf(t *testing.T) {
	r, err := parseIperf(`{"end":{"sum_received":{"bits_per_second":2e9,"bytes":5e8},"sum_sent":{"retransmits":3},"sum":{"lost_packets":2,"packets":90}}}`)
	if err != nil || r.End.SumReceived.BitsPerSecond != 2e9 || r.End.SumSent.Retransmits != 3 || r.End.Sum.LostPackets != 2 || r.End.Sum.Packets != 90 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{`{"error":"unable to connect"}`, `not JSON`} {
		if _, err := parseIperf(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// TestProbe: gaps and answers are counted from what arrived, whatever the clock.
func TestProbe(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	p := &probe{got: []arrival{{at(10), at(5)}, {at(20), at(15)}, {at(400), at(25)}, {at(420), at(410)}}}
	if n, first := p.since(at(30)); n != 1 || !first.Equal(at(420)) {
		t.Errorf("since: %d, %v: what was sent before does not count", n, first.Sub(start))
	}
	if n, _ := p.since(at(500)); n != 0 {
		t.Errorf("since the end: %d", n)
	}
	for _, row := range []struct{ from, to, want int }{{0, 430, 380}, {15, 30, 10}, {420, 900, 480}} {
		if got := p.gap(at(row.from), at(row.to)); got != time.Duration(row.want)*time.Millisecond {
			t.Errorf("gap from %d to %d: %v, want %d ms", row.from, row.to, got, row.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	before := map[string]string{"links": "1: lo\n2: r0", "routes": "a\nb"}
	if err := differences(before, map[string]string{"links": "1: lo\n2: r0", "routes": "a\nb"}); err != nil {
		t.Error(err)
	}
	for _, after := range []map[string]string{{"links": "1: lo\n2: r0 xdp", "routes": "a\nb"}, {"links": "1: lo\n2: r0"}} {
		if differences(before, after) == nil {
			t.Errorf("%v: no difference", after)
		}
	}
}

// TestRules: the rules parse, and have the comments that checks look for.
func TestRules(t *testing.T) {
	if _, err := nft.Parse("lab.nft", labRules, nft.ParseOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestNamesAreUnique: -run chooses by name.
func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allChecks() {
		if seen[c.name] || c.run == nil || c.name == "" {
			t.Errorf("check %q twice, or without anything to run", c.name)
		}
		seen[c.name] = true
	}
}
