package helper

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

// bench is a flow with a helper: the client 10.0.0.2 (fd00:a::2) and the server
// 198.51.100.1 (2001:db8::1), which sees 203.0.113.1 (fd00:b::1) with NAT.
type bench struct {
	testing.TB
	table *flowtable.Table
	s     *Session
	h     *Helper
	seq   [2]uint32
}

func tuple(tb testing.TB, proto uint8, src string, sport uint16, dst string, dport uint16) flowtable.Tuple {
	tb.Helper()
	a, b := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	tu := flowtable.Tuple{SrcPort: sport, DstPort: dport, Proto: proto, Family: flowtable.FamilyIPv6}
	if a.Is4() {
		tu.Family = flowtable.FamilyIPv4
	}
	copy(tu.Src[:], a.AsSlice())
	copy(tu.Dst[:], b.AsSlice())
	return tu
}

func newBench(tb testing.TB, name string, proto uint8, nat, v6 bool, port uint16) *bench {
	tb.Helper()
	list := Default()
	cfg := flowtable.Default()
	cfg.Max, cfg.HashKey, cfg.Helpers = 1024, [2]uint64{1, 2}, ForTable(list)
	table, err := flowtable.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := table.Close(); err != nil {
			tb.Error(err)
		}
	})
	client, server, box := "10.0.0.2", "198.51.100.1", "203.0.113.1"
	if v6 {
		client, server, box = "fd00:a::2", "2001:db8::1", "fd00:b::1"
	}
	orig := tuple(tb, proto, client, 40000, server, port)
	reply, _ := flowtable.Invert(&orig)
	if nat {
		reply.Dst, reply.DstPort = tuple(tb, proto, box, 0, box, 0).Dst, 41000
	}
	shard := table.Shard(0)
	p := flowtable.Probe{Tuple: orig, Hash: table.Hash(&orig), Bytes: 60, Kind: flowtable.KindFlow, Flags: 2, Window: 100}
	p.Template.Helper = table.HelperNumber(name, orig.Family, proto)
	if p.Template.Helper == 0 {
		tb.Fatalf("no helper %s", name)
	}
	if a := shard.Track(&p, 1000); a != flowtable.ActionAccept {
		tb.Fatal(p.Reason)
	}
	if nat && !shard.ClaimReply(p.Entry, &reply) || !shard.Confirm(&p, 1000) {
		tb.Fatal("no master")
	}
	b := &bench{TB: tb, table: table, h: &list[p.Template.Helper-1]}
	b.s = &Session{Tuples: [2]flowtable.Tuple{orig, reply}, NAT: nat, Replied: true, Private: &shard.Help(p.Entry).Private,
		Number: p.Template.Helper, Shard: shard, Entry: p.Entry, Now: 1000}
	return b
}

// say sends a payload and returns what leaves.
func (b *bench) say(dir uint8, payload string) (string, Verdict) {
	b.Helper()
	s := b.s
	s.Reset()
	s.Payload, s.Dir, s.Seq = []byte(payload), dir, b.seq[dir]
	v := b.h.Help(s)
	if v == Drop {
		return "", v
	}
	b.seq[dir] += uint32(len(payload))
	out := make([]byte, 4096)
	n, ok := s.Apply(out)
	if !ok {
		b.Fatal("the edits do not fit")
	}
	if n != len(payload)+s.Grown(0, len(payload)) {
		b.Fatalf("%d bytes, but %d were announced", n, len(payload)+s.Grown(0, len(payload)))
	}
	return string(out[:n]), v
}

// expected lists the expectations, newest last.
func (b *bench) expected() string {
	out := make([]flowtable.Expectation, 64)
	_, n := b.table.Expectations(0, b.s.Now, out)
	var lines []string
	for i := range out[:n] {
		x := &out[i]
		line := fmt.Sprintf("%s:%d > %s:%d class %d", addrText(&x.Tuple.Src, x.Tuple.Family), x.Tuple.SrcPort,
			addrText(&x.Tuple.Dst, x.Tuple.Family), x.Tuple.DstPort, x.Class)
		if x.MaskSrc == ([16]byte{}) {
			line = "*" + line[strings.Index(line, ":"):]
		}
		if x.Flags&flowtable.ExpectInactive != 0 {
			line += " sleeping"
		}
		var src, dst Half
		if Translate(x, &x.Tuple, &src, &dst) {
			line += fmt.Sprintf(" becomes %s > %s", halfText(&src, x.Tuple.Family), halfText(&dst, x.Tuple.Family))
		}
		lines = append(lines, line)
	}
	return sortedLines(lines)
}

func sortedLines(l []string) string {
	for i := range l {
		for k := i; k > 0 && l[k] < l[k-1]; k-- {
			l[k], l[k-1] = l[k-1], l[k]
		}
	}
	return strings.Join(l, "\n")
}

func addrText(a *[16]byte, family uint8) string { return string(appendAddr(nil, a, family)) }

func halfText(h *Half, family uint8) string {
	switch {
	case !h.Set:
		return "-"
	case h.HasPort:
		return fmt.Sprintf("%s:%d", addrText(&h.Addr, family), h.Port)
	}
	return addrText(&h.Addr, family)
}

const orig, reply = flowtable.Original, flowtable.Reply

// demand compares what left and what is expected.
func (b *bench) demand(dir uint8, payload, want, expected string) {
	b.Helper()
	if got, v := b.say(dir, payload); v == Drop && want != "" || got != want {
		b.Errorf("%q became\n%q, want\n%q", payload, got, want)
	}
	if got := b.expected(); got != expected {
		b.Errorf("after %q expected are\n%s\nwant\n%s", payload, got, expected)
	}
}
