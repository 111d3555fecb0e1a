package nft

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestTracedPackets: lines as nft 1.0.6 printed them for packets of Linux 6.18.
func TestTracedPackets(t *testing.T) {
	const (
		ether = "02000000000102000000000a"
		macs  = `ether saddr 02:00:00:00:00:0a ether daddr 02:00:00:00:00:01 `
		ips   = `ip saddr 10.9.1.2 ip daddr 10.9.2.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 77 `
		ip6s  = `ip6 saddr fd01::2 ip6 daddr fd02::2 ip6 dscp cs0 ip6 ecn not-ect ip6 hoplimit 64 ip6 flowlabel 0 `
	)
	four := func(proto, length string) string {
		return "450000" + length + "004d400040" + proto + "0000" + "0a0901020a090202"
	}
	six := func(next, length string) string {
		return "60000000" + length + next + "40" + "fd010000000000000000000000000002" + "fd020000000000000000000000000002"
	}
	for _, row := range []struct {
		name                string
		family              Family
		link, network, l4   string
		want                string
		symbols, in, routed bool
	}{
		{"tcp", FamilyInet, ether + "0800", four("06", "28"), "03e807d00000000100000005501201f4beef0000",
			macs + ips + "ip protocol tcp ip length 40 tcp sport 1000 tcp dport 2000 tcp flags == 0x12 tcp window 500 ", false, true, false},
		{"tcp syn", FamilyIP, ether + "0800", four("06", "28"), "03e807d00000000100000005500201f4beef0000",
			macs + ips + "ip length 40 tcp sport 1000 tcp dport 2000 tcp flags == syn tcp window 500 ", false, true, true},
		{"numbers", FamilyIP, ether + "0800", four("06", "28"), "03e807d00000000100000005500201f4beef0000",
			macs + "ip saddr 10.9.1.2 ip daddr 10.9.2.2 ip dscp 0x00 ip ecn 0x0 ip ttl 64 ip id 77 ip length 40 tcp sport 1000 tcp dport 2000 tcp flags == 0x2 tcp window 500 ", true, true, false},
		{"no link header", FamilyIP, "", four("11", "1c"), "03e807d000080000",
			ips + "ip length 28 udp sport 1000 udp dport 2000 udp length 8 ", false, false, true},
		{"udp cut", FamilyIP, ether + "0800", four("11", "17"), "03e807", macs + ips + "ip length 23 udp sport 1000 udp dport 7 ", false, true, false},
		{"udp", FamilyInet, ether + "0800", four("11", "21"), "03e807d0000d000068656c6c6f",
			macs + ips + "ip protocol udp ip length 33 udp sport 1000 udp dport 2000 udp length 13 @th,64,40 0x68656c6c6f ", false, true, false},
		{"no transport header", FamilyIP, ether + "0800", four("06", "14"), "", macs + ips + "ip protocol tcp ip length 20 ", false, true, false},
		{"unknown", FamilyIP, ether + "0800", four("c8", "18"), "00717171", macs + ips + "ip protocol 200 ip length 24 @th,0,32 0x717171 ", false, true, false},
		{"options", FamilyInet, ether + "0800", "46000025004d400040118e6f0a0901020a09020294040000", "03e807d0000d0000",
			macs + ips + "ip protocol udp ip length 37 @nh,160,32 0x94040000 udp sport 1000 udp dport 2000 udp length 13 ", false, true, false},
		{"icmp", FamilyInet, ether + "0800", four("01", "1c"), "0300000000000578", macs + ips +
			"ip protocol icmp ip length 28 icmp type destination-unreachable icmp code net-unreachable icmp id 0 icmp sequence 1400 ", false, true, false},
		{"igmp", FamilyInet, ether + "0800", four("02", "1c"), "16000000e0010101", macs + ips + "ip protocol igmp ip length 28 igmp type membership-report-v2 igmp mrt 0 @th,16,48 0xe0010101 ", false, true, false},
		{"comp", FamilyInet, ether + "0800", four("6c", "18"), "04000009", macs + ips + "ip protocol ipcomp ip length 24 comp nexthdr ipencap comp flags 0x0 comp cpi 9 ", false, true, false},
		{"comp of its own family", FamilyIP, ether + "0800", four("6c", "18"), "04000009", macs + ips + "ip length 24 comp flags 0x0 comp cpi 9 ", false, true, false},
		{"icmpv6", FamilyIP6, ether + "86dd", six("3a", "0008"), "8000000000030004",
			macs + ip6s + "ip6 length 8 icmpv6 type echo-request icmpv6 code no-route icmpv6 parameter-problem 196612 ", false, true, false},
		{"extension header", FamilyIP6, ether + "86dd", six("00", "0015"), "03e807d0000d0000",
			macs + ip6s + "ip6 nexthdr ip ip6 length 21 @th,0,64 0x3e807d0000d0000 ", false, true, false},
		{"later fragment", FamilyInet, ether + "86dd", "", "6000000000102c40fd0100000000000000000000",
			macs + "ether type ip6 @th,0,160 0x6000000000102c40fd0100000000000000000000 ", false, true, false},
		{"arp", FamilyNetdev, ether + "0806", "0001080006040001020000000001" + "0a090102000000000000" + "0a09014d", "", macs + "arp operation request ", false, true, false},
		{"other", FamilyNetdev, ether + "88cc", "6c6c6c", "", macs + "ether type 0x88cc @nh,0,24 0x6c6c6c ", false, true, false},
		{"vlan", FamilyNetdev, ether + "810060050800", four("11", "21"), "03e807d0000d0000", macs + "vlan pcp 3 vlan dei 0 vlan id 5 " + ips +
			"ip protocol udp ip length 33 udp sport 1000 udp dport 2000 udp length 13 ", false, true, false},
		{"two tags", FamilyNetdev, ether + "88a820078100", "000508004500", "", macs + "ether type 8021ad vlan pcp 1 vlan dei 0 vlan id 7 vlan type 8021q @nh,0,48 0x508004500 ", false, true, false},
	} {
		p := &TracedPacket{}
		for text, into := range map[*string]*[]byte{&row.link: &p.Link, &row.network: &p.Network, &row.l4: &p.Transport} {
			b, err := hex.DecodeString(*text)
			if err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
			*into = b
		}
		want := "trace id 0000beef " + FamilyName(row.family) + " t c packet: "
		if row.in {
			p.In, want = "lan", want+`iif "lan" `
		}
		if row.routed {
			p.Out, want = "wan", want+`oif "wan" `
		}
		var b bytes.Buffer
		if err := FprintTrace(&b, &Trace{ID: 0xbeef, Family: row.family, Table: "t", Chain: "c", Packet: p}, PrintOptions{Symbols: row.symbols, Protocols: row.symbols}); err != nil {
			t.Fatal(err)
		}
		if want += row.want + "\n"; b.String() != want {
			t.Errorf("%s:\n%swant\n%s", row.name, b.String(), want)
		}
	}
}

// TestTraceLines: rules and policies.
func TestTraceLines(t *testing.T) {
	rs, err := Parse("x", []byte("table inet t {\n chain c {\n  tcp dport 9001 counter jump c2 comment \"hello\"\n }\n chain c2 {\n }\n}\n"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rule := rs.Tables[0].Chains[0].Rules[0]
	for _, row := range []struct {
		name  string
		trace Trace
		opt   PrintOptions
		want  string
	}{
		{"rule", Trace{Rule: rule, Verdict: "jump c2", Mark: 7}, PrintOptions{}, `rule tcp dport 9001 counter packets 0 bytes 0 jump c2 comment "hello" (verdict jump c2)` + "\n"},
		{"handle", Trace{Rule: rule, Verdict: "jump c2"}, PrintOptions{Handles: true, Stateless: true, JSON: true}, `rule tcp dport 9001 counter jump c2 comment "hello" # handle 3 (verdict jump c2)` + "\n"},
		{"policy", Trace{Verdict: "drop"}, PrintOptions{}, "policy drop \n"},
		{"policy and mark", Trace{Verdict: "accept", Mark: 0x17}, PrintOptions{}, "policy accept meta mark 0x00000017 \n"},
		{"nothing", Trace{}, PrintOptions{}, ""},
	} {
		row.trace.ID, row.trace.Family, row.trace.Table, row.trace.Chain = 0x1f, FamilyInet, "t", "c"
		var b bytes.Buffer
		if err := FprintTrace(&b, &row.trace, row.opt); err != nil {
			t.Fatal(err)
		}
		want := row.want
		if want != "" {
			want = "trace id 0000001f inet t c " + want
		}
		if b.String() != want {
			t.Errorf("%s: %q, want %q", row.name, b.String(), want)
		}
	}
}
