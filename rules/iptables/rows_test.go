package iptables

import (
	_ "embed"
	"strings"
	"testing"
)

// rowsText holds rules and what iptables 1.8.9 on a 6.18 kernel made of them:
// tool, table, chain, rule, and what -S printed behind the chain (several
// separated by " ## "), or FAIL.
//
//go:embed testdata/rows.tsv
var rowsText string

// differences are rules that the tool takes for something else than was written,
// and so are refused here or kept as they are.
var differences = map[string]string{
	"! -i +": "iptables-legacy forgets it, iptables-nft does not",
	"-m conntrack --ctorigsrc 1.2.3.4/255.0.255.0":                                "the tool prints it as one host",
	"-j NETMAP --to 1.2.3.4/255.0.255.0":                                          "the tool prints it as one host",
	"-j NETMAP --to 1.2.3.4/33":                                                   "the tool prints it as one host",
	"-m recent --set --name \"a b\"":                                              "the tool prints what it cannot read",
	"-m time --monthdays 0":                                                       "the tool prints no day",
	"-m time --weekdays 8":                                                        "the tool prints no day",
	"-m conntrack --ctorigsrcport 65536":                                          "the tool takes it for port 0",
	"-m physdev --physdev-in \"\"":                                                "the tool prints what it cannot read",
	"-p sctp -m sctp --chunk-types any I_DATA:U":                                  "the tool forgets the flag",
	"-j CT --zone-orig 3 --zone 4":                                                "the tool keeps the second zone for the first direction",
	"-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu --set-mss 5":                      "the tool forgets the first",
	"-m srh --srh-hdr-len-eq 8 --srh-hdr-len-gt 5":                                "the tool keeps one number for both",
	"-j RATEEST --rateest-name f --rateest-interval 1 --rateest-ewmalog 8000msec": "the tool prints another time",
}

func TestRulesPrintAsTheToolPrints(t *testing.T) {
	for line := range strings.Lines(rowsText) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		tool, table, chain, rule, want := f[0], f[1], f[2], f[3], f[4]
		family := IPv4
		if tool == "ip6tables" {
			family = IPv6
		}
		rs, err := Restore(nil, family, "row", []byte("*"+table+"\n-A "+chain+" "+rule+"\nCOMMIT\n"), RestoreOptions{})
		got := "FAIL"
		if err == nil {
			var all []string
			for _, r := range rs.table(table).chain(chain).Rules {
				all = append(all, strings.TrimPrefix(r.Text(), " "))
			}
			got = strings.Join(all, " ## ")
		}
		if why := differences[rule]; why != "" {
			if got == want {
				t.Errorf("%s: is no difference any more (%s)", rule, why)
			}
			continue
		}
		if got != want {
			t.Errorf("%s -t %s -A %s %s\n  ours   %s (%v)\n  theirs %s", tool, table, chain, rule, got, err, want)
		}
	}
}
