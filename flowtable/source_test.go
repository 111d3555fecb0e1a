package flowtable

import (
	"fmt"
	"testing"
)

// moved makes a confirmed flow of orig whose source NAT made that of the other tuple,
// and lists it if always says so or the source is listed.
func moved(t *testing.T, s *Shard, orig, reply Tuple, always bool) uint32 {
	t.Helper()
	p := probe(s.Table(), orig)
	if s.Track(&p, start); !s.ClaimReply(p.Entry, &reply) {
		t.Fatalf("%v: claim", reply)
	}
	s.KeepSource(p.Entry, always)
	if !s.Confirm(&p, start) {
		t.Fatal(p.Reason)
	}
	return p.Entry
}

// ports lists the ports that the source of tu became, as a worker finds them.
func ports(s *Shard, tu Tuple) string {
	var out [MaxMappings]Tuple
	text := ""
	for i := range s.Mappings(&tu, &tu.Src, &out) {
		text += fmt.Sprint(out[i].SrcPort, " ")
		if out[i].Dst != tu.Dst || out[i].DstPort != tu.DstPort || out[i].Proto != tu.Proto {
			text += "of another flow "
		}
	}
	return text
}

// TestSources: what a source became is found by all workers until the flow ends,
// by the same source alone, and a full window leaves out what comes.
func TestSources(t *testing.T) {
	for _, row := range []struct {
		name                  string
		orig, reply, asked    Tuple
		stranger, otherSource Tuple
		want                  Tuple
	}{
		{"udp", tuple(t, ProtoUDP, "10.9.1.2", 41002, "10.9.2.2", 53), tuple(t, ProtoUDP, "10.9.2.2", 53, "10.9.2.1", 50000),
			tuple(t, ProtoUDP, "10.9.1.2", 41002, "10.9.2.3", 54), tuple(t, ProtoUDP, "10.9.1.2", 41003, "10.9.2.2", 53), tuple(t, ProtoTCP, "10.9.1.2", 41002, "10.9.2.2", 53),
			tuple(t, ProtoUDP, "10.9.2.1", 50000, "10.9.2.3", 54)},
		{"icmp", tuple(t, ProtoICMP, "10.9.1.2", 7, "10.9.2.2", 8<<8), tuple(t, ProtoICMP, "10.9.2.2", 900, "10.9.2.1", 0),
			tuple(t, ProtoICMP, "10.9.1.2", 7, "10.9.2.2", 13<<8), tuple(t, ProtoICMP, "10.9.1.2", 8, "10.9.2.2", 8<<8), tuple(t, ProtoICMP, "10.9.1.3", 7, "10.9.2.2", 8<<8),
			tuple(t, ProtoICMP, "10.9.2.1", 900, "10.9.2.2", 13<<8)},
		{"ipv6", tuple(t, ProtoUDP, "fd00:1::2", 5, "fd00:2::2", 53), tuple(t, ProtoUDP, "fd00:2::2", 53, "fd00:2::1", 6),
			tuple(t, ProtoUDP, "fd00:1::2", 5, "fd00:2::9", 53), tuple(t, ProtoUDP, "fd00:1::2", 6, "fd00:2::2", 53), tuple(t, ProtoUDP, "fd00:1::3", 5, "fd00:2::2", 53),
			tuple(t, ProtoUDP, "fd00:2::1", 6, "fd00:2::9", 53)},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, func(c *Config) { c.Workers = 2 })
			s, other := tb.Shard(0), tb.Shard(1)
			n := moved(t, s, row.orig, row.reply, true)
			s.KeepSource(n, true) // once is enough
			var out [MaxMappings]Tuple
			if k := other.Mappings(&row.asked, &row.want.Src, &out); k != 1 || out[0] != row.want {
				t.Errorf("%d mappings, %v, want %v", k, out[0], row.want)
			}
			for _, tu := range []Tuple{row.stranger, row.otherSource} {
				if got := ports(other, tu); got != "" {
					t.Errorf("%v became %s", tu, got)
				}
			}
			if s.Delete(n); ports(other, row.asked) != "" {
				t.Error("found though its flow is over")
			}
			// An entry that is used again has nothing listed.
			again := moved(t, s, row.stranger, row.reply, false)
			if got := ports(s, row.stranger); again != n || got != "" {
				t.Errorf("entry %d of another flow became %s", again, got)
			}
			s.Delete(again)
			for i := range tb.sources.words {
				if w := tb.sources.words[i]; i%2 == 0 && w != 0 {
					t.Errorf("slot %d: %#x", i/2, w)
				}
			}
		})
	}
}

// TestSourceOrder: the latest flow of a source is found first, also one that
// would not be listed for its own sake, and claims that are given up go.
func TestSourceOrder(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 2 })
	to := func(dst uint16) Tuple { return tuple(t, ProtoUDP, "10.9.1.2", 4000, "10.9.2.2", dst) }
	from := func(dst, port uint16) Tuple { return tuple(t, ProtoUDP, "10.9.2.2", dst, "10.9.2.1", port) }
	see := func(when, want string) {
		t.Helper()
		for i := range 2 {
			if got := ports(tb.Shard(i), to(99)); got != want {
				t.Errorf("%s, worker %d: %q, want %q", when, i, got, want)
			}
		}
	}
	moved(t, tb.Shard(0), to(1), from(1, 4000), false)
	see("nothing but its own port", "")
	a := moved(t, tb.Shard(0), to(2), from(2, 5000), true)
	b := moved(t, tb.Shard(1), to(3), from(3, 4000), false)
	see("both", "4000 5000 ")
	c := moved(t, tb.Shard(1), to(4), from(4, 5000), true)
	see("the same again", "5000 4000 5000 ")
	tb.Shard(0).Delete(a)
	see("one of two", "5000 4000 ")
	tb.Shard(1).Delete(c)
	see("none of two", "4000 ")
	tb.Shard(1).Delete(b)
	see("none", "")

	s := tb.Shard(0)
	p := probe(tb, to(5))
	s.Track(&p, start)
	for _, port := range []uint16{6000, 6001} {
		reply := from(5, port)
		if !s.ClaimReply(p.Entry, &reply) {
			t.Fatal("claim")
		}
		s.KeepSource(p.Entry, true)
		see("unconfirmed", fmt.Sprint(port, " "))
	}
	s.Abandon(p.Entry)
	see("abandoned", "")
	for i := range uint16(sourceSlots + 2) {
		moved(t, s, to(10+i), from(10+i, 7000+i), true)
	}
	see("a full window", "7007 7006 7005 7004 7003 7002 7001 7000 ")
	for n := uint32(1); n <= s.high; n++ {
		s.Delete(n)
	}
	see("all gone", "")
}
