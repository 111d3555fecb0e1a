package flowtable

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

var start uint32 = 0xffff0000 // ticks wrap 65 s into every test

// newTable is a small table with a fixed hash key.
func newTable(tb testing.TB, change func(*Config)) *Table {
	tb.Helper()
	c := Default()
	c.Max = 4096
	c.HashKey = [2]uint64{1, 2}
	c.Acct = true
	if change != nil {
		change(&c)
	}
	t, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// tuple builds one from text addresses, of either family.
func tuple(tb testing.TB, proto uint8, src string, sport uint16, dst string, dport uint16) Tuple {
	tb.Helper()
	a, err := netip.ParseAddr(src)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := netip.ParseAddr(dst)
	if err != nil {
		tb.Fatal(err)
	}
	tu := Tuple{SrcPort: sport, DstPort: dport, Proto: proto, Family: FamilyIPv6}
	if a.Is4() {
		tu.Family = FamilyIPv4
	}
	copy(tu.Src[:], a.AsSlice())
	copy(tu.Dst[:], b.AsSlice())
	return tu
}

func udp4(i uint32) Tuple {
	tu := Tuple{SrcPort: uint16(i), DstPort: 53, Proto: ProtoUDP, Family: FamilyIPv4}
	tu.Src = [16]byte{10, byte(i >> 24), byte(i >> 16), 1}
	tu.Dst = [16]byte{192, 168, 0, 1}
	return tu
}

func mustInvert(tb testing.TB, tu Tuple) Tuple {
	tb.Helper()
	inv, ok := Invert(&tu)
	if !ok {
		tb.Fatalf("no inverse of %v", tu)
	}
	return inv
}

func probe(t *Table, tu Tuple) Probe {
	return Probe{Tuple: tu, Hash: t.Hash(&tu), Bytes: 100, Kind: KindFlow}
}

// pass takes a packet through Track and Confirm and returns it.
func pass(tb testing.TB, s *Shard, p Probe, now uint32) Probe {
	tb.Helper()
	if a := s.Track(&p, now); a != ActionAccept {
		tb.Fatalf("%v: action %d, reason %v", p.Tuple, a, p.Reason)
	}
	if !s.Confirm(&p, now) {
		tb.Fatalf("%v: not confirmed: %v", p.Tuple, p.Reason)
	}
	return p
}

func randomTuple(r *rand.Rand) Tuple {
	var tu Tuple
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	tu.Family = FamilyIPv4
	n := 4
	if r.IntN(2) == 0 {
		tu.Family, n = FamilyIPv6, 16
	}
	fill(tu.Src[:n])
	fill(tu.Dst[:n])
	tu.Proto = []uint8{ProtoTCP, ProtoUDP, ProtoICMP, ProtoICMPv6, ProtoGRE, 200}[r.IntN(6)]
	switch tu.Proto {
	case ProtoICMP:
		tu.SrcPort, tu.DstPort = uint16(r.Uint32()), []uint16{0, 8, 13, 14, 15, 16, 17, 18}[r.IntN(8)]<<8|uint16(r.IntN(3))
	case ProtoICMPv6:
		tu.SrcPort, tu.DstPort = uint16(r.Uint32()), []uint16{128, 129, 139, 140}[r.IntN(4)]<<8
	case 200:
	default:
		tu.SrcPort, tu.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
	}
	return tu
}
