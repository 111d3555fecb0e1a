package packet

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// TestSetPayload: the frame must be the one that a builder makes of the new
// payload.
func TestSetPayload(t *testing.T) {
	tab, r := newTable(t), random(t)
	layers := []struct {
		name string
		l    []Layer
	}{
		{"tcp", []Layer{Ether{}, h4, TCP{Src: 1, Dst: 2, Flags: "PA", Options: "\x01\x01\x01\x01"}}},
		{"udp", []Layer{Ether{}, h4, UDP{Src: 1, Dst: 2}}},
		{"udp without checksum", []Layer{Ether{}, h4, UDP{Src: 1, Dst: 2, Sum: SumZero}}},
		{"tcp6", []Layer{Ether{}, h6, TCP{Src: 1, Dst: 2, Flags: "PA"}}},
		{"udp6 behind options", []Layer{Ether{}, h6, Ext{Kind: DestOpts}, UDP{Src: 1, Dst: 2}}},
		{"ip options", []Layer{Ether{}, IPv4{Src: a4, Dst: b4, Options: "\x01\x01\x01\x00"}, UDP{Src: 1, Dst: 2}}},
	}
	for _, row := range layers {
		for range 50 {
			from, to := randomData(r, r.IntN(200)), randomData(r, r.IntN(200))
			p := parsed(t, tab, append(make([]byte, 0, 600), Build(append(row.l, from)...)...))
			want := Build(append(row.l, to)...)
			if least := min(len(p.Data), minFrame); len(want) < least {
				want = append(want, make([]byte, least-len(want))...) // a short frame stays as long as it was
			}
			if !p.SetPayload([]byte(to)) {
				t.Fatalf("%s: does not fit", row.name)
			}
			if !bytes.Equal(p.Data, want) {
				t.Fatalf("%s: %d to %d bytes:\n%x\n%x", row.name, len(from), len(to), p.Data, want)
			}
		}
	}
}

func TestSetPayloadRefuses(t *testing.T) {
	tab := newTable(t)
	for name, b := range map[string][]byte{
		"fragment": Build(Ether{}, IPv4{Src: a4, Dst: b4, MF: true}, UDP{}, Zeros(8)),
		"icmp":     Build(Ether{}, h4, ICMP{Type: 8}),
		"no room":  bytes.Clone(Build(Ether{}, h4, UDP{})),
	} {
		p := parsed(t, tab, b[:len(b):len(b)])
		before := bytes.Clone(p.Data)
		if p.SetPayload(make([]byte, 20)) || !bytes.Equal(before, p.Data) {
			t.Errorf("%s: was changed", name)
		}
	}
}

func TestAdjustTCP(t *testing.T) {
	tab := newTable(t)
	this := flowtable.SeqAdjust{Position: 1000, After: 5}
	other := flowtable.SeqAdjust{Position: 2000, Before: 3, After: -4}
	sack := func(pad string, edges ...uint32) string {
		b := []byte(pad + "\x05")
		b = append(b, byte(2+4*len(edges)))
		for _, e := range edges {
			b = binary.BigEndian.AppendUint32(b, e)
		}
		return string(b)
	}
	rows := []struct {
		name     string
		in, want TCP
	}{
		{"before both", TCP{Seq: 1000, Ack: 2003, Flags: "A"}, TCP{Seq: 1000, Ack: 2000, Flags: "A"}},
		{"behind both", TCP{Seq: 1001, Ack: 2010, Flags: "A"}, TCP{Seq: 1006, Ack: 2014, Flags: "A"}},
		{"no ack", TCP{Seq: 1001, Ack: 2010, Flags: "R"}, TCP{Seq: 1006, Ack: 2010, Flags: "R"}},
		{"sack", TCP{Seq: 1, Ack: 1, Flags: "A", Options: sack("\x01\x01", 1999, 2003, 2004, 9000)},
			TCP{Seq: 1, Ack: 0xfffffffe, Flags: "A", Options: sack("\x01\x01", 1996, 2000, 2008, 9004)}},
		{"sack at an odd place", TCP{Seq: 1, Ack: 1, Flags: "A", Options: sack("\x01", 1999, 2004)},
			TCP{Seq: 1, Ack: 0xfffffffe, Flags: "A", Options: sack("\x01", 1996, 2008)}},
		{"sack behind a broken option", TCP{Seq: 1, Ack: 1, Flags: "A", Options: "\x08\x00" + sack("", 1999, 2004)},
			TCP{Seq: 1, Ack: 0xfffffffe, Flags: "A", Options: "\x08\x00" + sack("", 1999, 2004)}},
	}
	for _, r := range rows {
		r.in.Src, r.in.Dst, r.want.Src, r.want.Dst = 1, 2, 1, 2
		for _, ip := range []Layer{h4, h6} {
			p := parsed(t, tab, Build(Ether{}, ip, r.in, Data("payload")))
			p.AdjustTCP(&this, &other)
			if want := Build(Ether{}, ip, r.want, Data("payload")); !bytes.Equal(p.Data, want) {
				t.Errorf("%s:\n%x\n%x", r.name, p.Data, want)
			}
		}
	}
}
