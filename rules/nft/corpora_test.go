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
		case "ip", "ip6", "inet":
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

func TestOpenCorpus(t *testing.T) {
	okTaken, okRefused, unsupported, failRefused, listed, differ := 0, 0, 0, 0, 0, 0
	for _, c := range openCases(t) {
		rs, err := Parse("case", []byte(c.text()), ParseOptions{NoInclude: true})
		if c.expect == "fail" {
			if err == nil {
				t.Errorf("line %d (%s): accepted, must be refused: %s", c.line, c.src, c.text())
			} else {
				failRefused++
			}
			continue
		}
		if err != nil {
			okRefused++
			if strings.Contains(err.Error(), "not supported") {
				unsupported++
			} else {
				t.Logf("line %d refused, not by name: %s | %s", c.line, c.rule, strings.Split(err.Error(), "\n")[0])
			}
			continue
		}
		okTaken++
		if c.listing == "" {
			continue
		}
		var got string
		for _, ch := range rs.Tables[0].Chains {
			for _, r := range ch.Rules {
				got = RuleText(r)
			}
		}
		listed++
		// The listings of the corpus show protocols as numbers.
		if got != c.listing {
			differ++
			t.Logf("line %d differs: %s\n  ours   %s\n  theirs %s", c.line, c.rule, got, c.listing)
		}
	}
	t.Logf("expect ok: %d taken, %d refused (%d as not supported); expect fail: %d refused; listings: %d compared, %d differ",
		okTaken, okRefused, unsupported, failRefused, listed, differ)
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
				t.Logf("%s: %d:%d %s", name, e.Pos.Line, e.Pos.Col, e.Msg)
			}
			continue
		}
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		again(t, b.String())
		t.Logf("%s: parsed", name)
	}
}

// again lists, reads and lists until nothing changes. Some listings of nft
// are simpler still when read and listed once more: each such step drops
// something, so it must end soon.
func again(t testing.TB, text string) {
	t.Helper()
	for round := 0; ; round++ {
		rs, err := Parse("listing", []byte(text), ParseOptions{NoInclude: true})
		if err != nil {
			t.Fatalf("our own listing is refused: %v\n%s", err, text)
		}
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		if b.String() == text {
			return
		}
		if round == 8 {
			t.Fatalf("listing is no fixed point:\n%s\nthen\n%s", text, b.String())
		}
		text = b.String()
	}
}
