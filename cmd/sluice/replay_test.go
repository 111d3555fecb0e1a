package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// corpus are the repository's captures and, where they are, the shared ones.
func corpus(t *testing.T) []string {
	t.Helper()
	own, err := filepath.Glob("captures/*.pcap")
	if err != nil || len(own) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	shared, err := filepath.Glob("../../../shared/corpora/pcap/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	if len(shared) == 0 {
		t.Log("../shared/corpora is not beside the repository: only its own captures are played")
	}
	if raceEnabled {
		part := shared[:0]
		for i := 0; i < len(shared); i += 16 {
			part = append(part, shared[i])
		}
		shared = part
	}
	return append(own, shared...)
}

// TestReplayIsDeterministic plays every capture with several numbers of workers
// and sizes of bursts: the same text, the same frames out.
func TestReplayIsDeterministic(t *testing.T) {
	if testing.Short() {
		t.Skip("long: plays every capture five times")
	}
	for _, file := range corpus(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			play := func(workers, burst string) (text string, frames [2]string) {
				dir := t.TempDir()
				out := [2]string{filepath.Join(dir, "lan"), filepath.Join(dir, "wan")}
				status, stdout, stderr := sluice(t, "", "replay", "--json", "--rules", "testdata/rules/home.nft", "--in", file,
					"--addr", "lan=192.168.1.1/24", "--addr", "wan=203.0.113.1/24", "--addr", "lan=2001:db8:1::1/64",
					"--workers", workers, "--burst", burst, "--out", out[1], "--out2", out[0])
				if status != exitOK {
					// Some of the files are broken on purpose; they must be so in every run.
					return stdout + stderr, frames
				}
				for i := range out {
					b, err := os.ReadFile(out[i])
					if err != nil {
						t.Fatal(err)
					}
					frames[i] = string(b)
				}
				return stdout, frames
			}
			wantText, wantFrames := play("1", "64")
			for _, c := range [][2]string{{"1", "64"}, {"1", "1"}, {"2", "64"}, {"4", "7"}} {
				text, frames := play(c[0], c[1])
				if text != wantText {
					t.Errorf("%s workers, burst %s: %s", c[0], c[1], difference(wantText, text))
				}
				if frames != wantFrames {
					t.Errorf("%s workers, burst %s: other frames than with one worker", c[0], c[1])
				}
			}
		})
	}
}

// TestReplayOfChance: what rules draw by chance is the same in every run too.
func TestReplayOfChance(t *testing.T) {
	rules := `table ip t {
	set full {
		type ipv4_addr . inet_service
		size 3
		flags dynamic,timeout
		timeout 1ms
	}
	chain f {
		type filter hook forward priority 0; policy drop;
		update @full { ip saddr . udp dport }
		numgen random mod 3 0 counter accept
		meta random < 1000000000 counter accept
	}
}
`
	var frames []testFrame
	for i := range 64 {
		frames = append(frames, testFrame{i * 700, i % 2, frame.Build(frame.Ether{}, frame.IPv4{Src: "192.168.1.7", Dst: "198.51.100.1"},
			frame.UDP{Src: 5000, Dst: uint16(i + 1)}, frame.Data("query"))})
	}
	base := fmt.Sprint(play(t, rules, frames))
	for _, workers := range []string{"1", "1", "3"} {
		if again := fmt.Sprint(play(t, rules, frames, "--workers", workers)); again != base {
			t.Errorf("%s workers: %s", workers, difference(base, again))
		}
	}
	for _, verdict := range []string{"verdict:accept", "verdict:drop"} {
		if !strings.Contains(base, verdict) {
			t.Errorf("%s never: nothing was drawn", verdict)
		}
	}
}

// TestReplayWithoutFreePort: what finds no port is dropped by NAT and says so.
func TestReplayWithoutFreePort(t *testing.T) {
	rules := `table ip t {
	chain n {
		type nat hook postrouting priority srcnat;
		oifname "wan" meta l4proto udp masquerade to :2000-2001
	}
}
`
	var frames []testFrame
	for i := range 3 {
		frames = append(frames, testFrame{i, 0, frame.Build(frame.Ether{}, frame.IPv4{Src: "192.168.1." + itoa(i+1), Dst: "198.51.100.1"},
			frame.UDP{Src: 5000, Dst: 53}, frame.Data("query"))})
	}
	objects := play(t, rules, frames, "--addr", "wan=203.0.113.1/24")
	for i, want := range []string{"accept <nil> <nil>", "accept <nil> <nil>", "drop nat no-free-port"} {
		if o := objects[i]; fmt.Sprint(o["verdict"], " ", o["drop"], " ", o["reason"]) != want {
			t.Errorf("packet %d: %v, want %s", i+1, o, want)
		}
	}
	if status, text, _ := sluice(t, "", "help", "replay"); status != exitOK || !strings.Contains(text, "\n  nat              no port is free for its translation (no-free-port)") ||
		!strings.Contains(text, "\n  no-frame         the record is no Ethernet frame") {
		t.Errorf("help: status %d\n%s", status, text)
	}
}

// testFrame is a frame and when and where it arrives.
type testFrame struct {
	micros int
	port   int
	data   []byte
}

// play writes frames to captures, plays them and returns the objects printed.
func play(t *testing.T, rules string, frames []testFrame, args ...string) []map[string]any {
	t.Helper()
	dir := t.TempDir()
	names := [2]string{filepath.Join(dir, "1.pcap"), filepath.Join(dir, "2.pcap")}
	out, err := createOutputs(names)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := out.files[f.port].write(at(f.micros), f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"replay", "--json", "--rules", "-", "--in", names[0], "--in2", names[1]}, args...)
	status, stdout, stderr := sluice(t, rules, args...)
	if status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var objects []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n") {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		objects = append(objects, o)
	}
	return objects
}

const masquerade = `table ip t {
	chain f {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "lan" counter accept
	}
	chain n {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
}
`

func TestReplayWithTwoPorts(t *testing.T) {
	udp := func(src, dst string, sport, dport uint16) []byte {
		return frame.Build(frame.Ether{}, frame.IPv4{Src: src, Dst: dst}, frame.UDP{Src: sport, Dst: dport}, frame.Data("query"))
	}
	objects := play(t, masquerade, []testFrame{
		{0, 0, udp("192.168.1.7", "198.51.100.1", 5000, 53)},
		{10, 1, udp("198.51.100.1", "203.0.113.1", 53, 5000)},
		{20, 1, udp("198.51.100.1", "203.0.113.1", 53, 5001)},
		{30, 1, udp("198.51.100.9", "192.168.1.7", 1, 2)},
	}, "--addr", "lan=192.168.1.1/24", "--addr", "wan=203.0.113.1/24")
	for i, want := range []map[string]any{
		{"number": 1.0, "capture": 1.0, "port_in": "lan", "port_out": "wan", "verdict": "accept", "ct_state": "new", "nat": "203.0.113.1 198.51.100.1"},
		{"number": 1.0, "capture": 2.0, "port_in": "wan", "port_out": "lan", "verdict": "accept", "ct_state": "established", "line": 4.0, "nat": "198.51.100.1 192.168.1.7"},
		{"number": 2.0, "capture": 2.0, "port_in": "wan", "port_out": nil, "verdict": "host", "ct_state": "new", "line": nil, "nat": nil},
		{"number": 3.0, "capture": 2.0, "port_in": "wan", "port_out": nil, "verdict": "drop", "drop": "policy", "ct_state": "new", "line": 2.0, "nat": nil},
	} {
		o := objects[i]
		got := map[string]any{}
		for k := range want {
			got[k] = o[k]
		}
		got["line"], got["nat"] = nil, nil
		if r, ok := o["rule"].(map[string]any); ok {
			got["line"] = r["line"]
		}
		if n, ok := o["nat"].(map[string]any); ok {
			got["nat"] = n["src"].(string) + " " + n["dst"].(string)
		}
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("packet %d: %s is %v, want %v\n%v", i+1, k, got[k], want[k], o)
			}
		}
	}
	found := false
	for _, o := range objects {
		text, _ := o["text"].(string)
		found = found || o["type"] == "connection" && strings.Contains(text, "src=192.168.1.7 dst=198.51.100.1 sport=5000 dport=53") &&
			strings.Contains(text, "src=198.51.100.1 dst=203.0.113.1 sport=53 dport=5000")
	}
	if !found {
		t.Errorf("the translated connection is not listed: %v", objects)
	}
}

func TestReplayPrintsRuleLogs(t *testing.T) {
	rules := `table inet t {
	chain f {
		type filter hook forward priority 0;
		tcp flags syn log prefix "new: "
	}
}
`
	status, stdout, stderr := sluice(t, rules, "replay", "--rules", "-", "--in", "captures/irc.pcap", "-q")
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if status != exitOK || strings.Contains(stdout, "new: ") || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "new: IN=lan OUT=wan") || !strings.Contains(lines[0], "DPT=6667") {
		t.Errorf("status %d, standard error %q", status, stderr)
	}
}

func TestReplayTooLongFrame(t *testing.T) {
	long := frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.UDP{Src: 1, Dst: 2}, frame.Zeros(3000))
	short := frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.UDP{Src: 1, Dst: 2}, frame.Zeros(30))
	objects := play(t, "", []testFrame{{0, 0, long}, {1, 0, short}}, "--mtu", "1500")
	if o := objects[0]; o["verdict"] != "drop" || o["drop"] != dropTooLong {
		t.Errorf("long frame: %v", o)
	}
	if o := objects[1]; o["verdict"] != "accept" || o["port_out"] != "wan" {
		t.Errorf("short frame: %v", o)
	}
	if objects = play(t, "", []testFrame{{0, 0, long}}); objects[0]["verdict"] != "accept" {
		t.Errorf("without --mtu: %v", objects[0])
	}
}

func TestReplayHeldFragment(t *testing.T) {
	whole := frame.Build(frame.Ether{}, frame.IPv4{Src: "192.168.1.7", Dst: "198.51.100.1"}, frame.UDP{Src: 5, Dst: 6}, frame.Zeros(2000))
	parts := frame.Split(whole, 1000, 77)
	if len(parts) < 2 {
		t.Fatalf("%d fragments", len(parts))
	}
	objects := play(t, masquerade, []testFrame{{0, 0, parts[0]}}, "--addr", "wan=203.0.113.1/24")
	if o := objects[0]; o["verdict"] != verdictHeld {
		t.Errorf("first fragment alone: %v", o)
	}
	if o := objects[1]; o["type"] != "totals" || o["packets"] != 1.0 || o["verdicts"].(map[string]any)[verdictHeld] != 1.0 {
		t.Errorf("totals: %v", o)
	}
}

func TestReplayCannotWrite(t *testing.T) {
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"--out", "/nonexistent/out.pcap"}, "no such file"},
	} {
		args := append([]string{"replay", "--rules", "testdata/rules/home.nft", "--in", "captures/irc.pcap"}, row.args...)
		status, stdout, stderr := sluice(t, "", args...)
		if status != exitFailed || stdout != "" || !strings.Contains(stderr, row.says) {
			t.Errorf("%v: status %d, stdout %q, stderr %q", row.args, status, stdout, stderr)
		}
	}
}

// TestReplayKeepsItsInputs: nothing is written over a file that is read, nor two
// captures into one file, by whatever names.
func TestReplayKeepsItsInputs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	capture, err := os.ReadFile("captures/ntp.pcap")
	rules := "include \"part.nft\"\ntable ip t {\n}\n"
	part := "table ip u {\n}\n"
	if err := errors.Join(err, os.WriteFile(at("in.pcap"), capture, 0o600), os.WriteFile(at("d.nft"), []byte(rules), 0o600), os.WriteFile(at("part.nft"), []byte(part), 0o600),
		os.Symlink("in.pcap", at("soft")), os.Link(at("in.pcap"), at("hard"))); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args string // file names are those of the folder
	}{
		{"itself", "--in in.pcap --out in.pcap"},
		{"second output", "--in in.pcap --out2 in.pcap"},
		{"second input", "--in2 in.pcap --out in.pcap"},
		{"symbolic link", "--in in.pcap --out soft"},
		{"through a symbolic link", "--in soft --out in.pcap"},
		{"hard link", "--in in.pcap --out hard"},
		{"rules", "--in in.pcap --out d.nft"},
		{"included rules", "--in in.pcap --out part.nft"},
		{"both outputs", "--in in.pcap --out new.pcap --out2 new.pcap"},
		{"both outputs by two names", "--in in.pcap --out ./new.pcap --out2 new.pcap"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := append([]string{"replay", "--rules", "d.nft"}, strings.Fields(row.args)...)
			for i := 2; i < len(args); i += 2 {
				args[i] = dir + "/" + args[i] // as it is: ./new.pcap is another name
			}
			status, stdout, stderr := sluice(t, "", args...)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, "same file") {
				t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
			}
			for name, want := range map[string]string{"in.pcap": string(capture), "d.nft": rules, "part.nft": part} {
				if got, err := os.ReadFile(at(name)); err != nil || string(got) != want {
					t.Errorf("%s has changed: %v", name, err)
				}
			}
			if _, err := os.Stat(at("new.pcap")); !os.IsNotExist(err) {
				t.Errorf("an output file was made: %v", err)
			}
		})
	}
}

// TestReplayStandardInput: a capture may come by it, as rules may.
func TestReplayStandardInput(t *testing.T) {
	capture, err := os.ReadFile("captures/ntp.pcap")
	if err != nil {
		t.Fatal(err)
	}
	base := []string{"replay", "--rules", "testdata/rules/home.nft", "--in"}
	_, want, _ := sluice(t, "", append(base, "captures/ntp.pcap")...)
	status, got, stderr := sluice(t, string(capture), append(base, "-")...)
	if status != exitOK || got != want {
		t.Errorf("status %d, stderr %q: %s", status, stderr, difference(want, got))
	}
	if status, _, stderr := sluice(t, "x", append(base, "-")...); status != exitFailed || !strings.Contains(stderr, "/dev/stdin: no capture file: shorter than four bytes") {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// TestBadRulesChangeNothing: no output file appears for rules that do not load.
func TestBadRulesChangeNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.pcap")
	status, stdout, stderr := sluice(t, "", "replay", "--rules", "testdata/rules/broken.nft", "--in", "captures/irc.pcap", "--out", out)
	if status != exitFailed || stdout != "" || !strings.Contains(stderr, "broken.nft:4:") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("an output file was made: %v", err)
	}
}

// TestReplayWritesWhatLeft reads the captures that a replay wrote.
func TestReplayWritesWhatLeft(t *testing.T) {
	dir := t.TempDir()
	toLAN, toWAN := filepath.Join(dir, "lan.pcap"), filepath.Join(dir, "wan.pcap")
	tcp := func(src, dst string, sport, dport uint16, flags string) []byte {
		return frame.Build(frame.Ether{}, frame.IPv4{Src: src, Dst: dst, TTL: 60}, frame.TCP{Src: sport, Dst: dport, Flags: flags, Seq: 1, Ack: 2})
	}
	play(t, masquerade, []testFrame{
		{1234, 0, tcp("192.168.1.7", "198.51.100.1", 5000, 80, "S")},
		{5678, 1, tcp("198.51.100.1", "203.0.113.1", 80, 5000, "SA")},
		{9999, 1, tcp("198.51.100.9", "192.168.1.7", 1, 2, "S")}, // dropped
	}, "--addr", "lan=192.168.1.1/24", "--addr", "wan=203.0.113.1/24", "--out", toWAN, "--out2", toLAN)
	for _, row := range []struct {
		file, src, dst string
		micros         int
	}{
		{toWAN, "203.0.113.1", "198.51.100.1", 1234},
		{toLAN, "198.51.100.1", "192.168.1.7", 5678},
	} {
		frames, skipped, err := readCapture(row.file, 0)
		if err != nil || len(frames) != 1 || skipped != 0 {
			t.Errorf("%s: %d frames, %d skipped, %v: want one", row.file, len(frames), skipped, err)
			continue
		}
		f := frames[0]
		d, err := frame.Decode(f.data)
		if err != nil {
			t.Errorf("%s: %v", row.file, err)
			continue
		}
		if d.Src.String() != row.src || d.Dst.String() != row.dst || !f.at.Equal(at(row.micros)) {
			t.Errorf("%s: %v > %v at %v, want %s > %s at %v", row.file, d.Src, d.Dst, f.at, row.src, row.dst, at(row.micros))
		}
		if err := frame.VerifyChecksums(f.data); err != nil {
			t.Errorf("%s: %v", row.file, err)
		}
		if ip, _ := network3(f.data); ip[8] != 59 {
			t.Errorf("%s: TTL %d, want 59", row.file, ip[8])
		}
	}
}
