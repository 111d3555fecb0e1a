package conntracktext

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

func flowTuple(t *testing.T, proto uint8, src string, sport uint16, dst string, dport uint16) flowtable.Tuple {
	t.Helper()
	tu := flowtable.Tuple{SrcPort: sport, DstPort: dport, Proto: proto, Family: flowtable.FamilyIPv6}
	a, b := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if a.Is4() {
		tu.Family = flowtable.FamilyIPv4
	}
	copy(tu.Src[:], a.AsSlice())
	copy(tu.Dst[:], b.AsSlice())
	return tu
}

func inverse(t *testing.T, tu flowtable.Tuple) flowtable.Tuple {
	t.Helper()
	inv, ok := flowtable.Invert(&tu)
	if !ok {
		t.Fatalf("no inverse of %v", tu)
	}
	return inv
}

// TestFlowLine: flows as `conntrack -L` lists them.
func TestFlowLine(t *testing.T) {
	tcp := func(src string, sp uint16, dst string, dp uint16) flowtable.Tuple {
		return flowTuple(t, flowtable.ProtoTCP, src, sp, dst, dp)
	}
	udp := flowTuple(t, flowtable.ProtoUDP, "10.9.1.2", 51003, "10.9.2.2", 6000)
	echo := flowTuple(t, flowtable.ProtoICMP, "10.9.1.2", 22341, "10.9.2.2", 8<<8)
	other := flowTuple(t, 200, "10.9.1.2", 0, "10.9.2.2", 0)
	gre := flowTuple(t, flowtable.ProtoGRE, "10.9.1.2", 0, "10.9.2.2", 26)
	echo6 := flowTuple(t, flowtable.ProtoICMPv6, "fd01::2", 22347, "fd02::2", 128<<8)
	for _, row := range []struct {
		name string
		flow flowtable.Flow
		acct bool
		want string
	}{
		{"tcp with source NAT", flowtable.Flow{Orig: tcp("10.9.1.2", 41003, "10.9.2.2", 9001), Reply: tcp("10.9.2.2", 9001, "10.9.2.1", 41003),
			Status: flowtable.StatusSeenReply | flowtable.StatusAssured, Mark: 42, TimeoutSec: 431994, State: flowtable.TCPEstablished, Packets: [2]uint64{4, 3}, Bytes: [2]uint64{217, 165}}, true,
			"tcp      6 431994 ESTABLISHED src=10.9.1.2 dst=10.9.2.2 sport=41003 dport=9001 packets=4 bytes=217 src=10.9.2.2 dst=10.9.2.1 sport=9001 dport=41003 packets=3 bytes=165 [ASSURED] mark=42 use=1"},
		{"udp unreplied", flowtable.Flow{Orig: udp, Reply: inverse(t, udp), TimeoutSec: 28, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{29, 0}}, true,
			"udp      17 28 src=10.9.1.2 dst=10.9.2.2 sport=51003 dport=6000 packets=1 bytes=29 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 sport=6000 dport=51003 packets=0 bytes=0 mark=0 use=1"},
		{"icmp", flowtable.Flow{Orig: echo, Reply: inverse(t, echo), Status: flowtable.StatusSeenReply, TimeoutSec: 29, Packets: [2]uint64{2, 2}, Bytes: [2]uint64{168, 168}}, true,
			"icmp     1 29 src=10.9.1.2 dst=10.9.2.2 type=8 code=0 id=22341 packets=2 bytes=168 src=10.9.2.2 dst=10.9.1.2 type=0 code=0 id=22341 packets=2 bytes=168 mark=0 use=1"},
		{"unknown protocol", flowtable.Flow{Orig: other, Reply: inverse(t, other), TimeoutSec: 599, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{24, 0}}, true,
			"unknown  200 599 src=10.9.1.2 dst=10.9.2.2 packets=1 bytes=24 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 packets=0 bytes=0 mark=0 use=1"},
		{"no counters", flowtable.Flow{Orig: udp, Reply: inverse(t, udp), TimeoutSec: 30}, false,
			"udp      17 30 src=10.9.1.2 dst=10.9.2.2 sport=51003 dport=6000 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 sport=6000 dport=51003 mark=0 use=1"},
		{"ipv6 is compressed", flowtable.Flow{Orig: echo6, Reply: inverse(t, echo6), TimeoutSec: 29}, false,
			"icmpv6   58 29 src=fd01::2 dst=fd02::2 type=128 code=0 id=22347 [UNREPLIED] src=fd02::2 dst=fd01::2 type=129 code=0 id=22347 mark=0 use=1"},
		{"gre keys", flowtable.Flow{Orig: gre, Reply: inverse(t, gre), TimeoutSec: 29}, false,
			"gre      47 29 src=10.9.1.2 dst=10.9.2.2 srckey=0x0 dstkey=0x1a [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 srckey=0x1a dstkey=0x0 mark=0 use=1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var e Entry
			if e.Fill(&row.flow, "", row.acct, 1); string(AppendLine([]byte("> "), &e, &Options{})) != "> "+row.want {
				got := AppendLine(nil, &e, &Options{})
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}
