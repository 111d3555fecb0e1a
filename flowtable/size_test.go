package flowtable

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf/offheap"
)

// sizeEnv gives the number of flows of TestMemory and BenchmarkList, such as
// 10000000; without it they take a million.
const sizeEnv = "FLOWTABLE_FLOWS"

func sizeFlows(tb testing.TB) int {
	n, err := strconv.Atoi(os.Getenv(sizeEnv))
	if os.Getenv(sizeEnv) == "" {
		return 1 << 20
	}
	if err != nil || n < 1 || n > MaxEntries-1024 {
		tb.Fatalf("%s=%q", sizeEnv, os.Getenv(sizeEnv))
	}
	return n
}

// resident returns the memory of this process that is there, huge pages of the
// pool included, in bytes.
func resident(tb testing.TB) (total int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) == 3 && (string(f[0]) == "RssAnon:" || string(f[0]) == "HugetlbPages:") {
			kb, _ := strconv.ParseInt(string(f[1]), 10, 64)
			total += kb << 10
		}
	}
	return total
}

// distinct is the tuple of flow i.
func distinct(i uint32, proto, family uint8) Tuple {
	tu := Tuple{SrcPort: uint16(i), DstPort: 443, Proto: proto, Family: family}
	tu.Src, tu.Dst = [16]byte{10}, [16]byte{192, 168}
	binary.BigEndian.PutUint32(tu.Src[0:], 10<<24|i>>16)
	if family == FamilyIPv6 {
		binary.BigEndian.PutUint32(tu.Src[8:], i>>16)
	}
	return tu
}

// fill makes n confirmed flows that were answered.
func fill(tb testing.TB, t *Table, n int, proto, family uint8) {
	s := t.Shard(0)
	p := new(Probe)
	for i := range uint32(n) {
		*p = segment(t, distinct(i, proto, family), tcpSYN)
		if s.Track(p, start) != ActionAccept || !s.Confirm(p, start) {
			tb.Fatalf("flow %d: %v", i, p.Reason)
		}
		back, _ := Invert(&p.Tuple)
		*p = segment(t, back, tcpSYN|tcpACK)
		p.Ack = 1
		if s.Track(p, start) != ActionAccept || p.Dir != Reply {
			tb.Fatalf("answer %d: %v", i, p.Reason)
		}
	}
}

// TestMemory: what a flow without NAT costs, its counters, its part of the
// index and all that is beside it included.
func TestMemory(t *testing.T) {
	if offheap.RaceTwin {
		t.Skip("the memory of the race twin is another one")
	}
	n := sizeFlows(t)
	for _, row := range []struct {
		name          string
		proto, family uint8
	}{{"udp", ProtoUDP, FamilyIPv4}, {"tcp", ProtoTCP, FamilyIPv4}, {"tcp, ipv6", ProtoTCP, FamilyIPv6}} {
		t.Run(row.name, func(t *testing.T) {
			before := resident(t)
			tb := newTable(t, func(c *Config) { c.Max = n })
			fill(t, tb, n, row.proto, row.family)
			each := float64(resident(t)-before) / float64(n)
			t.Logf("%d flows: %.1f bytes each", n, each)
			if each > 192 {
				t.Errorf("%.1f bytes for a flow, want 192 at most", each)
			}
		})
	}
}

// BenchmarkList lists a whole shard in slices of 64 entries, as a worker does
// between bursts. Others share the machine and take the processor away in the
// middle of slices, other ones each time: of five passes the least time of each
// slice is what it costs.
func BenchmarkList(b *testing.B) {
	n := sizeFlows(b)
	t := newTable(b, func(c *Config) { c.Max = n })
	fill(b, t, n, ProtoTCP, FamilyIPv4)
	s := t.Shard(0)
	out := make([]Flow, 64*64)
	const passes = 5
	took := make([]time.Duration, (n+63)/64)
	for i := range took {
		took[i] = time.Hour
	}
	b.ResetTimer()
	for range b.N {
		for range passes {
			listed, i := 0, 0
			for from, more := uint32(0), true; more; more = from != 0 {
				at := i % 64 * 64
				begin := time.Now()
				next, k := s.Flows(from, 64, start, out[at:at+64])
				took[i] = min(took[i], time.Since(begin))
				from, listed = next, listed+k
				i++
			}
			if listed != n {
				b.Fatalf("%d of %d listed", listed, n)
			}
		}
	}
	b.StopTimer()
	slices.Sort(took)
	at := func(part float64) float64 { return float64(took[int(part*float64(len(took)-1))].Nanoseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-us/slice")
	b.ReportMetric(at(0.99), "p99-us/slice")
	b.ReportMetric(at(0.999), "p99.9-us/slice")
	b.ReportMetric(at(1), "max-us/slice")
	over, _ := slices.BinarySearch(took, 20*time.Microsecond+1)
	b.ReportMetric(float64(len(took)-over), "slices-over-20us")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*passes*n), "ns/flow")
}
