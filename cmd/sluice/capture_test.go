package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// capture writes frames to a file, a millisecond apart.
func capture(t *testing.T, frames ...[]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.pcap")
	out, err := createOutputs([2]string{name})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := out.files[0].write(at(1000*i), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func query(src string) []byte {
	return frame.Build(frame.Ether{}, frame.IPv4{Src: src, Dst: "198.51.100.1"}, frame.UDP{Src: 5000, Dst: 53}, frame.Data("query"))
}

// TestReplayCountsEveryRecord: what is no frame has its number and its line, and
// is in the totals, with any number of workers.
func TestReplayCountsEveryRecord(t *testing.T) {
	q := query("192.0.2.7")
	file := capture(t, q, nil, []byte{1}, make([]byte, 13), q[:14], q)
	for _, workers := range []string{"1", "3"} {
		status, stdout, stderr := sluice(t, "", "replay", "--json", "--workers", workers, "--rules", "-", "--in", file)
		if status != exitOK || stderr != "" {
			t.Fatalf("status %d, %s", status, stderr)
		}
		lines := strings.Split(stdout, "\n")
		for i, want := range []struct{ verdict, drop string }{
			{"accept", ""}, {"drop", dropNoFrame}, {"drop", dropNoFrame}, {"drop", dropNoFrame}, {"drop", "short"}, {"accept", ""},
		} {
			var got struct {
				Number                int
				Verdict, Drop, Reason string
				Seconds               float64
			}
			if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
				t.Fatal(err)
			}
			if got.Number != i+1 || got.Verdict != want.verdict || got.Drop != want.drop || got.Seconds != float64(i)/1000 ||
				(got.Reason == "shorter than an Ethernet header") != (want.drop == dropNoFrame) {
				t.Errorf("line %d: %s", i+1, lines[i])
			}
		}
		if want := `{"type":"totals","packets":6,"verdicts":{"accept":2,"drop":4},"drops":{"no-frame":3,"short":1},"sent":{"lan":0,"wan":2}}`; lines[6] != want {
			t.Errorf("totals %s, want %s", lines[6], want)
		}
	}
	_, stdout, _ := sluice(t, "", "replay", "--rules", "-", "--in", file, "--in2", file)
	for _, want := range []string{"   1:2 ", "   2:6 ", "12 packets"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("two captures: %q is not in\n%s", want, stdout)
		}
	}
	if frames, skipped, err := readCapture(file, 0); err != nil || len(frames) != 3 || skipped != 3 {
		t.Errorf("%d frames, %d skipped, %v", len(frames), skipped, err)
	}
}

// TestReplayBrokenCapture plays what stands before the break and then fails.
func TestReplayBrokenCapture(t *testing.T) {
	file := capture(t, query("192.0.2.7"), query("192.0.2.8"), query("192.0.2.9"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.pcap")
	status, stdout, stderr := sluice(t, "", "replay", "--rules", "-", "--in", file, "--out", out)
	if status != exitFailed || stderr != "sluice: "+file+": packet 3: the file is cut short\n" ||
		!strings.Contains(stdout, "192.0.2.8:5000") || !strings.Contains(stdout, "\n2 packets\n") {
		t.Errorf("status %d, stderr %q, stdout\n%s", status, stderr, stdout)
	}
	if frames, _, err := readCapture(out, 0); err != nil || len(frames) != 2 {
		t.Errorf("%d frames were written, %v", len(frames), err)
	}
}

// TestReplayNamesTheAddressFlag: packets that masquerade or redirect cannot
// translate are not dropped without a word.
func TestReplayNamesTheAddressFlag(t *testing.T) {
	file := capture(t, query("192.0.2.7"), query("192.0.2.7"), query("192.0.2.8"))
	const (
		masquerading = "table ip t {\n chain c {\n  type nat hook postrouting priority srcnat;\n  masquerade\n }\n}\n"
		redirecting  = "table ip t {\n chain c {\n  type nat hook prerouting priority dstnat;\n  udp dport 53 redirect to :5353\n }\n}\n"
	)
	for _, row := range []struct{ name, rules, addr, want string }{
		{"masquerade", masquerading, "lan=10.0.0.1/8",
			"/dev/stdin:4:3: Warning: 3 packets dropped as nat: masquerade takes an address of wan, which has no IPv4 address: give one, as in --addr wan=192.0.2.1/24\n"},
		{"masquerade, other family", masquerading, "wan=2001:db8::1/64",
			"/dev/stdin:4:3: Warning: 3 packets dropped as nat: masquerade takes an address of wan, which has no IPv4 address: give one, as in --addr wan=192.0.2.1/24\n"},
		{"masquerade with address", masquerading, "wan=203.0.113.1/24", ""},
		{"redirect", redirecting, "wan=203.0.113.1/24",
			"/dev/stdin:4:16: Warning: 3 packets dropped as nat: redirect takes an address of lan, which has no IPv4 address: give one, as in --addr lan=192.0.2.1/24\n"},
		{"redirect with address", redirecting, "lan=10.0.0.1/8", ""},
	} {
		if status, _, stderr := sluice(t, row.rules, "replay", "-q", "--rules", "-", "--in", file, "--addr", row.addr); status != exitOK || stderr != row.want {
			t.Errorf("%s: status %d, %q, want %q", row.name, status, stderr, row.want)
		}
	}
}
