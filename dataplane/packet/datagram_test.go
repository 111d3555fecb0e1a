package packet

import (
	"reflect"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// TestParseDatagram wants of a datagram's first fragment all that Parse says of
// the datagram unfragmented.
func TestParseDatagram(t *testing.T) {
	tab, r := newTable(t), random(t)
	eachSample(t, func(t *testing.T, s *sample, v6 bool) {
		whole := s.build(v6, randomData(r, 150))
		want := parsed(t, tab, whole)
		p := parsed(t, tab, Split(whole, 64, 9)[0])
		if d := ParseDatagram(p, tab, uint32(want.End-want.L4)); d != DropNone {
			t.Fatal(d)
		}
		want.Flags |= FlagFragment | p.Flags&FlagExtHeaders
		if s.name == "sctp" {
			want.Rest = want.Rest[:len(p.Rest)] // the chunks in the first fragment
		}
		if !reflect.DeepEqual(p.Probe, want.Probe) || p.Flags != want.Flags || p.Proto != want.Proto {
			t.Errorf("\n%+v\n%+v", p.Probe, want.Probe)
		}
	})
	t.Run("headers behind the fragment header", func(t *testing.T) {
		whole := Build(Ether{}, h6, Ext{Kind: HopByHop}, Ext{Kind: DestOpts}, TCP{Src: 1, Dst: 2, Seq: 3, Flags: "PA"}, Zeros(100))
		want := parsed(t, tab, whole)
		p := parsed(t, tab, Split(whole, 64, 9)[0])
		if d := ParseDatagram(p, tab, uint32(want.End-want.L4)+8); d != DropNone || !reflect.DeepEqual(p.Probe, want.Probe) {
			t.Errorf("%v\n%+v\n%+v", d, p.Probe, want.Probe)
		}
	})
}

func TestParseDatagramRefuses(t *testing.T) {
	tab := newTable(t)
	long := Build(Ether{}, h4, UDP{Len: Say(65000)}, Zeros(100))
	rows := []struct {
		name    string
		b       []byte
		payload uint32
		want    Drop
		kind    flowtable.Kind
	}{
		{"whole packet", long, 108, DropFragment, 0},
		{"later fragment", Split(long, 64, 1)[1], 108, DropFragment, 0},
		{"shorter than the first fragment", Split(long, 64, 1)[0], 56, DropFragment, 0},
		{"too long", Split(long, 64, 1)[0], 65516, DropFragment, 0},
		{"longest, with a length that fits", Split(long, 64, 1)[0], 65515, DropNone, flowtable.KindFlow},
		{"a length beyond the datagram", Split(long, 64, 1)[0], 64999, DropNone, flowtable.KindInvalid},
		{"header not in the first fragment", Split(Build(Ether{}, h4, TCP{}), 16, 1)[0], 20, DropFragment, 0},
		{"no header needed", Split(Build(Ether{}, h4, Proto(50), Zeros(20)), 8, 1)[0], 20, DropNone, flowtable.KindFlow},
	}
	for _, r := range rows {
		p := parsed(t, tab, r.b)
		if d := ParseDatagram(p, tab, r.payload); d != r.want || d == DropNone && p.Kind != r.kind {
			t.Errorf("%s: %v kind %d", r.name, d, p.Kind)
		}
	}
}
