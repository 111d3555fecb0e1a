package rules

import (
	"encoding/binary"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// run gives one packet to the forward chains of a text and returns the verdict
// of the last and what is left in env.
func run(t *testing.T, text string, p *packet.Packet, env *Env) Verdict {
	t.Helper()
	rs, err := Compile(parse(t, text), Options{Interfaces: testInterfaces, Store: testStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	im, err := rs.Copy()
	if err != nil {
		t.Fatal(err)
	}
	defer im.Free()
	var v Verdict
	for _, c := range im.Base(p.Family, nft.HookForward) {
		v = im.Eval(&c, p, env)
	}
	return v
}

func inForward(rule string) string {
	return "table inet t {\n chain c {\n type filter hook forward priority 0; policy drop;\n" + rule + "\n}\n}\n"
}

// synWith is a SYN with options.
func synWith(t *testing.T, options ...byte) *packet.Packet {
	p := pk{out: 2, payload: len(options)}.packet(t)
	l4 := p.Data[p.L4:]
	l4[12] = byte(5+len(options)/4) << 4
	copy(l4[20:], options)
	l4[16], l4[17] = 0, 0
	sum := packet.Checksum(l4[:int(p.End)-int(p.L4)], p.PseudoSum(6, uint32(int(p.End)-int(p.L4))))
	binary.BigEndian.PutUint16(l4[16:], sum)
	if !p.ChecksumOK() {
		t.Fatal("the test's packet has a bad checksum")
	}
	return p
}

func TestSegmentSize(t *testing.T) {
	ways := func(mtu uint32) func(uint8, *[16]byte) Way {
		return func(uint8, *[16]byte) Way { return Way{Kind: WayUnicast, MTU: mtu} }
	}
	for _, row := range []struct {
		name    string
		rule    string
		options []byte
		mtu     uint32
		want    []byte
	}{
		{"clamped to the route", "tcp option maxseg size set rt mtu accept", []byte{2, 4, 5, 180}, 1400, []byte{2, 4, 5, 80}},
		{"never raised", "tcp option maxseg size set rt mtu accept", []byte{2, 4, 2, 0}, 1400, []byte{2, 4, 2, 0}},
		{"a number", "tcp option maxseg size set 1000 accept", []byte{1, 1, 1, 1, 2, 4, 5, 180}, 0, []byte{1, 1, 1, 1, 2, 4, 3, 232}},
		{"at an odd place", "tcp option maxseg size set 1000 accept", []byte{1, 2, 4, 5, 180, 1, 0, 0}, 0, []byte{1, 2, 4, 3, 232, 1, 0, 0}},
		{"no such option", "tcp option maxseg size set 1000 accept", []byte{1, 1, 1, 0}, 0, []byte{1, 1, 1, 0}},
		{"tiny route", "tcp option maxseg size set rt mtu accept", []byte{2, 4, 5, 180}, 30, []byte{2, 4, 2, 24}},
		{"taken away", "reset tcp option maxseg accept", []byte{1, 2, 4, 5, 180, 1, 0, 0}, 0, []byte{1, 1, 1, 1, 1, 1, 0, 0}},
	} {
		p := synWith(t, row.options...)
		v := run(t, inForward(row.rule), p, &Env{Route: ways(row.mtu)})
		if got := p.Data[p.L4+20:][:len(row.want)]; v.Code != Accept || string(got) != string(row.want) || !p.ChecksumOK() {
			t.Errorf("%s: %v, options %v want %v, checksum good: %v", row.name, v.Code, got, row.want, p.ChecksumOK())
		}
	}
}

func TestMatchesByText(t *testing.T) {
	ways := func(family uint8, addr *[16]byte) Way {
		switch addr[3] {
		case 1:
			return Way{Kind: WayUnicast, Port: 0, MTU: 1500}
		case 2:
			return Way{Kind: WayLocal, Port: 1, MTU: 1500}
		case 255:
			return Way{Kind: WayBroadcast, Port: 0, MTU: 1500}
		}
		return Way{Port: packet.NoPort}
	}
	// Thursday, 1970-01-08 10:00:05
	env := func() *Env { return &Env{Route: ways, Wall: (7*86400 + 36005) * 1e9, CPU: 3} }
	ct := &flowtable.Entry{Packets: [2]uint64{3, 5}, Bytes: [2]uint64{300, 600}}
	ct.Tuple = flowtable.Tuple{Family: 2, Proto: 6, Src: [16]byte{10, 0, 0, 1}, Dst: [16]byte{10, 0, 0, 2}, SrcPort: 1024, DstPort: 80}
	for _, row := range []struct {
		rule string
		want Code
	}{
		{"fib saddr type unicast accept", Accept},
		{"fib daddr type local accept", Accept},
		{"fib daddr type != local accept", Drop},
		{"fib saddr . iif oif missing accept", Drop},
		{"fib saddr . iif oif exists accept", Accept},
		{"fib saddr oif 2 accept", Accept},
		{"fib saddr oifname \"eth0\" accept", Accept},
		{"fib daddr . iif oif missing accept", Accept},
		{"meta cpu 3 accept", Accept},
		{"fib saddr . mark . iif oif missing accept", Drop},
		{"fib saddr . mark . iif oif exists accept", Accept},
		{"meta day \"Thursday\" accept", Accept},
		{"meta day \"Friday\" accept", Drop},
		{"ct packets > 7 accept", Accept},
		{"ct original packets 3 accept", Accept},
		{"ct reply bytes 600 accept", Accept},
		{"ct avgpkt 112 accept", Accept},
		{"ct reply ip saddr 10.0.0.2 accept", Accept},
		{"meta l4proto tcp ct reply proto-src 80 accept", Accept},
		{"ct zone 0 accept", Accept},
		{"tcp option maxseg size 1460 accept", Accept},
		{"tcp option maxseg exists accept", Accept},
		{"tcp option sack-perm missing accept", Accept},
		{"tcp option sack-perm exists accept", Drop},
		{"tcp option window count 7 accept", Drop},
		{"@th,16,16 80 accept", Accept},
		{"@nh,96,32 0x0a000001 accept", Accept},
		{"numgen inc mod 2 0 accept", Accept},
		{"numgen inc mod 2 offset 5 6 accept", Drop},
		{"jhash ip saddr mod 1 0 accept", Accept},
		{"symhash mod 1 offset 4 4 accept", Accept},
		{"meta mark set ip saddr & 0xff map { 1 : 7 } meta mark 7 accept", Accept},
		{"meta mark set ip saddr map { 10.0.0.1 : 7 } meta mark 7 accept", Accept},
		{"meta mark set tcp dport map { 80 : 7 } meta mark 7 accept", Accept},
		{"ip ttl set 9 ip ttl 9 accept", Accept},
		{"numgen inc mod 2 vmap { 0 : accept, 1 : drop }", Accept},
		{"ip saddr . meta mark vmap { 10.0.0.1 . 0 : accept }", Accept},
	} {
		p := synWith(t, 2, 4, 5, 180)
		p.InPort, p.OutPort, p.Ct, p.Entry = 0, 1, ct, 7
		if v := run(t, inForward(row.rule), p, env()); v.Code != row.want {
			t.Errorf("%s: %v, want %v", row.rule, v.Code, row.want)
		}
	}
}

func TestObjectMap(t *testing.T) {
	text := "table inet t {\n counter one {\n}\n counter two {\n}\n map m {\n type inet_service : counter\n elements = { 80 : \"one\", 443 : \"two\" }\n}\n" +
		"chain c {\n type filter hook forward priority 0; policy drop;\n counter name tcp dport map @m accept\n}\n}\n"
	w := newWorkers(t, 1, text, testStore(t))
	defer w.free(t)
	for _, row := range []struct {
		port uint16
		want Code
	}{{80, Accept}, {443, Accept}, {443, Accept}, {22, Drop}} {
		if got := w.eval(0, pk{dport: row.port}.packet(t), &Env{}); got != row.want {
			t.Errorf("port %d: %v", row.port, got)
		}
	}
	totals := w.rs.Collect(w.images)
	if totals[0].Packets != 1 || totals[1].Packets != 2 {
		t.Errorf("%+v", totals)
	}
}

// TestRareDoesNotAllocate runs what rare runs.
func TestRareDoesNotAllocate(t *testing.T) {
	text := "table inet t {\n set s {\n type ipv4_addr\n flags dynamic\n}\n chain c {\n type filter hook forward priority 0; policy drop;\n" +
		"add @s { ip saddr limit rate 1000/second counter }\nfib saddr . iif oif exists\nip saddr @s\n" +
		"meta mark set jhash ip saddr . tcp dport mod 8 map { 0-3 : 1, 4-7 : 2 }\nmeta mark set numgen inc mod 4\n" +
		"tcp option maxseg size set rt mtu\nip ttl set 9\n@nh,3,77 1\n@ih,0,8 1\nrt ip nexthop 192.0.2.1\nsymhash mod 4 0\naccept\n}\n}\n"
	rs, err := Compile(parse(t, text), Options{Interfaces: testInterfaces, Store: testStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	im, err := rs.Copy()
	if err != nil {
		t.Fatal(err)
	}
	defer im.Free()
	p := synWith(t, 2, 4, 5, 180)
	env := &Env{Nanos: 1, Route: func(uint8, *[16]byte) Way { return Way{Kind: WayUnicast, MTU: 1400} }}
	chain := im.Base(p.Family, nft.HookForward)[0]
	if n := testing.AllocsPerRun(100, func() { im.Eval(&chain, p, env) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestInner: what a transport header carries begins where that header ends.
func TestInner(t *testing.T) {
	tcp := func(words byte) []byte {
		return append(make([]byte, 12), append([]byte{words << 4}, make([]byte, 7)...)...)
	}
	for _, row := range []struct {
		name  string
		proto uint8
		l4    []byte // and the byte 0x61 behind it
		later bool
		want  Code
	}{
		{"UDP", flowtable.ProtoUDP, make([]byte, 8), false, Accept},
		{"TCP", flowtable.ProtoTCP, tcp(5), false, Accept},
		{"TCP with options", flowtable.ProtoTCP, append(tcp(7), 1, 1, 1, 1, 1, 1, 1, 1), false, Accept},
		{"IP in IP", 4, nil, false, Accept},
		{"GRE", flowtable.ProtoGRE, make([]byte, 4), false, Accept},
		{"GRE with checksum", flowtable.ProtoGRE, append([]byte{0x80}, make([]byte, 7)...), false, Accept},
		{"GRE with all three", flowtable.ProtoGRE, append([]byte{0xb0}, make([]byte, 15)...), false, Accept},
		{"GRE with routing", flowtable.ProtoGRE, append([]byte{0x40}, make([]byte, 7)...), false, Drop},
		{"GRE of PPTP", flowtable.ProtoGRE, []byte{0, 1, 0, 0}, false, Drop},
		{"ICMP", flowtable.ProtoICMP, make([]byte, 8), false, Drop},
		{"a later fragment", flowtable.ProtoUDP, make([]byte, 8), true, Drop},
	} {
		p := pk{proto: row.proto, payload: 40, later: row.later}.packet(t)
		copy(p.Data[p.L4:], append(row.l4, 0x61))
		if v := run(t, inForward("@ih,0,8 0x61 accept"), p, &Env{}); v.Code != row.want {
			t.Errorf("%s: %v", row.name, v.Code)
		}
	}
}

func TestNextHop(t *testing.T) {
	by := func(gateway ...byte) func(uint8, *[16]byte) Way {
		way := Way{Kind: WayUnicast}
		copy(way.Gateway[:], gateway)
		return func(uint8, *[16]byte) Way { return way }
	}
	v6 := pk{src: "2001:db8::1", dst: "2001:db8::2", out: 2}
	for _, row := range []struct {
		name, rule string
		pk         pk
		route      func(uint8, *[16]byte) Way
		want       Code
	}{
		{"by a gateway", "rt ip nexthop 192.0.2.1 accept", pk{out: 2}, by(192, 0, 2, 1), Accept},
		{"on the net itself", "rt ip nexthop 10.0.0.2 accept", pk{out: 2}, by(), Accept},
		{"elsewhere", "rt ip nexthop 192.0.2.2 accept", pk{out: 2}, by(192, 0, 2, 1), Drop},
		{"not routed yet", "rt ip nexthop != 192.0.2.2 accept", pk{}, by(192, 0, 2, 1), Drop},
		{"no routes", "rt ip nexthop != 192.0.2.2 accept", pk{out: 2}, nil, Drop},
		{"IPv6", "rt ip6 nexthop fe80::1 accept", v6, by(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), Accept},
		{"IPv6 on the net itself", "rt ip6 nexthop 2001:db8::2 accept", v6, by(), Accept},
		{"another family", "rt ip6 nexthop != fe80::2 accept", pk{out: 2}, by(192, 0, 2, 1), Drop},
		{"no IPsec on the way", "rt ipsec missing meta ipsec missing accept", pk{out: 2}, nil, Accept},
		{"no way", "rt ipsec missing accept", pk{}, nil, Drop},
	} {
		if v := run(t, inForward(row.rule), row.pk.packet(t), &Env{Route: row.route}); v.Code != row.want {
			t.Errorf("%s: %v", row.name, v.Code)
		}
	}
}
