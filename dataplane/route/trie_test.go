package route

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gaissmai/bart"
)

func TestLayout(t *testing.T) {
	for _, tc := range []struct {
		name string
		typ  reflect.Type
		want uintptr
	}{
		{"node", reflect.TypeFor[node](), nodeBytes},
		{"Hop", reflect.TypeFor[Hop](), hopBytes},
		{"slot", reflect.TypeFor[slot](), neighbourBytes},
	} {
		if got := tc.typ.Size(); got != tc.want {
			t.Errorf("%s has %d bytes, want %d", tc.name, got, tc.want)
		}
	}
}

// randomPrefixes makes n different prefixes that nest often: many are cut from
// or extend an earlier one.
func randomPrefixes(rnd *rand.Rand, n int, v6 bool) []netip.Prefix {
	seen := map[netip.Prefix]bool{}
	var list []netip.Prefix
	width := 32
	if v6 {
		width = 128
	}
	for len(list) < n {
		addr := randomAddr(rnd, v6)
		bits := rnd.IntN(width + 1)
		if len(list) > 0 && rnd.IntN(3) > 0 {
			addr = mutate(rnd, list[rnd.IntN(len(list))].Addr(), v6)
		}
		if rnd.IntN(4) == 0 {
			bits = []int{0, 15, 16, 17, 22, 24, 28, 31, 32}[rnd.IntN(9)] * width / 32
		}
		p := netip.PrefixFrom(addr, bits).Masked()
		if !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	return list
}

func randomAddr(rnd *rand.Rand, v6 bool) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	if v6 {
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// mutate changes one bit, or all bits behind one.
func mutate(rnd *rand.Rand, a netip.Addr, v6 bool) netip.Addr {
	b := a.AsSlice()
	bit := rnd.IntN(8 * len(b))
	b[bit/8] ^= 0x80 >> (bit % 8)
	if rnd.IntN(2) == 0 {
		for i := bit/8 + 1; i < len(b); i++ {
			b[i] = byte(rnd.Uint32())
		}
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}

// last returns the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TestLookupAgainstOthers compares random tables with a linear search for the
// longest prefix and with bart, at random addresses and at every prefix's edges.
func TestLookupAgainstOthers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for _, n := range []int{0, 1, 2, 10, 300, 1500} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d v6=%v", n, v6), func(t *testing.T) {
				list := randomPrefixes(rnd, n, v6)
				var routes []Route
				var judge bart.Table[uint32]
				for i, p := range list {
					routes = append(routes, Route{Prefix: p, Port: 1, MTU: uint32(i + 1)})
					judge.Insert(p, uint32(i+1))
				}
				rnd.Shuffle(len(routes), func(i, j int) { routes[i], routes[j] = routes[j], routes[i] })
				table := build(t, routes, nil)
				var probes []netip.Addr
				for _, p := range list {
					first, last := p.Addr(), last(p)
					probes = append(probes, first, last, first.Prev(), last.Next(), mutate(rnd, first, v6))
				}
				for range 2000 {
					probes = append(probes, randomAddr(rnd, v6))
				}
				for i, a := range probes {
					if !a.IsValid() { // Prev and Next at the end of the space
						continue
					}
					want, _ := judge.Lookup(a)
					if i%8 == 0 {
						if linear := longest(list, a); linear != want {
							t.Fatalf("%v: the judges differ: %d and %d", a, linear, want)
						}
					}
					dst, family := Addr(a)
					if a.Is6() {
						dst, family = a.As16(), familyIPv6 // also mapped ones
					}
					h := table.Lookup(family, &dst, rnd.Uint64())
					if h.MTU != want || (h.Kind == NoRoute) != (want == 0) {
						t.Fatalf("%v: number %d (%v), want %d", a, h.MTU, h.Kind, want)
					}
				}
			})
		}
	}
}

// longest searches all prefixes; 0 is none, else the place plus 1.
func longest(list []netip.Prefix, a netip.Addr) (found uint32) {
	bits := -1
	for i, p := range list {
		if p.Bits() > bits && p.Contains(a) {
			bits, found = p.Bits(), uint32(i+1)
		}
	}
	return found
}

func TestLookupDoesNotAllocate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var routes []Route
	for _, p := range randomPrefixes(rnd, 100, true) {
		routes = append(routes, Route{Prefix: p, Port: 1}, Route{Prefix: p, Port: 2})
	}
	table := build(t, routes, []Neighbour{{Addr: ip("fe80::1")}})
	dst := randomAddr(rnd, true).As16()
	if n := testing.AllocsPerRun(100, func() {
		h := table.Lookup(familyIPv6, &dst, 7)
		table.NextHop(h, familyIPv6, &dst)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// corpusPrefixes returns prefixes of real tables, one a line, if they are there.
func corpusPrefixes(tb testing.TB) []netip.Prefix {
	files, _ := filepath.Glob("../../../shared/corpora/prefixes/*")
	var list []netip.Prefix
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if fields := strings.Fields(s.Text()); len(fields) > 0 {
				if p, err := netip.ParsePrefix(fields[0]); err == nil {
					list = append(list, p)
				} else if a, err := netip.ParseAddr(fields[0]); err == nil {
					list = append(list, netip.PrefixFrom(a, a.BitLen()))
				}
			}
		}
		_ = f.Close()
	}
	return list
}

func TestCorpus(t *testing.T) {
	list := corpusPrefixes(t)
	if len(list) == 0 {
		t.Skip("SKIPPED: no prefixes in ../shared/corpora/prefixes")
	}
	var routes []Route
	var judge bart.Table[uint32]
	for i, p := range list {
		if p.Addr().Is4In6() {
			continue
		}
		p = p.Masked()
		if _, ok := judge.Get(p); !ok {
			judge.Insert(p, uint32(i+1))
			routes = append(routes, Route{Prefix: p, Port: 1, MTU: uint32(i + 1)})
		}
	}
	table := build(t, routes, nil)
	t.Logf("%d prefixes, %d KiB", len(routes), table.Bytes()/1024)
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, r := range routes {
		for _, a := range []netip.Addr{r.Prefix.Addr(), last(r.Prefix), mutate(rnd, r.Prefix.Addr(), r.Prefix.Addr().Is6())} {
			want, _ := judge.Lookup(a)
			dst, family := Addr(a)
			if h := table.Lookup(family, &dst, 0); h.MTU != want {
				t.Fatalf("%v: number %d, want %d", a, h.MTU, want)
			}
		}
	}
}

var sink uint64

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		for _, v6 := range []bool{false, true} {
			b.Run(fmt.Sprintf("prefixes=%d/v6=%v", n, v6), func(b *testing.B) {
				rnd := rand.New(rand.NewPCG(4, 4))
				routes := []Route{{Prefix: pfx("0.0.0.0/0")}, {Prefix: pfx("::/0")}}
				var list []netip.Prefix
				for len(list) < n {
					p := netip.PrefixFrom(randomAddr(rnd, v6), 16+rnd.IntN(13))
					if v6 {
						a := p.Addr().As16()
						a[0], a[1] = 0x20, 0x01|a[1]&0x0f
						p = netip.PrefixFrom(netip.AddrFrom16(a), 28+4*rnd.IntN(10))
					}
					list = append(list, p.Masked())
					routes = append(routes, Route{Prefix: p, Port: uint16(len(list) % 64)})
				}
				table := build(b, routes, nil)
				// Addresses below the prefixes, as traffic to them has.
				const flows = 1 << 16
				addrs := make([][16]byte, flows)
				family := familyIPv4
				if v6 {
					family = familyIPv6
				}
				for i := range addrs {
					p := list[rnd.IntN(n)]
					low := randomAddr(rnd, v6).AsSlice()
					for j, c := range p.Addr().AsSlice() {
						if 8*j < p.Bits() {
							low[j] = c
						}
					}
					copy(addrs[i][:], low)
				}
				b.ResetTimer()
				var sum uint64
				for i := range b.N {
					sum += uint64(table.Lookup(family, &addrs[i%flows], uint64(i)).Port)
				}
				sink = sum
				b.ReportMetric(float64(table.Bytes())/1024, "KiB")
			})
		}
	}
}
