package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what commands print to testdata/golden")

// sluice runs a command line in this folder.
func sluice(t testing.TB, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

// golden compares text with testdata/golden/name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs:\n%s", file, difference(string(want), text))
	}
}

// difference shows the first line that differs.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := 0; i < len(w) || i < len(g); i++ {
		a, b := "(end)", "(end)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return "nothing"
}

// transcript is what a golden file holds of a run.
func transcript(args []string, status int, stdout, stderr string) string {
	return fmt.Sprintf("$ sluice %s\n%s--- standard error\n%s--- status %d\n", strings.Join(args, " "), stdout, stderr, status)
}

func TestCommandsGolden(t *testing.T) {
	for _, row := range []struct {
		name  string
		stdin string
		args  string
	}{
		{"check-good", "", "check -v testdata/rules/home.nft"},
		{"check-good-silent", "", "check testdata/rules/home.nft"},
		{"check-warns", "", "check testdata/rules/translate.nft"},
		{"check-broken", "", "check testdata/rules/broken.nft"},
		{"check-several", "", "check -v testdata/rules/broken.nft testdata/rules/home.nft"},
		{"check-stdin", "table ip t {\n\tchain c {\n\t\tdorp\n\t}\n}\n", "check -"},
		{"check-jump-to-base", "table ip t {\n\tchain a {\n\t\ttype filter hook input priority 0;\n\t}\n\tchain b {\n\t\tjump a\n\t}\n}\n", "check -"},
		{"check-loop", "table ip t {\n\tchain a {\n\t\tjump b\n\t}\n\tchain b {\n\t\tjump a\n\t}\n\tchain c {\n\t\ttype filter hook input priority 0;\n\t\tjump a\n\t}\n}\n", "check -"},
		{"check-define", "table ip t {\n\tchain c {\n\t\ttcp dport $p accept\n\t}\n}\n", "check -v -D p=22 -"},
		{"check-missing-file", "", "check testdata/rules/absent.nft"},
		{"check-empty", "", "check -v -"},
		{"fmt", "", "fmt testdata/rules/untidy.nft"},
		{"fmt-broken", "", "fmt testdata/rules/broken.nft"},
		{"fmt-missing-file", "", "fmt testdata/rules/absent.nft"},
		{"replay-home", "", "replay --rules testdata/rules/home.nft --addr wan=203.0.113.1/24 --in captures/irc.pcap"},
		{"replay-json", "", "replay --json --rules testdata/rules/home.nft --addr wan=203.0.113.1/24 --in captures/ntp.pcap --inside 192.168.50.50/32"},
		{"replay-quiet", "", "replay -q --rules testdata/rules/home.nft --in captures/ftp6.pcap --inside 2001:470:1f11::/48"},
		{"replay-fragments", "", "replay --rules testdata/rules/home.nft --in captures/dns6-fragments.pcap --inside 2001:470:1f11::/48"},
		{"replay-names", "", "replay -q --name a --name2 b --rules testdata/rules/home.nft --in captures/irc.pcap"},
		{"replay-routes", "", "replay --rules testdata/rules/home.nft --in captures/irc.pcap --addr lan=192.168.6.1/24 --addr wan=203.0.113.1/24 --route default_via_203.0.113.254_dev_wan"},
		{"replay-missing-rules", "", "replay --rules testdata/rules/absent.nft --in captures/irc.pcap"},
		{"replay-broken-rules", "", "replay --rules testdata/rules/broken.nft --in captures/irc.pcap"},
		{"replay-missing-capture", "", "replay --rules testdata/rules/home.nft --in captures/absent.pcap"},
		{"replay-no-capture", "", "replay --rules testdata/rules/home.nft --in testdata/rules/home.nft"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := strings.Fields(row.args)
			for i := range args { // flags with blanks in them
				if strings.HasPrefix(args[i], "default_") {
					args[i] = strings.ReplaceAll(args[i], "_", " ")
				}
			}
			status, stdout, stderr := sluice(t, row.stdin, args...)
			golden(t, row.name, transcript(args, status, stdout, stderr))
		})
	}
}

func TestUsageErrors(t *testing.T) {
	base := "replay --rules testdata/rules/home.nft --in captures/irc.pcap "
	for _, row := range []struct {
		name string
		args string
		says string
	}{
		{"no such command", "frobnicate", `unknown command "frobnicate" for "sluice"`},
		{"no such flag", "check --frobnicate x", "unknown flag: --frobnicate"},
		{"check without file", "check", "FILE is missing\nSee 'sluice help check'."},
		{"check bad define", "check -D x -", "want NAME=VALUE"},
		{"fmt without file", "fmt", "FILE is missing"},
		{"fmt two files", "fmt a b", `unexpected argument "b"`},
		{"fmt -w of standard input", "fmt -w -", "-w needs a file"},
		{"version with argument", "version x", `unexpected argument "x"`},
		{"replay without rules", "replay --in captures/irc.pcap", "--rules is missing"},
		{"replay without capture", "replay --rules testdata/rules/home.nft", "--in is missing"},
		{"replay with argument", "replay x", `unexpected argument "x"`},
		{"capture and rules by standard input", "replay --rules - --in -", "--rules and --in cannot both be standard input"},
		{"output to standard output", base + "--out -", "--out -: standard output has the report"},
		{"no workers", base + "--workers 0", "--workers 0: want 1 to"},
		{"too many workers", base + "--workers 10000", "--workers 10000: want 1 to"},
		{"workers no number", base + "--workers many", "invalid argument"},
		{"no burst", base + "--burst 0", "--burst 0: want 1 to"},
		{"tiny mtu", base + "--mtu 10", "--mtu 10: want 68 to"},
		{"names alike", base + "--name a --name2 a", "want two different names"},
		{"address of no port", base + "--addr dmz=192.0.2.1/24", `no port is named "dmz"`},
		{"address without length", base + "--addr lan=192.0.2.1", "want NAME=ADDRESS/BITS"},
		{"route without port", base + "--route default", "want dev NAME"},
		{"route to no port", base + "--route default|dev|dmz", `no port is named "dmz"`},
		{"route bad gateway", base + "--route default|via|x|dev|wan", `"x" is no address`},
		{"route bad word", base + "--route default|over|wan", `"over" is not understood`},
		{"route bad prefix", base + "--route 192.0.2.0/99|dev|wan", `"192.0.2.0/99" is no prefix`},
		{"gateway that no address covers", base + "--addr wan=203.0.113.1/24 --route default|via|9.9.9.9|dev|wan", "no address of wan covers gateway 9.9.9.9"},
		{"gateway by the other port", base + "--addr lan=203.0.113.1/24 --route default|via|203.0.113.2|dev|wan", "no address of wan covers gateway 203.0.113.2"},
		{"gateway that is the box", base + "--addr wan=203.0.113.1/24 --route default|via|203.0.113.1|dev|wan", "gateway 203.0.113.1 is the box itself"},
		{"route empty", base + "--route=", "want PREFIX"},
		{"neighbour short", base + "--neigh 192.0.2.1", "want ADDRESS lladdr"},
		{"neighbour bad address", base + "--neigh x|lladdr|02:00:00:00:00:01|dev|wan", `"x" is no address`},
		{"neighbour bad mac", base + "--neigh 192.0.2.1|lladdr|02|dev|wan", "invalid MAC"},
		{"neighbour long mac", base + "--neigh 192.0.2.1|lladdr|02:00:00:00:00:00:00:01|dev|wan", "not six bytes"},
		{"neighbour no port", base + "--neigh 192.0.2.1|lladdr|02:00:00:00:00:01|dev|dmz", `no port is named "dmz"`},
		{"inside no prefix", base + "--inside 192.0.2.1", `--inside: "192.0.2.1" is no prefix`},
		{"demo with argument", "demo x", `unexpected argument "x"`},
		{"demo no time", "demo --for 0s", "--for 0s: want"},
		{"demo no workers", "demo --workers -1", "--workers -1: want"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := strings.Fields(row.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "|", " ")
			}
			status, stdout, stderr := sluice(t, "", args...)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, row.says) {
				t.Errorf("status %d, want %d; stdout %q; stderr %q, want %q in it", status, exitUsage, stdout, stderr, row.says)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, row := range []struct{ args, says string }{
		{"", "Available Commands"},
		{"help", "Available Commands"},
		{"help check", "points at the place"},
		{"help fmt", "nft list ruleset"},
		{"help replay", "number of workers"},
		{"help demo", "checks itself"},
		{"version", "sluice unknown go"},
	} {
		status, stdout, stderr := sluice(t, "", strings.Fields(row.args)...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, row.says) {
			t.Errorf("%q: status %d, stderr %q, stdout %q: want %q in it", row.args, status, stderr, stdout, row.says)
		}
	}
}

func TestFormatWritesBack(t *testing.T) {
	text, err := os.ReadFile("testdata/rules/untidy.nft")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, link := filepath.Join(dir, "r.nft"), filepath.Join(dir, "link.nft")
	if err := os.WriteFile(file, text, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("r.nft", link); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := sluice(t, "", "fmt", "-w", "--force", link); status != exitOK || stdout != "" || stderr != "" {
		t.Fatalf("fmt -w: status %d, %q, %q", status, stdout, stderr)
	}
	_, want, _ := sluice(t, string(text), "fmt", "-")
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("file holds %q (%v), want %q", got, err, want)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode changed: %v, %v", info, err)
	}
	if _, again, _ := sluice(t, want, "fmt", "-"); again != want {
		t.Errorf("not a fixed point:\n%s", difference(want, again))
	}

	if err := os.WriteFile(file, []byte("table ip {"), 0o640); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := sluice(t, "", "fmt", "-w", file); status != exitFailed || !strings.Contains(stderr, file+":1:") {
		t.Errorf("fmt -w of a broken file: status %d, %q", status, stderr)
	}
	if got, _ := os.ReadFile(file); string(got) != "table ip {" {
		t.Errorf("a broken file was changed: %q", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("files left behind: %v", entries)
	}
}

// TestRestoreOptions: the options of iptables-restore and -save are the tool's, and so
// are the statuses with which they end.
func TestRestoreOptions(t *testing.T) {
	const good, unknown = "*filter\n-A FORWARD -p udp -j ACCEPT\nCOMMIT\n", "*filter\n-A FORWARD -m nosuch\nCOMMIT\n"
	for _, row := range []struct {
		stdin  string
		args   []string
		status int
		errs   string
	}{
		{good, []string{"iptables-restore", "--test", "-w", "5", "-W", "100000", "--noflush", "--counters"}, 0, ""},
		{good, []string{"ip6tables-restore", "-tnw"}, 0, ""},
		{good, []string{"iptables-restore", "--tes", "-T", "nat", "-"}, 0, ""},
		{unknown, []string{"iptables-restore", "-t"}, 2, "line 2 failed: Couldn't load match"},
		{"*filter\n", []string{"iptables-restore", "-t"}, 1, "COMMIT expected at line 2"},
		{"*filter\n-A INPUT -j MASQUERADE\nCOMMIT\n", []string{"iptables-restore", "-t"}, 4, "only in table nat"},
		{"*filter\n-D INPUT -j ACCEPT\nCOMMIT\n", []string{"iptables-restore", "-t"}, 1, "Bad rule"},
		{good, []string{"iptables-restore", "--nosuch"}, 1, "unrecognized option '--nosuch'"},
		{good, []string{"iptables-restore", "a", "b"}, 1, "Unknown arguments"},
		{"", []string{"iptables-save", "-t", "nosuch"}, 1, "Table `nosuch' does not exist"},
		{"", []string{"iptables-save", "-t"}, 1, "option needs a value"},
		{"", []string{"ip6tables-save", "-V"}, 0, ""},
	} {
		status, _, errs := sluice(t, row.stdin, row.args...)
		if status != row.status || !strings.Contains(errs, row.errs) || row.errs == "" && errs != "" {
			t.Errorf("%v: status %d, %s; want %d, %s", row.args, status, errs, row.status, row.errs)
		}
	}
}
