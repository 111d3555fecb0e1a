package xtables_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/rules/xtables"
)

func record(name string, revision uint8, f nft.Family) *xtables.Record {
	return &xtables.Record{Name: name, Revision: revision, Family: f, Check: func(*xtables.Use) (rules.Extension, error) { return digits{1}, nil }}
}

var filterTable = xtables.TableSpec{Name: "mine", Family: nft.FamilyIP, Chains: []xtables.Builtin{{Name: "FORWARD", Hook: nft.HookForward}}}

func TestRecordsAreToldApartByFamilyNameAndRevision(t *testing.T) {
	g := newWorld(t).Registry
	steps := []struct {
		name string
		list []*xtables.Record
		want error
		have []string
	}{
		{"first", []*xtables.Record{record("a", 0, nft.FamilyIP)}, nil, []string{"a"}},
		{"again", []*xtables.Record{record("a", 0, nft.FamilyIP)}, xtables.ErrExists, []string{"a"}},
		{"another revision", []*xtables.Record{record("a", 1, nft.FamilyIP)}, nil, []string{"a"}},
		{"another family", []*xtables.Record{record("a", 0, nft.FamilyIP6)}, nil, []string{"a"}},
		{"both families", []*xtables.Record{record("a", 0, nft.FamilyInet)}, xtables.ErrExists, []string{"a"}},
		{"several, undone", []*xtables.Record{record("b", 0, nft.FamilyIP), record("c", 0, nft.FamilyIP), record("a", 1, nft.FamilyIP)}, xtables.ErrExists, []string{"a"}},
		{"several", []*xtables.Record{record("b", 0, nft.FamilyIP), record("c", 0, nft.FamilyIP)}, nil, []string{"a", "b", "c"}},
		{"no name", []*xtables.Record{record("", 0, nft.FamilyIP)}, xtables.ErrInvalid, []string{"a", "b", "c"}},
	}
	for _, s := range steps {
		if err := g.RegisterMatches(s.list...); !errors.Is(err, s.want) {
			t.Errorf("%s: %v", s.name, err)
		}
		if have, _ := g.Names(nft.FamilyIP); !slices.Equal(have, s.have) {
			t.Errorf("%s: registered are %v", s.name, have)
		}
	}
}

func TestTablesAreReplacedWhole(t *testing.T) {
	w := newWorld(t)
	var seen atomic.Uint64
	w.must(w.RegisterMatches(digitsMatch))
	w.must(w.RegisterTargets(tapTarget(&seen)))
	table, err := w.RegisterTable(filterTable)
	w.must(err)
	if _, err := w.RegisterTable(filterTable); !errors.Is(err, xtables.ErrExists) {
		t.Errorf("a second table of the name: %v", err)
	}
	use := func(sum int) []xtables.Use { return []xtables.Use{{Name: "digits", Revision: 1, Args: sum}} }
	first := []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{
		{Proto: 17, Matches: use(8), Target: &xtables.Use{Name: "TAP", Args: rules.ActContinue}},
		{Proto: 17, Matches: use(8), Jump: "eight"},
		{Where: "udp dport 54", Verdict: rules.ActDrop},
	}}, {Name: "eight", Rules: []xtables.Rule{{Where: "udp dport 53", Verdict: rules.ActDrop}}}}
	_, err = table.Replace(table.Info(), first)
	w.must(err)
	for _, row := range []struct {
		port uint16
		want bool
	}{{53, false}, {35, true}, {54, false}, {44, true}, {55, true}} {
		if got := w.through(row.port); got != row.want {
			t.Errorf("port %d comes through: %v", row.port, got)
		}
	}
	if n := seen.Load(); n != 3 { // 53, 35, 44
		t.Errorf("the target saw %d packets", n)
	}
	want := [][]xtables.Counters{{{3, 138}, {3, 138}, {1, 46}}, {{1, 46}}}
	if got := table.Counters(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counters %v", got)
	}

	for _, row := range []struct {
		name   string
		was    xtables.Info
		chains []xtables.Chain
		want   error
	}{
		{"another number of rules", xtables.Info{Rules: 3, Generation: table.Info().Generation}, nil, xtables.ErrAgain},
		{"another generation", xtables.Info{Rules: 4, Generation: 1}, nil, xtables.ErrAgain},
		{"no such match", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Matches: []xtables.Use{{Name: "nosuch"}}}}}}, xtables.ErrNoEntry},
		{"no such revision", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Proto: 17, Matches: []xtables.Use{{Name: "digits", Args: 3}}}}}}, xtables.ErrNoEntry},
		{"wrong protocol", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Proto: 6, Matches: use(3)}}}}, xtables.ErrInvalid},
		{"arguments", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Proto: 17, Matches: use(99)}}}}, xtables.ErrInvalid},
		{"text", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Where: "ip saddr"}}}}, xtables.ErrInvalid},
		{"name of a chain", table.Info(), []xtables.Chain{{Name: strings.Repeat("x", 29)}}, xtables.ErrInvalid},
		{"no chain", table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Jump: "nowhere"}}}}, xtables.ErrNoEntry},
		{"loop", table.Info(), []xtables.Chain{{Name: "a", Rules: []xtables.Rule{{Jump: "b"}}}, {Name: "b", Rules: []xtables.Rule{{Jump: "a"}}}}, xtables.ErrLoop},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := table.Info()
			if _, err := table.Replace(row.was, row.chains); !errors.Is(err, row.want) {
				t.Errorf("got %v", err)
			}
			if table.Info() != before || fmt.Sprint(table.Counters()) != fmt.Sprint(want) {
				t.Error("something changed")
			}
		})
	}

	old, err := table.Replace(table.Info(), []xtables.Chain{{Name: "FORWARD", Drop: true}})
	w.must(err)
	if fmt.Sprint(old) != fmt.Sprint(want) {
		t.Errorf("old counters %v", old)
	}
	if w.through(35) {
		t.Error("the policy lets pass")
	}
	// Chains that nothing leads to, each naming the next one twice: 2^60 ways through them.
	maze := []xtables.Chain{{Name: "FORWARD", Rules: []xtables.Rule{{Where: "counter", Packets: 7, Verdict: rules.ActAccept}}}}
	for i := range 60 {
		next := fmt.Sprint("maze", i+1)
		maze = append(maze, xtables.Chain{Name: fmt.Sprint("maze", i), Rules: []xtables.Rule{{Jump: next}, {Jump: next}}})
	}
	_, err = table.Replace(table.Info(), append(maze, xtables.Chain{Name: "maze60"}))
	w.must(err)
	w.through(35)
	old, err = table.Replace(table.Info(), nil)
	w.must(err)
	if got, want := fmt.Sprint(old[0]), "[{8 46}]"; got != want {
		t.Errorf("the rule's own counter is %s, want %s", got, want)
	}
	if got := table.Chains(); len(got) != 1 || got[0].Name != "FORWARD" || !w.through(35) {
		t.Errorf("replaced by nothing it has %v", got)
	}
	_, err = table.Unregister()
	w.must(err)
	if !w.through(35) {
		t.Error("what is gone still drops")
	}
}

// TestHooksOfRecords: where a match may not stand is found over jumps.
func TestHooksOfRecords(t *testing.T) {
	w := newWorld(t)
	w.must(w.RegisterMatches(digitsMatch))
	table, err := w.RegisterTable(xtables.TableSpec{Name: "mine", Family: nft.FamilyIP, Chains: []xtables.Builtin{
		{Name: "PREROUTING", Hook: nft.HookPrerouting, Priority: -150}, {Name: "FORWARD", Hook: nft.HookForward, Priority: -150},
	}})
	w.must(err)
	shared := xtables.Chain{Name: "shared", Rules: []xtables.Rule{{Proto: 17, Matches: []xtables.Use{{Name: "digits", Revision: 1, Args: 3}}, Verdict: rules.ActContinue}}}
	jump := []xtables.Rule{{Jump: "shared"}}
	if _, err := table.Replace(table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: jump}, shared}); err != nil {
		t.Error(err)
	}
	if _, err := table.Replace(table.Info(), []xtables.Chain{{Name: "FORWARD", Rules: jump}, {Name: "PREROUTING", Rules: jump}, shared}); !errors.Is(err, xtables.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// turns is a hook entry that notes its turn.
type turns struct {
	name byte
	log  *[]byte
	say  rules.Action
}

func (e turns) Run(*packet.Packet, *rules.Env) rules.Action {
	*e.log = append(*e.log, e.name) // one worker, and the test waits for it
	return e.say
}

func TestHookEntries(t *testing.T) {
	w := newWorld(t)
	var log []byte
	entry := func(name byte, priority int32, say rules.Action) *xtables.Entry {
		return &xtables.Entry{Family: nft.FamilyIP, Hook: nft.HookForward, Priority: priority, Run: turns{name, &log, say}}
	}
	a, b, c, d := entry('a', 0, rules.ActContinue), entry('b', 0, rules.ActAccept), entry('c', -300, rules.ActContinue), entry('d', 2147483647, rules.ActContinue)
	w.must(w.RegisterHooks(a, b, c, d))
	if err := w.RegisterHooks(a); !errors.Is(err, xtables.ErrExists) {
		t.Errorf("the same entry again: %v", err)
	}
	check := func(what, order string, came bool) {
		t.Helper()
		log = nil
		if got := w.through(53); got != came || string(log) != order {
			t.Errorf("%s: order %q, comes through %v", what, log, got)
		}
	}
	check("ascending, of one priority the newest first", "cbad", true)
	for say, word := range map[rules.Action]string{rules.ActDrop: "drop", rules.ActStolen: "stolen", rules.ActQueue: "queue, nobody there"} {
		e := entry('e', -1, say)
		w.must(w.RegisterHooks(e))
		check(word, "ce", false)
		w.must(w.UnregisterHook(e))
	}
	left := 2
	again := &xtables.Entry{Family: nft.FamilyIP, Hook: nft.HookForward, Priority: -1, Run: repeating{&left, &log}}
	w.must(w.RegisterHooks(again))
	check("repeat", "crrrbad", true)
	w.must(w.UnregisterHook(again))
	w.must(w.UnregisterHook(c))
	check("one gone", "bad", true)
	if err := w.UnregisterHook(c); !errors.Is(err, xtables.ErrNoEntry) {
		t.Errorf("gone twice: %v", err)
	}
}

// repeating asks for another turn as long as some are left.
type repeating struct {
	left *int
	log  *[]byte
}

func (r repeating) Run(*packet.Packet, *rules.Env) rules.Action {
	*r.log = append(*r.log, 'r')
	if *r.left > 0 {
		*r.left--
		return rules.ActRepeat
	}
	return rules.ActContinue
}

// TestWalkGoesOn: what an entry queued goes on behind it.
func TestWalkGoesOn(t *testing.T) {
	w := newWorld(t)
	var log []byte
	for i, say := range []rules.Action{rules.ActContinue, rules.ActQueue, rules.ActContinue, rules.ActStolen} {
		w.must(w.RegisterHooks(&xtables.Entry{Family: nft.FamilyIP, Hook: nft.HookForward, Priority: int32(i), Run: turns{byte('0' + i), &log, say}}))
	}
	im, err := w.box.Rules().Copy()
	w.must(err)
	defer func() { _ = im.Free() }()
	p := &packet.Packet{Data: make([]byte, 60), Family: 2, L3: 14, End: 60}
	env := &rules.Env{}
	v, at := xtables.Walk(im, nft.HookForward, 0, p, env)
	if v.Code != rules.Queue || at != 1 || string(log) != "01" {
		t.Fatalf("%v at %d, %s", v.Code, at, log)
	}
	v, at = xtables.Walk(im, nft.HookForward, at+1, p, env)
	if v.Code != rules.Stolen || at != 3 || string(log) != "0123" {
		t.Fatalf("%v at %d, %s", v.Code, at, log)
	}
	if v, at = xtables.Walk(im, nft.HookForward, at+1, p, env); v.Code != rules.Accept || at != 4 {
		t.Fatalf("%v at %d", v.Code, at)
	}
	if n := testing.AllocsPerRun(100, func() { log = log[:0]; xtables.Walk(im, nft.HookForward, 0, p, env) }); n != 0 {
		t.Errorf("%v allocations a walk", n)
	}
}
