package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// TestStoreBehindAuthentication: a new address is not taken over into a checksum
// behind an authentication header, which for rules is the transport.
func TestStoreBehindAuthentication(t *testing.T) {
	for _, row := range []struct {
		name    string
		layers  []Layer
		changes bool
	}{
		{"in front of TCP", []Layer{Ether{}, h6, Ext{Kind: DestOpts}, TCP{Src: 1, Dst: 2}}, true},
		{"behind authentication", []Layer{Ether{}, h6, Ext{Kind: Auth}, TCP{Src: 1, Dst: 2}}, false},
	} {
		p := &Packet{Data: Build(row.layers...)}
		if d := Parse(p, newTable(t)); d != DropNone {
			t.Fatal(d)
		}
		was := be16(p.Data[p.L4+16:])
		if !p.Store(int(p.L3)+ip6Src+14, []byte{0x12, 0x34}, SumAddresses) || be16(p.Data[p.L3+ip6Src+14:]) != 0x1234 {
			t.Errorf("%s: not written", row.name)
		}
		if changed := be16(p.Data[p.L4+16:]) != was; changed != row.changes {
			t.Errorf("%s: the checksum changed: %v", row.name, changed)
		}
	}
}

// TestStoreMakesSCTPSum: the CRC of SCTP is made anew when a rule writes behind its
// header's start, and else left.
func TestStoreMakesSCTPSum(t *testing.T) {
	for _, ip := range []Layer{h4, h6} {
		p := &Packet{Data: Build(Ether{}, ip, SCTP{Src: 1, Dst: 2}, Data("abcd"))}
		if d := Parse(p, newTable(t)); d != DropNone {
			t.Fatal(d)
		}
		if !p.Store(int(p.L4)+2, []byte{0, 80}, SumTransport) {
			t.Fatal("not written")
		}
		if err := VerifyChecksums(p.Data); err != nil || be16(p.Data[p.L4+2:]) != 80 {
			t.Errorf("%v; port %d", err, be16(p.Data[p.L4+2:]))
		}
		if !p.Store(int(p.L4)+2, []byte{0, 81}, 0) || VerifyChecksums(p.Data) == nil {
			t.Error("a field without a protocol's name changed the CRC")
		}
	}
}

// TestStoreCut: where a new address's checksum is not there the rule ends, once that of
// IPv4 is mended. UDP without a whole header, and protocols without a checksum, have none.
func TestStoreCut(t *testing.T) {
	tab := newTable(t)
	for _, row := range []struct {
		proto  uint8
		bytes  int
		stored bool
	}{
		{protoTCP, 0, false}, {protoTCP, 17, false}, {protoTCP, 18, true}, {protoTCP, 20, true},
		{protoUDP, 0, true}, {protoUDP, 7, true}, {protoUDP, 8, true},
		{protoUDPLite, 7, false}, {protoUDPLite, 8, true},
		{protoICMPv6, 3, false}, {protoICMPv6, 4, true},
		{protoICMP, 0, true}, {protoSCTP, 0, true}, {protoGRE, 0, true},
	} {
		for _, six := range []bool{false, true} {
			layers, at, sums := []Layer{Ether{}, h4, Proto(row.proto), Data(strings.Repeat("x", row.bytes))}, ip4Src, SumIP|SumAddresses
			if six {
				layers[1], at, sums = h6, ip6Src, SumAddresses
			}
			p := &Packet{Data: Build(layers...)}
			if d := Parse(p, tab); d != DropNone {
				t.Fatal(d)
			}
			sum := be16(p.Data[24:])
			if stored := p.Store(int(p.L3)+at, []byte{8, 8}, sums); stored != row.stored || stored != (be16(p.Data[int(p.L3)+at:]) == 0x808) {
				t.Errorf("protocol %d, %d bytes, IPv6 %v: stored: %v", row.proto, row.bytes, six, stored)
			}
			if !six && be16(p.Data[24:]) == sum {
				t.Errorf("protocol %d, %d bytes: IPv4's checksum is not changed", row.proto, row.bytes)
			}
		}
	}
}

// TestStore overwrites bytes of a sound packet: both checksums stay right.
func TestStore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		p := &Packet{L3: 14, L4: 34, End: 14 + 20 + 20 + 9, Family: flowtable.FamilyIPv4, Proto: protoTCP, Flags: FlagL4}
		p.Data = make([]byte, 80)
		for i := range p.Data {
			p.Data[i] = byte(r.Uint32())
		}
		h := p.Data[14:34]
		h[0], h[9] = 0x45, protoTCP
		binary.BigEndian.PutUint16(h[2:], 49)
		h[10], h[11] = 0, 0
		binary.BigEndian.PutUint16(h[10:], Checksum(h, 0))
		l4 := p.Data[34:p.End]
		l4[12] = 5 << 4
		l4[16], l4[17] = 0, 0
		binary.BigEndian.PutUint16(l4[16:], Checksum(l4, p.PseudoSum(protoTCP, uint32(len(l4)))))
		if !p.ChecksumOK() {
			t.Fatal("the test's packet is not sound")
		}
		b := make([]byte, 1+r.IntN(8))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		// TTL and addresses, or anything behind the data offset but the checksum.
		at := []int{22, 26, 26 + r.IntN(8-len(b)+1), 36, 52 + r.IntN(2)}[r.IntN(5)]
		if at == 22 {
			b = b[:1]
		}
		sums := SumIP | SumAddresses
		switch {
		case at == 22:
			sums = SumIP
		case at >= int(p.L4):
			sums = SumTransport
		}
		if !p.Store(at, b, sums) {
			t.Fatalf("offset %d, %d bytes: refused", at, len(b))
		}
		if Checksum(h, 0) != 0 || !p.ChecksumOK() || string(p.Data[at:at+len(b)]) != string(b) {
			t.Fatalf("offset %d, %d bytes: IP sum %#x, transport good: %v", at, len(b), Checksum(h, 0), p.ChecksumOK())
		}
	}
	p := &Packet{Data: make([]byte, 60), End: 60, L3: 14, Family: flowtable.FamilyIPv4}
	if p.Store(58, []byte{1, 2, 3}, 0) || p.Store(-1, []byte{1}, 0) {
		t.Error("bytes outside of the datagram were written")
	}
}
