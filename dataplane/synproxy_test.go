package dataplane

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
)

const proxyRules = `table inet t {
	chain early { type filter hook prerouting priority raw; tcp dport 80 tcp flags syn notrack; }
	chain f { type filter hook forward priority filter; policy accept;
		tcp dport 80 ct state invalid,untracked synproxy mss 1400 wscale 7 %s
		ct state invalid drop
	}
	chain n { type nat hook postrouting priority srcnat; oifname "wan" %s; }
}
`

// session is a client and a server with the proxy between them.
type session struct {
	n   *testNet
	six bool
}

func (s *session) ip(from, to string) frame.Layer {
	if s.six {
		return frame.IPv6{Src: from, Dst: to}
	}
	return frame.IPv4{Src: from, Dst: to}
}

func (s *session) hosts() (client, server string) {
	if s.six {
		return "fd00:a::2", "2001:db8::1"
	}
	return "10.0.0.2", "198.51.100.1"
}

// client sends a segment and returns what came out on both sides.
func (s *session) client(l ...frame.Layer) (lan, wan []*frame.Decoded) {
	c, d := s.hosts()
	s.n.lan.put(frame.Build(append([]frame.Layer{clientToBox, s.ip(c, d)}, l...)...))
	return s.out()
}

func (s *session) server(to *frame.Decoded, l ...frame.Layer) (lan, wan []*frame.Decoded) {
	_, d := s.hosts()
	s.n.wan.put(frame.Build(append([]frame.Layer{serverToBox, s.ip(d, to.Src.String())}, l...)...))
	return s.out()
}

func (s *session) out() (lan, wan []*frame.Decoded) {
	s.n.t.Helper()
	s.n.box.Drain()
	decode := func(frames [][]byte) (all []*frame.Decoded) {
		for _, f := range frames {
			if err := frame.VerifyChecksums(f); err != nil {
				s.n.t.Error(err)
			}
			d, err := frame.Decode(f)
			if err != nil {
				s.n.t.Fatal(err)
			}
			all = append(all, d)
		}
		return all
	}
	return decode(s.n.lan.take()), decode(s.n.wan.take())
}

// text is what the test compares of a segment.
func text(all []*frame.Decoded) string {
	var lines []string
	for _, d := range all {
		lines = append(lines, fmt.Sprintf("%s seq %d ack %d win %d opt %x len %d", d.Flags, d.Seq, d.Ack, d.Window, d.Options, len(d.Payload)))
	}
	return strings.Join(lines, "; ")
}

// TestSynproxy: the segments are those that Linux 6.18 sends in the same place
// (but for the echo in the first acknowledgement to the server, which it spoils).
func TestSynproxy(t *testing.T) {
	const stamped = "\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x10\x00\x00\x00\x00\x00\x01\x03\x03\x0a" // as a Linux client has them
	for _, row := range []struct {
		name       string
		six        bool
		offers     string // of the rule
		nat        string
		options    string // of the client's SYN
		answer     string // options of the SYN+ACK that it gets; T its timestamp
		serverSYN  string // options of the server's SYN
		withStamps bool
	}{
		{"all offered", false, "timestamp sack-perm", "return", stamped, "020405780402080aTTTTTTTT0000100001030307", "020405b40402080a00001001TTTTTTTT0103030a", true},
		{"all offered, translated", false, "timestamp sack-perm", "masquerade", stamped, "020405780402080aTTTTTTTT0000100001030307", "020405b40402080a00001001TTTTTTTT0103030a", true},
		{"all offered, IPv6", true, "timestamp sack-perm", "return", stamped, "020405780402080aTTTTTTTT0000100001030307", "020405a00402080a00001001TTTTTTTT0103030a", true},
		{"no timestamps from the client", false, "timestamp sack-perm", "return", "\x02\x04\x05\x14\x04\x02\x01\x03\x03\x0a\x00\x00", "02040578", "02040514", false},
		{"no timestamps in the rule", false, "sack-perm", "return", stamped, "02040578", "020405b4", false},
		{"no SACK in the rule", false, "timestamp", "return", stamped, "020405780101080aTTTTTTTT0000100001030307", "020405b40101080a00001001TTTTTTTT0103030a", true},
	} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", row.name, workers), func(t *testing.T) {
				nat := row.nat
				s := &session{n: newNet(t, fmt.Sprintf(proxyRules, row.offers, nat), workers, func(c *Config) { c.Conntrack.Loose = false }), six: row.six}
				s.n.lan.steer, s.n.wan.steer = rss, rss
				s.run(t, row.options, row.answer, row.serverSYN, row.withStamps)
				s.n.checkLedger()
			})
		}
	}
}

func (s *session) run(t *testing.T, options, answer, serverSYN string, stamps bool) {
	expect := func(what string, got []*frame.Decoded, want string) {
		t.Helper()
		if text(got) != want {
			t.Fatalf("%s: %s, want %s", what, text(got), want)
		}
	}
	seg := func(flags string, seq, ack uint32, win uint16, options string) frame.TCP {
		return frame.TCP{Src: 4000, Dst: 80, Flags: flags, Seq: seq, Ack: ack, Window: win, Options: options}
	}
	back := func(to *frame.Decoded, flags string, seq, ack uint32, win uint16, options string) frame.TCP {
		return frame.TCP{Src: 80, Dst: to.SrcPort, Flags: flags, Seq: seq, Ack: ack, Window: win, Options: options}
	}
	ts := func(value, echo uint32) string {
		if !stamps {
			return ""
		}
		b := binary.BigEndian.AppendUint32([]byte("\x01\x01\x08\x0a"), value)
		return string(binary.BigEndian.AppendUint32(b, echo))
	}
	hex := func(o string) string { return fmt.Sprintf("%x", o) }

	lan, wan := s.client(seg("S", 1000, 0, 64240, options))
	if len(lan) != 1 || len(wan) != 0 || s.n.box.Stats().Flows != 0 {
		t.Fatalf("a SYN: %s and %s, %d flows", text(lan), text(wan), s.n.box.Stats().Flows)
	}
	cookie, stamp := lan[0].Seq, uint32(0)
	if stamps {
		stamp = binary.BigEndian.Uint32(lan[0].Options[8:])
	}
	fill := func(o string) string { return strings.ReplaceAll(o, "TTTTTTTT", fmt.Sprintf("%08x", stamp)) }
	expect("SYN+ACK", lan, fmt.Sprintf("SA seq %d ack 1001 win 0 opt %s len 0", cookie, fill(answer)))

	// Whoever did not read the answer gets nothing.
	lan, wan = s.client(seg("A", 1001, cookie+101, 63, ts(0x1001, stamp)))
	if len(lan)+len(wan) != 0 {
		t.Fatalf("a wrong cookie: %s and %s", text(lan), text(wan))
	}
	lan, wan = s.client(seg("A", 1001, cookie+1, 63, ts(0x1001, stamp)))
	expect("to the client", lan, "")
	expect("SYN for the server", wan, fmt.Sprintf("S seq 1000 ack %d win 63 opt %s len 0", cookie, fill(serverSYN)))
	syn := wan[0]

	const iss, clock = 5000, 0x777000
	opts := "\x02\x04\x05\xb4"
	if stamps {
		opts = "\x02\x04\x05\xb4\x04\x02" + ts(clock, 0x1001)[2:] + "\x01\x03\x03\x0a"
	}
	lan, wan = s.server(syn, back(syn, "SA", iss, 1001, 64000, opts))
	expect("acknowledged to the server", wan, fmt.Sprintf("A seq 1001 ack 5001 win 63 opt %s len 0", hex(ts(0x1001, clock))))
	win := 64000
	if stamps {
		win >>= 10
	}
	expect("window for the client", lan, fmt.Sprintf("A seq %d ack 1001 win %d opt %s len 0", cookie+1, win, hex(ts(stamp, 0x1001))))

	_, wan = s.client(seg("PA", 1001, cookie+1, 63, ts(0x1002, stamp)), frame.Data("hello"))
	expect("data to the server", wan, fmt.Sprintf("PA seq 1001 ack 5001 win 63 opt %s len 5", hex(ts(0x1002, clock))))
	lan, _ = s.server(syn, back(syn, "PA", 5001, 1006, 64, ts(clock+5, 0x1002)), frame.Data("hellohello"))
	expect("data to the client", lan, fmt.Sprintf("PA seq %d ack 1006 win 64 opt %s len 10", cookie+1, hex(ts(stamp+5, 0x1002))))
	_, wan = s.client(seg("FA", 1006, cookie+11, 63, ts(0x1003, stamp+5)))
	expect("end of the client", wan, fmt.Sprintf("FA seq 1006 ack 5011 win 63 opt %s len 0", hex(ts(0x1003, clock+5))))
	lan, _ = s.server(syn, back(syn, "FA", 5011, 1007, 64, ts(clock+6, 0x1003)))
	expect("end of the server", lan, fmt.Sprintf("FA seq %d ack 1007 win 64 opt %s len 0", cookie+11, hex(ts(stamp+6, 0x1003))))
	flows := s.n.box.Flows()
	if len(flows) != 1 || flows[0].State != flowtable.TCPLastAck || flows[0].Status&flowtable.StatusAssured == 0 || flows[0].Status>>16 != 0 {
		t.Errorf("%+v", flows)
	}
}

// TestSynproxyRefused: the server's reset reaches the client with numbers that it
// takes, and another attempt begins anew.
func TestSynproxyRefused(t *testing.T) {
	s := &session{n: newNet(t, fmt.Sprintf(proxyRules, "timestamp sack-perm", "return"), 1, func(c *Config) { c.Conntrack.Loose = false })}
	syn := frame.TCP{Src: 4000, Dst: 80, Flags: "S", Seq: 1000, Window: 64240, Options: "\x02\x04\x05\xb4"}
	lan, _ := s.client(syn)
	ack := frame.TCP{Src: 4000, Dst: 80, Flags: "A", Seq: 1001, Ack: lan[0].Seq + 1, Window: 63}
	_, wan := s.client(ack)
	if len(wan) != 1 || wan[0].Flags != "S" {
		t.Fatal(text(wan))
	}
	if _, again := s.client(ack); text(again) != text(wan) {
		t.Errorf("the client again: %s, want %s", text(again), text(wan))
	}
	lan, _ = s.server(wan[0], frame.TCP{Src: 80, Dst: 4000, Flags: "RA", Seq: 0, Ack: 1001})
	if len(lan) != 1 || lan[0].Flags != "RA" || lan[0].Seq != ack.Ack || lan[0].Ack != 1001 {
		t.Errorf("reset: %s, want number %d", text(lan), ack.Ack)
	}
	if n := s.n.box.Stats().Flows; n != 0 {
		t.Errorf("%d flows", n)
	}
	if st := s.n.box.Stats().Total(); st.Drops[packet.DropSynproxy] != 3 || st.Drops[packet.DropCookie] != 0 {
		t.Errorf("%d and %d segments", st.Drops[packet.DropSynproxy], st.Drops[packet.DropCookie])
	}
}

// TestCookieAge: a cookie is good for one period to two.
func TestCookieAge(t *testing.T) {
	for _, row := range []struct {
		wait time.Duration
		good bool
	}{{0, true}, {63 * time.Second, true}, {129 * time.Second, false}, {time.Hour, false}} {
		s := &session{n: newNet(t, fmt.Sprintf(proxyRules, "", "return"), 1, func(c *Config) { c.Conntrack.Loose = false })}
		lan, _ := s.client(frame.TCP{Src: 4000, Dst: 80, Flags: "S", Seq: 1000, Window: 64240, Options: "\x02\x04\x05\xb4"})
		s.n.clock.Advance(row.wait)
		_, wan := s.client(frame.TCP{Src: 4000, Dst: 80, Flags: "A", Seq: 1001, Ack: lan[0].Seq + 1, Window: 63})
		if good := len(wan) == 1; good != row.good {
			t.Errorf("after %v: taken %v", row.wait, good)
		}
	}
}
