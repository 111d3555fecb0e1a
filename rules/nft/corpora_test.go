package nft

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const corpora = "../../../shared/corpora/nft"

type openCase struct {
	line                                                    int
	family, chain, setup, rule, expect, canon, listing, src string
}

func openCases(t testing.TB) []openCase {
	text, err := os.ReadFile(filepath.Join(corpora, "nft_py_open.tsv"))
	if err != nil {
		t.Skipf("SKIPPED: ../shared/corpora is absent: %v", err)
	}
	var out []openCase
	for i, l := range strings.Split(string(text), "\n") {
		f := strings.Split(l, "\t")
		if i == 0 || len(f) < 8 {
			continue
		}
		switch f[0] {
		case "ip", "ip6", "inet", "netdev", "bridge":
		default:
			continue
		}
		out = append(out, openCase{i + 1, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]})
	}
	return out
}

// text is the case as a file.
func (c *openCase) text() string {
	var b strings.Builder
	b.WriteString("add table " + c.family + " T\n")
	name, base, _ := strings.Cut(c.chain, ";")
	if base != "" {
		b.WriteString("add chain " + c.family + " T " + name + " { " + base + "; }\n")
	} else {
		b.WriteString("add chain " + c.family + " T " + name + "\n")
	}
	table := c.family + " T"
	for _, s := range strings.Split(c.setup, ";;") {
		if s = strings.TrimSpace(s); s != "" {
			b.WriteString(strings.ReplaceAll(s, "@T", table) + "\n")
		}
	}
	if strings.Contains(c.rule, "@T") && (strings.HasPrefix(c.rule, "add ") || strings.HasPrefix(c.rule, "delete ")) {
		b.WriteString(strings.ReplaceAll(c.rule, "@T", table) + "\n")
	} else {
		b.WriteString("add rule " + table + " " + name + " " + c.rule + "\n")
	}
	return b.String()
}

// openTally counts the cases of a family.
type openTally struct{ cases, agree, refuse, refused, listed, same int }

func (o *openTally) add(p openTally) {
	o.cases += p.cases
	o.agree += p.agree
	o.refuse += p.refuse
	o.refused += p.refused
	o.listed += p.listed
	o.same += p.same
}

// judge reads one case and compares what becomes of it.
func (c *openCase) judge(t *testing.T) openTally {
	o := openTally{cases: 1}
	rs, err := Parse("case", []byte(c.text()), ParseOptions{NoInclude: true})
	if c.expect == "fail" {
		o.refuse = 1
		if err == nil {
			t.Errorf("line %d (%s): accepted, must be refused: %s", c.line, c.src, c.text())
			return o
		}
		o.agree, o.refused = 1, 1
		return o
	}
	if err != nil {
		t.Logf("line %d (%s, %s) refused: %s\n  %s", c.line, c.src, c.family, c.rule, strings.Split(err.Error(), "\n")[0])
		return o
	}
	o.agree = 1
	if c.listing == "" {
		return o
	}
	var got string
	for _, ch := range rs.Tables[0].Chains {
		for _, r := range ch.Rules {
			// The corpus was listed without counter values and with protocols by
			// number.
			got = ruleText(rs.Tables[0].Family, r, &PrintOptions{Protocols: true, Stateless: true})
		}
	}
	o.listed = 1
	if got == c.listing {
		o.same = 1
	} else {
		t.Logf("line %d (%s, %s) differs: %s\n  ours   %s\n  theirs %s", c.line, c.src, c.family, c.rule, got, c.listing)
	}
	return o
}

func TestOpenCorpus(t *testing.T) {
	families := []string{"ip", "ip6", "inet", "netdev", "bridge", "all"}
	tallies := map[string]*openTally{}
	for _, f := range families {
		tallies[f] = &openTally{}
	}
	for _, c := range openCases(t) {
		o := c.judge(t)
		tallies[c.family].add(o)
		tallies["all"].add(o)
	}
	for _, f := range families {
		o := tallies[f]
		t.Logf("%-6s same verdict %4d of %4d (%.2f %%), refused %3d of %3d, same text %4d of %4d (%.2f %%)", f, o.agree, o.cases,
			100*float64(o.agree)/float64(max(o.cases, 1)), o.refused, o.refuse, o.same, o.listed, 100*float64(o.same)/float64(max(o.listed, 1)))
	}
	if all := tallies["all"]; all.agree*100 < all.cases*98 || all.same*100 < all.listed*98 {
		t.Errorf("less than 98 %% agree")
	}
}

func TestCorpusFiles(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(corpora, "*.nft"))
	if len(files) == 0 {
		t.Skip("SKIPPED: ../shared/corpora is absent")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rs, err := Parse(f, text, ParseOptions{})
		name := filepath.Base(f)
		if err != nil {
			list := err.(ErrorList)
			for _, e := range list {
				if e.Pos.Line == 0 {
					t.Errorf("%s: error without a position: %s", name, e.Msg)
				}
				t.Errorf("%s: %d:%d %s", name, e.Pos.Line, e.Pos.Col, e.Msg)
			}
			continue
		}
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		back, err := Parse("listing", b.Bytes(), ParseOptions{NoInclude: true})
		if err != nil {
			t.Errorf("%s: its listing is refused: %v", name, err)
			continue
		}
		if got := listingOf(t, back); got != b.String() {
			t.Errorf("%s: its listing lists as another one:\n%s\nand\n%s", name, b.String(), got)
			continue
		}
		t.Logf("%s: loads, lists, and reads back to the same list", name)
	}
}

// once are errors that nft gives for some listings of its own: those leave out
// what says the protocol of a field, name what cannot be written, or have the values
// of a set in another order, of which nft goes by the last.
var once = []string{"conflicting protocols", "cannot use exthdr", "unexpected number", "unexpected string", "specify either ip or ip6",
	"incompatible icmp match", "tcp option ", "you cannot use tcp reset"}

// again lists, reads and lists until nothing changes, or until two listings take
// turns, as those of sets of flags do. Some listings of nft are simpler still
// when read and listed once more: each such step drops something, so it must end
// soon.
func again(t testing.TB, text string) {
	t.Helper()
	before := ""
	for round := 0; ; round++ {
		rs, err := Parse("listing", []byte(text), ParseOptions{NoInclude: true})
		if err != nil {
			for _, known := range once {
				if strings.Contains(err.Error(), known) {
					return
				}
			}
			t.Fatalf("our own listing is refused: %v\n%s", err, text)
		}
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		if b.String() == text || b.String() == before {
			return
		}
		if round == 8 {
			t.Fatalf("listing is no fixed point:\n%s\nthen\n%s", text, b.String())
		}
		before, text = text, b.String()
	}
}
