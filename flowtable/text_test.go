package flowtable

import "testing"

func TestConntrackText(t *testing.T) {
	tcp := func(src string, sp uint16, dst string, dp uint16) Tuple { return tuple(t, ProtoTCP, src, sp, dst, dp) }
	udp := tuple(t, ProtoUDP, "10.9.1.2", 51003, "10.9.2.2", 6000)
	echo := tuple(t, ProtoICMP, "10.9.1.2", 22341, "10.9.2.2", 8<<8)
	other := tuple(t, 200, "10.9.1.2", 0, "10.9.2.2", 0)
	gre := tuple(t, ProtoGRE, "10.9.1.2", 0, "10.9.2.2", 26)
	echo6 := tuple(t, ProtoICMPv6, "fd01::2", 22347, "fd02::2", 128<<8)
	for _, row := range []struct {
		name string
		flow Flow
		acct bool
		want string
	}{
		{"tcp with source NAT", Flow{Orig: tcp("10.9.1.2", 41003, "10.9.2.2", 9001), Reply: tcp("10.9.2.2", 9001, "10.9.2.1", 41003),
			Status: StatusSeenReply | StatusAssured, Mark: 42, TimeoutSec: 431994, State: TCPEstablished, Packets: [2]uint64{4, 3}, Bytes: [2]uint64{217, 165}}, true,
			"tcp      6 431994 ESTABLISHED src=10.9.1.2 dst=10.9.2.2 sport=41003 dport=9001 packets=4 bytes=217 src=10.9.2.2 dst=10.9.2.1 sport=9001 dport=41003 packets=3 bytes=165 [ASSURED] mark=42 use=1"},
		{"udp unreplied", Flow{Orig: udp, Reply: mustInvert(t, udp), TimeoutSec: 28, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{29, 0}}, true,
			"udp      17 28 src=10.9.1.2 dst=10.9.2.2 sport=51003 dport=6000 packets=1 bytes=29 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 sport=6000 dport=51003 packets=0 bytes=0 mark=0 use=1"},
		{"icmp", Flow{Orig: echo, Reply: mustInvert(t, echo), Status: StatusSeenReply, TimeoutSec: 29, Packets: [2]uint64{2, 2}, Bytes: [2]uint64{168, 168}}, true,
			"icmp     1 29 src=10.9.1.2 dst=10.9.2.2 type=8 code=0 id=22341 packets=2 bytes=168 src=10.9.2.2 dst=10.9.1.2 type=0 code=0 id=22341 packets=2 bytes=168 mark=0 use=1"},
		{"unknown protocol", Flow{Orig: other, Reply: mustInvert(t, other), TimeoutSec: 599, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{24, 0}}, true,
			"unknown  200 599 src=10.9.1.2 dst=10.9.2.2 packets=1 bytes=24 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 packets=0 bytes=0 mark=0 use=1"},
		{"no counters, zone", Flow{Orig: udp, Reply: mustInvert(t, udp), TimeoutSec: 30, Zone: 7}, false,
			"udp      17 30 src=10.9.1.2 dst=10.9.2.2 sport=51003 dport=6000 [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 sport=6000 dport=51003 mark=0 zone=7 use=1"},
		{"ipv6 is compressed", Flow{Orig: echo6, Reply: mustInvert(t, echo6), TimeoutSec: 29}, false,
			"icmpv6   58 29 src=fd01::2 dst=fd02::2 type=128 code=0 id=22347 [UNREPLIED] src=fd02::2 dst=fd01::2 type=129 code=0 id=22347 mark=0 use=1"},
		{"gre keys", Flow{Orig: gre, Reply: mustInvert(t, gre), TimeoutSec: 29}, false,
			"gre      47 29 src=10.9.1.2 dst=10.9.2.2 srckey=0x0 dstkey=0x1a [UNREPLIED] src=10.9.2.2 dst=10.9.1.2 srckey=0x1a dstkey=0x0 mark=0 use=1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(row.flow.AppendConntrack([]byte("> "), row.acct)); got != "> "+row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// TestFlows lists in slices of every size and gets each flow once.
func TestFlows(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	for i := range uint32(50) {
		p := pass(t, s, probe(tb, udp4(i)), start)
		if i%5 == 0 {
			s.Delete(p.Entry)
		}
	}
	p := probe(tb, udp4(99))
	s.Track(&p, start) // unconfirmed: not listed
	for _, size := range []struct{ max, out int }{{1, 1}, {7, 3}, {3, 7}, {1000, 1000}} {
		seen := map[Tuple]bool{}
		out := make([]Flow, size.out)
		next, n := uint32(0), 0
		for first := true; first || next != 0; first = false {
			next, n = s.Flows(next, size.max, start+10500, out)
			for _, f := range out[:n] {
				if seen[f.Orig] || f.TimeoutSec != 19 || f.Reply != mustInvert(t, f.Orig) {
					t.Fatalf("%+v", f)
				}
				seen[f.Orig] = true
			}
		}
		if len(seen) != int(s.live)-1 {
			t.Errorf("slices of %+v: %d flows, want %d", size, len(seen), s.live-1)
		}
	}
}
