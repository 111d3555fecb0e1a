package nft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const queryRules = `table inet fw {
	comment "tc"
	counter c1 {
		comment "hello"
		packets 3 bytes 4
	}
	quota q1 {
		over 10 mbytes used 5 bytes
	}
	limit l1 {
		rate 5/second burst 7 packets
	}
	ct helper h1 {
		type "ftp" protocol tcp
	}
	synproxy s1 {
		mss 1460
		wscale 7
		timestamp sack-perm
	}
	set blk {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24, 1.1.1.1, 2.2.2.2-2.2.2.9 }
	}
	map mm {
		type inet_service : ipv4_addr
		elements = { 22 comment "el" : 1.2.3.4, 23 : 2.3.4.5 }
	}
	chain u {
		comment "uc"
	}
	chain f {
		type filter hook forward priority filter + 3; policy drop;
		ct state established,related accept
		tcp dport { 22, 80-90 } counter jump u comment "xx"
		tcp flags syn / fin,syn
		icmp type echo-request
		meta day Monday ct expiration 1h meta skuid 0 ip dscp cs1
		meter mtr { ip saddr limit rate 3/second } accept
	}
}
table ip nt {
	chain c {
		type nat hook prerouting priority -100;
		tcp dport 5 dnat to 1.2.3.4:5-6 random
	}
}
`

// queryCommands are compared with nft, those that fail too.
var queryCommands = []string{
	"list ruleset", "list ruleset ip", "list tables", "list tables ip", "list table inet fw", "list chains", "list chains ip", "list chain inet fw u",
	"list chain inet fw f", "list sets", "list sets ip", "list sets table inet fw", "list set inet fw blk", "list maps", "list map inet fw mm",
	"list meters", "list meter inet fw mtr", "list counters", "list counters table inet fw", "list counter inet fw c1", "list quotas", "list limits",
	"list ct helper inet fw h1", "list ct helpers table inet fw", "list synproxys", "list secmarks", "list flowtables",
	"get element inet fw blk { 192.0.2.7, 1.1.1.1 }", "get element inet fw mm { 22 }",
	"list table inet none", "list chain inet fw none", "list set inet fw mm", "list map inet fw blk", "list counter inet fw l1", "list ct helpers",
	"list ct timeouts", "list flow", "list ruleset foo", "reset", "reset rules", "get set ip nt s", "export ruleset json", "monitor foo", "destroy chain ip nt c",
	"describe tcp dport", "describe ct state", "describe icmp type", "describe tcp flags", "describe ip dscp", "describe ether type", "describe arp_op",
	"describe meta iifname", "describe ether_addr", "describe integer", "describe ipv4_addr", "describe fib daddr type", "describe tcp option maxseg size",
	"describe nosuch", "describe ct original saddr", "describe verdict", "describe boolean",
}

// answerOf is what our nft prints for a command, or the error without its place.
func answerOf(t *testing.T, rs *Ruleset, command string, opt PrintOptions) (string, bool) {
	t.Helper()
	out, err := Run(rs, "<cmdline>", []byte(command+"\n"), ParseOptions{}, PrintOptions{})
	if err != nil {
		_, text, _ := strings.Cut(err.Error(), ": ")
		return text, false
	}
	var b bytes.Buffer
	for _, q := range out.Queries {
		if err := q.Fprint(&b, out.Rules, opt); err != nil {
			t.Fatal(err)
		}
	}
	return b.String(), true
}

// TestOracleQueries compares answers and errors with those of nft.
func TestOracleQueries(t *testing.T) {
	nft := namespace(t)
	if out, err := nft(queryRules, "-f", "-"); err != nil {
		t.Fatal(out)
	}
	rs, err := Parse("rules", []byte(queryRules), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range queryCommands {
		theirs, err := nft("", append([]string{"-a"}, c)...)
		ours, ok := answerOf(t, rs, c, PrintOptions{Handles: true})
		if ok != (err == nil) || withoutTables(strings.TrimSpace(ours)) != withoutTables(strings.TrimSpace(theirs)) {
			t.Errorf("%s\nours (%t)\n%s\nnft's (%v)\n%s", c, ok, ours, err, theirs)
		}
	}
	for flag, opt := range map[string]PrintOptions{
		"-n": {Protocols: true, Priority: true, Time: true, Symbols: true}, "-s": {Stateless: true}, "-t": {Terse: true}, "-S": {Services: true},
		"-u": {Users: true}, "-y": {Priority: true}, "-p": {Protocols: true}, "-T": {Time: true},
	} {
		theirs, err := nft("", flag, "list", "ruleset")
		if ours, _ := answerOf(t, rs, "list ruleset", opt); err != nil || ours != theirs {
			t.Errorf("%s\nours\n%s\nnft's (%v)\n%s", flag, ours, err, theirs)
		}
	}
}

// pieces remembers the longest piece that was written at once.
type pieces struct{ longest, all int }

func (p *pieces) Write(b []byte) (int, error) {
	p.longest, p.all = max(p.longest, len(b)), p.all+len(b)
	return len(b), nil
}

// TestResetAll: every object of a kind is shown with what it had and then has
// nothing, in one table or in all.
func TestResetAll(t *testing.T) {
	old, err := Parse("f", []byte("table ip a {\n counter c1 { packets 1 bytes 2\n }\n counter c2 { packets 3 bytes 4\n }\n}\ntable ip b {\n counter c3 { packets 5 bytes 6\n }\n quota q { over 5 bytes used 4 bytes\n }\n}\n"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command       string
		shown, hidden []string
		left          []string
	}{
		{"reset counters", []string{"packets 1 ", "packets 3 ", "packets 5 "}, nil, []string{"used 4 bytes"}},
		{"reset counters ip", []string{"packets 1 ", "packets 3 ", "packets 5 "}, nil, []string{"used 4 bytes"}},
		{"reset counters table ip a", []string{"packets 1 ", "packets 3 "}, []string{"packets 5 "}, []string{"packets 5 ", "used 4 bytes"}},
		{"reset counter ip a c2", []string{"packets 3 "}, []string{"packets 1 ", "packets 5 "}, []string{"packets 1 ", "packets 5 ", "used 4 bytes"}},
		{"reset quotas table ip b", []string{"used 4 bytes"}, []string{"packets"}, []string{"packets 1 ", "packets 3 ", "packets 5 "}},
	} {
		out, err := Run(old, "f", []byte(c.command), ParseOptions{}, PrintOptions{})
		if err != nil {
			t.Fatal(c.command, err)
		}
		var answer, after bytes.Buffer
		if err := out.Queries[0].Fprint(&answer, out.Rules, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := Fprint(&after, out.Rules, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.shown {
			if !strings.Contains(answer.String(), want) {
				t.Errorf("%s does not show %q:\n%s", c.command, want, &answer)
			}
		}
		for _, want := range c.hidden {
			if strings.Contains(answer.String(), want) {
				t.Errorf("%s shows %q:\n%s", c.command, want, &answer)
			}
		}
		for _, value := range []string{"packets 1 ", "packets 3 ", "packets 5 ", "used 4 bytes"} {
			if kept := strings.Contains(after.String(), value); kept != slices.Contains(c.left, value) {
				t.Errorf("%s: %q is there afterwards: %v\n%s", c.command, value, kept, &after)
			}
		}
	}
}

// TestListingStreams: a large set is written as it is listed, never as a whole.
func TestListingStreams(t *testing.T) {
	var b strings.Builder
	b.WriteString("table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.0")
	for i := range 50000 {
		fmt.Fprintf(&b, ", 11.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	b.WriteString(" }\n\t}\n}\n")
	rs, err := Parse("large", []byte(b.String()), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, opt := range map[string]PrintOptions{"text": {}, "JSON": {JSON: true}} {
		var w pieces
		if err := (&Query{Verb: "list", Object: "ruleset", Many: true}).Fprint(&w, rs, opt); err != nil {
			t.Fatal(err)
		}
		if w.all < 500_000 || w.longest > 1<<16 {
			t.Errorf("%s: %d bytes, %d at once", name, w.all, w.longest)
		}
	}
}
