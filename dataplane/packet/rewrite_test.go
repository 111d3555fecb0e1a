package packet

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes the clock")

func random(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func randomData(r *rand.Rand, n int) Data {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
		if r.IntN(4) == 0 {
			b[i] = 0xff * byte(r.IntN(2)) // runs of zeros and ones find the carries
		}
	}
	return Data(b)
}

// randomAddr has many zeros and ones, where one's complement is delicate.
func randomAddr(r *rand.Rand, v6 bool) (a [16]byte) {
	n := 4
	if v6 {
		n = 16
	}
	for i := range n {
		switch r.IntN(3) {
		case 0:
			a[i] = byte(r.Uint32())
		case 1:
			a[i] = 0xff
		}
	}
	if v6 {
		a[0] = 0x20 // a global address is never refused
	}
	return a
}

func randomPort(r *rand.Rand) uint16 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return 0xffff
	}
	return uint16(r.Uint32())
}

type sample struct {
	name   string
	layers []Layer // behind the IP header
	v4, v6 bool
}

var samples = []sample{
	{"tcp", []Layer{TCP{Src: 1024, Dst: 80, Flags: "A"}}, true, true},
	{"udp", []Layer{UDP{Src: 1024, Dst: 80}}, true, true},
	{"udp without checksum", []Layer{UDP{Src: 1024, Dst: 80, Sum: SumZero}}, true, true},
	{"udplite", []Layer{UDPLite{Src: 1024, Dst: 80}}, true, true},
	{"udplite coverage", []Layer{UDPLite{Src: 1024, Dst: 80, Coverage: 8}}, true, true},
	{"sctp", []Layer{SCTP{Src: 1024, Dst: 80, Tag: 5}}, true, true},
	{"echo", []Layer{ICMP{Type: 8, ID: 9}}, true, false},
	{"echo6", []Layer{ICMPv6{Type: 128, ID: 9}}, false, true},
	{"neighbour solicitation", []Layer{ICMPv6{Type: 135, Info: 5}}, false, true},
	{"gre", []Layer{GRE{}, Zeros(4)}, true, true},
	{"esp", []Layer{Proto(50)}, true, true},
}

func (s *sample) build(v6 bool, data Data, front ...Layer) []byte {
	l := []Layer{Ether{}}
	if v6 {
		l = append(l, h6)
	} else {
		l = append(l, h4)
	}
	return Build(append(append(append(l, front...), s.layers...), data)...)
}

// eachSample runs f on every sample in every family it fits.
func eachSample(t *testing.T, f func(t *testing.T, s *sample, v6 bool)) {
	for i := range samples {
		s := &samples[i]
		if s.v4 {
			t.Run(s.name+"/ip", func(t *testing.T) { f(t, s, false) })
		}
		if s.v6 {
			t.Run(s.name+"/ip6", func(t *testing.T) { f(t, s, true) })
		}
	}
}

func parsed(tb testing.TB, tab *flowtable.Table, b []byte) *Packet {
	tb.Helper()
	p := dirty(b)
	if d := Parse(p, tab); d != DropNone {
		tb.Fatalf("parse: %v", d)
	}
	return p
}

// TestRewriteChecksums rewrites to random addresses and ports; an independent
// full computation must agree, and the bytes must be those asked for.
func TestRewriteChecksums(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		for range 300 {
			b := s.build(v6, randomData(r, r.IntN(40)))
			before, _ := Decode(b)
			p := parsed(t, tab, b)
			src, dst, sp, dp := randomAddr(r, v6), randomAddr(r, v6), randomPort(r), randomPort(r)
			if d := p.SetSrc(&src, sp); d != DropNone {
				t.Fatal(d)
			}
			if err := VerifyChecksums(b); err != nil {
				t.Fatalf("after SetSrc: %v", err)
			}
			if d := p.SetDst(&dst, dp); d != DropNone {
				t.Fatal(d)
			}
			if !p.DecTTL() {
				t.Fatal("ttl")
			}
			if err := VerifyChecksums(b); err != nil {
				t.Fatalf("after SetDst: %v", err)
			}
			if !p.ChecksumOK() {
				t.Fatal("ChecksumOK disagrees")
			}
			after, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if addr(after.Src.String()) != src || addr(after.Dst.String()) != dst || after.TTL != before.TTL-1 {
				t.Fatalf("addresses: %v", after)
			}
			if hasPorts(p.Proto) && (after.SrcPort != sp || after.DstPort != dp) {
				t.Fatalf("ports %d %d: %v", sp, dp, after)
			}
			if before.Type == 8 || before.Type == 128 {
				if after.ICMPID != dp || after.Type != before.Type {
					t.Fatalf("id %d: %v", dp, after)
				}
			} else if after.Info != before.Info {
				t.Fatal("a message without identifier got one")
			}
			if s.name == "udp without checksum" && p.Transport()[6]|p.Transport()[7] != 0 {
				t.Fatal("udp: zero did not stay")
			}
			if s.name == "udp" && p.Transport()[6]|p.Transport()[7] == 0 {
				t.Fatal("udp: a checksum became none")
			}
			if !bytes.Equal(after.Payload, before.Payload) {
				t.Fatal("payload changed")
			}
		}
	})
}

// TestRewriteIsIncremental wants the patched checksum to be bit for bit the one
// that a build from nothing has.
func TestRewriteIsIncremental(t *testing.T) {
	tab, r := newTable(t), random(t)
	for range 2000 {
		data := randomData(r, r.IntN(20))
		src := randomAddr(r, false)
		src[0] = 10
		sp := randomPort(r)
		s := IPv4{Src: a4, Dst: b4}
		n := IPv4{Src: netip.AddrFrom4([4]byte(src[:4])).String(), Dst: b4}
		for _, row := range [][2][]byte{
			{Build(Ether{}, s, TCP{Src: 1, Dst: 2}, data), Build(Ether{}, n, TCP{Src: sp, Dst: 2}, data)},
			{Build(Ether{}, s, UDP{Src: 1, Dst: 2}, data), Build(Ether{}, n, UDP{Src: sp, Dst: 2}, data)},
			{Build(Ether{}, s, ICMP{Type: 8, ID: 1, Seq: 2}, data), Build(Ether{}, n, ICMP{Type: 8, ID: sp, Seq: 2}, data)},
			{Build(Ether{}, s, SCTP{Src: 1, Dst: 2}, data), Build(Ether{}, n, SCTP{Src: sp, Dst: 2}, data)},
		} {
			p := parsed(t, tab, row[0])
			if d := p.SetSrc(&src, sp); d != DropNone {
				t.Fatal(d)
			}
			if !bytes.Equal(row[0], row[1]) {
				t.Fatalf("rewritten\n%x\nbuilt\n%x", row[0], row[1])
			}
		}
	}
}

// TestRewriteThereAndBack: NAT and its inverse give the first bytes again, also
// when the checksum was wrong.
func TestRewriteThereAndBack(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		for range 200 {
			b := s.build(v6, randomData(r, r.IntN(40)))
			p := parsed(t, tab, b)
			if spoilt := s.name != "udp without checksum" && p.Flags&FlagL4 != 0 && p.Proto != protoSCTP; spoilt && r.IntN(3) == 0 {
				p.Transport()[len(p.Transport())-1] ^= 0x40
			}
			first := bytes.Clone(b)
			var oldSrc, oldDst [16]byte
			p.SrcAddr(&oldSrc)
			p.DstAddr(&oldDst)
			sp, dp := p.Tuple.SrcPort, p.Tuple.DstPort
			if !hasPorts(p.Proto) {
				dp = sp // the identifier
			}
			src, dst := randomAddr(r, v6), randomAddr(r, v6)
			for _, d := range []Drop{
				p.SetSrc(&src, randomPort(r)), p.SetDst(&dst, randomPort(r)),
				p.SetDst(&oldDst, dp), p.SetSrc(&oldSrc, sp),
			} {
				if d != DropNone {
					t.Fatal(d)
				}
			}
			if !bytes.Equal(b, first) {
				t.Fatalf("\n%x\n%x", first, b)
			}
		}
	})
}

// TestRewriteFragments rewrites every fragment and verifies the joined datagram.
func TestRewriteFragments(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		whole := s.build(v6, randomData(r, 200))
		src, dst := randomAddr(r, v6), randomAddr(r, v6)
		want := bytes.Clone(whole)
		p := parsed(t, tab, want)
		sctp := p.Proto == protoSCTP
		sp, dp := uint16(7), uint16(7)
		if sctp {
			sp, dp = p.Tuple.SrcPort, p.Tuple.DstPort
		}
		if p.SetSrc(&src, sp)+p.SetDst(&dst, dp) != 0 {
			t.Fatal("whole")
		}
		var joined, wantBody []byte
		for _, f := range Split(whole, 64, 5) {
			p := parsed(t, tab, f)
			if sctp && p.Flags&FlagLaterFrag == 0 {
				keep := bytes.Clone(f)
				if p.SetSrc(&src, 7) != DropNAT || !bytes.Equal(keep, f) {
					t.Fatal("the port of a fragmented SCTP packet was rewritten")
				}
			}
			if p.SetSrc(&src, sp)+p.SetDst(&dst, dp) != 0 {
				t.Fatal("fragment")
			}
			if err := VerifyChecksums(f); err != nil {
				t.Fatal(err)
			}
			d, _ := Decode(f)
			if addr(d.Src.String()) != src || addr(d.Dst.String()) != dst {
				t.Fatal(d)
			}
			joined = append(joined, p.Transport()...)
		}
		wantBody = want[p.L4:p.End]
		if !bytes.Equal(joined, wantBody) {
			t.Fatalf("\n%x\n%x", joined, wantBody)
		}
	})
}

func TestRewriteRefuses(t *testing.T) {
	tab := newTable(t)
	to := addr("10.9.9.9")
	for name, b := range map[string][]byte{
		"short tcp":           Build(Ether{}, h4, Proto(6), Zeros(19)),
		"tiny first fragment": Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, Proto(17), Data("1234567")),
		"arp":                 Build(Ether{}, ARP{Sender: a4, Target: b4}),
	} {
		p := parsed(t, tab, b)
		first := bytes.Clone(b)
		if p.SetSrc(&to, 1) != DropNAT || p.SetDst(&to, 1) != DropNAT || !bytes.Equal(b, first) {
			t.Errorf("%s: rewritten", name)
		}
	}
}

func TestDecTTL(t *testing.T) {
	tab := newTable(t)
	for ttl := range 256 {
		for _, b := range [][]byte{
			Build(Ether{}, IPv4{Src: a4, Dst: b4, TTL: uint8(ttl), TTLZero: true}, UDP{}),
			Build(Ether{}, IPv6{Src: a6, Dst: b6, Hops: uint8(ttl), HopsZero: true}, UDP{}),
		} {
			p := parsed(t, tab, b)
			if p.DecTTL() != (ttl > 1) {
				t.Fatal(ttl)
			}
			want := ttl
			if ttl > 1 {
				want--
			}
			if int(p.TTL()) != want {
				t.Fatalf("ttl %d became %d", ttl, p.TTL())
			}
			if err := VerifyChecksums(b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestChecksum compares with the plain loop of RFC 1071 on all small lengths.
func TestChecksum(t *testing.T) {
	r := random(t)
	for n := range 200 {
		for range 20 {
			b := []byte(randomData(r, n))
			initial := r.Uint32()
			s := uint64(initial)
			for i := 0; i < n; i += 2 {
				w := uint16(b[i]) << 8
				if i+1 < n {
					w |= uint16(b[i+1])
				}
				s += uint64(w)
			}
			for s > 0xffff {
				s = s>>16 + s&0xffff
			}
			if got := Checksum(b, initial); got != ^uint16(s) {
				t.Fatalf("%x + %x: %#04x, want %#04x", b, initial, got, ^uint16(s))
			}
		}
	}
}

func TestChecksumOK(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		b := s.build(v6, randomData(r, 21))
		p := parsed(t, tab, b)
		if !p.ChecksumOK() {
			t.Fatal("a right checksum is called wrong")
		}
		for i := int(p.L4); i < int(p.End); i++ {
			if at := i - int(p.L4); s.name == "udp without checksum" && (at == 4 || at == 5) {
				continue // whether the length can be is for Parse to say
			}
			b[i] ^= 1
			want := VerifyChecksums(b) == nil
			if got := p.ChecksumOK(); got != want {
				t.Errorf("byte %d spoilt: ChecksumOK %t, want %t", i-int(p.L4), got, want)
			}
			b[i] ^= 1
		}
	})
	if p := parsed(t, tab, Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{Sum: SumWrong}, Zeros(8))); !p.ChecksumOK() {
		t.Error("a fragment's checksum cannot be judged")
	}
}

func TestCompleteChecksum(t *testing.T) {
	tab, r := newTable(t), random(t)
	rows := []struct {
		name string
		l4   func(how Sum) Layer
	}{
		{"tcp", func(how Sum) Layer { return TCP{Src: 1, Dst: 2, Sum: how} }},
		{"udp", func(how Sum) Layer { return UDP{Src: 1, Dst: 2, Sum: how} }},
	}
	for _, row := range rows {
		for _, ip := range []Layer{h4, h6} {
			for range 300 {
				data := randomData(r, 1+r.IntN(50))
				b, want := Build(Ether{}, ip, row.l4(SumBare), data), Build(Ether{}, ip, row.l4(SumRight), data)
				p := parsed(t, tab, b)
				if !CompleteChecksum(p) {
					t.Fatalf("%s: the bare pseudo header was not recognised", row.name)
				}
				if !bytes.Equal(b, want) {
					t.Fatalf("%s:\n%x\n%x", row.name, b, want)
				}
				for _, how := range []Sum{SumRight, SumWrong, SumZero} {
					b := Build(Ether{}, ip, row.l4(how), data)
					p := parsed(t, tab, b)
					keep := bytes.Clone(b)
					field := binary.BigEndian.Uint16(p.Transport()[map[string]int{"tcp": 16, "udp": 6}[row.name]:])
					bare := Build(Ether{}, ip, row.l4(SumBare), data)
					if field == binary.BigEndian.Uint16(bare[int(p.L4)+map[string]int{"tcp": 16, "udp": 6}[row.name]:]) {
						continue // by chance the bare sum: not to be told apart
					}
					if CompleteChecksum(p) || !bytes.Equal(b, keep) {
						t.Fatalf("%s: a checksum that is not bare was written", row.name)
					}
				}
			}
		}
	}
	for name, b := range map[string][]byte{
		"icmpv6":   Build(Ether{}, h6, ICMPv6{Type: 128, Sum: SumBare}),
		"fragment": Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{Sum: SumBare}, Zeros(8)),
		"udplite":  Build(Ether{}, h4, UDPLite{}),
	} {
		if CompleteChecksum(parsed(t, tab, b)) {
			t.Errorf("%s: completed", name)
		}
	}
}

// TestZeroChecksum steers a UDP checksum to the value 0, which would mean none
// and must become 0xffff.
func TestZeroChecksum(t *testing.T) {
	tab := newTable(t)
	src := addr(a4)
	for name, l4 := range map[string]func(sport uint16) Layer{
		"udp":     func(sport uint16) Layer { return UDP{Src: sport, Dst: 80} },
		"udplite": func(sport uint16) Layer { return UDPLite{Src: sport, Dst: 80} },
	} {
		b := Build(Ether{}, h4, l4(1024), Data("data"))
		p := parsed(t, tab, b)
		// The sum lacks just the checksum's value to be all ones.
		port := fold(uint64(be16(p.Transport()[6:])) + 1024)
		if p.SetSrc(&src, port) != DropNone || be16(p.Transport()[6:]) != 0xffff {
			t.Errorf("%s: port %d makes checksum %#04x", name, port, be16(p.Transport()[6:]))
		}
		if want := Build(Ether{}, h4, l4(port), Data("data")); !bytes.Equal(b, want) {
			t.Errorf("%s:\n%x\n%x", name, b, want)
		}
	}
	right := parsed(t, tab, Build(Ether{}, h6, UDP{Src: 1, Dst: 2}, Zeros(2)))
	c := right.Transport()[6:8]
	b := Build(Ether{}, h6, UDP{Src: 1, Dst: 2, Sum: SumBare}, Data(c))
	p := parsed(t, tab, b)
	if !CompleteChecksum(p) || be16(p.Transport()[6:]) != 0xffff || !p.ChecksumOK() {
		t.Errorf("completed checksum is %#04x", be16(p.Transport()[6:]))
	}
}

// TestRewriteCallID: PPTP's GRE names the receiver's call id only.
func TestRewriteCallID(t *testing.T) {
	tab := newTable(t)
	to := addr(b4)
	for _, r := range []struct {
		name     string
		in, want GRE
	}{
		{"version 1", GRE{Version: 1, Key: 5}, GRE{Version: 1, Key: 7}},
		{"version 0", GRE{}, GRE{}},
	} {
		b := Build(Ether{}, IPv4{Src: a4, Dst: "203.0.113.9"}, r.in, Data("payload"))
		p := parsed(t, tab, b)
		if p.SetSrc(&to, 9) != DropNone || p.SetDst(&to, 7) != DropNone {
			t.Fatalf("%s: refused", r.name)
		}
		if want := Build(Ether{}, IPv4{Src: b4, Dst: b4}, r.want, Data("payload")); string(b) != string(want) {
			t.Errorf("%s:\n%x\n%x", r.name, b, want)
		}
	}
}
