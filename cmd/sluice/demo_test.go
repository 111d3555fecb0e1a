package main

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

func TestDemo(t *testing.T) {
	for _, workers := range []string{"1", "3"} {
		status, stdout, stderr := sluice(t, "", "demo", "--memory", "--for", "300ms", "--workers", workers)
		if status != exitOK || !strings.Contains(stdout, "checks passed") || stderr != "" {
			t.Errorf("%s workers: status %d\n%s\n%s", workers, status, stdout, stderr)
		}
	}
}

// TestDemoNotices breaks the ruleset: the demonstration has to say so.
func TestDemoNotices(t *testing.T) {
	defer func(good []byte) { demoRules = good }(demoRules)
	for _, row := range []struct {
		name, old, new string
		says           string
	}{
		{"intruders let in", `iifname "wan" counter drop`, `iifname "wan" counter accept`, "FAIL  intruders from outside: no forbidden session completes"},
		{"no translation", `oifname "wan" counter masquerade`, `oifname "wan" counter accept`, "FAIL  server on wan: sound frames, from translated addresses only"},
		{"telnet permitted", `tcp dport 23 counter drop`, `tcp dport 23 counter accept`, "FAIL  rogues at home: no forbidden session completes"},
	} {
		good, err := os.ReadFile("demo.nft")
		if err != nil {
			t.Fatal(err)
		}
		demoRules = bytes.Replace(good, []byte(row.old), []byte(row.new), 1)
		if bytes.Equal(demoRules, good) {
			t.Fatalf("%s: nothing to replace", row.name)
		}
		status, stdout, _ := sluice(t, "", "demo", "--memory", "--for", "200ms", "--workers", "2")
		if status != exitFailed || !strings.Contains(stdout, row.says) || !strings.Contains(stdout, "checks failed") {
			t.Errorf("%s: status %d, want %q\n%s", row.name, status, row.says, stdout)
		}
	}
	demoRules = []byte("table ip {")
	if status, _, stderr := sluice(t, "", "demo", "--memory", "--for", "200ms"); status != exitFailed || !strings.Contains(stderr, "demo.nft:1:") {
		t.Errorf("broken ruleset: status %d, %q", status, stderr)
	}
}

// TestDemoLab runs the form on AF_XDP.
func TestDemoLab(t *testing.T) {
	if err := labPossible(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	defer func(good []byte) { demoRules = good }(demoRules)
	for _, row := range []struct {
		name, old, new string
		status         int
		says           []string
	}{
		{"all is well", "", "", exitOK, []string{"checks passed", "Connections: "}},
		{"no translation", `oifname "wan" counter masquerade`, `oifname "wan" counter accept`, exitFailed,
			[]string{"FAIL  servers on the internet: they see", "FAIL  connections from home to the internet are masqueraded"}},
		{"blocked address open", `ip daddr @blocked counter drop`, `ip daddr @blocked counter accept`, exitFailed,
			[]string{"FAIL  web pages of a blocked address: nothing gets through"}},
	} {
		good, err := os.ReadFile("demo.nft")
		if err != nil {
			t.Fatal(err)
		}
		demoRules = bytes.Replace(good, []byte(row.old), []byte(row.new), 1)
		if row.old != "" && bytes.Equal(demoRules, good) {
			t.Fatalf("%s: nothing to replace", row.name)
		}
		status, stdout, stderr := sluice(t, "", "demo", "--for", "1s")
		if status != row.status {
			t.Errorf("%s: status %d\n%s\n%s", row.name, status, stdout, stderr)
		}
		for _, want := range row.says {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q\n%s\n%s", row.name, want, stdout, stderr)
			}
		}
	}
}

func TestReaddress(t *testing.T) {
	for _, row := range []struct {
		name string
		data []byte
	}{
		{"tcp", frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.TCP{Src: 1, Dst: 2, Flags: "S"})},
		{"udp", frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.UDP{Src: 1, Dst: 2}, frame.Data("odd"))},
		{"icmp", frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.ICMP{Type: 8}, frame.Data("x"))},
	} {
		ip, _ := network3(row.data)
		readdress(ip, [4]byte{203, 0, 113, 255})
		d, err := frame.Decode(row.data)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if d.Dst != netip.MustParseAddr("203.0.113.255") {
			t.Errorf("%s: destination %v", row.name, d.Dst)
		}
		if err := frame.VerifyChecksums(row.data); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestDemoCaptures: every capture is listed, has an attribution and can be read.
func TestDemoCaptures(t *testing.T) {
	entries, err := captureFiles.ReadDir("captures")
	if err != nil || len(entries) != len(demoCaptures) {
		t.Errorf("%d files for %d captures (%v)", len(entries), len(demoCaptures), err)
	}
	credits, err := os.ReadFile("captures/ATTRIBUTION")
	if err != nil {
		t.Fatal(err)
	}
	for i := range demoCaptures {
		c := &demoCaptures[i]
		if !strings.Contains(string(credits), c.name) {
			t.Errorf("%s is not in ATTRIBUTION", c.name)
		}
		frames, err := c.frames(t.TempDir(), netip.MustParseAddr("203.0.113.1"))
		if err != nil || len(frames) < 5 {
			t.Errorf("%s: %d frames, %v", c.name, len(frames), err)
		}
		var ports [2]int
		for _, f := range frames {
			ports[f.port]++
		}
		if c.client != "" && (ports[portLAN] == 0 || ports[portWAN] == 0) {
			t.Errorf("%s: %v frames by port: its client sends or gets nothing", c.name, ports)
		}
	}
}
