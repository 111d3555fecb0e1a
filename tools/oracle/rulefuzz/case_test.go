package rulefuzz

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
)

const seed = 7

func TestCaseIsAFunctionOfSeedAndNumber(t *testing.T) {
	for n := range 40 {
		opt := Options{Packets: 60, NAT: true}
		if n >= 20 {
			opt = Options{Packets: 60, Wire: true}
		}
		if n%4 == 3 {
			opt = Options{Packets: 60, NAT: true, Dump: Dump4}
		}
		a, b := Make(seed, n, opt), Make(seed, n, opt)
		if a.Replay() != b.Replay() {
			t.Fatalf("case %d of seed %d differs from itself", n, seed)
		}
		if len(a.Packets) != opt.Packets || a.Text() == Make(seed, n+1, opt).Text() {
			t.Fatalf("case %d of seed %d has %d packets, or is like the next", n, seed, len(a.Packets))
		}
		for i, p := range a.Packets {
			if d, err := frame.Decode(p.Data); d == nil {
				t.Errorf("case %d of seed %d, packet %d: %v", n, seed, i, err)
			}
		}
	}
}

func TestReplay(t *testing.T) {
	c := Make(seed, 1, Options{Packets: 30})
	rules, packets, err := ParseReplay(c.Replay())
	if err != nil || rules != c.Text() || len(packets) != len(c.Packets) {
		t.Fatalf("%d packets of %d, error %v; rules\n%s", len(packets), len(c.Packets), err, rules)
	}
	for i := range packets {
		if packets[i].Side != c.Packets[i].Side || !bytes.Equal(packets[i].Data, c.Packets[i].Data) {
			t.Errorf("packet %d differs", i)
		}
	}
	for _, row := range []struct{ name, text string }{
		{"no frame", "#> lan"}, {"no side", "#> box 00"}, {"no hexadecimal number", "#> wan 0x12"},
	} {
		if _, _, err := ParseReplay("table ip t { }\n" + row.text); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestDropLine takes out every rule and every declaration by its line.
func TestDropLine(t *testing.T) {
	for n := range 10 {
		c := Make(seed, n, Options{Packets: 1})
		for {
			lines := strings.Split(c.Text(), "\n")
			at := 0
			for i, l := range lines { // the first rule or declaration
				if l := strings.TrimSpace(l); l != "" && l != "}" && !strings.HasSuffix(l, "{") && !strings.HasPrefix(l, "type filter hook") && !strings.HasPrefix(l, "type nat hook") {
					at = i + 1
					break
				}
			}
			if at == 0 {
				break
			}
			if got := c.dropLine(at); !strings.Contains(got, strings.TrimSpace(lines[at-1])) {
				t.Fatalf("case %d: line %d is %q, and %q was dropped", n, at, lines[at-1], got)
			}
		}
		for _, l := range []int{0, 1, 10_000} {
			if got := c.dropLine(l); got != "" {
				t.Errorf("line %d was %q", l, got)
			}
		}
	}
}

func TestValuesOfListing(t *testing.T) {
	const list = `table inet t {
	counter c {
		packets 3 bytes 120
	}

	set s {
		type ipv4_addr
		flags dynamic,timeout
		elements = { 10.0.0.1 expires 3s, 10.0.0.2 expires 1m3s,
			     10.0.0.3 }
	}

	chain c {
		ip saddr 10.0.0.1 counter packets 1 bytes 2 quota over 5 bytes used 3 bytes
	}
}
`
	if d := values(list, strings.ReplaceAll(list, "1m3s", "1m2s")); d != nil {
		t.Errorf("time left: %v", d)
	}
	for _, change := range [][2]string{{"bytes 120", "bytes 121"}, {"10.0.0.3", "10.0.0.4"}, {"used 3", "used 4"}, {"packets 1 ", "packets 2 "}} {
		if d := values(list, strings.Replace(list, change[0], change[1], 1)); len(d) != 1 {
			t.Errorf("%v: %v", change, d)
		}
	}
	if d := values(list, strings.Replace(list, "ip saddr 10.0.0.1 ", "ip saddr { 10.0.0.1 } ", 1)); d != nil {
		t.Errorf("a rule that is written otherwise: %v", d)
	}
}

func TestAwaitHour(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.Parse(time.DateTime, "2026-02-03 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, row := range []struct {
		name, rules, now string
		want             time.Duration
	}{
		{"no hour", "tcp dport 80", "09:59:55", 0},
		{"far", `meta hour < "10:00"`, "09:59:00", 0},
		{"near", `meta hour < "10:00"`, "09:59:55", 6 * time.Second},
		{"just over", `meta hour < "10:00"`, "10:00:02", 0},
		{"another of a range", `meta hour "04:00"-"10:00"`, "09:59:55", 6 * time.Second},
		{"midnight", "meta day Monday", "23:59:50", 11 * time.Second},
	} {
		slept := time.Duration(0)
		awaitHour(row.rules, at(row.now), func(d time.Duration) { slept += d })
		if slept != row.want {
			t.Errorf("%s: waits for %v, want %v", row.name, slept, row.want)
		}
	}
}
