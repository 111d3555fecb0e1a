package dataplane

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/sluice-net/sluice/tools/frame"
)

// arrival is one frame of a script: when and where it comes in.
type arrival struct {
	at    time.Duration
	port  int // 0 lan, 1 wan
	frame []byte
}

// result is all that a run leaves behind.
type result struct {
	lan, wan  [][]byte
	conntrack []string
	counters  string
	fates     [4]uint64
	drops     map[string]uint64
	crossed   uint64 // handovers
	planned   uint64 // packets that skipped the rules
}

// walkAlways makes the reference that runs with plans are compared with.
func walkAlways(c *Config) { c.WalkAlways = true }

// rss spreads frames over queues as a NIC does: by a hash that is not the
// same for both directions, so that owners and receivers differ.
func rss(f []byte, queues int) int {
	if len(f) < 38 {
		return 0
	}
	h := fnv.New32a()
	h.Write(f[26:38])
	return int(h.Sum32() % uint32(queues))
}

// play runs a script. Frames that come at the same time, on the same queue and
// one behind the other arrive together, at most burst of them; the box comes
// to rest in between, so the order of effects is the script's.
func play(t testing.TB, rules string, script []arrival, workers, burst int, options ...netOption) result {
	t.Helper()
	options = append(options, func(c *Config) { c.Burst = max(burst, 1) })
	n := newNet(t, rules, workers, options...)
	n.lan.steer, n.wan.steer = rss, rss
	waiting, lastQueue, lastPort := 0, -1, -1
	for i, a := range script {
		if i == 0 || a.at != script[i-1].at {
			n.box.Drain()
			waiting = 0
			n.clock.Set(benchStart.Add(a.at))
		}
		p := n.lan
		if a.port == 1 {
			p = n.wan
		}
		q := 0
		if workers > 1 {
			q = rss(a.frame, workers)
		}
		if waiting > 0 && (q != lastQueue || a.port != lastPort || waiting == burst) {
			n.box.Drain()
			waiting = 0
		}
		p.put(a.frame)
		waiting, lastQueue, lastPort = waiting+1, q, a.port
	}
	n.box.Drain()
	s := n.box.Stats().Total()
	r := result{
		lan: n.lan.take(), wan: n.wan.take(), conntrack: n.conntrack(), counters: n.counters(),
		fates: s.Fates, drops: dropNames(&s), crossed: s.HandoversIn, planned: s.Planned,
	}
	n.clock.Advance(time.Hour) // fragments that wait for more give up
	n.box.Drain()
	n.checkLedger()
	return r
}

// same demands that two runs left the same behind. With several workers frames
// of different flows may pass each other, so order is compared only when ordered.
func same(t *testing.T, what string, want, got result, ordered bool) {
	t.Helper()
	if !ordered {
		want.lan, got.lan = sorted(want.lan), sorted(got.lan)
		want.wan, got.wan = sorted(want.wan), sorted(got.wan)
	}
	for _, side := range []struct {
		name string
		a, b [][]byte
	}{{"lan", want.lan, got.lan}, {"wan", want.wan, got.wan}} {
		if len(side.a) != len(side.b) {
			t.Fatalf("%s: %d frames left by %s, want %d (drops %v, want %v)", what, len(side.b), side.name, len(side.a), got.drops, want.drops)
		}
		for i := range side.a {
			if !bytes.Equal(side.a[i], side.b[i]) {
				t.Fatalf("%s: frame %d out of %s differs:\n got %x\nwant %x", what, i, side.name, side.b[i], side.a[i])
			}
		}
	}
	if !slices.Equal(want.conntrack, got.conntrack) {
		for i := range min(len(want.conntrack), len(got.conntrack)) {
			if want.conntrack[i] != got.conntrack[i] {
				t.Errorf("%s:\n got %s\nwant %s", what, got.conntrack[i], want.conntrack[i])
				break
			}
		}
		t.Fatalf("%s: %d connections, want %d", what, len(got.conntrack), len(want.conntrack))
	}
	if want.counters != got.counters {
		t.Fatalf("%s: counters\n%swant\n%s", what, got.counters, want.counters)
	}
	if want.fates != got.fates {
		t.Fatalf("%s: fates %v, want %v (drops %v, want %v)", what, got.fates, want.fates, got.drops, want.drops)
	}
}

func sorted(frames [][]byte) [][]byte {
	frames = slices.Clone(frames)
	slices.SortFunc(frames, bytes.Compare)
	return frames
}

const natRules = `table inet fw {
	chain raw {
		type filter hook prerouting priority raw; policy accept;
		counter
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related counter accept
		counter
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state invalid counter drop
		ct state established,related counter accept
		iifname "lan" tcp dport 23 counter reject with tcp reset
		iifname "lan" udp dport 7 counter reject
		iifname "lan" meta mark set 0x10 counter accept
		iifname "wan" ct status dnat counter accept
		counter drop
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		iifname "wan" tcp dport 8080 counter dnat to 10.0.0.9:80
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "wan" counter masquerade
	}
}
table ip6 nat {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "wan" counter masquerade
	}
}
`

// lanMAC and friends are the frame builder's addresses of the test net.
var (
	clientToBox = frame.Ether{Src: frame.MAC(benchMAC(0x10)), Dst: frame.MAC(benchMAC(1))}
	serverToBox = frame.Ether{Src: frame.MAC(benchMAC(0x20)), Dst: frame.MAC(benchMAC(2))}
)

// mixedScript is traffic of many flows at once: bursts hold several packets of
// one new flow, answers come in the same burst, and some of it is refused.
func mixedScript(seed uint64, flows int) []arrival {
	rng := rand.New(rand.NewPCG(seed, 1))
	var lines [][]arrival
	for i := range flows {
		var s []arrival
		out := func(l ...frame.Layer) {
			s = append(s, arrival{port: 0, frame: frame.Build(append([]frame.Layer{clientToBox}, l...)...)})
		}
		in := func(l ...frame.Layer) {
			s = append(s, arrival{port: 1, frame: frame.Build(append([]frame.Layer{serverToBox}, l...)...)})
		}
		client, server, public := fmt.Sprintf("10.0.0.%d", 2+i%20), fmt.Sprintf("198.51.100.%d", 1+i%200), "203.0.113.1"
		ip := func(a, b string) frame.Layer { return frame.IPv4{Src: a, Dst: b, ID: uint16(i)} }
		if i%3 == 2 {
			client, server, public = fmt.Sprintf("fd00:a::%x", 2+i%20), fmt.Sprintf("2001:db8::%x", 1+i%200), "fd00:b::1"
			ip = func(a, b string) frame.Layer { return frame.IPv6{Src: a, Dst: b} }
		}
		port := uint16(2000 + i)
		switch i % 7 {
		case 0, 1, 2: // a whole TCP connection; the request is sent twice
			tcp := func(sport, dport uint16, flags string, seq, ack uint32) frame.Layer {
				return frame.TCP{Src: sport, Dst: dport, Flags: flags, Seq: seq, Ack: ack, Window: 60000}
			}
			out(ip(client, server), tcp(port, 80, "S", 100, 0))
			in(ip(server, public), tcp(80, port, "SA", 500, 101))
			out(ip(client, server), tcp(port, 80, "A", 101, 501))
			out(ip(client, server), tcp(port, 80, "PA", 101, 501), frame.Data("GET /"))
			out(ip(client, server), tcp(port, 80, "PA", 101, 501), frame.Data("GET /"))
			in(ip(server, public), tcp(80, port, "PA", 501, 106), frame.Data("answer"))
			out(ip(client, server), tcp(port, 80, "FA", 106, 507))
			in(ip(server, public), tcp(80, port, "FA", 507, 107))
			out(ip(client, server), tcp(port, 80, "A", 107, 508))
		case 3: // UDP, three packets of a new flow at once, then answers
			for range 3 {
				out(ip(client, server), frame.UDP{Src: port, Dst: 53}, frame.Data("query"))
			}
			in(ip(server, public), frame.UDP{Src: 53, Dst: port}, frame.Data("reply"))
			in(ip(server, public), frame.UDP{Src: 54, Dst: port}, frame.Data("nobody asked"))
		case 4: // echo
			if i%3 == 2 {
				out(ip(client, server), frame.ICMPv6{Type: 128, ID: port, Seq: 1}, frame.Zeros(32))
				in(ip(server, public), frame.ICMPv6{Type: 129, ID: port, Seq: 1}, frame.Zeros(32))
			} else {
				out(ip(client, server), frame.ICMP{Type: 8, ID: port, Seq: 1}, frame.Zeros(32))
				in(ip(server, public), frame.ICMP{Type: 0, ID: port, Seq: 1}, frame.Zeros(32))
			}
		case 5: // refused, with and without an answer
			out(ip(client, server), frame.TCP{Src: port, Dst: 23, Flags: "S", Seq: 1})
			out(ip(client, server), frame.UDP{Src: port, Dst: 7}, frame.Data("echo?"))
			in(ip(server, public), frame.TCP{Src: port, Dst: 25, Flags: "S", Seq: 1})
		case 6: // UDP in fragments, then the error it causes
			whole := frame.Build(clientToBox, ip(client, server), frame.UDP{Src: port, Dst: 5353}, frame.Zeros(1400))
			for _, f := range frame.Split(whole, 480, uint32(i)) {
				s = append(s, arrival{port: 0, frame: f})
			}
			if i%3 != 2 {
				in(ip(server, public), frame.ICMP{Type: 3, Code: 3}, frame.Cut(28), ip(public, server), frame.UDP{Src: port, Dst: 5353}, frame.Zeros(1400))
			} else {
				in(ip(server, public), frame.ICMPv6{Type: 1, Code: 4}, frame.Cut(48), ip(public, server), frame.UDP{Src: port, Dst: 5353}, frame.Zeros(1400))
			}
		}
		lines = append(lines, s)
	}
	// Interleave the flows at random, runs of a flow's packets staying together now and then.
	var script []arrival
	at := time.Duration(0)
	for len(lines) > 0 {
		i := rng.IntN(len(lines))
		for range 1 + rng.IntN(4) {
			if len(lines[i]) == 0 {
				break
			}
			a := lines[i][0]
			lines[i] = lines[i][1:]
			if rng.IntN(40) == 0 {
				at += time.Duration(rng.IntN(300)) * time.Millisecond
			}
			a.at = at
			script = append(script, a)
		}
		if len(lines[i]) == 0 {
			lines = append(lines[:i], lines[i+1:]...)
		}
	}
	return script
}

// TestBurstAndWorkersChangeNothing is the promise of doc.go: whatever the size
// of bursts and the number of workers, and with plans as when every packet
// walks, the same bytes, entries and counters.
func TestBurstAndWorkersChangeNothing(t *testing.T) {
	for seed := range uint64(4) {
		script := mixedScript(seed, 150)
		want := play(t, natRules, script, 1, 1, walkAlways)
		if len(want.wan) < 200 || len(want.lan) < 100 || len(want.conntrack) < 50 {
			t.Fatalf("the script is too thin: %d and %d frames out, %d connections, drops %v",
				len(want.lan), len(want.wan), len(want.conntrack), want.drops)
		}
		for _, workers := range []int{1, 2, 4} {
			for _, burst := range []int{1, 7, 64} {
				got := play(t, natRules, script, workers, burst)
				same(t, fmt.Sprintf("seed %d, %d workers, burst %d", seed, workers, burst), want, got, workers == 1)
				if want.planned != 0 || got.planned == 0 {
					t.Errorf("%d packets of the reference went by a plan and %d of the other run", want.planned, got.planned)
				}
				if workers > 1 && got.crossed == 0 {
					t.Errorf("%d workers: nothing was handed over, so nothing was tested", workers)
				}
			}
		}
	}
}

// captureScript reads a capture as frames on the lan side, time in whole
// milliseconds. Link types other than Ethernet get a header put in front.
func captureScript(t *testing.T, file string) []arrival {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Skipf("not a pcap file: %v", err)
	}
	var script []arrival
	var first time.Time
	for {
		data, info, err := r.ReadPacketData()
		if err != nil {
			return script // truncated files end early: what is there counts
		}
		if first.IsZero() {
			first = info.Timestamp
		}
		switch r.LinkType() {
		case 1:
		case 101: // raw IP
			typ := []byte{8, 0}
			if len(data) > 0 && data[0]>>4 == 6 {
				typ = []byte{0x86, 0xdd}
			}
			head := append(append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x10}, typ...), data...)
			data = head
		default:
			return nil
		}
		if len(data) > 1790 {
			data = data[:1790] // a frame's room
		}
		at := info.Timestamp.Sub(first).Truncate(time.Second)
		if n := len(script); n > 0 && at < script[n-1].at {
			at = script[n-1].at
		}
		script = append(script, arrival{at: at, frame: bytes.Clone(data)})
	}
}

// TestCaptures takes published captures through a NAT ruleset: nothing panics,
// every packet ends somewhere, and burst and workers make no difference.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob("../../shared/corpora/pcap/*.pcap")
	if len(files) == 0 {
		t.Skip("no captures: ../shared/corpora is not beside the repository")
	}
	anyMAC := func(c *Config) {
		for i := range c.Ports {
			c.Ports[i].AnyMAC = true
		}
	}
	total := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			script := captureScript(t, file)
			if len(script) == 0 {
				t.Skip("no frames of a link type that can be shown to the box")
			}
			total += len(script)
			want := play(t, natRules, script, 1, 1, anyMAC, walkAlways)
			for _, workers := range []int{1, 2, 4} {
				for _, burst := range []int{1, 64} {
					same(t, fmt.Sprintf("%d workers, burst %d", workers, burst), want, play(t, natRules, script, workers, burst, anyMAC), workers == 1)
				}
			}
		})
	}
	t.Logf("%d packets of %d captures", total, len(files))
}
