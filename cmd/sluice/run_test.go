package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
)

// at is a moment of a test, microseconds behind its beginning.
func at(micros int) time.Time {
	return time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(micros) * time.Microsecond)
}

func TestRunLength(t *testing.T) {
	f := func(micros int, port uint8, key uint64) captured {
		return captured{at: at(micros), port: port, key: key}
	}
	long := make([]captured, maxRun+5)
	for i := range long {
		long[i] = f(0, 0, 7)
	}
	for _, row := range []struct {
		name      string
		frames    []captured
		one, many int
	}{
		{"single", []captured{f(0, 0, 1)}, 1, 1},
		{"same flow", []captured{f(0, 0, 1), f(10, 0, 1), f(999, 0, 1)}, 3, 3},
		{"next millisecond", []captured{f(0, 0, 1), f(1000, 0, 1)}, 1, 1},
		{"other port", []captured{f(0, 0, 1), f(1, 1, 1), f(2, 0, 1)}, 1, 1},
		{"other flow", []captured{f(0, 0, 1), f(1, 0, 2), f(2, 0, 1)}, 3, 1},
		{"earlier", []captured{f(5000, 0, 1), f(0, 0, 1)}, 1, 1},
		{"limit", long, maxRun, maxRun},
	} {
		if got := runLength(row.frames, 1); got != row.one {
			t.Errorf("%s: one worker: %d, want %d", row.name, got, row.one)
		}
		if got := runLength(row.frames, 4); got != row.many {
			t.Errorf("%s: four workers: %d, want %d", row.name, got, row.many)
		}
	}
}

func TestFlowKey(t *testing.T) {
	tcp := func(src, dst string, sport, dport uint16) []byte {
		return frame.Build(frame.Ether{}, frame.IPv4{Src: src, Dst: dst}, frame.TCP{Src: sport, Dst: dport, Flags: "S"})
	}
	udp6 := func(src, dst string, sport, dport uint16) []byte {
		return frame.Build(frame.Ether{}, frame.IPv6{Src: src, Dst: dst}, frame.UDP{Src: sport, Dst: dport}, frame.Data("x"))
	}
	a, b := tcp("192.0.2.1", "198.51.100.1", 1000, 80), tcp("198.51.100.1", "192.0.2.1", 80, 1000)
	if flowKey(a) != flowKey(b) {
		t.Error("the two directions of a TCP flow differ")
	}
	if flowKey(a) == flowKey(tcp("192.0.2.1", "198.51.100.1", 80, 1000)) {
		t.Error("ports do not belong to their addresses")
	}
	if flowKey(udp6("2001:db8::1", "2001:db8::2", 1, 2)) != flowKey(udp6("2001:db8::2", "2001:db8::1", 2, 1)) {
		t.Error("the two directions of a UDP flow differ")
	}
	for n := range a { // no length may be too short for it
		flowKey(a[:n])
		flowKey(udp6("2001:db8::1", "2001:db8::2", 1, 2)[:n])
	}
	spread := map[uint64]int{}
	for port := range 1000 {
		spread[flowKey(tcp("192.0.2.1", "198.51.100.1", uint16(port+1024), 80))%4]++
	}
	for queue := range uint64(4) {
		if spread[queue] < 150 {
			t.Errorf("queue %d gets %d of 1000 flows", queue, spread[queue])
		}
	}
}

func TestAddresses(t *testing.T) {
	frames := []captured{
		{data: frame.Build(frame.Ether{}, frame.IPv6{Src: "2001:db8::1", Dst: "2001:db8::2"}, frame.UDP{})},
		{data: frame.Build(frame.Ether{}, frame.VLAN{TCI: 5}, frame.IPv4{Src: "192.0.2.2", Dst: "192.0.2.1"}, frame.UDP{})},
		{data: []byte{1, 2, 3}},
	}
	var got []string
	for _, a := range addresses(frames) {
		got = append(got, a.String())
	}
	if want := "192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestReadCapturesMerges(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, micros ...int) string {
		w, err := createCapture(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range micros {
			data := frame.Build(frame.Ether{}, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.UDP{Src: uint16(m), Dst: 9})
			if err := w.write(at(m), data); err != nil {
				t.Fatal(err)
			}
		}
		if err := (&outputs{files: [2]*captureWriter{w}}).close(); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	frames, err := readCaptures([2]source{{name: write("a", 10, 20, 20, 50)}, {name: write("b", 5, 20, 60)}}, warn)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range frames {
		d, err := frame.Decode(f.data)
		if err != nil {
			t.Fatal(err)
		}
		if micros := int(f.at.Sub(at(0)) / time.Microsecond); micros != int(d.SrcPort) {
			t.Errorf("frame of %d has the time %d", d.SrcPort, micros)
		}
		got = append(got, string(rune('a'+f.port))+itoa(int(d.SrcPort)))
	}
	if want := "b5 a10 a20 a20 b20 a50 b60"; strings.Join(got, " ") != want || len(warnings) > 0 {
		t.Errorf("%v, want %s; warnings %q", got, want, warnings)
	}
	back := write("c", 10, 20, 5, 6, 4)
	if frames, err = readCaptures([2]source{{name: back}}, warn); err != nil || len(frames) != 5 {
		t.Errorf("times that go back: %d frames, %v", len(frames), err)
	}
	if want := back + ": Warning: packet 3 is earlier than packet 2: packets keep the order of the file, and the clock goes back with them"; strings.Join(warnings, "\n") != want {
		t.Errorf("warnings %q, want once %q", warnings, want)
	}
}

func TestReadCaptureErrors(t *testing.T) {
	dir := t.TempDir()
	header := make([]byte, pcapHeaderBytes)
	binary.LittleEndian.PutUint32(header, pcapNanoMagic)
	binary.LittleEndian.PutUint16(header[4:], 2)
	binary.LittleEndian.PutUint16(header[6:], 4)
	binary.LittleEndian.PutUint32(header[16:], pcapSnapLength)
	link := func(n uint32) []byte {
		h := append([]byte(nil), header...)
		binary.LittleEndian.PutUint32(h[20:], n)
		return h
	}
	for _, row := range []struct {
		name string
		text []byte
		says string
	}{
		{"absent", nil, "no such file"},
		{"empty", []byte{}, "shorter than four bytes"},
		{"no capture", []byte("table inet filter {}, no capture at all"), "pcap file"},
		{"link type", link(105), "link type 105"},
		{"cut short", append(link(1), 1, 2, 3), "cut short"},
	} {
		file := filepath.Join(dir, row.name)
		if row.text != nil {
			if err := os.WriteFile(file, row.text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		status, stdout, stderr := sluice(t, "", "replay", "--rules", "testdata/rules/home.nft", "--in", file)
		if status != exitFailed || stdout != "" || !strings.Contains(stderr, row.says) || !strings.Contains(stderr, row.name) {
			t.Errorf("%s: status %d, stdout %q, stderr %q: want %q", row.name, status, stdout, stderr, row.says)
		}
	}
}

func TestTopologyResolve(t *testing.T) {
	top := topology{
		names: [2]string{"lan", "wan"},
		addr:  []string{"lan=192.0.2.1/30", "wan=2001:db8::1/64"},
		routes: []string{
			"default via 192.0.2.2 dev lan", "default via 2001:db8::fe dev wan", "198.51.100.0/24 dev wan",
			"blackhole 203.0.113.0/24", "198.51.100.7 dev wan",
		},
		neigh: []string{"192.0.2.2 lladdr 02:aa:00:00:00:01 dev lan"},
	}
	n, err := top.parse()
	if err != nil {
		t.Fatal(err)
	}
	n.resolve([]netip.Addr{netip.MustParseAddr("2001:db8::99"), netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("203.0.113.9")})
	got := map[string]uint16{}
	for _, nb := range n.neighbours {
		if _, twice := got[nb.Addr.String()]; twice {
			t.Errorf("%v twice", nb.Addr)
		}
		got[nb.Addr.String()] = nb.Port
		if given := nb.Addr.String() == "192.0.2.2"; given != (nb.MAC == [6]byte{2, 0xaa, 0, 0, 0, 1}) {
			t.Errorf("%v has MAC %x", nb.Addr, nb.MAC)
		}
	}
	want := map[string]uint16{
		"192.0.2.0": 0, "192.0.2.1": 0, "192.0.2.2": 0, "192.0.2.3": 0,
		"2001:db8::fe": 1, "2001:db8::99": 1, "198.51.100.9": 1,
	}
	for addr, port := range want {
		if p, ok := got[addr]; !ok || p != port {
			t.Errorf("neighbour %s: port %d (%v), want %d", addr, p, ok, port)
		}
	}
	if len(got) != len(want) {
		t.Errorf("neighbours %v, want %v", got, want)
	}
	if n.peers {
		t.Error("with routes given, packets without one must not cross")
	}
}
