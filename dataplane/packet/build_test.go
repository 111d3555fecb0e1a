package packet

import (
	"bytes"
	"net/netip"
	"testing"

	. "github.com/sluice-net/sluice/tools/frame"
)

func TestBuildICMPError(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		name      string
		orig      []byte
		typ, code uint8
		info      uint32
		src       string
		quote     int // bytes of the original datagram in the error
	}{
		{"short", Build(Ether{Min: 60}, h4, UDP{Src: 1, Dst: 2}), ICMPUnreachable, 3, 0, "10.0.0.254", 28},
		{"long", Build(Ether{}, h4, UDP{}, Zeros(1400)), ICMPUnreachable, 4, 1400, "10.0.0.254", 548},
		{"vlan", Build(Ether{}, VLAN{TCI: 3}, h4, TCP{Flags: "S"}), ICMPTimeExceeded, 0, 0, "10.0.0.254", 40},
		{"first fragment", Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{}, Zeros(8)), ICMPTimeExceeded, 1, 0, "10.0.0.254", 36},
		{"ipv6", Build(Ether{}, h6, UDP{Src: 1, Dst: 2}, Data("x")), ICMPv6Unreachable, 4, 0, "2001:db8::fe", 49},
		{"ipv6 long", Build(Ether{}, h6, TCP{}, Zeros(1430)), ICMPv6PacketTooBig, 0, 1400, "2001:db8::fe", 1232},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := parsed(t, tab, r.orig)
			src := addr(r.src)
			buf := bytes.Repeat([]byte{0xaa}, 2048)
			n := BuildICMPError(buf, p, r.typ, r.code, r.info, &src, nil)
			d, err := Decode(buf[:n])
			if err != nil {
				t.Fatal(n, err)
			}
			if err := VerifyChecksums(buf[:n]); err != nil {
				t.Error(err)
			}
			if d.Type != r.typ || d.Code != r.code || d.Info != r.info || d.TTL != 64 || d.DF || d.MF {
				t.Errorf("header: %v", d)
			}
			if d.Src != netip.MustParseAddr(r.src) || addr(d.Dst.String()) != p.Tuple.Src && d.Dst.String() != a4 && d.Dst.String() != a6 {
				t.Errorf("addresses: %v", d)
			}
			if !bytes.Equal(d.Payload, p.IP()[:r.quote]) {
				t.Errorf("quotes %d bytes, want %d of the original", len(d.Payload), r.quote)
			}
			if d.SrcMAC != (MAC{}) || d.DstMAC != (MAC{}) || len(d.Tags) != 0 {
				t.Error("link layer")
			}
			if BuildICMPError(buf[:n-1], p, r.typ, r.code, r.info, &src, nil) != 0 {
				t.Error("wrote into too small a buffer")
			}
			e := parsed(t, tab, buf[:n])
			if e.Flags&FlagRelatedError == 0 || e.Misdirected {
				t.Errorf("the error does not relate to what it complains of: %v", e.Reason)
			}
		})
	}
	src := addr("10.0.0.254")
	if p := parsed(t, tab, Build(Ether{}, ARP{Sender: a4, Target: b4})); BuildICMPError(make([]byte, 2048), p, 3, 3, 0, &src, nil) != 0 {
		t.Error("an error about ARP")
	}
}

func TestBuildTCPReset(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		name     string
		tcp      TCP
		data     Data
		seq, ack uint32
		flags    string // "" is no answer
	}{
		{"syn", TCP{Src: 1, Dst: 2, Seq: 100, Flags: "S"}, "", 0, 101, "RA"},
		{"syn with data", TCP{Src: 1, Dst: 2, Seq: 100, Flags: "S", Options: "\x01"}, "abc", 0, 104, "RA"},
		{"wraps", TCP{Src: 1, Dst: 2, Seq: 0xffffffff, Flags: "F"}, "ab", 0, 2, "RA"},
		{"ack", TCP{Src: 1, Dst: 2, Seq: 100, Ack: 7000, Flags: "A"}, "abc", 7000, 0, "R"},
		{"syn ack", TCP{Src: 1, Dst: 2, Seq: 100, Ack: 7000, Flags: "SA"}, "", 7000, 0, "R"},
		{"rst", TCP{Src: 1, Dst: 2, Flags: "R"}, "", 0, 0, ""},
		{"rst ack", TCP{Src: 1, Dst: 2, Flags: "RA"}, "", 0, 0, ""},
		{"bad offset", TCP{Src: 1, Dst: 2, Flags: "S", DataOffset: Say(15)}, "", 0, 1<<32 - 39, "RA"},
	}
	for _, r := range rows {
		for _, ip := range []Layer{h4, h6} {
			p := parsed(t, tab, Build(Ether{Min: 60}, ip, r.tcp, r.data))
			buf := bytes.Repeat([]byte{0xaa}, 200)
			n := BuildTCPReset(buf, p)
			if r.flags == "" {
				if n != 0 {
					t.Errorf("%s: answered", r.name)
				}
				continue
			}
			d, err := Decode(buf[:n])
			if err != nil {
				t.Fatal(r.name, err)
			}
			if err := VerifyChecksums(buf[:n]); err != nil {
				t.Error(r.name, err)
			}
			o, _ := Decode(p.Data)
			if d.Src != o.Dst || d.Dst != o.Src || d.SrcPort != 2 || d.DstPort != 1 || d.Seq != r.seq || d.Ack != r.ack || d.Flags != r.flags || d.Window != 0 || len(d.Payload) != 0 {
				t.Errorf("%s: %v seq %d ack %d", r.name, d, d.Seq, d.Ack)
			}
			if d.Version == 4 && !d.DF {
				t.Errorf("%s: no DF", r.name)
			}
			if BuildTCPReset(buf[:n-1], p) != 0 {
				t.Errorf("%s: wrote into too small a buffer", r.name)
			}
		}
	}
	for name, b := range map[string][]byte{
		"udp":      Build(Ether{}, h4, UDP{}, Zeros(20)),
		"fragment": Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, TCP{Flags: "S"}),
	} {
		if BuildTCPReset(make([]byte, 200), parsed(t, tab, b)) != 0 {
			t.Errorf("%s: answered", name)
		}
	}
}

// TestBuildUnreachableQuotesPadding: below IP a frame's padding is quoted with it.
func TestBuildUnreachableQuotesPadding(t *testing.T) {
	for _, row := range []struct {
		name string
		ip   Layer
		head int
	}{
		{"IPv4", IPv4{Src: a4, Dst: b4}, EtherLen + ip4Len + icmpLen},
		{"IPv6", h6, EtherLen + ip6Len + icmpLen},
	} {
		b := append(Build(Ether{}, row.ip, UDP{Src: 1, Dst: 2}), make([]byte, 18)...)
		p := &Packet{Data: b}
		if d := Parse(p, newTable(t)); d != DropNone {
			t.Fatal(d)
		}
		buf := make([]byte, 200)
		n := BuildUnreachable(buf, p, 3, 3)
		if n != row.head+len(b)-EtherLen || !bytes.Equal(buf[row.head:n], b[EtherLen:]) {
			t.Errorf("%s: %d bytes quote %x of %x", row.name, n, buf[row.head:max(n, row.head)], b)
		}
	}
}

func TestShouldAnswer(t *testing.T) {
	tab := newTable(t)
	from := func(src, dst string) IPv4 { return IPv4{Src: src, Dst: dst} }
	rows := []struct {
		name                   string
		b                      []byte
		answer, tooBig, reject bool
	}{
		{"udp", Build(Ether{}, h4, UDP{}), true, true, true},
		{"wrong checksum", Build(Ether{}, h4, UDP{Sum: SumWrong}), true, true, false},
		{"rst", Build(Ether{}, h4, TCP{Flags: "R"}), true, true, true},
		{"first fragment", Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{}, Zeros(8)), true, true, true},
		{"first fragment, summed up with the others", Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{Sum: SumWrong}, Zeros(8)), true, true, false},
		{"first fragment6", Build(Ether{}, h6, Fragment{More: true}, UDP{}, Zeros(8)), true, true, true},
		{"first fragment6, summed up with the others", Build(Ether{}, h6, Fragment{More: true}, UDP{Sum: SumWrong}, Zeros(8)), true, true, false},
		{"first fragment without a sum", Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{Sum: SumZero}, Zeros(8)), true, true, true},
		{"later fragment", Build(Ether{}, IPv4{Src: a4, Dst: b4, Offset: 1}, UDP{}), false, false, false},
		{"echo", Build(Ether{}, h4, ICMP{Type: 8}), true, true, true},
		{"icmp error", Build(Ether{}, h4, ICMP{Type: 3}, r4, UDP{}), false, false, false},
		{"unknown icmp", Build(Ether{}, h4, ICMP{Type: 40}), false, false, false},
		{"short icmp", Build(Ether{}, h4, Proto(1), Data("\x08\x00")), true, true, false}, // its type is there
		{"empty icmp", Build(Ether{}, h4, Proto(1)), false, false, false},
		{"later piece of tcp6", Build(Ether{}, h6, Fragment{Offset: 8, More: true}, Proto(6), Zeros(64)), true, true, false},
		{"broadcast", Build(Ether{}, from(a4, "255.255.255.255"), UDP{}), false, false, false},
		{"multicast", Build(Ether{}, from(a4, "224.0.0.5"), UDP{}), false, false, false},
		{"ethernet broadcast", Build(Ether{Dst: MAC{255, 255, 255, 255, 255, 255}}, h4, UDP{}), false, false, false},
		{"from nowhere", Build(Ether{}, from("0.0.0.0", b4), UDP{}), false, false, false},
		{"from loopback", Build(Ether{}, from("127.0.0.1", b4), UDP{}), false, false, false},
		{"from multicast", Build(Ether{}, from("239.1.1.1", b4), UDP{}), false, false, false},
		{"udp6", Build(Ether{}, h6, UDP{}), true, true, true},
		{"echo6", Build(Ether{}, h6, ICMPv6{Type: 128}), true, true, true},
		{"icmpv6 error", Build(Ether{}, h6, ICMPv6{Type: 1}, r6, UDP{}), false, false, false},
		{"redirect6", Build(Ether{}, h6, ICMPv6{Type: 137}), true, true, true}, // no error to icmp6_send
		{"multicast6", Build(Ether{Dst: MAC{0x33, 0x33}}, IPv6{Src: a6, Dst: "ff0e::1"}, UDP{}), false, true, false},
		{"from nowhere6", Build(Ether{}, IPv6{Src: "::", Dst: b6}, UDP{}), false, false, false},
		{"wrong sctp checksum", Build(Ether{}, h4, SCTP{Sum: SumWrong}), true, true, true}, // no checksum that a reject looks at
		{"wrong udplite checksum", Build(Ether{}, h4, UDPLite{Sum: SumWrong}), true, true, true},
		{"esp", Build(Ether{}, h4, Proto(50), Zeros(20)), true, true, true},
		{"unknown protocol", Build(Ether{}, h4, Proto(200), Data("data")), true, true, false},
		{"unknown protocol that sums up", Build(Ether{}, h4, Proto(200), Data("\xff\xff")), true, true, true},
		{"dccp", Build(Ether{}, h4, DCCP{Src: 1, Dst: 2}), true, true, false}, // Linux sums without the pseudo header
		{"dccp6", Build(Ether{}, h6, DCCP{Src: 1, Dst: 2}), true, true, true},
		{"arp", Build(Ether{}, ARP{Sender: a4, Target: b4}), false, false, false},
		{"esp6", Build(Ether{}, h6, Proto(50), Zeros(20)), true, true, true},
		{"nothing behind the headers", Build(Ether{}, h6, Ext{Kind: DestOpts, Next: Say(50)}), true, true, false},
		{"header that is cut off", Build(Ether{}, h6, Ext{Kind: DestOpts, Next: Say(50), Len: Say(1)}), true, true, false},
		{"no next header", Build(Ether{}, h6, Ext{Kind: DestOpts, Next: Say(59)}, Zeros(8)), true, true, false},
	}
	for _, r := range rows {
		p := parsed(t, tab, r.b)
		if p.ShouldAnswer() != r.answer || p.ShouldAnswerTooBig() != r.tooBig || p.ShouldReject() != r.reject {
			t.Errorf("%s: %t %t %t, want %t %t %t", r.name, p.ShouldAnswer(), p.ShouldAnswerTooBig(), p.ShouldReject(), r.answer, r.tooBig, r.reject)
		}
	}
}

func TestMartian(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		src, dst string
		want     bool
	}{
		{a4, b4, false}, {a4, "224.0.0.1", false}, {"0.1.2.3", b4, true}, {"127.0.0.1", b4, true}, {"224.0.0.1", b4, true},
		{"255.255.255.255", b4, true}, {a4, "0.0.0.0", true}, {a4, "127.0.0.1", true}, {a4, "240.0.0.1", false}, {a4, "255.255.255.255", false}, {"0.0.0.0", "255.255.255.255", false}, {"240.0.0.1", b4, false},
		{a6, b6, false}, {"::", b6, true}, {"::", "ff02::1:ff00:1", false},
	}
	for _, r := range rows {
		ip := Layer(IPv6{Src: r.src, Dst: r.dst})
		if netip.MustParseAddr(r.src).Is4() {
			ip = IPv4{Src: r.src, Dst: r.dst}
		}
		if got := parsed(t, tab, Build(Ether{}, ip, UDP{})).Martian(); got != r.want {
			t.Errorf("%s > %s: %t", r.src, r.dst, got)
		}
	}
}
