package rules

import (
	"encoding/binary"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

// TestSums: the checksums that follow a field are those that nft 1.0.6 names to the
// kernel, right or wrong (the oracle has judged each row).
func TestSums(t *testing.T) {
	const ip, l4 = 1, 2
	for _, row := range []struct {
		rule    string
		pk      pk
		changes int
	}{
		{"ip ttl set 9", pk{}, ip},
		{"ip saddr set 10.9.9.9", pk{}, ip | l4},
		{"ip length set 30", pk{}, ip | l4},
		{"ip protocol set 99", pk{}, ip | l4},
		{"@nh,96,32 set 0x0a090909", pk{}, 0},
		{"tcp dport set 7", pk{}, l4},
		{"th dport set 7", pk{}, 0},
		{"@th,16,16 set 7", pk{}, 0},
		{"udp dport set 7", pk{proto: 17}, l4},
		{"udplite dport set 7", pk{proto: 136}, 0},
		{"ip saddr set 10.9.9.9", pk{proto: 136}, ip | l4},
		{"icmp code set 7", pk{proto: 1}, l4},
		{"igmp mrt set 7", pk{proto: 2}, l4},
		{"ip6 saddr set fd00::9", pk{src: "fd00::1", dst: "fd00::2"}, l4},
		{"ip6 nexthdr set 99", pk{src: "fd00::1", dst: "fd00::2"}, l4},
		{"ip6 hoplimit set 9", pk{src: "fd00::1", dst: "fd00::2"}, 0},
		{"icmpv6 code set 7", pk{src: "fd00::1", dst: "fd00::2", proto: 58}, l4},
	} {
		row.pk.out = 2
		p := row.pk.packet(t)
		at := int(p.L4) + map[uint8]int{6: 16, 17: 6, 136: 6, 1: 2, 2: 2, 58: 2}[p.Proto]
		sum := func() (ipSum, l4Sum uint16) {
			return binary.BigEndian.Uint16(p.Data[p.L3+10:]), binary.BigEndian.Uint16(p.Data[at:])
		}
		ipWas, was := sum()
		before := string(p.Data)
		if v := run(t, inForward(row.rule+" accept"), p, &Env{}); v.Code != Accept || string(p.Data) == before {
			t.Errorf("%s: verdict %v, or nothing written", row.rule, v.Code)
		}
		changed := 0
		ipNow, now := sum()
		if p.Family == flowtable.FamilyIPv4 && ipNow != ipWas {
			changed = ip
		}
		if now != was {
			changed |= l4
		}
		if changed != row.changes {
			t.Errorf("%s, protocol %d: checksums %b changed, want %b", row.rule, p.Proto, changed, row.changes)
		}
	}
}

// TestStoreWants: what nft asks for in front of a field it asks for in front of a write.
func TestStoreWants(t *testing.T) {
	for _, row := range []struct {
		rule   string
		typ    uint8
		writes bool
	}{
		{"icmp id set 7", 8, true}, {"icmp id set 7", 0, true}, {"icmp id set 7", 3, false},
		{"icmp mtu set 7", 3, true}, {"icmp mtu set 7", 8, false},
	} {
		p := pk{out: 2, proto: 1, typ: row.typ}.packet(t)
		before := string(p.Data)
		if v := run(t, inForward(row.rule+" accept"), p, &Env{}); (v.Code == Accept) != row.writes || (string(p.Data) != before) != row.writes {
			t.Errorf("%s, type %d: verdict %v, written %v", row.rule, row.typ, v.Code, string(p.Data) != before)
		}
	}
}

// TestCutStore: a rule that cannot mend a checksum ends there, and the next one goes on.
func TestCutStore(t *testing.T) {
	p := pk{out: 2, short: true}.packet(t)
	v := run(t, inForward("ip saddr set 10.9.9.9 drop\naccept"), p, &Env{})
	var src [16]byte
	if p.SrcAddr(&src); v.Code != Accept || src[1] == 9 {
		t.Errorf("verdict %v, source %v", v.Code, src)
	}
}
