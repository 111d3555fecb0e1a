package rules

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestSets looks keys up in sets of every kind and size and compares with a
// plain search of the elements.
func TestSets(t *testing.T) {
	seed := testSeed(t)
	word, wide := []int{4}, []int{16}
	for _, row := range []struct {
		name   string
		parts  []int // bytes of each part
		ranged bool
		sizes  []int
		kinds  []uint8 // by size
	}{
		{"word", word, false, []int{0, 1, 8, 9, 5000}, []uint8{setEmpty, setLinear, setLinear, setHash, setHash}},
		{"wide", wide, false, []int{0, 1, 8, 9, 5000}, []uint8{setEmpty, setLinear, setLinear, setHash, setHash}},
		{"parts", []int{4, 16, 2}, false, []int{0, 1, 8, 9, 2000}, []uint8{setEmpty, setLinear, setLinear, setHash, setHash}},
		{"word ranges", word, true, []int{1, 2, 3, 1000}, []uint8{setInterval1, setInterval1, setInterval1, setInterval1}},
		{"wide ranges", wide, true, []int{1, 2, 3, 1000}, []uint8{setInterval2, setInterval2, setInterval2, setInterval2}},
		{"parts ranges", []int{4, 16, 2}, true, []int{1, 2, 15, 16, 200, 17000}, []uint8{setRanges, setRanges, setRanges, setIndexed, setIndexed, setIndexed}},
		{"many parts", []int{1, 8, 2, 16, 4, 1, 2}, true, []int{200, 1000}, []uint8{setIndexed, setIndexed}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for i, size := range row.sizes {
				g := &gen{r: rand.New(rand.NewPCG(seed, uint64(i))), tb: t}
				s := &nft.Set{}
				for _, n := range row.parts {
					s.Key = append(s.Key, &nft.Type{Bits: 8 * n})
				}
				var els []*nft.Element
				for seen := map[string]bool{}; len(els) < size; {
					el := g.element(row.parts, row.ranged, size)
					id := fmt.Sprintf("%x", el.Key)
					if !seen[id] {
						els = append(els, el)
					}
					seen[id] = true
				}
				s.Elements = nft.ElementsOf(els...)
				checkSet(t, g, s, row.parts, row.kinds[i])
			}
		})
	}
}

// edge returns a value of n bytes that likes borders: 0, all ones, neighbours.
func (g *gen) edge(n, spread int) []byte {
	b := make([]byte, n)
	switch g.r.IntN(12) {
	case 0:
	case 1:
		for i := range b {
			b[i] = 0xff
		}
	default:
		v := uint64(g.r.IntN(3*spread + 3))
		for i := 0; i < min(n, 8); i++ {
			b[n-1-i] = byte(v >> (8 * i))
		}
		if n == 16 && g.one(2) {
			b[7] = byte(g.r.IntN(3)) // the upper word
		}
	}
	return b
}

func (g *gen) element(parts []int, ranged bool, spread int) *nft.Element {
	el := &nft.Element{}
	for _, n := range parts {
		k := nft.KeyPart{Lo: g.edge(n, spread)}
		k.Hi = k.Lo
		if ranged {
			for string(k.Lo) == string(k.Hi) {
				k.Lo, k.Hi = g.edge(n, spread), g.edge(n, spread)
			}
			if string(k.Lo) > string(k.Hi) {
				k.Lo, k.Hi = k.Hi, k.Lo
			}
			if string(k.Hi) != string(k.Lo) && g.one(2) && k.Lo[0] == 0 && k.Hi[0] == 0xff {
				k.Hi = make([]byte, n)
				copy(k.Hi, k.Lo)
				k.Hi[n-1] |= 1
				k.Lo[n-1] &^= 1
			}
		}
		el.Key = append(el.Key, k)
	}
	return el
}

func checkSet(t *testing.T, g *gen, s *nft.Set, parts []int, kind uint8) {
	t.Helper()
	ps, err := newPorts(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b block
	if err := buildSet(&b, s, nil, ps); err != nil {
		t.Fatal(err)
	}
	if b.set.kind != kind {
		t.Fatalf("%d elements: kind %d, want %d", s.Elements.Len(), b.set.kind, kind)
	}
	im := &Image{data: b.data, sets: []setDesc{b.set}, region: []uint64{hdrMagic: imageMagic}}
	found := 0
	for range 2000 {
		values := make([][]byte, len(parts))
		for i, n := range parts {
			values[i] = g.edge(n, s.Elements.Len())
		}
		if s.Elements.Len() > 0 && g.one(2) { // one that is there, at a border
			el := s.Elements.At(g.r.IntN(s.Elements.Len()))
			for i := range values {
				values[i] = pick(g, el.Key[i].Lo, el.Key[i].Hi)
			}
		}
		var key [keyWords]uint64
		at := 0
		for _, v := range values {
			if len(v) == 16 {
				key[at] = binary.BigEndian.Uint64(v)
				at++
				v = v[8:]
			}
			for _, x := range v {
				key[at] = key[at]<<8 | uint64(x)
			}
			at++
		}
		want := false
	search:
		for el := range s.Elements.All() {
			for i, v := range values {
				if string(v) < string(el.Key[i].Lo) || string(v) > string(el.Key[i].Hi) {
					continue search
				}
			}
			want = true
			break
		}
		if got := im.lookup(0, &key, nil, nil) == setHit; got != want {
			t.Fatalf("%d elements: %x found %v, want %v", s.Elements.Len(), values, got, want)
		}
		if want {
			found++
		}
	}
	if s.Elements.Len() > 0 && found < 100 {
		t.Errorf("%d elements: only %d keys were there", s.Elements.Len(), found)
	}
}

// TestHashIsKeyed: two sets of the same elements place them differently.
func TestHashIsKeyed(t *testing.T) {
	ps, err := newPorts(nil)
	if err != nil {
		t.Fatal(err)
	}
	var a, b block
	for _, to := range []*block{&a, &b} {
		if err := buildSet(to, addrSet(1000, false), nil, ps); err != nil {
			t.Fatal(err)
		}
	}
	same, used := 0, 0
	for i := 0; i < len(a.data); i += 2 {
		if a.data[i] != 0 {
			used++
			if b.data[i] != 0 && a.data[i+1] == b.data[i+1] {
				same++
			}
		}
	}
	if used != 1000 || same > 50 {
		t.Errorf("%d of %d elements have the same slot", same, used)
	}
}

// TestMapAsSet looks keys of maps up as if they were sets, as the kernel lets rules do.
func TestMapAsSet(t *testing.T) {
	for _, row := range []struct{ name, decl string }{
		{"map", "type ipv4_addr : mark\nelements = { 10.0.0.1 : 5 }"},
		{"map of ranges", "type ipv4_addr : mark\nflags interval\nelements = { 10.0.0.0-10.0.0.1 : 5 }"},
		{"verdict map", "type ipv4_addr : verdict\nelements = { 10.0.0.1 : drop }"},
		{"map with timeouts", "type ipv4_addr : mark\nflags timeout\nelements = { 10.0.0.1 timeout 5s : 5 }"},
	} {
		for _, op := range []string{"", "!= "} {
			text := "table inet t {\n map m {\n" + row.decl + "\n}\n chain c {\n type filter hook forward priority 0; policy drop;\nip saddr " + op + "@m accept\n}\n}\n"
			w := newWorkers(t, 1, text, testStore(t))
			for from, in := range map[string]bool{"10.0.0.1": true, "10.0.0.9": false} {
				want := Drop
				if in == (op == "") {
					want = Accept
				}
				if got := w.eval(0, pk{src: from, dst: "10.0.1.1"}.packet(t), &Env{Nanos: second}); got != want {
					t.Errorf("%s, %s%s: %v, want %v", row.name, op, from, got, want)
				}
			}
			w.free(t)
		}
	}
}
