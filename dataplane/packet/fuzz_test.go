package packet

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
	. "github.com/sluice-net/sluice/tools/frame"
)

// exercise parses b and calls everything that works on a parsed packet.
func exercise(tb testing.TB, tab *flowtable.Table, b []byte) {
	tb.Helper()
	p := dirty(b)
	drop := Parse(p, tab)
	if drop >= DropCount {
		tb.Fatalf("drop %d", drop)
	}
	if drop == DropIPv6Extension {
		if _, at, ok := p.HopProblem(); ok && (int(at) < ip6Len+2 || int(p.L3)+int(at) >= int(p.End)) {
			tb.Fatalf("a problem at %d", at)
		}
	}
	if drop != DropNone || p.Family == flowtable.FamilyNone {
		if p.Kind != flowtable.KindInvalid || p.Ct != nil || p.VLANs > 2 {
			tb.Fatalf("%v: %+v", drop, p)
		}
		return
	}
	l3, l4, data, end := int(p.L3), int(p.L4), int(p.L4Payload), int(p.End)
	if l3 < EtherLen || l4 < l3+20 || data < l4 || end < data || end > len(b) {
		tb.Fatalf("offsets l3 %d l4 %d payload %d end %d of %d", l3, l4, data, end, len(b))
	}
	if n := headerLen(p.Proto); p.Flags&FlagL4 != 0 && (l4+n > end || p.Flags&FlagLaterFrag != 0) {
		tb.Fatalf("FlagL4 without a header: %+v", p)
	}
	if p.Kind == flowtable.KindInvalid && p.Reason == flowtable.ReasonNone {
		tb.Fatal("INVALID without a reason")
	}
	if p.Kind != flowtable.KindInvalid && (p.Reason != flowtable.ReasonNone || !p.Whole()) {
		tb.Fatalf("kind %d with reason %v, flags %b", p.Kind, p.Reason, p.Flags)
	}
	if p.Kind == flowtable.KindFlow || p.Kind == flowtable.KindError {
		if p.Hash != tab.Hash(&p.Tuple) || p.Tuple.Family != p.Family || p.Tuple.Zone != 0 {
			tb.Fatalf("tuple %+v", p.Tuple)
		}
	}
	if int(p.Bytes) != end-l3 {
		tb.Fatalf("bytes %d", p.Bytes)
	}
	reference(tb, p)

	ok := p.ChecksumOK()
	p.ShouldAnswerTooBig()
	p.ShouldReject()
	p.Martian()
	throughOptions(tb, p)
	var src, dst [16]byte
	p.SrcAddr(&src)
	p.DstAddr(&dst)
	buf := make([]byte, 2048)
	if n := BuildICMPError(buf, p, 3, 1, 0, &dst, nil); n == 0 || VerifyOuter(buf[:n]) != nil {
		tb.Fatalf("error of %d bytes: %v", n, VerifyOuter(buf[:n]))
	}
	if n := BuildTCPReset(buf, p); n != 0 && VerifyChecksums(buf[:n]) != nil {
		tb.Fatal(VerifyChecksums(buf[:n]))
	}
	keep := bytes.Clone(b)
	if p.DecTTL() && p.TTL() != keep[l3+map[uint8]int{flowtable.FamilyIPv4: 8, flowtable.FamilyIPv6: 7}[p.Family]]-1 {
		tb.Fatal("ttl")
	}
	to := [16]byte{0x20, 9, 8, 7, 6, 5, 4, 3, 2, 1}
	set := p.SetSrc(&to, 4242)
	if set == DropNone && p.SetDst(&to, 4242) != DropNone && (p.Proto != protoGRE || p.Transport()[1]&greVersion < 2) {
		tb.Fatal("SetSrc works and SetDst does not")
	}
	if !bytes.Equal(b[:l3], keep[:l3]) || !bytes.Equal(b[end:], keep[end:]) || len(b) != len(keep) {
		tb.Fatal("bytes outside the datagram changed")
	}
	if p.Family == flowtable.FamilyIPv4 && Checksum(b[l3:][:int(b[l3]&15)*4], 0) != 0 {
		tb.Fatal("header checksum after rewriting")
	}
	if set == DropNone && p.Proto != protoSCTP && !sourceRouted(p) && p.ChecksumOK() != ok {
		tb.Fatalf("checksum was right: %t, is right: %t", ok, p.ChecksumOK())
	}
	p.rewriteInner(&to, &to, 1, 2)
	CompleteChecksum(p)
}

// sourceRouted: the pseudo header's destination is elsewhere; nothing to check.
func sourceRouted(p *Packet) bool { return p.Flags&FlagExtHeaders != 0 }

// VerifyOuter leaves out what an error quotes.
func VerifyOuter(b []byte) error {
	b = bytes.Clone(b)
	at := EtherLen + 20
	if b[12] == 0x86 {
		at = EtherLen + 40
	}
	b[at] = 8 // a type that quotes nothing; the sum knows of it
	old := ICMPUnreachable
	c := uint32(b[at+2])<<8 | uint32(b[at+3])
	c = uint32(adjust(uint16(c), diff16(uint16(old)<<8, 8<<8)))
	if at != EtherLen+20 {
		b[at] = 128
		c = uint32(b[at+2])<<8 | uint32(b[at+3])
		c = uint32(adjust(uint16(c), diff16(uint16(old)<<8, 128<<8)))
	}
	b[at+2], b[at+3] = byte(c>>8), byte(c)
	return VerifyChecksums(b)
}

// reference compares with the independent decoder, where that one agrees that
// the frame can be read.
func reference(tb testing.TB, p *Packet) {
	tb.Helper()
	d, err := Decode(p.Data)
	if err != nil || p.Flags&FlagExtHeaders != 0 || p.Kind != flowtable.KindFlow {
		return
	}
	if d.Proto != p.Proto || addr(d.Src.String()) != p.Tuple.Src || addr(d.Dst.String()) != p.Tuple.Dst {
		tb.Fatalf("%v is not %+v", d, p.Tuple)
	}
	if hasPorts(p.Proto) && (d.SrcPort != p.Tuple.SrcPort || d.DstPort != p.Tuple.DstPort) {
		tb.Fatalf("%v is not %+v", d, p.Tuple)
	}
}

func seeds() [][]byte {
	s := [][]byte{
		Build(Ether{Min: 60}, VLAN{TCI: 5}, h4, TCP{Src: 1, Dst: 2, Flags: "S", Options: "\x02\x04\x05\xb4"}),
		Build(Ether{}, IPv4{Src: a4, Dst: b4, Options: "\x83\x07\x04\x01\x02\x03\x04"}, UDP{Src: 1, Dst: 2}, Data("x")),
		Build(Ether{}, r4, ICMP{Type: 3, Code: 3}, Cut(28), h4, UDP{Src: 1, Dst: 2}, Data("x")),
		Build(Ether{}, r6, ICMPv6{Type: 1}, h6, Ext{Kind: HopByHop, Body: "\x05\x02\x00\x00"}, Fragment{}, UDP{Src: 1, Dst: 2}),
		Build(Ether{}, IPv6{Src: "fe80::1", Dst: a6, Hops: 255}, ICMPv6{Type: 137}, redirect6("\x04\x07\x00\x00\x00\x00\x00\x00"), h6, UDP{}),
		Build(Ether{}, h4, GRE{Version: 1, Key: 7}),
	}
	for i := range samples {
		if samples[i].v4 {
			s = append(s, samples[i].build(false, "some data"))
			s = append(s, Split(samples[i].build(false, Zeros(64)), 32, 1)...)
		}
		if samples[i].v6 {
			s = append(s, samples[i].build(true, "some data"))
			s = append(s, Split(samples[i].build(true, Zeros(64)), 32, 1)...)
		}
	}
	return s
}

// mend makes the IPv4 header checksum right, without which mutations do not
// get far.
func mend(b []byte) {
	if len(b) < 34 || be16(b[12:]) != EtherIPv4 {
		return
	}
	if hl := int(b[14]&15) * 4; hl >= 20 && 14+hl <= len(b) {
		finishIPv4(b[14 : 14+hl])
	}
}

func FuzzParse(f *testing.F) {
	tab := newTable(f)
	for _, s := range seeds() {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		b = bytes.Clone(b)
		if right {
			mend(b)
		}
		exercise(t, tab, b)
	})
}

// TestMutations is the fuzz test's body on random changes of good frames.
func TestMutations(t *testing.T) {
	tab, r := newTable(t), random(t)
	all := seeds()
	n := 200_000
	if testing.Short() || offheap.RaceTwin { // the race detector has nothing to find here
		n = 20_000
	}
	for range n {
		b := bytes.Clone(all[r.IntN(len(all))])
		for range 1 + r.IntN(4) {
			i := r.IntN(len(b))
			if r.IntN(2) == 0 {
				i = min(12+r.IntN(50), len(b)-1)
			}
			b[i] = byte(r.Uint32())
		}
		if r.IntN(4) == 0 {
			b = b[:r.IntN(len(b)+1)]
		}
		if r.IntN(8) != 0 {
			mend(b)
		}
		exercise(t, tab, b)
	}
}

// TestCaptures parses every frame of the corpus' captures.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/corpora/pcap/*.pcap*")
	if len(files) == 0 {
		t.Skip("../shared/corpora/pcap is not there")
	}
	tab := newTable(t)
	frames, flows := 0, 0
	for _, name := range files {
		read(t, name, func(b []byte, link layers.LinkType) {
			if link != layers.LinkTypeEthernet {
				return
			}
			frames++
			p := Packet{Data: b}
			if Parse(&p, tab) == DropNone && p.Kind == flowtable.KindFlow {
				flows++
			}
			exercise(t, tab, b)
		})
	}
	t.Logf("%d files, %d ethernet frames, %d of flows", len(files), frames, flows)
	if flows*2 < frames {
		t.Errorf("only %d of %d frames belong to flows", flows, frames)
	}
}

func read(t *testing.T, name string, each func([]byte, layers.LinkType)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r, err := pcapgo.NewReader(f); err == nil {
		for {
			b, _, err := r.ReadPacketData()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Logf("%s: %v", name, err)
				}
				return
			}
			each(b, r.LinkType())
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Logf("%s: %v", name, err)
		return
	}
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			return
		}
		each(b, r.LinkType())
	}
}
