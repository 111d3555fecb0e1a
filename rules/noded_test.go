package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

func TestIntervalsThatEnd(t *testing.T) {
	for _, row := range []timedSet{
		{"one ends", "type ipv4_addr\nflags interval,timeout\ntimeout 10s\nelements = { 10.0.0.0/30 timeout 5s, 10.0.1.0/24 }", "ip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 5, Accept}, {"10.0.0.3", 6, Drop}, {"10.0.1.200", 7, Accept}, {"10.0.0.4", 7, Drop}}, []string{"10.0.1.0 expires 10000"}},
		{"not in one that ended", "type ipv4_addr\nflags interval,timeout\nelements = { 10.0.0.0/30 timeout 5s }", "ip saddr != @s accept",
			[]timedPacket{{"10.0.0.1", 1, Drop}, {"10.0.0.4", 1, Accept}, {"10.0.0.1", 6, Accept}}, nil},
		{"counters, not of what must not be found", "type ipv4_addr\nflags interval\ncounter\nelements = { 10.0.0.0/30, 10.0.1.0/24 }", "ip saddr != @s drop\nip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 1, Accept}, {"10.0.1.1", 1, Accept}, {"10.0.2.1", 1, Drop}}, []string{"10.0.0.0 counter 2", "10.0.1.0 counter 1"}},
		{"limits", "type ipv4_addr\nflags interval\nlimit rate 1/second burst 2 packets\nelements = { 10.0.0.0/30, 10.0.1.0/24 }", "ip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 1, Accept}, {"10.0.0.1", 1, Drop}, {"10.0.1.1", 1, Accept}, {"10.0.0.1", 2, Accept}}, []string{"10.0.0.0", "10.0.1.0"}},
		{"the catch-all element", "type ipv4_addr\nflags interval,timeout\ncounter\nelements = { 10.0.0.0/30 timeout 5s, * timeout 7s }", "ip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.9.9.9", 1, Accept}, {"10.0.0.2", 6, Accept}, {"10.0.0.2", 8, Drop}}, nil},
		{"joined", "type ipv4_addr . ipv4_addr\nflags interval,timeout\ncounter\nelements = { 10.0.0.0/30 . 10.0.0.0/8 timeout 5s }", "ip saddr . ip daddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.4", 1, Drop}, {"10.0.0.2", 5, Accept}, {"10.0.0.2", 6, Drop}}, nil},
	} {
		row.play(t)
	}
}

func TestVerdictMapThatEnds(t *testing.T) {
	text := "table inet t {\n map s {\n type ipv4_addr : verdict\n flags timeout\n counter\n elements = { 10.0.0.1 timeout 5s : jump other, 10.0.0.2 : accept }\n}\n" +
		"chain other {\n accept\n}\n chain c {\n type filter hook forward priority 0; policy drop;\nip saddr vmap @s\n}\n}\n"
	w := newWorkers(t, 1, text, testStore(t))
	defer w.free(t)
	for i, step := range []struct {
		from string
		at   int64
		want Code
	}{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 2, Accept}, {"10.0.0.3", 2, Drop}, {"10.0.0.1", 6, Drop}} {
		if got := w.eval(0, pk{src: step.from, dst: "10.0.1.1"}.packet(t), &Env{Nanos: step.at * second}); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if got := w.list(6 * second); !slices.Equal(got, []string{"10.0.0.2 counter 1"}) {
		t.Errorf("elements %q", got)
	}
}

// edit applies commands to what is in force.
func (w *workers) edit(t *testing.T, text string, nanos int64, store *Store) {
	t.Helper()
	elements := func(s *nft.Set) []*nft.Element { return w.rs.Elements(s, nanos) }
	tree, err := nft.Apply(w.rs.Tree, "f", []byte(text), nft.ParseOptions{Elements: elements}, nft.PrintOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.swap(t, tree, Options{Interfaces: testInterfaces, Store: store, Before: w.rs})
}

// whole compiles the rules that the workers have come to by edits at once, and returns
// the image and its chain at forward.
func (w *workers) whole(t *testing.T, store *Store) (*Image, BaseChain) {
	t.Helper()
	rs, err := Compile(w.rs.Tree, Options{Interfaces: testInterfaces, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	im, err := rs.Copy()
	if err != nil {
		t.Fatal(err)
	}
	return im, im.Base(2, nft.HookForward)[0]
}

// swap puts a tree in force.
func (w *workers) swap(t *testing.T, tree *nft.Ruleset, opt Options) {
	t.Helper()
	rs, err := Compile(tree, opt)
	if err != nil {
		t.Fatal(err)
	}
	old := &workers{images: w.images}
	w.rs, w.images = rs, nil
	for range old.images {
		im, err := rs.Copy()
		if err != nil {
			t.Fatal(err)
		}
		w.images = append(w.images, im)
	}
	old.free(t)
}

// TestIntervalsSurvive edits a set whose elements count, and what is around it.
func TestIntervalsSurvive(t *testing.T) {
	const set = "type ipv4_addr\nflags interval,timeout\ncounter\nelements = { 10.0.0.0/24, 10.0.1.0/24 timeout 5s, 10.0.2.0/24 timeout 99s }"
	const all = "10.0.0.0 counter 1\n10.0.1.0 expires 5000 counter 1\n10.0.2.0 expires 99000 counter 1"
	many := make([]string, 0, 40000)
	for i := range cap(many) {
		many = append(many, fmt.Sprintf("%d.%d.%d.0/25", 20+i/65536, i/256%256, i%256))
	}
	for _, row := range []struct {
		name, text string
		at         int64 // seconds
		want       string
	}{
		{"a rule", "add rule inet t c accept", 1, all},
		{"another element", "add element inet t s { 10.0.9.0/24 }", 1, all + "\n10.0.9.0 counter 0"},
		{"time begins anew", "add element inet t s { 10.0.2.0/24 timeout 200s }", 1, strings.Replace(all, "99000", "200000", 1)},
		{"one less", "delete element inet t s { 10.0.2.0/24 }", 1, "10.0.0.0 counter 1\n10.0.1.0 expires 5000 counter 1"},
		{"deleted, and another one", "delete element inet t s { 10.0.2.0/24 }\nadd element inet t s { 10.0.2.0/24 }", 1, "10.0.0.0 counter 1\n10.0.1.0 expires 5000 counter 1\n10.0.2.0 counter 0"},
		{"one that ended comes again", "add element inet t s { 10.0.1.0/24 }", 7, "10.0.0.0 counter 1\n10.0.1.0 counter 0\n10.0.2.0 expires 93000 counter 1"},
		{"another in the place of one that ended", "add element inet t s { 10.0.1.128-10.0.1.130 }", 7, "10.0.0.0 counter 1\n10.0.1.128 counter 0\n10.0.2.0 expires 93000 counter 1"},
		{"flush", "flush set inet t s\nadd element inet t s { 10.0.0.0/24 }", 1, "10.0.0.0 counter 0"},
		{"more than the table of nodes has room for", "add element inet t s { " + strings.Join(many, ", ") + " }\n", 1, all},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := testStore(t)
			w := newWorkers(t, 2, withSet(set, "ip saddr @s accept"), store)
			for i, from := range []string{"10.0.0.2", "10.0.1.3", "10.0.2.4"} {
				w.eval(i%2, pk{src: from, dst: "10.9.1.1"}.packet(t), &Env{Nanos: second})
			}
			w.edit(t, row.text, row.at*second, store)
			defer func() { w.free(t) }()
			got := w.list(row.at * second)
			if strings.Count(row.text, "/25") > 0 {
				if len(got) != 3+len(many) {
					t.Fatalf("%d elements", len(got))
				}
				got = got[:3]
			}
			if want := strings.Split(row.want, "\n"); !slices.Equal(got, want) {
				t.Errorf("elements\n%s\nwant\n%s", strings.Join(got, "\n"), row.want)
			}
		})
	}
}

// TestIntervalsOfTheWholeText: a text that replaces all leaves the elements that it
// has in common with the one before, and no nodes of the others.
func TestIntervalsOfTheWholeText(t *testing.T) {
	const head = "type ipv4_addr\nflags interval,timeout\ncounter\nelements = { 10.0.0.0/24 timeout 9s, "
	store := testStore(t)
	w := newWorkers(t, 1, withSet(head+"10.0.1.0/24 }", "ip saddr @s accept"), store)
	defer func() { w.free(t) }()
	p := func(from string) *packet.Packet { return pk{src: from, dst: "10.9.1.1"}.packet(t) }
	w.eval(0, p("10.0.0.2"), &Env{Nanos: second})
	w.eval(0, p("10.0.1.2"), &Env{Nanos: second})
	w.swap(t, parse(t, withSet(head+"10.0.2.0/24 }", "ip saddr @s counter accept")), Options{Interfaces: testInterfaces, Store: store, Before: w.rs})
	w.eval(0, p("10.0.2.2"), &Env{Nanos: 2 * second})
	if got := w.list(2 * second); !slices.Equal(got, []string{"10.0.0.0 expires 8000 counter 1", "10.0.2.0 counter 1"}) {
		t.Errorf("elements %q", got)
	}
	w.swap(t, parse(t, withSet(head+"10.0.1.0/24 }", "ip saddr @s accept")), Options{Interfaces: testInterfaces, Store: store})
	if got := w.list(2 * second); !slices.Equal(got, []string{"10.0.0.0 expires 8000 counter 1", "10.0.1.0 counter 0"}) {
		t.Errorf("elements %q", got)
	}
}
