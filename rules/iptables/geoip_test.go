package iptables

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// putCountry writes a file of a database: ranges as FIRST-LAST.
func putCountry(t *testing.T, path string, ranges ...string) {
	t.Helper()
	var data []byte
	for _, r := range ranges {
		for end := range strings.SplitSeq(r, "-") {
			data = append(data, netip.MustParseAddr(end).AsSlice()...)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// countrySets are the sets that rules on countries have made, without the names'
// ends, and the rules that name them.
func countrySets(tree *nft.Ruleset) (text string) {
	var out strings.Builder
	_ = nft.Fprint(&out, tree, nft.PrintOptions{})
	for line := range strings.Lines(out.String()) {
		for _, key := range []string{"set xt_geoip", "elements =", "addr @", "addr != @"} {
			if strings.Contains(line, key) {
				text += strings.TrimSpace(line) + "\n"
			}
		}
	}
	return text
}

func TestCountriesBecomeSets(t *testing.T) {
	dir := t.TempDir()
	putCountry(t, filepath.Join(dir, "DE.iv4"), "10.1.0.0-10.1.255.255", "192.0.2.1-192.0.2.1")
	putCountry(t, filepath.Join(dir, "FR.iv4"), "10.2.0.0-10.2.0.255", "192.0.2.0-192.0.2.7")
	putCountry(t, filepath.Join(dir, "AQ.iv4"))
	putCountry(t, filepath.Join(dir, "DE.iv6"), "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff")
	putCountry(t, filepath.Join(dir, "LE", "A1.iv4"), "4.3.2.1-4.4.4.4")
	putCountry(t, filepath.Join(dir, "BE", "A2.iv6"), "fd00::1-fd00::2")
	putCountry(t, filepath.Join(dir, "XX.iv4"), "10.0.0.2-10.0.0.1")
	putCountry(t, filepath.Join(dir, "YY.iv4"), "10.0.0.2-10.0.0.3", "10.0.0.4")
	given := Given{Countries: CountryFiles(dir)}
	for _, row := range []struct {
		name   string
		family Family
		rule   string
		saved  string // what is printed; "": as it was given
		want   string // the set's elements and the rule's test, with blanks for line ends; or the error
	}{
		{"one", IPv4, "-m geoip --source-country DE ", "", "elements = { 10.1.0.0/16, 192.0.2.1 } ip saddr @"},
		{"another spelling", IPv4, "-m geoip ! --src-cc de", "-m geoip ! --source-country DE ", "elements = { 10.1.0.0/16, 192.0.2.1 } ip saddr != @"},
		{"several that touch and overlap", IPv4, "-m geoip --dst-cc FR,de,fr", "-m geoip --destination-country FR,DE ",
			"elements = { 10.1.0.0-10.2.0.255, 192.0.2.0/29 } ip daddr @"},
		{"none", IPv4, "-m geoip ! --destination-country AQ ", "", "ip daddr != @"},
		{"of IPv6", IPv6, "-m geoip --source-country DE  -p tcp", "-p tcp -m geoip --source-country DE ", "elements = { 2001:db8::/48 } meta l4proto tcp ip6 saddr @"},
		{"of version 2", IPv4, "-m geoip --source-country A1 ", "", "elements = { 1.2.3.4-4.4.4.4 } ip saddr @"},
		{"of version 2, other order", IPv6, "-m geoip --source-country A2 ", "", "elements = { fd00::1-fd00::2 } ip6 saddr @"},
		{"no such country", IPv4, "-m geoip --src-cc ZZ", "", "dump:2:15: Error: geoip: the database of countries: open " + dir + "/ZZ.iv4: no such file or directory"},
		{"not of this family", IPv6, "-m geoip --src-cc FR", "", "open " + dir + "/FR.iv6"},
		{"bad order", IPv4, "-m geoip --src-cc XX", "", "XX.iv4: range 1 ends before it begins"},
		{"cut off", IPv4, "-m geoip --src-cc YY", "", "YY.iv4 has 12 bytes"},
		{"no code", IPv4, "-m geoip --src-cc DEU", "", "invalid country code 'DEU'"},
		{"no letters", IPv4, "-m geoip --src-cc D_", "", "invalid country code 'D_'"},
		{"missing code", IPv4, "-m geoip --src-cc DE,", "", "invalid country code ''"},
		{"too many", IPv4, "-m geoip --src-cc " + strings.Repeat("DE,", 15) + "DE", "", "too many countries"},
		{"both sides", IPv4, "-m geoip --src-cc DE --dst-cc FR", "", "cannot be used together"},
		{"twice", IPv4, "-m geoip --src-cc DE --src-cc FR", "", "only be used once"},
		{"nothing", IPv4, "-m geoip", "", "one of --source-country, --destination-country must be specified"},
	} {
		tree, _, err := loadGiven(&nft.Ruleset{}, row.family, "*filter\n-A FORWARD "+row.rule+"\nCOMMIT\n", RestoreOptions{}, given)
		if err != nil {
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: %v, want %q", row.name, err, row.want)
			}
			continue
		}
		if text := strings.ReplaceAll(countrySets(tree), "\n", " "); !strings.Contains(text, " { "+row.want) && !strings.Contains(text, " "+row.want) {
			t.Errorf("%s: %q, want %q", row.name, text, row.want)
		}
		rs, _ := FromTree(tree, row.family, nil)
		saved := strings.TrimPrefix(rs.table("filter").chain("FORWARD").Rules[0].Text(), " ")
		if want := row.saved; want != "" && saved != want || want == "" && saved != row.rule {
			t.Errorf("%s: prints %q", row.name, saved)
		}
	}
}

// TestCountriesChange: rules of one list have one set, another database another, and
// what no rule names any more is gone.
func TestCountriesChange(t *testing.T) {
	dir := t.TempDir()
	given := Given{Countries: CountryFiles(dir)}
	file := filepath.Join(dir, "DE.iv4")
	tree := &nft.Ruleset{}
	put := func(rules string) string {
		t.Helper()
		fresh, _, err := loadGiven(tree, IPv4, "*filter\n"+rules+"COMMIT\n", RestoreOptions{NoFlush: true}, given)
		if err != nil {
			t.Fatal(err)
		}
		tree = fresh
		return countrySets(tree)
	}
	putCountry(t, file, "10.1.0.0-10.1.0.255")
	one := put("-A FORWARD -m geoip --src-cc DE -j DROP\n-A FORWARD -m geoip ! --dst-cc DE\n")
	if strings.Count(one, "set xt_geoip_DE_") != 1 || strings.Count(one, "@xt_geoip_DE_") != 2 {
		t.Errorf("two rules of one country:\n%s", one)
	}
	if again := put("-A FORWARD -j ACCEPT\n"); again != one {
		t.Errorf("a rule more:\n%s want\n%s", again, one)
	}
	putCountry(t, file, "10.2.0.0-10.2.0.255")
	if text := put("-A FORWARD -j ACCEPT\n"); strings.Count(text, "set xt_geoip_DE_") != 1 || !strings.Contains(text, "{ 10.2.0.0/24 }") {
		t.Errorf("another database:\n%s", text)
	}
	if text := put("-F FORWARD\n"); text != "" {
		t.Errorf("without rules:\n%s", text)
	}
}

// TestManyCountries: a large database is read as it is.
func TestManyCountries(t *testing.T) {
	const ranges = 20_000
	dir, dice := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	var list []string
	for i := range uint32(ranges) {
		first := i<<14 + dice.Uint32N(1<<12)
		at := func(n uint32) netip.Addr {
			return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
		list = append(list, fmt.Sprintf("%v-%v", at(first), at(first+dice.Uint32N(1<<12))))
	}
	putCountry(t, filepath.Join(dir, "US.iv4"), list...)
	tree, _, err := loadGiven(&nft.Ruleset{}, IPv4, "*filter\n-A FORWARD -m geoip --src-cc US -j DROP\nCOMMIT\n", RestoreOptions{}, Given{Countries: CountryFiles(dir)})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range findTable(tree, nft.FamilyIP, "filter").Sets {
		if set.Elements.Len() != ranges {
			t.Errorf("%d elements of %d", set.Elements.Len(), ranges)
		}
	}
}
