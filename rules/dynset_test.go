package rules

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// bench is a ruleset with one image for each of some workers.
type workers struct {
	rs     *Ruleset
	images []*Image
}

func newWorkers(t *testing.T, n int, text string, store *Store) *workers {
	t.Helper()
	rs, err := Compile(parse(t, text), Options{Interfaces: testInterfaces, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	w := &workers{rs: rs}
	for range n {
		im, err := rs.Copy()
		if err != nil {
			t.Fatal(err)
		}
		w.images = append(w.images, im)
	}
	return w
}

func (w *workers) free(t *testing.T) {
	for _, im := range w.images {
		if err := im.Free(); err != nil {
			t.Error(err)
		}
	}
}

func (w *workers) eval(i int, p *packet.Packet, env *Env) Code {
	c := w.images[i].Base(p.Family, nft.HookForward)[0]
	return w.images[i].Eval(&c, p, env).Code
}

// list shows the elements of the first set.
func (w *workers) list(nanos int64) (out []string) {
	for _, e := range w.rs.Elements(w.rs.Tree.Tables[0].Sets[0], nanos) {
		s := fmt.Sprintf("%d.%d.%d.%d", e.Key[0].Lo[0], e.Key[0].Lo[1], e.Key[0].Lo[2], e.Key[0].Lo[3])
		for _, d := range e.Data {
			s += fmt.Sprintf(" : %x", d.Lo)
		}
		if e.Expires > 0 {
			s += fmt.Sprintf(" expires %d", e.Expires)
		}
		for _, st := range e.Stmts {
			if c, ok := st.(*nft.Counter); ok {
				s += fmt.Sprintf(" counter %d", c.Packets)
			}
		}
		out = append(out, s)
	}
	return out
}

func withSet(set, rules string) string {
	return "table inet t {\n set s {\n" + set + "\n}\n chain c {\n type filter hook forward priority 0; policy drop;\n" + rules + "\n}\n}\n"
}

const second = int64(1e9)

// timedSet gives packets from addresses at times to rules with a set, and lists it.
type timedSet struct {
	name, set, rules string
	steps            []timedPacket
	list             []string
}

type timedPacket struct {
	from string
	at   int64 // seconds
	want Code
}

func (row *timedSet) play(t *testing.T) {
	t.Helper()
	w := newWorkers(t, 2, withSet(row.set, row.rules), testStore(t))
	defer w.free(t)
	last := int64(0)
	for i, s := range row.steps {
		last = s.at
		if got := w.eval(i%2, pk{src: s.from, dst: "10.0.1.1"}.packet(t), &Env{Nanos: s.at * second}); got != s.want {
			t.Errorf("%s: step %d: %v, want %v", row.name, i, got, s.want)
		}
	}
	if got := w.list(last * second); !slices.Equal(got, row.list) {
		t.Errorf("%s: elements %q, want %q", row.name, got, row.list)
	}
}

func TestChangingSets(t *testing.T) {
	for _, row := range []timedSet{
		{"added once, lives on from the first", "type ipv4_addr\nflags dynamic,timeout\ntimeout 10s", "ip saddr @s accept\nadd @s { ip saddr } drop",
			[]timedPacket{{"10.0.0.1", 1, Drop}, {"10.0.0.1", 2, Accept}, {"10.0.0.2", 3, Drop}, {"10.0.0.1", 10, Accept}, {"10.0.0.1", 11, Drop}, {"10.0.0.1", 12, Accept}},
			[]string{"10.0.0.1 expires 9000", "10.0.0.2 expires 1000"}},
		{"add does not refresh, update does", "type ipv4_addr\nflags dynamic,timeout\ntimeout 10s", "update @s { ip saddr timeout 5s } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.1", 5, Accept}}, []string{"10.0.0.1 expires 5000"}},
		{"deleted", "type ipv4_addr\nflags dynamic", "ip saddr @s delete @s { ip saddr } accept\nadd @s { ip saddr } drop",
			[]timedPacket{{"10.0.0.1", 1, Drop}, {"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Drop}}, []string{"10.0.0.1"}},
		{"full", "type ipv4_addr\nflags dynamic\nsize 2", "add @s { ip saddr } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 1, Accept}, {"10.0.0.3", 1, Drop}, {"10.0.0.1", 1, Accept}}, []string{"10.0.0.1", "10.0.0.2"}},
		{"dead ones make room", "type ipv4_addr\nflags dynamic,timeout\nsize 2\ntimeout 5s", "add @s { ip saddr } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.2", 1, Accept}, {"10.0.0.3", 2, Drop}, {"10.0.0.3", 7, Accept}}, []string{"10.0.0.3 expires 5000"}},
		{"limit for each", "type ipv4_addr\nflags dynamic", "add @s { ip saddr limit rate 1/second burst 2 packets } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Drop}, {"10.0.0.2", 1, Accept}, {"10.0.0.1", 2, Accept}}, []string{"10.0.0.1", "10.0.0.2"}},
		{"counter for each", "type ipv4_addr\nflags dynamic", "add @s { ip saddr counter } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Accept}, {"10.0.0.2", 1, Accept}}, []string{"10.0.0.1 counter 2", "10.0.0.2 counter 1"}},
		{"a set that counts", "type ipv4_addr\ncounter\nelements = { 10.0.0.1, 10.0.0.2 }", "ip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Accept}, {"192.168.1.7", 1, Drop}}, []string{"10.0.0.1 counter 2", "10.0.0.2 counter 0"}},
		{"elements of the text die", "type ipv4_addr\nflags timeout\nelements = { 10.0.0.1 timeout 5s, 10.0.0.2 }", "ip saddr @s accept",
			[]timedPacket{{"10.0.0.1", 3, Accept}, {"10.0.0.1", 7, Accept}, {"10.0.0.1", 8, Drop}, {"10.0.0.2", 99, Accept}}, []string{"10.0.0.2"}},
		{"not in", "type ipv4_addr\nflags dynamic", "ip saddr != @s add @s { ip saddr } accept",
			[]timedPacket{{"10.0.0.1", 1, Accept}, {"10.0.0.1", 1, Drop}}, []string{"10.0.0.1"}},
	} {
		row.play(t)
	}
}

func TestMapThatRulesFill(t *testing.T) {
	text := "table inet t {\n map s {\n type ipv4_addr : mark\n flags dynamic\n}\n chain c {\n type filter hook forward priority 0; policy drop;\n" +
		"meta mark set ip saddr map @s accept\nadd @s { ip saddr : 0x2a } drop\n}\n}\n"
	w := newWorkers(t, 1, text, testStore(t))
	defer w.free(t)
	first, again := pk{}.packet(t), pk{}.packet(t)
	if a, b := w.eval(0, first, &Env{Nanos: 1}), w.eval(0, again, &Env{Nanos: 2}); a != Drop || b != Accept || again.Mark != 0x2a {
		t.Errorf("%v, then %v with mark %#x", a, b, again.Mark)
	}
}

// TestChangingSetSurvives replaces the rules around a set.
func TestChangingSetSurvives(t *testing.T) {
	store := testStore(t)
	set := "type ipv4_addr\nflags dynamic,timeout\ntimeout 10s\nelements = { 10.0.0.2 timeout 2s }"
	old := newWorkers(t, 2, withSet(set, "add @s { ip saddr } accept"), store)
	old.eval(0, pk{}.packet(t), &Env{Nanos: second})
	old.eval(1, pk{src: "10.0.0.2", dst: "10.0.0.1"}.packet(t), &Env{Nanos: second})
	next := newWorkers(t, 2, withSet(set, "ip saddr @s accept"), store)
	old.free(t)
	if got := next.list(4 * second); !slices.Equal(got, []string{"10.0.0.1 expires 7000"}) {
		t.Errorf("elements %q", got) // and 10.0.0.2 has not come to life again
	}
	if got := next.eval(1, pk{}.packet(t), &Env{Nanos: 4 * second}); got != Accept {
		t.Errorf("%v", got)
	}
	next.free(t)
	if n := len(store.sets); n != 0 {
		t.Errorf("%d tables are left", n)
	}
}

// TestFourWorkersAreOne lets one worker and then four judge the same packets at
// the same times of a clock of their own.
func TestFourWorkersAreOne(t *testing.T) {
	const packets, rounds = 400, 5
	text := withSet("type ipv4_addr\nflags dynamic\nsize 50", "add @s { ip saddr limit rate 10/second burst 3 packets } accept")
	run := func(n int) (accepted int, list []string) {
		w := newWorkers(t, n, text, testStore(t))
		defer w.free(t)
		for round := range rounds {
			var wait sync.WaitGroup
			counts := make([]int, n)
			for i := range n {
				var mine []*packet.Packet
				for k := i; k < packets; k += n {
					mine = append(mine, pk{src: fmt.Sprintf("10.1.0.%d", k%50), dst: "10.0.0.1"}.packet(t))
				}
				wait.Go(func() {
					env := &Env{Nanos: int64(1+round) * second / 5}
					for _, p := range mine {
						if w.eval(i, p, env) == Accept {
							counts[i]++
						}
					}
				})
			}
			wait.Wait()
			for _, c := range counts {
				accepted += c
			}
		}
		return accepted, w.list(2 * second)
	}
	one, list1 := run(1)
	four, list4 := run(4)
	if want := 50 * (3 + 2*(rounds-1)); one != four || one != want || !slices.Equal(list1, list4) || len(list1) != 50 {
		t.Errorf("one worker accepted %d packets, four %d, want %d; %d and %d elements", one, four, want, len(list1), len(list4))
	}
}
