package rules

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/sluice-net/sluice/rules/nft"
)

func newCache(t *testing.T, bytes int64) *Cache {
	c, err := NewCache(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestCache: text that was compiled before is not compiled again, and the
// result differs in nothing but the new text's positions. Size 0 and no cache
// do the same, without remembering.
func TestCache(t *testing.T) {
	text := inChain("tcp dport { 80, 81 } counter log prefix \"a\" accept\n")
	for _, row := range []struct {
		name   string
		cache  *Cache
		cached bool
	}{
		{"none", nil, false}, {"size 0", newCache(t, 0), false}, {"1 MiB", newCache(t, 1<<20), true},
		{"smaller than an image", newCache(t, 100), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			opt := Options{Interfaces: testInterfaces, Cache: row.cache}
			first, err := Compile(parse(t, text), opt)
			if err != nil {
				t.Fatal(err)
			}
			im, err := first.Copy()
			if err != nil {
				t.Fatal(err)
			}
			im.Poison()
			if err := im.Free(); err != nil {
				t.Fatal(err)
			}
			tree := parse(t, "\n\n"+text)
			second, err := Compile(tree, opt)
			if err != nil {
				t.Fatal(err)
			}
			if first.Cached || second.Cached != row.cached {
				t.Errorf("cached %v and %v", first.Cached, second.Cached)
			}
			im, err = second.Copy()
			if err != nil {
				t.Fatal(err)
			}
			defer im.Free()
			p := pk{}.packet(t)
			v := im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, &Env{})
			if info := second.Rule(v.Rule); v.Code != Accept || info.Pos.Line != 12 || info.Rule != tree.Tables[0].Chains[2].Rules[1] {
				t.Errorf("verdict %+v by %+v", v, info)
			}
			if c := second.Collect([]*Image{im}); c[len(c)-1].Packets != 1 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

// keyOf is the content key of a text.
func keyOf(t *testing.T, text string, ifs []Interface) string {
	t.Helper()
	ports, err := newPorts(ifs)
	if err != nil {
		t.Fatal(err)
	}
	tree := parse(t, text)
	ix, err := newIndex(tree, world{ports: ports, hashed: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return contentKey(tree, ix)
}

// TestContentKey: what an image depends on changes the key, the rest does not.
func TestContentKey(t *testing.T) {
	base := inChain("tcp dport 80 counter accept")
	key := func(text string, ifs []Interface) string { return keyOf(t, text, ifs) }
	want := key(base, testInterfaces)
	for _, same := range []string{"\n" + base, strings.Replace(base, "counter accept", "counter packets 5 bytes 5 accept comment \"x\"", 1)} {
		if key(same, testInterfaces) != want {
			t.Errorf("another key for\n%s", same)
		}
	}
	for _, other := range []string{
		strings.Replace(base, "dport 80 c", "dport 81 c", 1), strings.Replace(base, "dport 80 c", "sport 80 c", 1),
		strings.Replace(base, "dport 80 c", "dport != 80 c", 1), strings.Replace(base, "counter accept", "accept", 1),
		strings.Replace(base, "policy drop", "policy accept", 1), strings.Replace(base, "priority 0", "priority 1", 1),
		strings.Replace(base, "forward", "input", 1), strings.Replace(base, "inet", "ip", 1),
		strings.Replace(base, "dport 80 c", "dport 80-81 c", 1), strings.Replace(base, "dport 80 c", "dport { 80, 81 } c", 1),
		strings.Replace(base, "dport 80 c", "dport 80 meta mark 1 c", 1), strings.Replace(base, "counter accept", "counter drop", 1),
		strings.Replace(base, "counter accept", "counter jump allow", 1), strings.Replace(base, "counter accept", "counter goto allow", 1),
	} {
		if key(other, testInterfaces) == want {
			t.Errorf("the same key for\n%s", other)
		}
	}
	if key(base, testInterfaces[1:]) == want {
		t.Error("the same key for other interfaces")
	}
}

// TestPool: with and without a pool, in a pool of one from inside, and from
// several goroutines at once, compiling gives the same code.
func TestPool(t *testing.T) {
	seed := testSeed(t)
	g := &gen{r: rand.New(rand.NewPCG(seed, 1)), tb: t}
	tree := g.tree()
	plain, err := Compile(tree, Options{Interfaces: testInterfaces})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 4, -1} {
		pool, err := ants.NewPool(size, ants.WithNonblocking(true))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		check := func() {
			defer wg.Done()
			rs, err := Compile(tree, Options{Interfaces: testInterfaces, Pool: pool})
			if err != nil {
				t.Error(err)
				return
			}
			a, b := newImage(laidDown(plain.master), nil), newImage(laidDown(rs.master), nil)
			if !slices.Equal(a.heads, b.heads) || !slices.Equal(a.ins, b.ins) || !slices.Equal(a.base, b.base) {
				t.Errorf("pool of %d: other code", size)
			}
		}
		for range 3 {
			wg.Add(2)
			go check()
			if pool.Submit(check) != nil { // it is busy with one
				go check()
			}
		}
		wg.Wait()
		pool.Release()
	}
}

// TestCacheTellsObjectsApart compiles two texts that differ in the object that a
// rule names.
func TestCacheTellsObjectsApart(t *testing.T) {
	text := func(name string) string {
		return "table inet t {\n counter one {\n}\n counter two {\n}\n chain c {\n type filter hook forward priority 0; policy drop;\n counter name " + name + "\n}\n}\n"
	}
	keys := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		keys[keyOf(t, text(name), nil)] = true
	}
	if len(keys) != 2 {
		t.Error("the cache takes one for the other")
	}
}

// TestEditsReachTheCache: what an edit leaves and is kept is in the cache a moment
// later, for those who load the same as a whole.
func TestEditsReachTheCache(t *testing.T) {
	var err error
	opt := Options{Interfaces: testInterfaces, Cache: newCache(t, 1<<22)}
	text := inChain(strings.Repeat("tcp dport 80 counter accept\n", 50))
	if opt.Before, err = Compile(parse(t, text), opt); err != nil {
		t.Fatal(err)
	}
	tree, err := nft.Apply(opt.Before.Tree, "edit", []byte("add rule inet t base udp dport 53 counter accept\n"), nft.ParseOptions{}, nft.PrintOptions{})
	if err != nil {
		t.Fatal(err)
	}
	edit, err := Compile(tree, opt)
	if err != nil || edit.Cached {
		t.Fatal(edit, err)
	}
	key := contentKey(tree, edit.ix)
	if opt.Cache.get(key) != nil {
		t.Error("the cache has it before it was kept")
	}
	edit.Keep()
	for end := time.Now().Add(20 * time.Second); opt.Cache.get(key) != edit.master; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the cache does not have it")
		}
	}
	opt.Before = nil
	whole, err := Compile(parse(t, inChain(strings.Repeat("tcp dport 80 counter accept\n", 50)+"udp dport 53 counter accept\n")), opt)
	if err != nil || !whole.Cached {
		t.Errorf("cached %v, %v", whole.Cached, err)
	}
}
