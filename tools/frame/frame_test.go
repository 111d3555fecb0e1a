package frame

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	v4 = IPv4{Src: "10.0.0.1", Dst: "192.0.2.9", ID: 7}
	v6 = IPv6{Src: "2001:db8::1", Dst: "2001:db8:1::9"}
)

// TestAgainstGopacket has another implementation read what Build wrote and
// verify its checksums.
func TestAgainstGopacket(t *testing.T) {
	rows := []struct {
		name   string
		layers []Layer
		want   []gopacket.LayerType
	}{
		{"tcp", []Layer{Ether{}, v4, TCP{Src: 1, Dst: 2, Flags: "SA", Options: "\x02\x04\x05\xb4"}, Data("odd")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeTCP}},
		{"vlan udp", []Layer{Ether{}, VLAN{TCI: 5}, v4, UDP{Src: 1, Dst: 2}, Data("x")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeIPv4, layers.LayerTypeUDP}},
		{"qinq icmp", []Layer{Ether{}, VLAN{TPID: TypeQinQ, TCI: 9}, VLAN{TCI: 5}, v4, ICMP{Type: 8, ID: 3, Seq: 4}, Data("ping")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeDot1Q, layers.LayerTypeIPv4, layers.LayerTypeICMPv4}},
		{"options", []Layer{Ether{}, IPv4{Src: "1.2.3.4", Dst: "4.3.2.1", Options: "\x01\x01\x01"}, UDP{Src: 1, Dst: 2}},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeUDP}},
		{"tcp6", []Layer{Ether{}, v6, TCP{Src: 1, Dst: 2, Flags: "A"}, Data("hello")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv6, layers.LayerTypeTCP}},
		{"udp6 behind options", []Layer{Ether{}, v6, Ext{Kind: DestOpts}, UDP{Src: 1, Dst: 2}, Data("hello")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv6, layers.LayerTypeIPv6Destination, layers.LayerTypeUDP}},
		{"icmp6", []Layer{Ether{}, v6, ICMPv6{Type: 128, ID: 9}, Data("hello")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv6, layers.LayerTypeICMPv6, layers.LayerTypeICMPv6Echo}},
		{"sctp", []Layer{Ether{}, v4, SCTP{Src: 1, Dst: 2, Tag: 3}},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeSCTP}},
		{"error", []Layer{Ether{}, v4, ICMP{Type: 3, Code: 3}, Cut(28), IPv4{Src: "192.0.2.9", Dst: "10.0.0.1"}, UDP{Src: 5, Dst: 6}, Data("lost")},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeICMPv4}},
		{"arp", []Layer{Ether{}, ARP{Sender: "10.0.0.1", Target: "10.0.0.2"}},
			[]gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeARP}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			b := Build(r.layers...)
			p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
			if e := p.ErrorLayer(); e != nil {
				t.Fatal(e.Error())
			}
			for i, want := range r.want {
				if i >= len(p.Layers()) || p.Layers()[i].LayerType() != want {
					t.Fatalf("layer %d is not %v in %v", i, want, p)
				}
			}
			for _, l := range p.Layers() {
				if l, ok := l.(interface {
					SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
				}); ok {
					if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err, bad := p.VerifyChecksums(); err != nil || len(bad) != 0 {
				t.Errorf("checksums: %v %v", err, bad)
			}
			if err := VerifyChecksums(b); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	rows := []struct {
		name string
		b    []byte
		want string
	}{
		{"tcp", Build(Ether{Min: 60}, v4, TCP{Src: 1024, Dst: 80, Flags: "SA"}), "10.0.0.1:1024 > 192.0.2.9:80 tcp SA ttl 64 len 40"},
		{"vlan", Build(Ether{}, VLAN{TCI: 0x2005}, v4, UDP{Src: 1, Dst: 2}), "vlan 5 10.0.0.1:1 > 192.0.2.9:2 udp ttl 64 len 28"},
		{"echo6", Build(Ether{}, v6, ICMPv6{Type: 128, ID: 9}), "2001:db8::1 > 2001:db8:1::9 icmpv6 128/0 id 9 ttl 64 len 48"},
		{"error", Build(Ether{}, v4, ICMP{Type: 3, Code: 1}, Cut(28), IPv4{Src: "192.0.2.9", Dst: "10.9.9.9"}, TCP{Src: 5, Dst: 6}),
			"10.0.0.1 > 192.0.2.9 icmp 3/1 ttl 64 len 56 [192.0.2.9:5 > 10.9.9.9:6 tcp ttl 64 len 40]"},
		{"later fragment", Build(Ether{}, IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", ID: 5, Offset: 3, Proto: ProtoUDP}, Data("12345678")),
			"10.0.0.1 > 10.0.0.2 udp ttl 64 len 28 frag 5@24 mf false"},
		{"fragment6", Build(Ether{}, v6, Fragment{ID: 5, More: true}, UDP{Src: 1, Dst: 2}, Data("12345678")),
			"[2001:db8::1]:1 > [2001:db8:1::9]:2 udp ttl 64 len 64 frag 5@0 mf true"},
		{"ext", Build(Ether{}, v6, Ext{Kind: HopByHop, Body: "\x05\x02\x00\x00"}, Ext{Kind: Routing}, Ext{Kind: Auth}, UDP{Src: 1, Dst: 2}),
			"[2001:db8::1]:1 > [2001:db8:1::9]:2 udp ttl 64 len 76"},
	}
	for _, r := range rows {
		d, err := Decode(r.b)
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
		} else if d.String() != r.want {
			t.Errorf("%s:\n got %s\nwant %s", r.name, d, r.want)
		}
	}
}

// TestVerifyFindsBreakage breaks each checksum and wants it named.
func TestVerifyFindsBreakage(t *testing.T) {
	rows := []struct {
		name   string
		layers []Layer
		want   string
	}{
		{"ipv4", []Layer{Ether{}, IPv4{Src: "1.1.1.1", Dst: "2.2.2.2", Sum: SumWrong}, UDP{}}, "ipv4 header"},
		{"tcp", []Layer{Ether{}, v4, TCP{Sum: SumWrong}}, "transport"},
		{"tcp bare", []Layer{Ether{}, v4, TCP{Sum: SumBare}, Data("x")}, "transport"},
		{"udp", []Layer{Ether{}, v6, UDP{Sum: SumWrong}}, "transport"},
		{"udplite", []Layer{Ether{}, v6, UDPLite{Sum: SumWrong}}, "transport"},
		{"dccp", []Layer{Ether{}, v6, DCCP{Sum: SumWrong}}, "transport"},
		{"icmp", []Layer{Ether{}, v4, ICMP{Type: 8, Sum: SumWrong}}, "transport"},
		{"icmpv6", []Layer{Ether{}, v6, ICMPv6{Type: 128, Sum: SumWrong}}, "transport"},
		{"sctp", []Layer{Ether{}, v4, SCTP{Sum: SumWrong}}, "sctp"},
		{"quoted ipv4", []Layer{Ether{}, v4, ICMP{Type: 3}, IPv4{Src: "1.1.1.1", Dst: "2.2.2.2", Sum: SumWrong}, UDP{}}, "ipv4 header"},
		{"quoted udp", []Layer{Ether{}, v4, ICMP{Type: 3}, v4, UDP{Sum: SumWrong}}, "transport"},
	}
	for _, r := range rows {
		if err := VerifyChecksums(Build(r.layers...)); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	if err := VerifyChecksums(Build(Ether{}, v4, UDP{Sum: SumZero})); err != nil {
		t.Errorf("udp without checksum: %v", err)
	}
}

// TestSplit joins the fragments again and wants the datagram back.
func TestSplit(t *testing.T) {
	long := Data(strings.Repeat("0123456789", 30))
	rows := map[string][]byte{
		"ipv4":           Build(Ether{}, v4, UDP{Src: 1, Dst: 2}, long),
		"ipv4 options":   Build(Ether{}, VLAN{TCI: 1}, IPv4{Src: "1.1.1.1", Dst: "2.2.2.2", Options: "\x01\x01"}, UDP{}, long),
		"ipv6":           Build(Ether{}, v6, UDP{Src: 1, Dst: 2}, long),
		"ipv6 hopbyhop":  Build(Ether{}, v6, Ext{Kind: HopByHop}, UDP{Src: 1, Dst: 2}, long),
		"ipv6 dest opts": Build(Ether{}, v6, Ext{Kind: DestOpts}, UDP{Src: 1, Dst: 2}, long),
	}
	for name, b := range rows {
		whole, err := Decode(b)
		if err != nil {
			t.Fatal(name, err)
		}
		var joined []byte
		frags := Split(b, 64, 99)
		for i, f := range frags {
			d, err := Decode(f)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := VerifyChecksums(f); err != nil {
				t.Error(name, err)
			}
			if d.Offset != i*64 || d.MF != (i < len(frags)-1) {
				t.Errorf("%s: fragment %d: %v", name, i, d)
			}
			at := d.l4
			if d.Version == 6 && d.Offset == 0 { // what was cut begins behind the fragment header
				at = d.end - 64
			}
			joined = append(joined, f[at:d.end]...)
		}
		want := b[whole.end-len(joined) : whole.end]
		if !bytes.Equal(joined, want) || len(joined) < len(long)+8 {
			t.Errorf("%s: %d joined bytes differ", name, len(joined))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Build(Ether{}, v4, ICMP{Type: 3}, v4, TCP{}))
	f.Add(Build(Ether{}, VLAN{}, v6, Ext{Kind: HopByHop}, Fragment{More: true}, UDP{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := Decode(b); err == nil && d.String() == "" {
			t.Error("no summary")
		}
		_ = VerifyChecksums(b)
	})
}
