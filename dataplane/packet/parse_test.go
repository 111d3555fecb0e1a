package packet

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

func newTable(tb testing.TB) *flowtable.Table {
	tb.Helper()
	cfg := flowtable.Default()
	cfg.Max = 1024
	cfg.HashKey = [2]uint64{1, 2}
	t, err := flowtable.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// dirty is a packet with every field set, as a burst before may have left it.
func dirty(b []byte) *Packet {
	p := &Packet{
		L3: 99, L4: 99, L4Payload: 99, End: 99, Frag: 99, EtherType: 99, VLAN: [2]uint16{99, 99}, VLANs: 99,
		Family: 99, Proto: 99, Flags: 0xffff, InPort: 3, OutPort: 99, Mark: 99, Serial: 4, Rule: 99, Ct: &flowtable.Entry{},
	}
	for i := range p.Tuple.Src {
		p.Tuple.Src[i], p.Tuple.Dst[i] = 99, 99
	}
	p.Tuple.SrcPort, p.Tuple.DstPort, p.Tuple.Proto, p.Tuple.Family, p.Tuple.Zone = 99, 99, 99, 99, 99
	p.Hash, p.Bytes, p.Seq, p.Ack, p.Payload, p.Window, p.Probe.Flags = 99, 99, 99, 99, 99, 99, 99
	p.Kind, p.Misdirected, p.Foreign, p.Dir, p.Info, p.Reason, p.Owner, p.Entry = 99, true, true, 99, 99, 99, 99, 99
	p.Data = b
	return p
}

func addr(s string) (a [16]byte) {
	copy(a[:], netip.MustParseAddr(s).AsSlice())
	return a
}

func tuple4(src, dst string, proto uint8, sp, dp uint16) flowtable.Tuple {
	return flowtable.Tuple{Src: addr(src), Dst: addr(dst), SrcPort: sp, DstPort: dp, Proto: proto, Family: flowtable.FamilyIPv4}
}

func tuple6(src, dst string, proto uint8, sp, dp uint16) flowtable.Tuple {
	tu := tuple4(src, dst, proto, sp, dp)
	tu.Family = flowtable.FamilyIPv6
	return tu
}

const (
	a4, b4 = "10.0.0.1", "192.0.2.9"
	a6, b6 = "2001:db8::1", "2001:db8:1::9"
)

var (
	h4 = IPv4{Src: a4, Dst: b4, ID: 7}
	r4 = IPv4{Src: b4, Dst: a4, ID: 8}
	h6 = IPv6{Src: a6, Dst: b6}
	r6 = IPv6{Src: b6, Dst: a6}
)

// TestParseFlow has rows that become a flow's packet.
func TestParseFlow(t *testing.T) {
	tab := newTable(t)
	tcp4 := tuple4(a4, b4, ProtoTCP, 1024, 80)
	rows := []struct {
		name   string
		layers []Layer
		want   flowtable.Tuple
		flags  Flags
		l3, l4 uint16
		data   uint16 // L4Payload
	}{
		{"tcp", []Layer{Ether{}, h4, TCP{Src: 1024, Dst: 80, Flags: "S"}, Data("xy")}, tcp4, FlagL4, 14, 34, 54},
		{"padding", []Layer{Ether{Min: 60}, h4, TCP{Src: 1024, Dst: 80}}, tcp4, FlagL4, 14, 34, 54},
		{"tcp options", []Layer{Ether{}, h4, TCP{Src: 1024, Dst: 80, Options: "\x02\x04\x05\xb4"}}, tcp4, FlagL4, 14, 34, 58},
		{"vlan", []Layer{Ether{}, VLAN{TCI: 0xa005}, h4, TCP{Src: 1024, Dst: 80}}, tcp4, FlagL4, 18, 38, 58},
		{"qinq", []Layer{Ether{}, VLAN{TPID: TypeQinQ, TCI: 7}, VLAN{TCI: 5}, h4, TCP{Src: 1024, Dst: 80}}, tcp4, FlagL4, 22, 42, 62},
		{"old qinq", []Layer{Ether{}, VLAN{TPID: 0x9100}, VLAN{TCI: 5}, h4, TCP{Src: 1024, Dst: 80}}, tcp4, FlagL4, 22, 42, 62},
		{"ip options", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, Options: "\x01\x01\x01\x00"}, TCP{Src: 1024, Dst: 80}}, tcp4, FlagL4 | FlagIPOptions, 14, 38, 58},
		{"wrong tcp checksum", []Layer{Ether{}, h4, TCP{Src: 1024, Dst: 80, Sum: SumWrong}}, tcp4, FlagL4, 14, 34, 54},
		{"udp", []Layer{Ether{}, h4, UDP{Src: 5, Dst: 6}, Data("x")}, tuple4(a4, b4, ProtoUDP, 5, 6), FlagL4, 14, 34, 42},
		{"udp shorter than ip", []Layer{Ether{}, h4, UDP{Src: 5, Dst: 6, Len: Say(8)}, Data("x")}, tuple4(a4, b4, ProtoUDP, 5, 6), FlagL4, 14, 34, 42},
		{"udplite", []Layer{Ether{}, h4, UDPLite{Src: 5, Dst: 6}}, tuple4(a4, b4, ProtoUDPLite, 5, 6), FlagL4, 14, 34, 42},
		{"udplite coverage", []Layer{Ether{}, h4, UDPLite{Src: 5, Dst: 6, Coverage: 9}, Data("xyz")}, tuple4(a4, b4, ProtoUDPLite, 5, 6), FlagL4, 14, 34, 42},
		{"sctp", []Layer{Ether{}, h4, SCTP{Src: 5, Dst: 6}}, tuple4(a4, b4, ProtoSCTP, 5, 6), FlagL4, 14, 34, 46},
		{"dccp", []Layer{Ether{}, h4, DCCP{Src: 5, Dst: 6}}, tuple4(a4, b4, ProtoDCCP, 0, 0), FlagL4, 14, 34, 46},
		{"echo", []Layer{Ether{}, h4, ICMP{Type: 8, Code: 1, ID: 77}}, tuple4(a4, b4, ProtoICMP, 77, 8<<8|1), FlagL4, 14, 34, 42},
		{"mask reply", []Layer{Ether{}, h4, ICMP{Type: 18, ID: 77}}, tuple4(a4, b4, ProtoICMP, 77, 18<<8), FlagL4, 14, 34, 42},
		{"gre", []Layer{Ether{}, h4, GRE{}}, tuple4(a4, b4, ProtoGRE, 0, 0), 0, 14, 34, 34},
		{"gre cut off", []Layer{Ether{}, h4, Proto(ProtoGRE), Data("\x00\x01")}, tuple4(a4, b4, ProtoGRE, 0, 0), 0, 14, 34, 34},
		{"pptp gre", []Layer{Ether{}, h4, GRE{Version: 1, Key: 300}}, tuple4(a4, b4, ProtoGRE, 0, 300), 0, 14, 34, 34},
		{"esp", []Layer{Ether{}, h4, Proto(50), Data("secret")}, tuple4(a4, b4, 50, 0, 0), 0, 14, 34, 34},
		{"nothing behind ip", []Layer{Ether{}, h4, Proto(200)}, tuple4(a4, b4, 200, 0, 0), 0, 14, 34, 34},
		{"ah in ipv4", []Layer{Ether{}, h4, Proto(51), Data("x")}, tuple4(a4, b4, 51, 0, 0), 0, 14, 34, 34},
		{"tcp6", []Layer{Ether{}, h6, TCP{Src: 1024, Dst: 80}}, tuple6(a6, b6, ProtoTCP, 1024, 80), FlagL4, 14, 54, 74},
		{"echo6", []Layer{Ether{}, h6, ICMPv6{Type: 129, ID: 3}}, tuple6(a6, b6, ProtoICMPv6, 3, 129<<8), FlagL4, 14, 54, 62},
		{"node query", []Layer{Ether{}, h6, ICMPv6{Type: 139, ID: 3}}, tuple6(a6, b6, ProtoICMPv6, 3, 139<<8), FlagL4, 14, 54, 62},
		{"all extension headers", []Layer{Ether{}, h6, Ext{Kind: HopByHop}, Ext{Kind: DestOpts, Body: "\xc7\x01x"}, Ext{Kind: Routing}, Ext{Kind: Auth}, UDP{Src: 5, Dst: 6}},
			tuple6(a6, b6, ProtoUDP, 5, 6), FlagL4 | FlagExtHeaders, 14, 90, 98},
		{"atomic fragment", []Layer{Ether{}, h6, Fragment{ID: 5}, UDP{Src: 5, Dst: 6}}, tuple6(a6, b6, ProtoUDP, 5, 6), FlagL4 | FlagExtHeaders, 14, 62, 70},
		{"router alert", []Layer{Ether{}, h6, Ext{Kind: HopByHop, Body: "\x05\x02\x00\x00"}, UDP{Src: 5, Dst: 6}}, tuple6(a6, b6, ProtoUDP, 5, 6), FlagL4 | FlagExtHeaders, 14, 62, 70},
		{"esp6", []Layer{Ether{}, h6, Proto(50), Data("x")}, tuple6(a6, b6, 50, 0, 0), 0, 14, 54, 54},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := dirty(Build(r.layers...))
			if d := Parse(p, tab); d != DropNone {
				t.Fatalf("drop %v", d)
			}
			if p.Kind != flowtable.KindFlow || p.Reason != 0 || p.Tuple != r.want {
				t.Errorf("kind %d reason %v tuple %+v, want %+v", p.Kind, p.Reason, p.Tuple, r.want)
			}
			if p.Hash != tab.Hash(&r.want) {
				t.Error("hash")
			}
			if p.Misdirected || p.Foreign || p.Dir != 0 || p.Info != flowtable.InfoInvalid || p.Owner != 0 || p.Entry != 0 {
				t.Errorf("conntrack's part is not reset: %+v", p.Probe)
			}
			if p.Flags != r.flags || p.L3 != r.l3 || p.L4 != r.l4 || p.L4Payload != r.data {
				t.Errorf("flags %b l3 %d l4 %d payload %d, want %b %d %d %d", p.Flags, p.L3, p.L4, p.L4Payload, r.flags, r.l3, r.l4, r.data)
			}
			d, err := Decode(p.Data)
			if err != nil {
				t.Fatal(err)
			}
			if int(p.Bytes) != d.IPLen || len(p.IP()) != d.IPLen || p.Proto != d.Proto || p.TTL() != d.TTL || p.EtherType != d.EtherType {
				t.Errorf("bytes %d proto %d ttl %d type %#x: %v", p.Bytes, p.Proto, p.TTL(), p.EtherType, d)
			}
			if int(p.VLANs) != len(d.Tags) {
				t.Errorf("%d tags, want %v", p.VLANs, d.Tags)
			}
			for i, tci := range d.Tags {
				if p.VLAN[i] != tci {
					t.Errorf("tag %d is %#x", i, p.VLAN[i])
				}
			}
			if p.Proto == ProtoTCP {
				letters := ""
				for i, c := range TCPFlags {
					if p.Probe.Flags>>i&1 != 0 {
						letters += string(c)
					}
				}
				if p.Seq != d.Seq || p.Ack != d.Ack || p.Window != d.Window || letters != d.Flags || int(p.Payload) != len(d.Payload) {
					t.Errorf("tcp fields: %+v, want %v", p.Probe, d)
				}
			}
			if p.OutPort != NoPort || p.InPort != 3 || p.Serial != 4 || p.Mark != 0 || p.Rule != 0 || p.Ct != nil {
				t.Error("the dataplane's fields are not reset, or the caller's are")
			}
		})
	}
}

// TestParseInvalid has rows that pass, but without a flow.
func TestParseInvalid(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		name   string
		layers []Layer
		kind   flowtable.Kind
		reason flowtable.Reason
		flags  Flags
	}{
		{"tcp too short", []Layer{Ether{}, h4, Proto(6), Zeros(19)}, flowtable.KindInvalid, flowtable.ReasonTruncated, 0},
		{"tcp offset below 5", []Layer{Ether{}, h4, TCP{DataOffset: Say(4)}}, flowtable.KindInvalid, flowtable.ReasonMalformed, FlagL4},
		{"tcp offset beyond", []Layer{Ether{}, h4, TCP{DataOffset: Say(6)}}, flowtable.KindInvalid, flowtable.ReasonMalformed, FlagL4},
		{"udp too short", []Layer{Ether{}, h4, Proto(17), Zeros(7)}, flowtable.KindInvalid, flowtable.ReasonTruncated, 0},
		{"udp length 7", []Layer{Ether{}, h4, UDP{Len: Say(7)}}, flowtable.KindInvalid, flowtable.ReasonLength, FlagL4},
		{"udp length beyond", []Layer{Ether{}, h4, UDP{Len: Say(9)}}, flowtable.KindInvalid, flowtable.ReasonLength, FlagL4},
		{"udplite coverage 7", []Layer{Ether{}, h4, UDPLite{Coverage: 7}}, flowtable.KindInvalid, flowtable.ReasonLength, FlagL4},
		{"udplite coverage beyond", []Layer{Ether{}, h4, UDPLite{Coverage: 9}}, flowtable.KindInvalid, flowtable.ReasonLength, FlagL4},
		{"sctp too short", []Layer{Ether{}, h4, Proto(132), Zeros(11)}, flowtable.KindInvalid, flowtable.ReasonTruncated, 0},
		{"icmp too short", []Layer{Ether{}, h4, Proto(1), Zeros(7)}, flowtable.KindInvalid, flowtable.ReasonICMPShort, 0},
		{"icmp type 6", []Layer{Ether{}, h4, ICMP{Type: 6}}, flowtable.KindInvalid, flowtable.ReasonNoInverse, FlagL4},
		{"icmp type 19", []Layer{Ether{}, h4, ICMP{Type: 19}}, flowtable.KindInvalid, flowtable.ReasonICMPType, FlagL4},
		{"icmp in ipv6", []Layer{Ether{}, h6, ICMP{Type: 8}}, flowtable.KindInvalid, flowtable.ReasonMalformed, 0},
		{"icmpv6 in ipv4", []Layer{Ether{}, h4, ICMPv6{Type: 128}}, flowtable.KindInvalid, flowtable.ReasonMalformed, 0},
		{"icmpv6 type 200", []Layer{Ether{}, h6, ICMPv6{Type: 200}}, flowtable.KindInvalid, flowtable.ReasonNoInverse, FlagL4},
		{"pptp gre of no ppp", []Layer{Ether{}, h4, GRE{Version: 1, Proto: 0x800}}, flowtable.KindInvalid, flowtable.ReasonGRE, 0},
		{"mld query", []Layer{Ether{}, h6, ICMPv6{Type: 130}}, flowtable.KindUntracked, 0, FlagL4},
		{"neighbour advertisement", []Layer{Ether{}, h6, ICMPv6{Type: 136}}, flowtable.KindUntracked, 0, FlagL4},
		{"mldv2 report", []Layer{Ether{}, h6, Ext{Kind: HopByHop, Body: "\x05\x02\x00\x00"}, ICMPv6{Type: 143}}, flowtable.KindUntracked, 0, FlagL4 | FlagExtHeaders},
		{"first fragment", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{}, Zeros(8)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagL4 | FlagFragment},
		{"tiny first fragment", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, Proto(6), Zeros(16)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment},
		{"later fragment", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, MF: true, Offset: 1}, UDP{}, Zeros(8)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagLaterFrag},
		{"last fragment", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, Offset: 1}, UDP{}}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagLaterFrag},
		{"first fragment6", []Layer{Ether{}, h6, Fragment{More: true}, Ext{Kind: DestOpts}, UDP{}, Zeros(8)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagL4 | FlagFragment | FlagExtHeaders},
		{"first fragment6 cut in its headers", []Layer{Ether{}, h6, Fragment{More: true}, Ext{Kind: DestOpts, Len: Say(9)}}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagExtHeaders},
		{"last fragment6", []Layer{Ether{}, h6, Fragment{Offset: 1}, UDP{}}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagLaterFrag | FlagExtHeaders},
		{"no next header", []Layer{Ether{}, h6}, flowtable.KindInvalid, flowtable.ReasonMalformed, FlagExtHeaders},
		{"extension header beyond the end", []Layer{Ether{}, h6, Ext{Kind: DestOpts, Len: Say(3)}, UDP{}}, flowtable.KindInvalid, flowtable.ReasonTruncated, FlagExtHeaders},
		{"extension header that is not there", []Layer{Ether{}, h6, Proto(DestOpts)}, flowtable.KindInvalid, flowtable.ReasonMalformed, FlagExtHeaders | FlagNoProto},
		{"last fragment6 of options", []Layer{Ether{}, h6, Fragment{Offset: 1}, Proto(DestOpts), Zeros(8)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagLaterFrag | FlagExtHeaders | FlagNoProto},
		{"last fragment6 of nothing", []Layer{Ether{}, h6, Fragment{Offset: 1}, Proto(NoNext), Zeros(8)}, flowtable.KindInvalid, flowtable.ReasonFragment, FlagFragment | FlagLaterFrag | FlagExtHeaders},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := dirty(Build(r.layers...))
			if d := Parse(p, tab); d != DropNone {
				t.Fatalf("drop %v", d)
			}
			if p.Kind != r.kind || p.Reason != r.reason || p.Flags != r.flags {
				t.Errorf("kind %d reason %v flags %b, want %d %v %b", p.Kind, p.Reason, p.Flags, r.kind, r.reason, r.flags)
			}
			if p.Info != flowtable.InfoInvalid { // to rules in front of conntrack
				t.Errorf("info %d", p.Info)
			}
		})
	}
}

// TestParseDrop has rows that go no further.
func TestParseDrop(t *testing.T) {
	tab := newTable(t)
	hops := func(body string) []byte { return Build(Ether{}, h6, Ext{Kind: HopByHop, Body: body}, UDP{}) }
	many, long := []Layer{Ether{}, h6}, strings.Repeat("\x00", 1022)
	for range maxExtBytes/len(long) + 1 {
		many = append(many, Ext{Kind: DestOpts, Body: long})
	}
	rows := []struct {
		name string
		b    []byte
		want Drop
	}{
		{"empty", nil, DropShort},
		{"13 bytes", make([]byte, 13), DropShort},
		{"tag cut off", Build(Ether{Type: TypeVLAN}, Zeros(3)), DropShort},
		{"more than 64 KiB", make([]byte, maxFrame+1), DropOversize},
		{"ipv4 cut off", Build(Ether{Type: TypeIPv4}, Data("\x45"), Zeros(18)), DropShort},
		{"ipv4 says 6", Build(Ether{}, IPv4{Src: a4, Dst: b4, Version: Say(6)}, UDP{}), DropIPVersion},
		{"ihl 4", Build(Ether{}, IPv4{Src: a4, Dst: b4, IHL: Say(4)}, UDP{}), DropIPHeader},
		{"ihl beyond", Build(Ether{}, IPv4{Src: a4, Dst: b4, IHL: Say(15)}, UDP{}), DropShort},
		{"ipv4 checksum", Build(Ether{}, IPv4{Src: a4, Dst: b4, Sum: SumWrong}, UDP{}), DropIPChecksum},
		{"ipv4 checksum zero", Build(Ether{}, IPv4{Src: a4, Dst: b4, Sum: SumZero}, UDP{}), DropIPChecksum},
		{"ipv4 checksum with options", Build(Ether{}, IPv4{Src: a4, Dst: b4, Options: "\x01", Sum: SumWrong}, UDP{}), DropIPChecksum},
		{"total length beyond", Build(Ether{}, IPv4{Src: a4, Dst: b4, Len: Say(29)}, UDP{}), DropIPTruncated},
		{"total length below header", Build(Ether{}, IPv4{Src: a4, Dst: b4, Len: Say(19)}, UDP{}), DropIPHeader},
		{"ipv6 cut off", Build(Ether{Type: TypeIPv6}, Data("\x60"), Zeros(38)), DropShort},
		{"ipv6 says 4", Build(Ether{}, IPv6{Src: a6, Dst: b6, Version: Say(4)}, UDP{}), DropIPVersion},
		{"payload length beyond", Build(Ether{}, IPv6{Src: a6, Dst: b6, Len: Say(9)}, UDP{}), DropIPTruncated},
		{"ipv6 loopback source", Build(Ether{}, IPv6{Src: "::1", Dst: b6}, UDP{}), DropIPAddress},
		{"ipv6 loopback destination", Build(Ether{}, IPv6{Src: a6, Dst: "::1"}, UDP{}), DropIPAddress},
		{"ipv6 multicast source", Build(Ether{}, IPv6{Src: "ff02::1", Dst: b6}, UDP{}), DropIPAddress},
		{"ipv6 mapped source", Build(Ether{}, IPv6{Src: "::ffff:1.2.3.4", Dst: b6}, UDP{}), DropIPAddress},
		{"ipv6 interface-local", Build(Ether{}, IPv6{Src: a6, Dst: "ff01::1"}, UDP{}), DropIPAddress},
		{"jumbo option", hops("\xc2\x04\x00\x01\x00\x00"), DropIPv6Extension},
		{"hop option that says drop", hops("\x40\x00"), DropIPv6Extension},
		{"hop option beyond header", hops("\x05\x09\x00\x00"), DropIPv6Extension},
		{"router alert of 3 bytes", hops("\x05\x03\x00\x00\x00"), DropIPv6Extension},
		{"padding of 8 bytes", hops("\x01\x06\x00\x00\x00\x00\x00\x00"), DropIPv6Extension},
		{"padding not zero", hops("\x01\x04\x00\x00\x01\x00"), DropIPv6Extension},
		{"nine options", hops(strings.Repeat("\x1e\x00", 9)), DropIPv6Extension},
		{"hop-by-hop beyond the end", Build(Ether{}, h6, Ext{Kind: HopByHop, Len: Say(2)}, UDP{}), DropIPv6Extension},
		{"too many headers", Build(append(many, UDP{})...), DropIPv6Extension},
	}
	for _, r := range rows {
		p := dirty(r.b)
		if d := Parse(p, tab); d != r.want {
			t.Errorf("%s: %v, want %v", r.name, d, r.want)
		}
		if p.Family != flowtable.FamilyNone || p.Kind != flowtable.KindInvalid {
			t.Errorf("%s: a dropped packet has family %d, kind %d", r.name, p.Family, p.Kind)
		}
	}
}

// TestParseLargest has what joined fragments come to, the link header on top.
func TestParseLargest(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		name string
		b    []byte
	}{
		{"ipv4", Build(Ether{}, VLAN{TCI: 1}, VLAN{TCI: 2}, IPv4{Src: a4, Dst: b4}, UDP{}, Zeros(0xffff-ip4Len-8))},
		{"ipv6", Build(Ether{}, VLAN{TCI: 1}, VLAN{TCI: 2}, h6, UDP{}, Zeros(0xffff-8))},
	}
	for _, r := range rows {
		p := dirty(r.b)
		if d := Parse(p, tab); d != DropNone || int(p.End) != len(r.b) || p.Reason != flowtable.ReasonNone || !p.ChecksumOK() {
			t.Errorf("%s: %v, end %d of %d, reason %v, checksum %v", r.name, d, p.End, len(r.b), p.Reason, p.ChecksumOK())
		}
	}
}

func TestParseNonIP(t *testing.T) {
	tab := newTable(t)
	tags := []Layer{Ether{}, VLAN{TCI: 1}, VLAN{TCI: 2}, VLAN{TCI: 3}, h4, UDP{}}
	rows := []struct {
		name  string
		b     []byte
		et    uint16
		l3    uint16
		vlans uint8
	}{
		{"arp", Build(Ether{Min: 60}, ARP{Sender: a4, Target: b4}), EtherARP, 14, 0},
		{"tagged arp", Build(Ether{}, VLAN{TCI: 1}, ARP{Sender: a4, Target: b4}), EtherARP, 18, 1},
		{"three tags", Build(tags...), EtherVLAN, 22, 2},
		{"802.3", Build(Ether{Type: 4}, Data("abcd")), 4, 14, 0},
		{"nothing behind ethernet", Build(Ether{Type: 0x88cc}), 0x88cc, 14, 0},
	}
	for _, r := range rows {
		p := dirty(r.b)
		if d := Parse(p, tab); d != DropNone {
			t.Errorf("%s: drop %v", r.name, d)
		}
		if p.Family != flowtable.FamilyNone || p.EtherType != r.et || p.L3 != r.l3 || p.VLANs != r.vlans || int(p.End) != len(r.b) {
			t.Errorf("%s: %+v", r.name, p)
		}
	}
}

func TestDropNames(t *testing.T) {
	seen := map[string]Drop{}
	for d := range DropCount {
		s := d.String()
		if other, twice := seen[s]; s == "" || twice {
			t.Errorf("drop %d is called %q like %d", d, s, other)
		}
		seen[s] = d
	}
	if DropCount.String() != "unknown" {
		t.Error("a value without a name has one")
	}
}
