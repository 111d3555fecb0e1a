package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-net/sluice/tools/lab"
)

// TestRunBadInput starts boxes where something is in the way. Each message names
// what mends it, and nothing is left behind.
func TestRunBadInput(t *testing.T) {
	l := newTestLab(t, lab.Queues(2))
	for _, port := range []string{"r0", "r1"} {
		l.tool(lab.Router, "ethtool", "-L", port, "rx", "1", "tx", "1")
	}
	for node, port := range map[string]string{lab.Client: "c0", lab.Server: "s0"} {
		l.tool(node, "ethtool", "-L", port, "rx", "1", "tx", "1")
	}
	rules := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(rules, []byte("table ip t {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.nft")
	if err := os.WriteFile(broken, []byte("table ip t {\n\tchain c {\n\t\tdorp\n\t}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := filepath.Join(t.TempDir(), "box.yaml")
	if err := os.WriteFile(yaml, []byte("rules: rules.nft\ncolour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ip := func(args ...string) func() { return func() { l.tool(lab.Router, "ip", args...) } }
	nft := func(args ...string) func() { return func() { l.tool(lab.Router, "nft", args...) } }
	both := []string{"--port", "r0", "--port", "r1", "--rules", rules}
	with := func(more ...string) []string { return append(append([]string(nil), both...), more...) }

	for _, row := range []struct {
		name       string
		args       []string
		make, undo func()
		want       []string
		usage      bool // the command line itself is wrong
	}{
		{"missing interface", []string{"--port", "r0", "--port", "nosuch", "--rules", rules}, nil, nil,
			[]string{"open interface nosuch: no such interface", "`ip link show`"}, false},
		{"loopback", []string{"--port", "lo", "--rules", rules}, nil, nil, []string{"lo: is the loopback"}, false},
		{"no port", []string{"--rules", rules}, nil, nil, []string{"ports: none is given", "--port IF"}, true},
		{"no rules", []string{"--port", "r0"}, nil, nil, []string{"no rules file is given", "--rules"}, true},
		{"missing rules file", []string{"--port", "r0", "--rules", "/nonexistent.nft"}, nil, nil, []string{"rules: open /nonexistent.nft: no such file"}, false},
		{"broken rules", []string{"--port", "r0", "--rules", broken}, nil, nil, []string{broken + ":3:7-7: Error: ", "\n\t\tdorp\n\t\t    ^"}, false},
		{"unknown setting", []string{"-c", yaml}, nil, nil, []string{yaml + `:2:1: unknown setting "colour"`}, false},
		{"untrusted is no port", with("--untrusted", "r7"), nil, nil, []string{"--untrusted r7: is not one of the ports"}, true},
		{"ring too small", with("--ring", "32"), nil, nil, []string{"ring of 32 descriptors", "power of two from 64"}, true},
		{"frames too few", with("--frames", "1000"), nil, nil, []string{"1000 frames a worker are too few to fill the rings"}, true},
		{"zero-copy on veth", with("--xdp-mode", "zerocopy"), nil, nil, []string{"no zero-copy mode", "auto or copy"}, false},
		{"too many workers", with("--workers", "2"), nil, nil, []string{"receives on 1 queues, 2 are configured", "`ethtool -L r0 rx 2 tx 2`"}, false},
		{"MTU of the second port", both, ip("link", "set", "dev", "r1", "mtu", "20000"), ip("link", "set", "dev", "r1", "mtu", "1500"),
			[]string{"MTU of 20000", "`ip link set dev r1 mtu 16106`"}, false},
		{"XDP program in the way", both, func() { l.attachForeign("r1") }, ip("link", "set", "dev", "r1", "xdp", "off"),
			[]string{"open interface r1: XDP program", "`ip link set dev r1 xdp off`"}, false},
		{"VLAN offload", []string{"--port", "br0", "--rules", rules}, ip("link", "add", "br0", "type", "bridge"), ip("link", "del", "br0"),
			[]string{"VLAN offload is on", "`ethtool -K br0 rxvlan off txvlan off`"}, false},
		{"kernel rules", both, nft("add table ip other; add chain ip other in { type filter hook input priority 0; policy drop; }"), nft("delete table ip other"),
			[]string{"table ip other, chain in: type filter hook input", "--allow-kernel-rules"}, false},
		{"wire of three", with("--mode", "wire", "--port", "r2"), nil, nil, []string{"mode wire joins two ports, 3 are given"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.make != nil {
				row.make()
				defer row.undo()
			}
			before := l.state() + l.tool(lab.Router, "nft", "list", "ruleset")
			status, _, errs := l.sluice("", append([]string{"run"}, row.args...)...)
			wantStatus := exitFailed
			if row.usage {
				wantStatus = exitUsage
			}
			if status != wantStatus {
				t.Errorf("status %d, want %d", status, wantStatus)
			}
			for _, want := range row.want {
				if !strings.Contains(errs, want) {
					t.Errorf("the message lacks %q:\n%s", want, errs)
				}
			}
			if strings.Contains(errs, "umem") {
				t.Errorf("noise in the message:\n%s", errs)
			}
			if after := l.state() + l.tool(lab.Router, "nft", "list", "ruleset"); after != before {
				t.Errorf("left behind: %s", difference(before, after))
			}
		})
	}
	t.Run("no privilege", func(t *testing.T) { testNoPrivilege(t, l, rules) })
	t.Run("channels change", func(t *testing.T) {
		b := l.startBox("")
		l.tool(lab.Server, "ethtool", "-L", "s0", "rx", "2", "tx", "1")
		l.tool(lab.Router, "ethtool", "-L", "r1", "rx", "2", "tx", "1")
		b.waitLog("channels of r1 have changed")
		if text := l.good("status"); !strings.Contains(text, "TROUBLE: channels of r1 have changed") || !strings.Contains(text, "`ethtool -L r1 rx 1 tx 1`") {
			t.Errorf("status:\n%s", text)
		}
		l.tool(lab.Router, "ethtool", "-L", "r1", "rx", "1", "tx", "1")
		b.waitLog("port is right again")
		b.stop()
	})
}

// testNoPrivilege runs the program as nobody, who can read it and the rules.
func testNoPrivilege(t *testing.T, l *testLab, rules string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sluice-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copied, ruleset := filepath.Join(dir, "sluice"), filepath.Join(dir, "rules.nft")
	for name, content := range map[string][]byte{copied: text, ruleset: []byte("table ip t {\n}\n")} {
		if err := os.WriteFile(name, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := l.Command(lab.Router, copied, "run", "--port", "r0", "--rules", ruleset)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "not permitted: run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF") {
		t.Errorf("%v: %s", err, out)
	}
}
