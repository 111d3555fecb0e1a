package iptables

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// load reads a dump and puts it in force on top of tree.
func load(tree *nft.Ruleset, family Family, dump string, opt RestoreOptions, sets ...*IPSet) (*nft.Ruleset, *rules.Ruleset, error) {
	return loadGiven(tree, family, dump, opt, Given{Sets: sets})
}

// loadGiven is load with all that a dump does not hold.
func loadGiven(tree *nft.Ruleset, family Family, dump string, opt RestoreOptions, given Given) (*nft.Ruleset, *rules.Ruleset, error) {
	old, _ := FromTree(tree, family, nil)
	opt.Timeout = HasTimeout(tree, family)
	rs, err := Restore(old, family, "dump", []byte(dump), opt)
	if err != nil {
		return nil, nil, err
	}
	s, err := Lower(rs, rs.Changed(old), tree, given)
	if err != nil {
		return nil, nil, err
	}
	out, err := s.Run(tree)
	if err != nil {
		return nil, nil, err
	}
	fresh := out.Rules
	compiled, err := rules.Compile(fresh, rules.Options{})
	var wrong *rules.Error
	if errors.As(err, &wrong) {
		err = s.At(wrong.Pos, wrong.Msg)
	}
	return fresh, compiled, err
}

// TestWhatRulesMean: rules whose meaning in nft is not plain from their words.
func TestWhatRulesMean(t *testing.T) {
	for _, row := range []struct {
		family             Family
		table, chain, rule string
		want               string
	}{
		{IPv4, "filter", "FORWARD", "-j AUDIT --type drop", "log level audit"},
		{IPv4, "filter", "FORWARD", "-m devgroup --src-group 0x15/0x7 ! --dst-group 3", "iifgroup & 7 == 5 oifgroup != 3"},
		{IPv4, "filter", "FORWARD", "-m quota --quota 18446744073709551615", "quota 9223372036854775807 bytes"},
		{IPv6, "filter", "FORWARD", "-m frag --fraglen 5 --fragfirst", "frag id >= 0 frag frag-off 0"},
		{IPv6, "filter", "FORWARD", "-m ah --ahlen 24", "ah hdrlength 4"},
		{IPv6, "filter", "FORWARD", "-m ah --ahlen 0", "ah spi >= 0 counter"},
		{IPv6, "filter", "FORWARD", "-m ah --ahlen 9", "meta length < 1"},
		{IPv6, "filter", "FORWARD", "! -i + -j DROP", "meta length < 1 counter packets 0 bytes 0 drop"},
		{IPv6, "filter", "FORWARD", "-p ah", "meta l4proto ah counter"},
		{IPv6, "filter", "FORWARD", "-p 60", "meta length < 1"},
		{IPv4, "raw", "PREROUTING", "-j CT --ctevents new,helper", "xt target"},
	} {
		tree, _, err := load(&nft.Ruleset{}, row.family, "*"+row.table+"\n-A "+row.chain+" "+row.rule+"\nCOMMIT\n", RestoreOptions{})
		if err != nil {
			t.Errorf("%s: %v", row.rule, err)
			continue
		}
		var text strings.Builder
		if err := nft.Fprint(&text, tree, nft.PrintOptions{}); err != nil || !strings.Contains(text.String(), row.want) {
			t.Errorf("%s: is not %q in\n%s (%v)", row.rule, row.want, text.String(), err)
		}
	}
}

// TestEveryRuleLoadsOrSaysWhy: each rule that the language takes is carried by
// the engine and reads back the same, or is refused with a place and a reason.
func TestEveryRuleLoadsOrSaysWhy(t *testing.T) {
	var loaded, refused int
	reasons := map[string]int{}
	for line := range strings.Lines(rowsText) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		family := IPv4
		if f[0] == "ip6tables" {
			family = IPv6
		}
		dump := "*" + f[1] + "\n-A " + f[2] + " " + f[3] + "\nCOMMIT\n"
		want, err := Restore(nil, family, "dump", []byte(dump), RestoreOptions{})
		if err != nil {
			continue
		}
		tree, _, err := load(&nft.Ruleset{}, family, dump, RestoreOptions{})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos.File != "dump" || e.Pos.Line != 2 {
				t.Errorf("%s: error without its place: %v", f[3], err)
			} else if !strings.Contains(e.Msg, "not supported") && !strings.Contains(e.Msg, "means nothing here") && !strings.Contains(e.Msg, "doesn't exist") {
				t.Errorf("%s: %v", f[3], err)
			}
			reasons[e.Msg]++
			refused++
			continue
		}
		loaded++
		got, foreign := FromTree(tree, family, nil)
		if len(foreign) > 0 || save(t, got, true) != save(t, want, true) {
			t.Errorf("%s: reads back as %s", f[3], save(t, got, true))
		}
	}
	t.Logf("loaded %d, refused %d", loaded, refused)
	for why, n := range reasons {
		t.Logf("%4d %s", n, why)
	}
}

func TestPublishedDumpLoads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpora, "docker_noicc.rules"))
	if err != nil {
		t.Skipf("SKIP: %v", err)
	}
	sets, err := ParseIPSets("sets", []byte("create docker-ext-bridges-v4 hash:net family inet hashsize 1024 maxelem 65536\nadd docker-ext-bridges-v4 192.0.2.0/24\n"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, _, err := load(&nft.Ruleset{}, IPv4, string(text), RestoreOptions{}, sets...)
	if err != nil {
		t.Fatal(err)
	}
	rs, _ := FromTree(fresh, IPv4, nil)
	again, _, err := load(fresh, IPv4, save(t, rs, true), RestoreOptions{Counters: true})
	if err != nil {
		t.Fatal(err)
	}
	rs2, _ := FromTree(again, IPv4, nil)
	if a, b := save(t, rs, true), save(t, rs2, true); a != b {
		t.Errorf("%s\nreloads as\n%s", a, b)
	}
}
