package flowtable

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/sluice-net/sluice/perf/offheap"
)

func TestLayout(t *testing.T) {
	for _, row := range []struct {
		name      string
		got, want uintptr
	}{
		{"tuple size", unsafe.Sizeof(Tuple{}), 40},
		{"entry size", unsafe.Sizeof(Entry{}), 128},
		{"entry status", unsafe.Offsetof(Entry{}.Status), 40},
		{"entry plan", unsafe.Offsetof(Entry{}.Plan), 56},
		{"entry second line", unsafe.Offsetof(Entry{}.Packets), 64},
		{"nat size", unsafe.Sizeof(NAT{}), 64},
		{"bucket size", unsafe.Sizeof(bucket{}), 64},
	} {
		if row.got != row.want {
			t.Errorf("%s: %d, want %d", row.name, row.got, row.want)
		}
	}
	s := newTable(t, nil).Shard(0)
	for name, p := range map[string]uintptr{
		"entries": uintptr(unsafe.Pointer(&s.entries[0])), "buckets": uintptr(unsafe.Pointer(&s.index.buckets[0])),
		"nat": uintptr(unsafe.Pointer(&s.nat[0])), "directory": uintptr(unsafe.Pointer(&s.table.dir.words[0])),
	} {
		if p%offheap.CacheLine != 0 {
			t.Errorf("%s not on a cache line", name)
		}
	}
}

func TestInvert(t *testing.T) {
	icmp := func(typ uint16) Tuple { return tuple(t, ProtoICMP, "10.0.0.1", 7, "10.0.0.2", typ<<8|3) }
	icmp6 := func(typ uint16) Tuple { return tuple(t, ProtoICMPv6, "fd00::1", 7, "fd00::2", typ<<8) }
	for _, row := range []struct {
		name string
		in   Tuple
		ok   bool
		port [2]uint16
	}{
		{"tcp", tuple(t, ProtoTCP, "10.0.0.1", 1, "10.0.0.2", 2), true, [2]uint16{2, 1}},
		{"gre keys", tuple(t, ProtoGRE, "10.0.0.1", 1, "10.0.0.2", 2), true, [2]uint16{2, 1}},
		{"other", tuple(t, 200, "10.0.0.1", 0, "10.0.0.2", 0), true, [2]uint16{0, 0}},
		{"echo", icmp(8), true, [2]uint16{7, 0<<8 | 3}},
		{"echo reply", icmp(0), true, [2]uint16{7, 8<<8 | 3}},
		{"timestamp", icmp(13), true, [2]uint16{7, 14<<8 | 3}},
		{"timestamp reply", icmp(14), true, [2]uint16{7, 13<<8 | 3}},
		{"information", icmp(15), true, [2]uint16{7, 16<<8 | 3}},
		{"information reply", icmp(16), true, [2]uint16{7, 15<<8 | 3}},
		{"mask", icmp(17), true, [2]uint16{7, 18<<8 | 3}},
		{"mask reply", icmp(18), true, [2]uint16{7, 17<<8 | 3}},
		{"unreachable", icmp(3), false, [2]uint16{}},
		{"router solicitation", icmp(10), false, [2]uint16{}},
		{"echo 6", icmp6(128), true, [2]uint16{7, 129 << 8}},
		{"echo reply 6", icmp6(129), true, [2]uint16{7, 128 << 8}},
		{"node information", icmp6(139), true, [2]uint16{7, 140 << 8}},
		{"node information reply", icmp6(140), true, [2]uint16{7, 139 << 8}},
		{"type 8 is no ICMPv6", icmp6(8), false, [2]uint16{}},
	} {
		got, ok := Invert(&row.in)
		if ok != row.ok {
			t.Errorf("%s: ok %v", row.name, ok)
		}
		if !ok {
			continue
		}
		want := row.in
		want.Src, want.Dst, want.SrcPort, want.DstPort = row.in.Dst, row.in.Src, row.port[0], row.port[1]
		if got != want {
			t.Errorf("%s: %v, want %v", row.name, got, want)
		}
	}
}

// TestHashProperties: a tuple and its answer hash alike, invert back, and are
// recognised as each other's inverse; a changed tuple is not.
func TestHashProperties(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 3 })
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		a := randomTuple(r)
		b := mustInvert(t, a)
		if back := mustInvert(t, b); back != a {
			t.Fatalf("seed %d: %v inverts twice to %v", seed, a, back)
		}
		if !inverse(&a, &b) || !same(&a, &a) {
			t.Fatalf("seed %d: %v and %v not seen as inverse", seed, a, b)
		}
		h := tb.Hash(&a)
		if h != tb.Hash(&b) {
			t.Fatalf("seed %d: %v hashes differently from its answer", seed, a)
		}
		if spread(&a, h) != spread(&b, h) {
			t.Fatalf("seed %d: %v spreads differently from its answer", seed, a)
		}
		if o := tb.Owner(h); o < 0 || o > 2 {
			t.Fatalf("owner %d", o)
		}
		z := a
		z.Zone = 9
		if tb.Hash(&z) != h {
			t.Fatal("the zone is part of the hash")
		}
		c := a
		switch r.IntN(4) {
		case 0:
			c.Src[r.IntN(4)] ^= 1 << r.IntN(8)
		case 1:
			c.Dst[r.IntN(4)] ^= 1 << r.IntN(8)
		case 2:
			c.SrcPort ^= 1 << r.IntN(16)
		case 3:
			c.Zone ^= 1 << r.IntN(16)
		}
		if same(&a, &c) || inverse(&c, &b) {
			t.Fatalf("seed %d: %v taken for %v", seed, c, a)
		}
	}
}

// TestHashSpread: sequential addresses and ports reach owners and buckets
// evenly, and another key gives another hash.
func TestHashSpread(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 4 })
	other := newTable(t, func(c *Config) { c.HashKey = [2]uint64{3, 4} })
	const flows = 64000
	var owners [4]int
	var low [256]int
	equal := 0
	for i := range uint32(flows) {
		tu := udp4(i)
		h := tb.Hash(&tu)
		owners[tb.Owner(h)]++
		low[h&255]++
		if h == other.Hash(&tu) {
			equal++
		}
	}
	for i, n := range owners {
		if n < flows/4*9/10 || n > flows/4*11/10 {
			t.Errorf("owner %d has %d of %d", i, n, flows)
		}
	}
	for i, n := range low {
		if n < flows/256*6/10 || n > flows/256*14/10 {
			t.Errorf("bucket %d of 256 has %d of %d", i, n, flows)
		}
	}
	if equal > 0 {
		t.Errorf("%d hashes do not depend on the key", equal)
	}
}
