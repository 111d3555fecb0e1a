package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/lab"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// TestScriptsAreWellFormed builds every packet of every script as if nothing
// came out of the box.
func TestScriptsAreWellFormed(t *testing.T) {
	all := allScripts()
	if len(all) < 400 {
		t.Errorf("%d scripts", len(all))
	}
	for _, s := range all {
		g := newStage(s.Six, 1)
		for _, text := range s.Lines {
			if verbOf(text) != "" {
				continue
			}
			if _, _, _, err := packetLine(g, text); err != nil {
				t.Errorf("%s/%s: %v", s.Group, s.Name, err)
			}
		}
		if rulesets[s.Rules] == "" && s.Rules != "" {
			t.Errorf("%s/%s: no ruleset %q", s.Group, s.Name, s.Rules)
		}
	}
}

func TestScriptTextRoundTrip(t *testing.T) {
	for _, s := range allScripts() {
		again, err := parseScript("again", s.String())
		if err != nil {
			t.Fatalf("%s/%s: %v\n%s", s.Group, s.Name, err, s)
		}
		again.Group, again.Name = s.Group, s.Name
		if !reflect.DeepEqual(again, s) {
			t.Fatalf("%s/%s: %+v came back as %+v", s.Group, s.Name, s, again)
		}
	}
}

func TestScriptErrorsNameTheLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"ruleset", "> S\nrules nowhere", "x:2:"},
		{"setting", "set tcp_loose=high", "x:1:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := parseScript("x", tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	for _, text := range []string{"> nothing", "> S frob=1", "> udp len=x", "> S sum=odd", "> udp len=10 frag=8 order=9", "> raw zz"} {
		if _, _, _, err := packetLine(newStage(false, 1), text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// TestCourt plays a connection, and one with a box that behaves differently,
// which must be found.
func TestCourt(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: []int{1, 2}}
		same := &Script{Group: "t", Name: "same", Rules: "masquerade", Lines: lines("> udp len=10; < udp len=20; > icmp 8/0 f=1; < icmp 0/0 f=1; > udp f=2 len=1000 frag=400; < err 3/3 f=2")}
		if v := c.play(same); !v.agreed() {
			t.Errorf("%s", v.String())
		}
		if c.packets < 8 || c.steps < 6 {
			t.Errorf("%d packets, %d steps", c.packets, c.steps)
		}
		for name, planted := range map[string]string{
			"mark": strings.Replace(rulesets["observe"], "ct state new counter", "ct state new counter ct mark set 3", 1),
			"drop": strings.Replace(rulesets["observe"], "policy accept", "policy drop", 1),
		} {
			if err := k.Begin(&pair.Case{Rules: rulesets["observe"]}); err != nil {
				return err
			}
			box, err := pair.NewSluice(1, k.Index(), &pair.Case{Rules: planted})
			if err != nil {
				return err
			}
			v := verdict{script: same}
			c.step(&v, newStage(false, 1), []*contender{{Sluice: box, workers: 1, stage: newStage(false, 1)}}, []string{"> udp"})
			if v.agreed() {
				t.Errorf("%s: a planted difference was not found", name)
			}
			if err := box.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTraces: what becomes of packets is told in the words of nft monitor trace, and a
// step more than it tells is found.
func TestTraces(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: comparing with nft monitor trace: %v", err)
	}
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: []int{1, 3}}
		for _, s := range traces() {
			switch s.Name {
			case "tcp", "translated v6", "errors", "port 203", "port 210 v6", "ping", "frames":
				if v := c.play(s); !v.agreed() {
					t.Errorf("%s", v.String())
				}
			}
		}
		setup := &pair.Case{Rules: traced}
		if err := k.Begin(setup); err != nil {
			return err
		}
		setup.Rules = strings.Replace(traced, "ip saddr 192.0.2.1 drop", "ip saddr 10.77.11.2 continue", 1)
		box, err := pair.NewSluice(1, k.Index(), setup)
		if err != nil {
			return err
		}
		v := verdict{script: &Script{}}
		c.step(&v, newStage(false, 1), []*contender{{Sluice: box, workers: 1, stage: newStage(false, 1)}}, []string{"> udp"})
		if len(v.diffs) != 1 || !strings.HasPrefix(v.diffs[0], "traces: ") {
			t.Errorf("a planted step: %q", v.diffs)
		}
		return box.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLine holds the text of entries against the conntrack tool.
func TestLine(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k}
		s := &Script{Rules: "masquerade", Lines: lines("> S; < SA; > udp f=1; < udp f=1; > icmp 8/0 f=2; > gre f=3; > gre v=1 key=9 f=4; > sctp init f=5; > proto 200 f=6; flow 7 v6; > S f=7; flow 8 v6; > icmp 128/0 f=8")}
		if v := c.play(s); v.err != nil {
			return v.err
		}
		entries, err := k.Entries(nil)
		if err != nil {
			return err
		}
		want := map[string]bool{}
		for i := range entries {
			want[entries[i].Text] = true
		}
		for _, family := range []string{"ipv4", "ipv6"} {
			out, err := k.Command("conntrack", "-L", "-f", family).Output()
			if err != nil {
				return err
			}
			for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if l = pair.WithoutTimeout(l); !want[l] {
					t.Errorf("the tool prints\n%s", l)
				}
				delete(want, l)
			}
		}
		for l := range want {
			t.Errorf("the tool does not print\n%s", l)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
