package packet

import (
	"bytes"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// redirect6 is the body of an ICMPv6 redirect up to the quoted packet.
func redirect6(option string) Data { return Zeros(32) + Data(option) }

func TestParseError(t *testing.T) {
	tab := newTable(t)
	ll := IPv6{Src: "fe80::1", Dst: a6, Hops: 255}
	quoted := tuple4(b4, a4, ProtoUDP, 80, 1024) // the answer to h4's UDP
	rows := []struct {
		name   string
		layers []Layer
		want   flowtable.Tuple
		astray bool // Misdirected
		reason flowtable.Reason
	}{
		{"port unreachable", []Layer{Ether{}, r4, ICMP{Type: 3, Code: 3}, h4, UDP{Src: 1024, Dst: 80}}, quoted, false, 0},
		{"from a router", []Layer{Ether{}, IPv4{Src: "172.16.0.1", Dst: a4}, ICMP{Type: 11}, h4, UDP{Src: 1024, Dst: 80}}, quoted, false, 0},
		{"eight bytes are enough", []Layer{Ether{}, r4, ICMP{Type: 3, Code: 4}, Cut(28), h4, TCP{Src: 1024, Dst: 80}}, tuple4(b4, a4, ProtoTCP, 80, 1024), false, 0},
		{"quoted options", []Layer{Ether{}, r4, ICMP{Type: 12}, IPv4{Src: a4, Dst: b4, Options: "\x01\x01"}, UDP{Src: 1024, Dst: 80}}, quoted, false, 0},
		{"quoted first fragment", []Layer{Ether{}, r4, ICMP{Type: 3}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{Src: 1024, Dst: 80}}, quoted, false, 0},
		{"quoted echo", []Layer{Ether{}, r4, ICMP{Type: 4}, h4, ICMP{Type: 8, ID: 7}}, tuple4(b4, a4, ProtoICMP, 7, 0), false, 0},
		{"quoted echo reply", []Layer{Ether{}, r4, ICMP{Type: 5}, h4, ICMP{Type: 0, ID: 7}}, tuple4(b4, a4, ProtoICMP, 7, 8<<8), false, 0},
		{"quoted esp without a byte", []Layer{Ether{}, r4, ICMP{Type: 3}, h4, Proto(50)}, tuple4(b4, a4, 50, 0, 0), false, 0},
		{"to somebody else", []Layer{Ether{}, IPv4{Src: b4, Dst: "10.0.0.77"}, ICMP{Type: 3}, h4, UDP{Src: 1024, Dst: 80}}, quoted, true, 0},
		{"three bytes are not", []Layer{Ether{}, r4, ICMP{Type: 3}, Cut(23), h4, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"nothing quoted", []Layer{Ether{}, r4, ICMP{Type: 3}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"quoted header cut off", []Layer{Ether{}, r4, ICMP{Type: 3}, Cut(19), h4, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"quoted later fragment", []Layer{Ether{}, r4, ICMP{Type: 3}, IPv4{Src: a4, Dst: b4, Offset: 1}, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"quoted ipv6", []Layer{Ether{}, r4, ICMP{Type: 3}, h6, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"quoted header of 4 words", []Layer{Ether{}, r4, ICMP{Type: 3}, IPv4{Src: a4, Dst: b4, IHL: Say(4)}, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"error about an error", []Layer{Ether{}, r4, ICMP{Type: 3}, h4, ICMP{Type: 3}, r4, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"too big", []Layer{Ether{}, r6, ICMPv6{Type: 2, Info: 1280}, h6, TCP{Src: 1024, Dst: 80}}, tuple6(b6, a6, ProtoTCP, 80, 1024), false, 0},
		{"unknown error type 100", []Layer{Ether{}, r6, ICMPv6{Type: 100}, h6, UDP{Src: 1024, Dst: 80}}, tuple6(b6, a6, ProtoUDP, 80, 1024), false, 0},
		{"quoted extension headers", []Layer{Ether{}, r6, ICMPv6{Type: 1}, h6, Ext{Kind: HopByHop}, Fragment{}, Ext{Kind: DestOpts}, UDP{Src: 1024, Dst: 80}}, tuple6(b6, a6, ProtoUDP, 80, 1024), false, 0},
		{"quoted echo6", []Layer{Ether{}, r6, ICMPv6{Type: 3}, h6, ICMPv6{Type: 128, ID: 7}}, tuple6(b6, a6, ProtoICMPv6, 7, 129<<8), false, 0},
		{"quoted neighbour solicitation", []Layer{Ether{}, r6, ICMPv6{Type: 3}, h6, ICMPv6{Type: 135}}, flowtable.Tuple{}, false, flowtable.ReasonICMPInner},
		{"redirect6", []Layer{Ether{}, ll, ICMPv6{Type: 137}, redirect6("\x04\x07\x00\x00\x00\x00\x00\x00"), h6, UDP{Src: 1024, Dst: 80}}, tuple6(b6, a6, ProtoUDP, 80, 1024), false, 0},
		{"redirect6 from afar", []Layer{Ether{}, IPv6{Src: "fe80::1", Dst: a6, Hops: 254}, ICMPv6{Type: 137}, redirect6("\x04\x07\x00\x00\x00\x00\x00\x00"), h6, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonRedirect},
		{"redirect6 from a global address", []Layer{Ether{}, IPv6{Src: b6, Dst: a6, Hops: 255}, ICMPv6{Type: 137}, redirect6("\x04\x07\x00\x00\x00\x00\x00\x00"), h6, UDP{}}, flowtable.Tuple{}, false, flowtable.ReasonRedirect},
		{"redirect6 of code 1", []Layer{Ether{}, ll, ICMPv6{Type: 137, Code: 1}, Zeros(32)}, flowtable.Tuple{}, false, flowtable.ReasonNoInverse},
		{"redirect6 with another option", []Layer{Ether{}, ll, ICMPv6{Type: 137}, redirect6("\x02\x01\x00\x00\x00\x00\x00\x00")}, flowtable.Tuple{}, false, flowtable.ReasonNoInverse},
		{"redirect6 cut off", []Layer{Ether{}, ll, ICMPv6{Type: 137}, Zeros(31)}, flowtable.Tuple{}, false, flowtable.ReasonICMPShort},
		{"redirect6 without packet", []Layer{Ether{}, ll, ICMPv6{Type: 137}, Zeros(32)}, flowtable.Tuple{}, false, flowtable.ReasonRedirect},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := parsed(t, tab, Build(r.layers...))
			if p.Reason != r.reason {
				t.Fatalf("reason %v, want %v", p.Reason, r.reason)
			}
			if r.reason != 0 {
				if p.Kind != flowtable.KindInvalid || p.Flags&FlagRelatedError != 0 {
					t.Fatalf("kind %d flags %b", p.Kind, p.Flags)
				}
				return
			}
			if p.Kind != flowtable.KindError || p.Flags&FlagRelatedError == 0 || p.Tuple != r.want || p.Misdirected != r.astray {
				t.Fatalf("kind %d misdirected %t tuple %+v, want %+v", p.Kind, p.Misdirected, p.Tuple, r.want)
			}
			if p.Hash != tab.Hash(&r.want) {
				t.Error("hash")
			}
		})
	}
}

// TestRewriteInner undoes a translation in quoted packets of all protocols, cut
// at every length, and verifies every checksum that is there.
func TestRewriteInner(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		if s.name == "neighbour solicitation" {
			t.Skip("no error about it has a tuple")
		}
		outer, icmp, ip := Layer(r4), Layer(ICMP{Type: 3, Code: 3}), Layer(h4)
		if v6 {
			outer, icmp, ip = r6, ICMPv6{Type: 1, Code: 4}, h6
		}
		for cut := 20; cut < 120; cut++ {
			data := randomData(r, r.IntN(30))
			b := Build(append([]Layer{Ether{}, outer, icmp, Cut(cut), ip}, append(s.layers, data)...)...)
			p := dirty(b)
			if d := Parse(p, tab); d != DropNone {
				t.Fatal(d)
			}
			if p.Kind != flowtable.KindError {
				continue // too short: TestParseError's matter
			}
			first := bytes.Clone(b)
			src, dst, sp, dp := randomAddr(r, v6), randomAddr(r, v6), randomPort(r), randomPort(r)
			want := DropNone
			if (needsHeader(p.Tuple.Proto) || p.Tuple.Proto == protoGRE) && cut < map[bool]int{false: 28, true: 48}[v6] {
				want = DropNAT // its flow is known by less
			}
			if d := p.rewriteInner(&src, &dst, sp, dp); d != want {
				t.Fatalf("cut %d: %v, want %v", cut, d, want)
			}
			if want != DropNone {
				if !bytes.Equal(b, first) {
					t.Fatalf("cut %d: changed", cut)
				}
				continue
			}
			if s.name != "sctp" { // its CRC is that of the part that is quoted
				if err := VerifyChecksums(b); err != nil {
					t.Fatalf("cut %d: %v", cut, err)
				}
			}
			if !p.SetDstOK(&src) {
				t.Fatal("outer destination")
			}
			d, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if !p.ChecksumOK() || addr(d.Inner.Src.String()) != src || addr(d.Inner.Dst.String()) != dst {
				t.Fatalf("cut %d: %v", cut, d)
			}
			if hasPorts(d.Inner.Proto) && (d.Inner.SrcPort != sp || d.Inner.DstPort != dp) {
				t.Fatalf("ports %d %d: %v", sp, dp, d)
			}
			if d.Type != p.Transport()[0] || d.Info != 0 {
				t.Fatal("the error's own header changed")
			}
			// And back.
			old := p.Tuple
			sport, dport := old.DstPort, old.SrcPort
			if d.Inner.Proto == protoICMP || d.Inner.Proto == protoICMPv6 {
				sport, dport = old.SrcPort, 0
				if d.Inner.ICMPID != sp {
					t.Fatalf("id: %v", d)
				}
			}
			if p.rewriteInner(&old.Dst, &old.Src, sport, dport) != DropNone || !p.SetDstOK(&old.Dst) || s.name != "sctp" && !bytes.Equal(b, first) {
				t.Fatalf("cut %d: there and back\n%x\n%x", cut, first, b)
			}
		}
	})
}

// rewriteInner changes both halves.
func (p *Packet) rewriteInner(src, dst *[16]byte, sport, dport uint16) Drop {
	if p.Tuple.Proto == protoICMP || p.Tuple.Proto == protoICMPv6 {
		dport = sport // the identifier
	}
	if d := p.RewriteInner(src, sport, false); d != DropNone {
		return d
	}
	return p.RewriteInner(dst, dport, true)
}

// SetDstOK sets the outer destination with a port that must not matter.
func (p *Packet) SetDstOK(a *[16]byte) bool { return p.SetDst(a, 0x7777) == DropNone }

// TestRewriteInnerShort: of a TCP header that is not whole the checksum stays,
// even if it is quoted, and a call id is the destination's.
func TestRewriteInnerShort(t *testing.T) {
	tab, a := newTable(t), addr("10.9.9.9")
	for cut := 28; cut <= 40; cut++ {
		b := Build(Ether{}, r4, ICMP{Type: 3, Code: 3}, Cut(cut), h4, TCP{Src: 1, Dst: 2})
		p := parsed(t, tab, b)
		tcp := p.Transport()[icmpLen+ip4Len:]
		before := bytes.Clone(tcp)
		if d := p.rewriteInner(&a, &a, 7, 8); d != DropNone || be16(tcp) != 7 || be16(tcp[2:]) != 8 {
			t.Fatalf("cut %d: %v", cut, d)
		}
		if changed := !bytes.Equal(before[4:], tcp[4:]); changed != (cut == 40) {
			t.Errorf("cut %d: checksum changed: %v", cut, changed)
		}
	}
	for _, row := range []struct {
		version uint8
		half    bool
		want    Drop
		key     uint16
	}{{0, true, DropNone, 5}, {1, true, DropNone, 9}, {1, false, DropNone, 5}, {2, true, DropNAT, 5}, {2, false, DropNone, 5}} {
		p := parsed(t, tab, Build(Ether{}, r4, ICMP{Type: 3, Code: 3}, h4, GRE{Version: 1, Key: 5}, Zeros(4)))
		gre := p.Transport()[icmpLen+ip4Len:]
		gre[1] = row.version
		if d := p.RewriteInner(&a, 9, row.half); d != row.want || be16(gre[greCallID:]) != row.key {
			t.Errorf("GRE version %d, half %v: %v, key %d, want %v and %d", row.version, row.half, d, be16(gre[greCallID:]), row.want, row.key)
		}
	}
}

func TestRewriteInnerRefuses(t *testing.T) {
	tab := newTable(t)
	a := addr("10.9.9.9")
	rows := map[string][]byte{
		"redirect":  Build(Ether{}, r4, ICMP{Type: 5}, h4, UDP{}),
		"redirect6": Build(Ether{}, IPv6{Src: "fe80::1", Dst: a6, Hops: 255}, ICMPv6{Type: 137}, redirect6("\x04\x07\x00\x00\x00\x00\x00\x00"), h6, UDP{}),
		"tcp":       Build(Ether{}, h4, TCP{}),
		"no inner":  Build(Ether{}, h4, ICMP{Type: 3}),
	}
	for name, b := range rows {
		p := parsed(t, tab, b)
		first := bytes.Clone(b)
		if p.RewriteInner(&a, 2, true) != DropNAT || !bytes.Equal(b, first) {
			t.Errorf("%s: rewritten", name)
		}
	}
}
