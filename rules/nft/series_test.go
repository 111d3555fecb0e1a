package nft

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	seriesSeed  = flag.Uint64("series.seed", 0, "seed of TestOracleSeries; 0: by the clock")
	seriesSteps = flag.Int("series.steps", 120, "transactions of TestOracleSeries")
)

// series makes transactions that fit a rule set.
type series struct {
	*rand.Rand
	rs  *Ruleset
	out strings.Builder
}

func pick[T any](s *series, list []T) T { return list[s.IntN(len(list))] }

// chance is true once in n times.
func (s *series) chance(n int) bool { return s.IntN(n) == 0 }

var seriesMatches = []string{
	"tcp dport 22", "tcp dport { 22, 80-90 }", "ip saddr 10.0.0.0/8", "ct state established,related", "meta mark 0x10",
	"udp dport vmap { 53 : accept, 67 : drop }", "iifname \"eth0\"", "icmp type echo-request", "icmp id 5", "meta l4proto { tcp, udp } th dport 53",
	"ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80 }", "tcp flags syn / fin,syn", "ct mark and 0xff == 0x1", "ip daddr { 192.0.2.1 }",
}

var seriesActions = []string{
	"accept", "drop", "counter", "counter accept", "log prefix \"x \"", "meta mark set 0x5", "limit rate 5/second", "reject", "return",
	"counter drop comment \"why\"", "ct mark set meta mark", "quota 5 mbytes", "meta mark set tcp dport map { 5 : 1, 6 : 2 }",
}

// rule is the text of a rule for a table.
func (s *series) rule(t *Table, ch *Chain) string {
	var parts []string
	if !s.chance(4) {
		m := pick(s, seriesMatches)
		if t.Family == FamilyIP6 {
			m = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(m, "ip saddr 10.0.0.0/8", "ip6 saddr 2001:db8::/32"), "icmp ", "icmpv6 "), "ip daddr { 192.0.2.1 }", "ip6 daddr { ::1 }")
			if strings.Contains(m, "ip saddr") {
				m = "tcp sport 5"
			}
		}
		parts = append(parts, m)
	}
	for _, st := range t.Sets {
		if !st.Map && s.chance(3) {
			parts = append(parts, "tcp dport @"+st.Name)
			break
		}
	}
	for _, o := range t.Objects {
		if o.Kind == ObjCounter && s.chance(3) {
			parts = append(parts, `counter name "`+o.Name+`"`)
			break
		}
	}
	if s.chance(4) {
		for _, to := range t.Chains {
			if to.Base == nil && to.Name > ch.Name {
				return strings.Join(append(parts, "jump "+to.Name), " ")
			}
		}
	}
	return strings.Join(append(parts, pick(s, seriesActions)), " ")
}

// table is a table of the rule set, made when there is none or now and then.
func (s *series) table() *Table {
	if len(s.rs.Tables) == 0 || len(s.rs.Tables) < 4 && s.chance(12) {
		fmt.Fprintf(&s.out, "add table %s %s\n", pick(s, []string{"ip", "ip6", "inet"}), pick(s, []string{"a", "b"}))
		return nil
	}
	return pick(s, s.rs.Tables)
}

// step adds a command.
func (s *series) step() {
	t := s.table()
	if t == nil {
		return
	}
	in := familyName(t.Family) + " " + t.Name
	say := func(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }
	n := s.IntN(100)
	if len(t.Chains) == 0 || n < 8 {
		base := ""
		if s.chance(2) {
			base = fmt.Sprintf(" { type filter hook %s priority %d; policy %s; }", pick(s, []string{"input", "forward", "output"}), s.IntN(30)-15, pick(s, []string{"accept", "drop"}))
		}
		say("add chain %s %c%d%s", in, 'a'+rune(s.IntN(6)), s.IntN(100), base)
		return
	}
	ch := pick(s, t.Chains)
	switch {
	case n < 45 || len(ch.Rules) == 0 && n < 60:
		verb, place := pick(s, []string{"add", "add", "insert"}), ""
		if len(ch.Rules) > 0 && s.chance(3) {
			i := s.IntN(len(ch.Rules))
			place = fmt.Sprintf(" %s %d", "handle", ch.Rules[i].Handle)
			if s.chance(2) {
				place = fmt.Sprintf(" index %d", i)
			}
		}
		say("%s rule %s %s%s %s", verb, in, ch.Name, place, s.rule(t, ch))
	case n < 55 && len(ch.Rules) > 0:
		rule := s.rule(t, ch)
		for strings.Contains(rule, "80-90") { // nft 1.0.6 aborts
			rule = s.rule(t, ch)
		}
		say("replace rule %s %s handle %d %s", in, ch.Name, pick(s, ch.Rules).Handle, rule)
	case n < 65 && len(ch.Rules) > 0:
		say("delete rule %s %s handle %d", in, ch.Name, pick(s, ch.Rules).Handle)
	case n < 69:
		say("rename chain %s %s %s", in, ch.Name, ch.Name+"r")
	case n < 72:
		say("flush chain %s %s", in, ch.Name)
	case n < 75 && len(ch.Rules) == 0 && !t.uses(ch.Name):
		say("delete chain %s %s", in, ch.Name)
	case n < 80:
		kind, more := "set", ""
		if s.chance(3) {
			kind, more = "map", " : verdict"
		}
		say("add %s %s s%d { type inet_service%s; flags interval; }", kind, in, s.IntN(1000), more)
	case n < 88 && len(t.Sets) > 0:
		set := pick(s, t.Sets)
		data := ""
		if set.Map {
			data = " : accept"
		}
		from := 100 * s.IntN(500)
		for e := range set.Elements.All() {
			if int(getUint(e.Key[0].Lo))/100*100 == from {
				return // would overlap
			}
		}
		say("add element %s %s { %d%s, %d-%d%s }", in, set.Name, from, data, from+5, from+5+s.IntN(90), data)
	case n < 90 && len(t.Sets) > 0:
		set := pick(s, t.Sets)
		if set.Elements.Len() > 0 {
			e := pick(s, set.Elements.List()).Key[0]
			data := ""
			if set.Map {
				data = " : accept"
			}
			say("delete element %s %s { %d-%d%s }", in, set.Name, getUint(e.Lo), getUint(e.Hi), data)
		}
	case n < 92 && len(t.Sets) > 0:
		if set := pick(s, t.Sets); !t.looksUp(set) {
			say("delete %s %s %s", setKind(set), in, set.Name)
		}
	case n < 95:
		say("add counter %s k%d", in, s.IntN(1000))
	case n < 96:
		say("add limit %s l%d { rate %d/second; }", in, s.IntN(1000), 1+s.IntN(9))
	case n < 97:
		say("flush table %s", in)
	case n < 98 && len(s.rs.Tables) > 1:
		say("delete table %s", in)
	}
}

// ruleSets are the kernel's names for sets of a rule that has gone.
var ruleSets = regexp.MustCompile(`(?m)^delete set .* __(set|map)[0-9]+\n`)

// withoutTables leaves handles of tables out, which the kernel counts over all
// namespaces.
func withoutTables(listing string) string {
	lines := strings.Split(listing, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "table ") || strings.HasPrefix(l, "add table ") {
			lines[i], _, _ = strings.Cut(l, " #")
		}
	}
	return strings.Join(lines, "\n")
}

// TestOracleSeries runs the same random series of transactions here and in the
// kernel, and compares what is listed, with handles, and echoed after each.
func TestOracleSeries(t *testing.T) {
	nft := namespace(t)
	seed := *seriesSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-series.seed)", seed)
	s := &series{Rand: rand.New(rand.NewPCG(seed, 0)), rs: &Ruleset{}}
	taken, refused := 0, 0
	for i := range *seriesSteps {
		s.out.Reset()
		s.step()
		text := s.out.String()
		if text == "" {
			continue
		}
		theirs, bad := nft(text, "-e", "-a", "-f", "-")
		out, err := Run(s.rs, "x", []byte(text), ParseOptions{}, PrintOptions{})
		if bad != nil && !strings.Contains(theirs, "Error:") {
			t.Logf("transaction %d: nft has crashed: %s", i, strings.TrimSpace(text))
			err = bad
		}
		if (bad != nil) != (err != nil) {
			t.Fatalf("transaction %d: %s\nours: %v\nnft: %s", i, text, err, theirs)
		}
		if err != nil { // the kernel's handles go on, ours do not
			refused++
			if _, err := nft("flush ruleset", "-f", "-"); err != nil {
				t.Fatal(err)
			}
			s.rs = &Ruleset{}
			continue
		}
		taken++
		s.rs = out.Rules
		var echo bytes.Buffer
		if err := FprintEcho(&echo, out.Changes, 0, "", PrintOptions{Handles: true}); err != nil {
			t.Fatal(err)
		}
		theirs = ruleSets.ReplaceAllString(theirs, "")
		if theirs, _, _ = strings.Cut(theirs, "# new generation"); withoutTables(theirs) != withoutTables(echo.String()) {
			t.Fatalf("transaction %d: %s\nour echo\n%s\nnft's\n%s", i, text, echo.String(), theirs)
		}
		listing, err := nft("", "-a", "list", "ruleset")
		if err != nil {
			t.Fatal(listing)
		}
		if ours := handles(t, s.rs); withoutTables(ours) != withoutTables(listing) {
			t.Fatalf("transaction %d: %s\nours\n%s\nnft's\n%s", i, text, ours, listing)
		}
	}
	t.Logf("%d transactions taken, %d refused by both", taken, refused)
}
