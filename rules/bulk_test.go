package rules

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestBulk changes large sets a few elements at a time and asks for keys in and beside
// what has changed: the answers are those of a search through the elements, the entries
// stay where they are until much has changed, and the memory is given back.
func TestBulk(t *testing.T) {
	v4 := func(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255) }
	v6 := func(n int) string { return fmt.Sprintf("fd00::%x:%x", n>>12, n&0xfff) }
	plain := func(of func(int) string, gap int) func(int, *rand.Rand) string {
		return func(n int, _ *rand.Rand) string { return of(gap * n) }
	}
	ranges := func(of func(int) string) func(int, *rand.Rand) string {
		return func(n int, r *rand.Rand) string {
			from := 16*n + r.IntN(5)
			return of(from) + "-" + of(from+r.IntN(9)+1)
		}
	}
	// Two boxes each that cross, so that the first one counts where they do.
	crossing := func(of func(int) string) func(int, *rand.Rand) string {
		return func(n int, r *rand.Rand) string {
			at := 16 * (n / 2)
			if n%2 == 0 {
				return of(at+r.IntN(5)) + "-" + of(at+5+r.IntN(5)) + " . 5"
			}
			return of(at+5) + fmt.Sprintf(" . %d-%d", 1+r.IntN(4), 6+r.IntN(5))
		}
	}
	for _, row := range []struct {
		name, decl, left string
		kind             uint8
		element          func(int, *rand.Rand) string
		data             string
	}{
		{"addresses", "set s { type ipv4_addr; }", "ip saddr", setHash, plain(v4, 3), ""},
		{"addresses of IPv6", "set s { type ipv6_addr; }", "ip6 saddr", setHash, plain(v6, 3), ""},
		{"joined", "set s { type ipv4_addr . inet_service; }", "ip saddr . tcp dport", setHash,
			func(n int, _ *rand.Rand) string { return v4(n) + fmt.Sprintf(" . %d", n%7+1) }, ""},
		{"by an expression", "set s { typeof ip saddr; }", "ip saddr", setHash, plain(v4, 3), ""},
		{"ranges", "set s { type ipv4_addr; flags interval; }", "ip saddr", setInterval1, ranges(v4), ""},
		{"merged ranges", "set s { type ipv4_addr; flags interval; auto-merge; }", "ip saddr", setInterval1, ranges(v4), ""},
		{"ranges of IPv6", "set s { type ipv6_addr; flags interval; }", "ip6 saddr", setInterval2, ranges(v6), ""},
		{"map", "map s { type ipv4_addr : mark; }", "ip saddr", setHash, plain(v4, 3), " : %d"},
		{"map of ranges", "map s { type ipv4_addr : mark; flags interval; }", "ip saddr", setInterval1, ranges(v4), " : %d"},
		{"boxes", "set s { type ipv4_addr . inet_service; flags interval; }", "ip saddr . tcp dport", setIndexed, crossing(v4), ""},
		{"boxes of IPv6", "set s { type ipv6_addr . inet_service; flags interval; }", "ip6 saddr . tcp dport", setIndexed, crossing(v6), ""},
		{"map of boxes", "map s { type ipv4_addr . inet_service : mark; flags interval; }", "ip saddr . tcp dport", setIndexed, crossing(v4), " : %d"},
	} {
		t.Run(row.name, func(t *testing.T) {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 3))
			used := offheap.InUse()
			text := func(n int) string {
				e := row.element(n, r)
				if row.data != "" {
					e += fmt.Sprintf(row.data, n%5)
				}
				return e
			}
			const size = 4 * bulkMin
			var els []string
			for n := range size {
				if n%2 == 0 {
					els = append(els, text(n))
				}
			}
			rule := row.left + " @s accept"
			if row.data != "" {
				rule = "meta mark set " + row.left + " map @s"
			}
			script := fmt.Sprintf("table inet t {\n%s\nchain c { type filter hook forward priority 0\n%s\n}\n}\nadd element inet t s { %s }\n", row.decl, rule, strings.Join(els, ", "))
			tree, err := nft.Parse("f", []byte(script), nft.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rs, err := Compile(tree, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if b := rs.ix.setBlocks[0]; b.bulk == nil || b.set.kind != row.kind {
				t.Fatalf("kind %d, in bulk: %v", b.set.kind, b.bulk != nil)
			}
			old, err := rs.Copy()
			if err != nil {
				t.Fatal(err)
			}
			kept, anew := 0, 0
			for step := range 60 {
				n := 1 + r.IntN(3)
				if step%20 == 19 {
					n = 600 // so that some step changes too much
				}
				set := tree.Tables[0].Sets[0]
				var add, del []string
				seen := map[int]bool{}
				for range n {
					if at := r.IntN(set.Elements.Len()); r.IntN(2) == 0 && !seen[at] {
						seen[at] = true
						del = append(del, keyText(set, set.Elements.At(at)))
					} else if e := text(r.IntN(size)); !strings.Contains(row.decl, "flags interval") || n < 10 {
						add = append(add, e)
					}
				}
				var b strings.Builder
				for _, e := range del {
					fmt.Fprintf(&b, "delete element inet t s { %s }\n", e)
				}
				for _, e := range add {
					fmt.Fprintf(&b, "add element inet t s { %s }\n", e)
				}
				next, err := nft.Apply(tree, "g", []byte(b.String()), nft.ParseOptions{}, nft.PrintOptions{})
				if err != nil {
					continue // it overlaps, or gives a key other data
				}
				fresh, err := Compile(next, Options{Before: rs})
				if err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
				im, err := fresh.Copy()
				if err != nil {
					t.Fatal(err)
				}
				if fresh.ix.setBlocks[0].bulk == rs.ix.setBlocks[0].bulk {
					kept++
				} else {
					anew++
				}
				gone, new, _ := next.Tables[0].Sets[0].Elements.Diff(set.Elements, 1<<30)
				askBulk(t, fmt.Sprintf("seed %d, step %d", seed, step), next.Tables[0].Sets[0], im, append(gone, new...), r)
				askBulk(t, fmt.Sprintf("seed %d, step %d, the old one", seed, step), set, old, append(gone, new...), r)
				if err := old.Free(); err != nil {
					t.Fatal(err)
				}
				tree, rs, old = next, fresh, im
			}
			if kept < 15 || anew == 0 {
				t.Errorf("seed %d: entries kept %d times, made anew %d times", seed, kept, anew)
			}
			if err := old.Free(); err != nil || offheap.InUse() != used {
				t.Errorf("%v, %d bytes are left", err, offheap.InUse()-used)
			}
		})
	}
}

// keyText is how a script names an element.
func keyText(s *nft.Set, e *nft.Element) string {
	var out []string
	for i, k := range e.Key {
		text := func(b []byte) string {
			switch s.Key[i] {
			case nft.TypeIPv4:
				return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3])
			case nft.TypeIPv6:
				var parts []string
				for ; len(b) > 0; b = b[2:] {
					parts = append(parts, fmt.Sprintf("%x", binary.BigEndian.Uint16(b)))
				}
				return strings.Join(parts, ":")
			}
			return fmt.Sprint(binary.BigEndian.Uint16(b))
		}
		if out = append(out, text(k.Lo)); !bytes.Equal(k.Lo, k.Hi) {
			out[i] += "-" + text(k.Hi)
		}
	}
	return strings.Join(out, " . ")
}

// askBulk looks the borders of elements up, and what is beside them.
func askBulk(t *testing.T, what string, s *nft.Set, im *Image, around []*nft.Element, r *rand.Rand) {
	t.Helper()
	for range 5 {
		around = append(around, s.Elements.At(r.IntN(s.Elements.Len())))
	}
	for _, e := range around[max(0, len(around)-12):] {
		for _, border := range []func(k *nft.KeyPart) []byte{func(k *nft.KeyPart) []byte { return k.Lo }, func(k *nft.KeyPart) []byte { return k.Hi }} {
			for step := -1; step <= 1; step++ {
				var env Env
				at := 0
				parts := make([][]byte, len(e.Key))
				for i := range e.Key {
					parts[i] = bytes.Clone(border(&e.Key[i]))
					if i == 0 {
						parts[i][len(parts[i])-1] += byte(step)
					}
					b := parts[i]
					if len(b) == 16 {
						env.key[at] = binary.BigEndian.Uint64(b)
						at, b = at+1, b[8:]
					}
					for _, x := range b {
						env.key[at] = env.key[at]<<8 | uint64(x)
					}
					at++
				}
				var want *nft.Element
			search:
				for o := range s.Elements.All() {
					for i := range o.Key {
						if bytes.Compare(parts[i], o.Key[i].Lo) < 0 || bytes.Compare(parts[i], o.Key[i].Hi) > 0 {
							continue search
						}
					}
					want = o
					break
				}
				if got := im.lookup(0, &env.key, nil, &env); (got&setHit != 0) != (want != nil) || got != 0 && got&setHit == 0 {
					t.Fatalf("%s: %v: found %x, want %v", what, parts, got, want)
				}
				if want != nil && s.Map {
					if !im.mapData(&ins{flag: 1}, nil, &env) || env.key[0] != uint64(binary.BigEndian.Uint32(want.Data[0].Lo)) {
						t.Fatalf("%s: %v gives %d, want %v", what, parts, env.key[0], want.Data[0].Lo)
					}
				}
			}
		}
	}
}

// jobs is a pool whose jobs wait until somebody runs them.
type jobs []func()

func (j *jobs) Submit(f func()) error {
	*j = append(*j, f)
	return nil
}

// TestBulkRenewed: an edit that finds much changed leaves it to the pool to lay the
// entries down anew; those after go on with what there is, and then with the new ones.
func TestBulkRenewed(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 3))
	used := offheap.InUse()
	var els []string
	for n := range 8 * bulkMin {
		els = append(els, fmt.Sprintf("10.%d.%d.0/25", n/256, n%256))
	}
	var pool jobs
	w := newWorkers(t, 1, withSet("type ipv4_addr\nflags interval\nelements = { "+strings.Join(els, ", ")+" }", "ip saddr @s accept"), nil)
	set := func() *nft.Set { return w.rs.Tree.Tables[0].Sets[0] }
	edit := func(what string, verb string, els []string) {
		before := set()
		tree, err := nft.Apply(w.rs.Tree, "f", []byte(verb+" element inet t s { "+strings.Join(els, ", ")+" }\n"), nft.ParseOptions{}, nft.PrintOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.swap(t, tree, Options{Interfaces: testInterfaces, Before: w.rs, Pool: &pool})
		gone, fresh, _ := set().Elements.Diff(before.Elements, 1<<30)
		askBulk(t, what, set(), w.images[0], append(gone, fresh...), r)
	}
	first := w.rs.ix.setBlocks[0].bulk
	edit("little", "delete", els[:100])
	edit("much", "delete", els[100:2000])
	if w.rs.ix.setBlocks[0].bulk != first || !first.renewing {
		t.Fatalf("the entries are the first ones: %v, and made anew: %v", w.rs.ix.setBlocks[0].bulk == first, first.renewing)
	}
	edit("more", "add", els[500:600])
	if w.rs.ix.setBlocks[0].bulk != first {
		t.Fatal("the entries are others while the pool has not begun")
	}
	for _, job := range pool { // some would have helped with an edit
		job()
	}
	edit("renewed", "add", els[700:710])
	renewed := w.rs.ix.setBlocks[0]
	if renewed.bulk == first || renewed.bulk.els.Len() != len(els)-2000 || len(renewed.now.list) != 110 {
		t.Errorf("renewed: %v, from %d elements, %d changed", renewed.bulk != first, renewed.bulk.els.Len(), len(renewed.now.list))
	}
	edit("again", "add", els[710:1990])
	if w.rs.ix.setBlocks[0].bulk != renewed.bulk || !renewed.bulk.renewing {
		t.Error("the entries are not made anew again")
	}
	w.free(t)
	if n := offheap.InUse() - used; n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestBulkOfVerdicts edits a large verdict map, and rules around it so that the chains
// it names begin elsewhere: packets get what a compilation of the whole gives them.
func TestBulkOfVerdicts(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 5))
	verdict := []string{"drop", "accept", "jump one", "goto two", "continue"}
	var els []string
	element := func(n int) string { return fmt.Sprintf("10.0.%d.%d : %s", n/256, n%256, verdict[n%len(verdict)]) }
	for n := 0; n < 4*bulkMin; n += 2 {
		els = append(els, element(n))
	}
	for _, end := range []string{"", "flags timeout\ncounter\n"} {
		text := "table inet t {\nchain first {\n}\nchain one {\n meta mark set 1\n}\nchain two {\n meta mark set 2 accept\n}\nmap s {\ntype ipv4_addr : verdict\n" + end + "elements = { " +
			strings.Join(els, ", ") + " }\n}\nchain c {\ntype filter hook forward priority 0; policy drop;\nip saddr vmap @s\nmeta mark 1 accept\n}\n}\n"
		store := testStore(t)
		w := newWorkers(t, 1, text, store)
		first := w.rs.ix.setBlocks[0].bulk
		for step, row := range []struct {
			text string
			same bool // entries
		}{
			{"add element inet t s { " + element(1) + ", " + element(2003) + ", " + element(2007) + " }", true},
			{"delete element inet t s { 10.0.0.0, 10.0.0.4 }", true},
			{"add rule inet t first counter", false},
			{"add element inet t s { " + element(3) + ", " + element(8) + " }", true},
			{"delete element inet t s { 10.0.0.8 }", true},
		} {
			w.edit(t, row.text, second, store)
			b := w.rs.ix.setBlocks[0].bulk
			if b == nil || (b == first) != row.same {
				t.Errorf("step %d: the entries are the same: %v", step, b == first)
			}
			first = b
			im, chain := w.whole(t, store)
			for i := range 300 {
				n := i
				if i > 20 {
					n = r.IntN(4 * bulkMin)
				}
				from := fmt.Sprintf("10.0.%d.%d", n/256, n%256)
				got, want := pk{src: from, dst: "10.9.9.9"}.packet(t), pk{src: from, dst: "10.9.9.9"}.packet(t)
				code, whole := w.eval(0, got, &Env{Nanos: second}), im.Eval(&chain, want, &Env{Nanos: second}).Code
				if code != whole || got.Mark != want.Mark {
					t.Fatalf("seed %d, step %d, %s: %v with mark %d, want %v with mark %d", seed, step, from, code, got.Mark, whole, want.Mark)
				}
			}
			if err := im.Free(); err != nil {
				t.Error(err)
			}
		}
		w.free(t)
	}
}
