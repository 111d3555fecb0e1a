package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

func TestSample(t *testing.T) {
	s, err := Read("../sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	// Whatever has a default stands in the sample with it.
	want := Default()
	want.Rules, want.Ports, want.Management, want.file = s.Rules, s.Ports, s.Management, s.file
	if !reflect.DeepEqual(s, want) {
		t.Errorf("the sample differs from the defaults:\n%+v\n%+v", s, want)
	}
	if s.Rules != "../demo.nft" || len(s.Ports) != 2 || !s.Ports[0].Untrusted || s.Ports[1].Untrusted {
		t.Errorf("%+v", s)
	}
	text, _ := os.ReadFile("../sluice.yaml")
	for _, of := range []reflect.Type{reflect.TypeFor[Settings](), reflect.TypeFor[Port](), reflect.TypeFor[Management](), reflect.TypeFor[Conntrack]()} {
		for i := range of.NumField() {
			if key := of.Field(i).Tag.Get("yaml"); key != "" && !strings.Contains(string(text), key+":") {
				t.Errorf("the sample does not show %s", key)
			}
		}
	}
	g := s.Guard()
	if len(g.Ports) != 2 || len(g.Untrusted) != 1 || len(g.Management) != 1 || g.Management[0].Source.String() != "192.0.2.0/24" {
		t.Errorf("%+v", g)
	}
	if err := g.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsOfTheTable(t *testing.T) {
	c := defaultConntrack()
	if got, want := c.Table(), flowtable.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.UDPStream, c.Buckets, c.ExpectMax, c.Timestamp, c.Events, c.BeLiberal, c.MaxRetrans, c.IgnoreInvalidRST = 7, 8, 9, true, 1, true, 4, true
	got, want := c.Table(), flowtable.Default()
	want.Timeouts.UDPStream, want.Buckets, want.ExpectMax, want.Timestamp, want.Events = 7, 8, 9, true, flowtable.EventsOn
	want.TCPBeLiberal, want.TCPMaxRetrans, want.TCPIgnoreInvalidRST = true, 4, true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWrongFiles(t *testing.T) {
	const good = "rules: r.nft\nports:\n  - name: a\n  - name: b\n"
	for _, row := range []struct {
		name, text string
		want       string // in the error; empty: none
	}{
		{"good", good, ""},
		{"empty", "", "ports: none is given"},
		{"unknown", good + "colour: red\n", `x.yaml:5:1: unknown setting "colour"`},
		{"unknown in a port", "rules: r\nports:\n  - name: a\n    speed: 1\n", `x.yaml:4:5: unknown setting "speed"`},
		{"unknown in conntrack", good + "conntrack:\n  nf_conntrack_mix: 5\n", `x.yaml:6:3: unknown setting "nf_conntrack_mix"`},
		{"fraction", good + "workers: 1.5\n", "x.yaml:5:10: want a whole number, not \"1.5\""},
		{"fraction inside", good + "conntrack: {nf_conntrack_max: 10.5}\n", "x.yaml:5:31: want a whole number, not \"10.5\""},
		{"type", good + "workers: many\n", "x.yaml:5:10: "},
		{"syntax", "rules: [\n", "x.yaml:1:"},
		{"twice", good + "rules: q.nft\n", "x.yaml:5:1: "},
		{"two documents", good + "---\nrules: x\n", "2 documents"},
		{"mode", good + "mode: bridge\n", `x.yaml:5:7: mode: "bridge": want router or wire`},
		{"no rules", "ports: [{name: a}]\n", "rules: no rules file is given"},
		{"port twice", "rules: r\nports: [{name: a}, {name: a}]\n", "x.yaml:2:20: ports[1]: port a is given twice"},
		{"port without name", "rules: r\nports: [{untrusted: true}]\n", "ports[0]: a port without name"},
		{"wire of one", "rules: r\nmode: wire\nports: [{name: a}]\n", "mode wire joins two ports, 1 are given"},
		{"ring", good + "ring: 1000\n", "x.yaml:5:7: ring: ring of 1000 descriptors: want a power of two"},
		{"ring too small", good + "ring: 16\n", "from 64 to 65536"},
		{"frames", good + "frames: 100\n", "frames: 100 frames a worker are too few"},
		{"chunk", good + "chunk: 3000\n", "chunk: 3000 bytes"},
		{"workers", good + "workers: -1\n", "workers: -1"},
		{"xdp mode", good + "xdp_mode: fast\n", "want auto, zerocopy, copy or generic"},
		{"backend", good + "backend: other\n", "want own or asavie"},
		{"level", good + "log_level: loud\n", "want debug, info"},
		{"timeout", good + "conntrack:\n  nf_conntrack_udp_timeout: 0\n", "x.yaml:6:29: conntrack.nf_conntrack_udp_timeout: 0 seconds"},
		{"negative timeout", good + "conntrack:\n  nf_conntrack_udp_timeout: -5\n", "x.yaml:6:"},
		{"max", good + "conntrack:\n  nf_conntrack_max: -5\n", "nf_conntrack_max: -5"},
		{"buckets", good + "conntrack:\n  nf_conntrack_buckets: -5\n", "x.yaml:6:25: conntrack.nf_conntrack_buckets: -5: want 1 to"},
		{"expectations", good + "conntrack:\n  nf_conntrack_expect_max: 2000000\n", "x.yaml:6:28: conntrack.nf_conntrack_expect_max: 2000000: want 1 to"},
		{"events", good + "conntrack:\n  nf_conntrack_events: 3\n", "x.yaml:6:24: conntrack.nf_conntrack_events: 3: want 0"},
		{"retransmissions", good + "conntrack:\n  nf_conntrack_tcp_max_retrans: 0\n", "x.yaml:6:33: conntrack.nf_conntrack_tcp_max_retrans: 0"},
		{"log invalid", good + "conntrack:\n  nf_conntrack_log_invalid: 256\n", "x.yaml:6:29: want a whole number from 0 to 255, not 256"},
		{"text for a number", good + "conntrack:\n  nf_conntrack_udp_timeout: abc\n", "x.yaml:6:29: want a whole number from 0 to 4294967295, not a text"},
		{"number for true or false", good + "conntrack:\n  nf_conntrack_acct: 1\n", "x.yaml:6:22: want true or false, not a number"},
		{"escape in a name", good + "\"\\e[31mx\": 5\n", "x.yaml:5:1: unknown setting \"\\x1b[31mx\""},
		{"number for settings", good + "conntrack: 5\n", "x.yaml:5:12: want settings by name, not a number"},
		{"names for ports", "rules: r.nft\nports: [lan, wan]\n", `x.yaml:2:9: want settings by name, such as {name: lan}, not "lan"`},
		{"number for a list", "rules: r.nft\nports: 5\n", "x.yaml:2:8: want a list, not a number"},
		{"checksum", good + "conntrack:\n  nf_conntrack_checksum: perhaps\n", "x.yaml:6:26: "},
		{"management proto", good + "management: [{proto: sctp, port: 1}]\n", "management[0]: proto"},
		{"management port", good + "management: [{proto: tcp}]\n", "management[0]: no port"},
		{"management source", good + "management: [{proto: tcp, port: 1, source: here}]\n", `source "here"`},
		{"management address", good + "management: [{proto: tcp, port: 1, source: \"2001:db8::1\"}]\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := parse("x.yaml", []byte(row.text))
			if err == nil {
				err = s.Validate()
			}
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

// TestNothingIsDefaults: a file that sets nothing changes nothing.
func TestNothingIsDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n"} {
		s, err := parse("x.yaml", []byte(text))
		s.file = nil
		if err != nil || !reflect.DeepEqual(s, Default()) {
			t.Errorf("%q: %v, %+v", text, err, s)
		}
	}
}

func TestReadRelative(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "box.yaml")
	if err := os.WriteFile(name, []byte("rules: r.nft\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Read(name)
	if err != nil || s.Rules != filepath.Join(dir, "r.nft") {
		t.Errorf("%q, %v", s.Rules, err)
	}
	if _, err := Read(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	s := Default()
	s.Ports = []Port{{Name: "a"}, {Name: "b"}}
	if got := s.FramesPerWorker(); got < 2*2*(2048+1024)+128 {
		t.Errorf("%d frames do not fill the rings", got)
	}
	s.HostPath = false
	if got := s.leastFrames(); got != 2*2*2048+128 {
		t.Errorf("%d frames without host path", got)
	}
	s.Frames = 9000
	if got := s.FramesPerWorker(); got != 9000 {
		t.Errorf("%d frames", got)
	}
	two := Default()
	two.Ports = []Port{{Name: "a"}, {Name: "b"}}
	for mtu, want := range map[int]int{1500: 2 * 17, 9000: 2 * 129} {
		if got := two.FrameHugePages(2, mtu, 2048); got != want {
			t.Errorf("%d huge pages for two workers with MTU %d, want %d", got, mtu, want)
		}
	}
	for mtu, want := range map[int]int{1500: 2048, 1770: 2048, 1771: 4096, 3818: 4096, 9000: 16384, 16106: 16384, 60000: 16384} {
		if got := s.ChunkFor(mtu); got != want {
			t.Errorf("chunk %d for MTU %d", got, mtu)
		}
	}
	for _, row := range []struct{ set, queues, cpus, want int }{{0, 1, 2, 1}, {0, 8, 4, 3}, {0, 1, 1, 1}, {0, 2, 8, 2}, {5, 1, 1, 5}} {
		s.Workers = row.set
		if got := s.WorkersFor(row.queues, row.cpus); got != row.want {
			t.Errorf("%+v: %d", row, got)
		}
	}
}
