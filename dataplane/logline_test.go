package dataplane

import (
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestLogLine compares with what a 6.18 kernel logged for the same frames.
func TestLogLine(t *testing.T) {
	cases := []struct {
		name   string
		layers []frame.Layer
		want   string
	}{
		{"tcp", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: 77, DF: true, TOS: 0x48}, frame.TCP{Src: 1, Dst: 2, Flags: "SA", Seq: 5, Ack: 6, Window: 100}},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:08:00 SRC=10.0.0.2 DST=198.51.100.1 LEN=40 TOS=0x08 PREC=0x40 TTL=64 ID=77 DF PROTO=TCP SPT=1 DPT=2 WINDOW=100 RES=0x00 ACK SYN URGP=0 `},
		{"udp", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", TTL: 3}, frame.UDP{Src: 1, Dst: 2}, frame.Data("x")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:08:00 SRC=10.0.0.2 DST=198.51.100.1 LEN=29 TOS=0x00 PREC=0x00 TTL=3 ID=0 PROTO=UDP SPT=1 DPT=2 LEN=9 `},
		{"echo", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.ICMP{Type: 8, ID: 4, Seq: 9}},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:08:00 SRC=10.0.0.2 DST=198.51.100.1 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=0 PROTO=ICMP TYPE=8 CODE=0 ID=4 SEQ=9 `},
		{"unreachable", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.ICMP{Type: 3, Code: 4, Info: 1400}, frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}, frame.UDP{Src: 2, Dst: 1}, frame.Data("y")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:08:00 SRC=10.0.0.2 DST=198.51.100.1 LEN=57 TOS=0x00 PREC=0x00 TTL=64 ID=0 PROTO=ICMP TYPE=3 CODE=4 [SRC=198.51.100.1 DST=10.0.0.2 LEN=29 TOS=0x00 PREC=0x00 TTL=64 ID=0 PROTO=UDP SPT=2 DPT=1 LEN=9 ] MTU=1400 `},
		{"other", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", Proto: 99}, frame.Data("abcdefgh")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:08:00 SRC=10.0.0.2 DST=198.51.100.1 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=0 PROTO=99 `},
		{"udp6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1", Label: 5, Class: 8}, frame.UDP{Src: 1, Dst: 2}, frame.Data("x")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:86:dd SRC=fd00:000a:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=49 TC=8 HOPLIMIT=64 FLOWLBL=5 PROTO=UDP SPT=1 DPT=2 LEN=9 `},
		{"tcp6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.TCP{Src: 1, Dst: 2, Flags: "FPA", Window: 100}},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:86:dd SRC=fd00:000a:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=1 DPT=2 WINDOW=100 RES=0x00 ACK PSH FIN URGP=0 `},
		{"echo6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.ICMPv6{Type: 128, ID: 4, Seq: 9}},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:86:dd SRC=fd00:000a:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=48 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=128 CODE=0 ID=4 SEQ=9 `},
		{"too big", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.ICMPv6{Type: 2, Info: 1400}, frame.IPv6{Src: "2001:db8::1", Dst: "fd00:a::2"}, frame.UDP{Src: 2, Dst: 1}, frame.Data("y")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:86:dd SRC=fd00:000a:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=97 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=2 CODE=0 [SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=fd00:000a:0000:0000:0000:0000:0000:0002 LEN=49 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=UDP SPT=2 DPT=1 LEN=9 ] MTU=1400 `},
		{"options6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.Ext{Kind: frame.DestOpts}, frame.UDP{Src: 1, Dst: 2}, frame.Data("x")},
			`PFX IN=lg1 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:10:86:dd SRC=fd00:000a:0000:0000:0000:0000:0000:0002 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=57 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=UDP SPT=1 DPT=2 LEN=9 `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ether := frame.Ether{Src: frame.MAC(benchMAC(0x10)), Dst: frame.MAC(benchMAC(1))}
			b := frame.Build(append([]frame.Layer{ether}, c.layers...)...)
			if got := LogLine("PFX ", "lg1", "", b); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			for n := range b { // cut anywhere: no panic
				LogLine("", "a", "b", b[:n])
			}
		})
	}
}

// TestAuditLine: as net/netfilter/nft_log.c writes it.
func TestAuditLine(t *testing.T) {
	for _, c := range []struct {
		layers []frame.Layer
		want   string
	}{
		{[]frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2}}, "mark=0x5 saddr=10.0.0.2 daddr=198.51.100.1 proto=17"},
		{[]frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.Ext{Kind: frame.DestOpts}, frame.UDP{Src: 1, Dst: 2}}, "mark=0x5 saddr=fd00:a::2 daddr=2001:db8::1 proto=17"},
		{[]frame.Layer{frame.Data("abc")}, "mark=0x5 saddr=? daddr=? proto=-1"},
	} {
		ether := frame.Ether{Src: frame.MAC(benchMAC(0x10)), Dst: frame.MAC(benchMAC(1))}
		if got := AuditLine(5, frame.Build(append([]frame.Layer{ether}, c.layers...)...)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
