package iptables

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestTemplatesNameTheirObjects: helpers are made and deleted with the rules that
// need them, timeouts have to be there.
func TestTemplatesNameTheirObjects(t *testing.T) {
	out, err := nft.Run(&nft.Ruleset{}, "x", []byte("add table ip raw\nadd ct timeout ip raw long { protocol tcp; l3proto ip; policy = { established : 3600 }; }\n"), nft.ParseOptions{}, nft.PrintOptions{})
	if err != nil {
		t.Fatal(err)
	}
	objects := func(tree *nft.Ruleset) string {
		var names []string
		for _, o := range findTable(tree, nft.FamilyIP, "raw").Objects {
			names = append(names, o.Name)
		}
		return strings.Join(names, " ")
	}
	tree := out.Rules
	for _, row := range []struct{ name, rules, objects, wrong string }{
		{"both", "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp --timeout long\n-A PREROUTING -p udp -j CT --helper tftp\n", "long xt_ct_ftp_6 xt_ct_tftp_17", ""},
		{"one goes", "-A OUTPUT -p tcp --dport 2121 -j CT --helper ftp\n", "long xt_ct_ftp_6", ""},
		{"no policy", "-A OUTPUT -j ACCEPT\n-A OUTPUT -p tcp -j CT --timeout short\n", "", "dump:3:"},
		{"policy of another protocol", "-A OUTPUT -p udp -j CT --timeout long\n", "", "its transport protocol, tcp"},
		{"helper that is none here", "-A OUTPUT -p udp -j ACCEPT\n-A OUTPUT -p udp -j CT --helper amanda\n", "", "dump:3:"},
		{"none", "-A OUTPUT -j CT\n-A OUTPUT -j NOTRACK\n-A OUTPUT -j CT --zone mark\n", "long", ""},
	} {
		fresh, _, err := load(tree, IPv4, "*raw\n"+row.rules+"COMMIT\n", RestoreOptions{})
		if row.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), row.wrong) {
				t.Errorf("%s: %v, want %q", row.name, err, row.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if tree = fresh; objects(tree) != row.objects {
			t.Errorf("%s: the table has %s, want %s", row.name, objects(tree), row.objects)
		}
		for _, c := range findTable(tree, nft.FamilyIP, "raw").Chains {
			for _, r := range c.Rules {
				for _, st := range r.Stmts {
					if o, ok := st.(*nft.ObjectRef); ok && !o.Ahead {
						t.Errorf("%s: %s is not ahead of conntrack", row.name, o.Object.Name)
					}
				}
			}
		}
	}
}

// TestSynproxyAgreesOnECN: nft has no word for what --ecn says.
func TestSynproxyAgreesOnECN(t *testing.T) {
	for options, want := range map[string]bool{"--mss 1460 --timestamp --ecn": true, "--mss 1460 --timestamp": false} {
		tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n-A FORWARD -p tcp -j SYNPROXY "+options+"\nCOMMIT\n", RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, st := range findChain(tree, nft.FamilyIP, "filter", "FORWARD").Rules[0].Stmts {
			if s, ok := st.(*nft.Synproxy); ok {
				found++
				if s.ECN != want {
					t.Errorf("%s: ECN is %v", options, s.ECN)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d statements", options, found)
		}
	}
}
