package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
)

// testBox is a router on two pipes with a server and a client.
type testBox struct {
	*Client
	box    *dataplane.Box
	server *Server
	sender *afxdp.End
	path   string // of the socket
}

func newTestBox(t *testing.T) *testBox {
	t.Helper()
	cfg := dataplane.Default()
	cfg.Frames = 1024
	cfg.Conntrack.Max, cfg.Conntrack.Acct, cfg.Conntrack.Timestamp = 1024, true, true
	b := &testBox{}
	for i, name := range []string{"lan", "wan"} {
		near, far, err := afxdp.NewPipe(afxdp.PipeConfig{
			Name: [2]string{name, "far-" + name}, Queues: 1, Ring: 64,
			MAC: [2]net.HardwareAddr{{2, 0, 0, 0, 0, byte(i)}, {2, 0, 0, 0, 1, byte(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{
			Port: near, Peer: -1, Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 24)},
		})
		cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{
			Port: uint16(i), Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 2}), MAC: [6]byte{2, 0, 0, 0, 1, byte(i)},
		})
		if i == 0 {
			if b.sender, err = afxdp.NewEnd(far, 0, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	var err error
	if b.box, err = dataplane.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.box.Close() })
	b.serve(t)
	return b
}

// serve gives the box its control socket.
func (b *testBox) serve(t *testing.T) {
	t.Helper()
	socket, err := Claim(filepath.Join(t.TempDir(), "box.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Box: b.box, Book: NewRulebook(b.box), Version: "test", Log: zap.NewNop()}
	b.server = s
	done := make(chan error)
	go func() { done <- s.Serve(socket) }()
	t.Cleanup(func() {
		s.Close(0)
		if err := errors.Join(<-done, socket.Close()); err != nil {
			t.Error(err)
		}
	})
	b.path = socket.Path()
	if b.Client, err = Connect(b.path); err != nil {
		t.Fatal(err)
	}
}

// send has the client send UDP datagrams to the server, a flow each.
func (b *testBox) send(t *testing.T, flows int) {
	t.Helper()
	for i := range flows {
		f := make([]byte, 60)
		copy(f, []byte{2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 8, 0, 0x45})
		ip := f[14:]
		binary.BigEndian.PutUint16(ip[2:], 46)
		ip[8], ip[9] = 64, 17
		copy(ip[12:], []byte{10, 0, 0, 2, 10, 0, 1, 2})
		binary.BigEndian.PutUint16(ip[10:], packet.Checksum(ip[:20], 0))
		binary.BigEndian.PutUint16(ip[20:], uint16(1000+i))
		binary.BigEndian.PutUint16(ip[22:], 53)
		binary.BigEndian.PutUint16(ip[24:], 26)
		if !b.sender.Write(f, 0) {
			t.Fatal("the pipe is full")
		}
	}
	b.sender.Flush()
	b.box.Drain()
}

func (b *testBox) list(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := b.Ruleset(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const counting = `table ip t {
	chain f {
		type filter hook forward priority filter; policy accept;
		ct state invalid drop
		udp dport 53 counter packets 5 bytes 100 accept
	}
}
`

func TestScripts(t *testing.T) {
	b := newTestBox(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"rules/more.nft": "table ip more {\n}\n", "more.nft": "broken", // the one beside the script is meant
		"bad.nft": "table ip more {\n\tdorp\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(text string) error {
		t.Helper()
		return b.Nft(t.Context(), &Request{Script: Script{Name: "rules/s.nft", Text: text, Dir: dir, Define: map[string]string{"port": "99"}}}, io.Discard)
	}
	if err := apply("flush ruleset\n" + counting); err != nil {
		t.Fatal(err)
	}
	b.send(t, 3)
	want := strings.Replace(counting, "packets 5 bytes 100", "packets 8 bytes 238", 1)
	if got := b.list(t); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}

	for _, row := range []struct{ name, text, want string }{
		{"parse", "table ip x {\n\tchain c {\n\t\tdorp\n\t}\n}\n", "rules/s.nft:3:7-7: Error: "},
		{"parse behind flush", "flush ruleset\ntable ip x {\n\tchain c {\n\t\tdorp\n\t}\n}\n", "rules/s.nft:4:7-7: Error: "},
		{"check", "add rule ip t absent drop\n", "rules/s.nft:1:15-20: Error: "},
		{"exists", "create table ip t\n", "rules/s.nft:1:"},
		{"loop through what is there", "table ip t {\n\tchain g {\n\t\tjump f\n\t}\n}\n", "rules/s.nft:3:"},
		{"in an included file", "include \"bad.nft\"\n", dir + "/bad.nft:2:2-5: Error: "},
		{"an interface that is not there", "add rule ip t f oif { lan, lo, wlan7 } accept\n", "rules/s.nft:1:32-36: Error: Interface does not exist"},
		{"include", "include \"absent.nft\"\n", "rules/s.nft:1:"},
	} {
		var wrong *ErrScript
		if err := apply(row.text); !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), row.want) || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: %v, want %s", row.name, err, row.want)
		}
	}
	if got := b.list(t); got != want {
		t.Errorf("a wrong script has changed the rules:\n%s", got)
	}
	check := &Request{Script: Script{Name: "s.nft", Text: "delete table ip t\nadd table ip u\n"}, Check: true}
	if err := b.Nft(t.Context(), check, io.Discard); err != nil || b.list(t) != want {
		t.Errorf("check: %v", err)
	}

	// Additions keep the counts, which go on.
	if err := apply("include \"more.nft\"\ntable ip t {\n\tchain f {\n\t\ttcp dport $port drop\n\t}\n}\n"); err != nil {
		t.Fatal(err)
	}
	b.send(t, 1)
	want = strings.Replace(want, "packets 8 bytes 238 accept\n", "packets 9 bytes 284 accept\n\t\ttcp dport 99 drop\n", 1) + "table ip more {\n}\n"
	if got := b.list(t); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	s, err := b.Status()
	if err != nil {
		t.Fatal(err)
	}
	if s.Rules.File != "rules/s.nft" || s.Rules.Scripts != 1 || s.Rules.Rules != 3 || s.Rules.Tables != 2 || s.Rules.Chains != 1 || s.Workers[0].RxPackets != 4 || s.Flows != 3 {
		t.Errorf("%+v", s)
	}
	if err := apply("flush ruleset # all of it\n"); err != nil || b.list(t) != "" {
		t.Errorf("flush: %v\n%s", err, b.list(t))
	}
}

func TestBeginsWithFlush(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "flush ruleset": true, "flush  ruleset;add table t": true, "#!/usr/sbin/nft -f\n\n\tflush ruleset\n": true,
		"flush ruleset ip\n": false, "flush table ip t\n": false, "add table ip t\nflush ruleset\n": false, "flush ruleset # comment": true,
	} {
		if got := beginsWithFlush(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestOtherVersion: a request that the box does not know is told as such.
func TestOtherVersion(t *testing.T) {
	b := newTestBox(t)
	if err := b.get("../v2/ping", nil, nil); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Error(err)
	}
}
