package packet

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// TestOptions: what a router at 192.0.2.1 makes of IPv4 options in the last
// millisecond of a day, then leaving by 192.0.2.9, or answering as 192.0.2.5.
func TestOptions(t *testing.T) {
	const day = "05265bff"
	rows := []struct {
		name, options string
		bad           int    // -20
		forwarded     string // "": as it came
		echo          string // "-": no room
	}{
		{name: "no operation", options: "01010100"},
		{name: "behind the end", options: "01001122", forwarded: "01000000"},
		{name: "record", options: "07070400000000 00", forwarded: "070708c0000209 00", echo: "070708c0000201 00"},
		{name: "record of two", options: "070b04000000000000000000", forwarded: "070b08c00002090000000000", echo: "070b0cc0000201c000020500"},
		{name: "full record", options: "07070801020304 00", echo: "07070801020304 00"},
		{name: "record behind another option", options: "01010107070400000000 0000", forwarded: "010101070708c0000209 0000", echo: "070708c0000201 00"},
		{name: "record with half a slot", options: "07080600000000 00", bad: 2},
		{name: "record, pointer in the type", options: "07070300000000 00", bad: 2},
		{name: "record without a pointer", options: "07020000", bad: 1},
		{name: "two records", options: "0703040703 040000", bad: 3},
		{name: "times", options: "440c0500 0000000000000000", forwarded: "440c0900" + day + "00000000", echo: "440c0d00" + day + day},
		{name: "times, full", options: "44080930 00000000", forwarded: "44080940 00000000", echo: "44080940 00000000"},
		{name: "times, too many", options: "440809f0 00000000", bad: 3},
		{name: "times and addresses", options: "44140501 00000000000000000000000000000000", forwarded: "44140d01c0000209" + day + "0000000000000000",
			echo: "44141501c0000201" + day + "c0000205" + day},
		{name: "times and addresses, one slot", options: "440c0501 0000000000000000", forwarded: "440c0d01c0000209" + day, echo: "440c0d01c0000201" + day},
		{name: "half a slot", options: "44080501 00000000", bad: 2},
		{name: "times of given addresses, another's", options: "440c0503cb007101 00000000", echo: "440c0503cb007101 00000000"},
		{name: "times of given addresses, ours", options: "440c0503c0000205 00000000", forwarded: "440c0d03c0000205" + day, echo: "440c0d03c0000205" + day},
		{name: "source route", options: "83070401020304 00"},
		{name: "source route without a pointer", options: "83020000", bad: 1},
		{name: "two source routes", options: "83030489030400 00", bad: 3},
		{name: "router alert", options: "94040000"},
		{name: "router alert cut", options: "94030000", bad: 1},
		{name: "label", options: "860800000001 0000", bad: 2},
		{name: "label cut", options: "86060000 00010000", bad: 1},
		{name: "length 0", options: "c9000000", bad: 0},
		{name: "length beyond", options: "01c90400", bad: 1},
		{name: "no length", options: "010101c9", bad: 3},
		{name: "unknown", options: "c9040000"},
	}
	tab := newTable(t)
	wrong := map[string]bool{"length 0": true}
	for _, r := range rows {
		raw, err := hex.DecodeString(strings.ReplaceAll(r.options, " ", ""))
		if err != nil {
			t.Fatal(r.name, err)
		}
		build := func() *Packet {
			return parsed(t, tab, Build(Ether{}, IPv4{Src: a4, Dst: b4, Options: string(raw)}, UDP{}))
		}
		p := build()
		came := bytes.Clone(p.Data)
		var o Options
		asked, bad := p.ReadOptions(&o, [4]byte{192, 0, 2, 1}, 86399999)
		if r.bad != 0 || wrong[r.name] {
			if bad != 20+r.bad {
				t.Errorf("%s: malformed at %d, want %d", r.name, bad, 20+r.bad)
			}
			continue
		}
		if bad != 0 {
			t.Errorf("%s: malformed at %d", r.name, bad)
			continue
		}
		if strings.HasPrefix(r.name, "source") != o.SourceRouted() {
			t.Errorf("%s: source routed: %t", r.name, o.SourceRouted())
		}
		if asked != nil && [4]byte(asked) == [4]byte{192, 0, 2, 5} {
			p.StampAsked(&o, 86399999)
		}
		var buf [OptionsMax]byte
		n, ok := p.Echo(&o, &buf, [4]byte{192, 0, 2, 5}, 86399999)
		if got := hex.EncodeToString(buf[:n]); !ok || got != strings.ReplaceAll(r.echo, " ", "") {
			t.Errorf("%s: echo %s (%t), want %s", r.name, got, ok, r.echo)
		}
		p.Forwarded(&o, [4]byte{192, 0, 2, 9})
		want := raw
		if r.forwarded != "" {
			if want, err = hex.DecodeString(strings.ReplaceAll(r.forwarded, " ", "")); err != nil {
				t.Fatal(r.name, err)
			}
		}
		if got := p.header4()[20:]; !bytes.Equal(got[:len(want)], want) {
			t.Errorf("%s: forwarded %x, want %x", r.name, got, want)
		}
		if Checksum(p.header4(), 0) != 0 {
			t.Errorf("%s: checksum of the forwarded header", r.name)
		}
		p = build()
		p.ReadOptions(&o, [4]byte{192, 0, 2, 1}, 1)
		if p.Unread(&o); !bytes.Equal(p.Data, came) {
			t.Errorf("%s: %x after reading and undoing, was %x", r.name, p.Data, came)
		}
	}
}

// throughOptions reads and writes any packet's options, if it has some.
func throughOptions(tb testing.TB, p *Packet) {
	if p.Family != flowtable.FamilyIPv4 {
		return
	}
	was := bytes.Clone(p.Data)
	var o Options
	var buf [OptionsMax]byte
	asked, bad := p.ReadOptions(&o, [4]byte{1, 2, 3, 4}, 5)
	if asked != nil && asked[0]&1 != 0 {
		p.StampAsked(&o, 6)
	}
	if n, _ := p.Echo(&o, &buf, [4]byte{1, 2, 3, 5}, 7); n&3 != 0 {
		tb.Fatalf("%d bytes of options", n)
	}
	if p.Unread(&o); !bytes.Equal(was, p.Data) {
		tb.Fatalf("%x is no longer %x", p.Data, was)
	}
	if bad == 0 {
		p.ReadOptions(&o, [4]byte{1, 2, 3, 4}, 5)
		p.Forwarded(&o, [4]byte{1, 2, 3, 6})
		copy(p.Data, was)
	}
}

// TestHopProblem: which hop-by-hop options are answered, and where the answer points.
func TestHopProblem(t *testing.T) {
	tab := newTable(t)
	rows := []struct {
		name, dst, options string
		code               uint8
		pointer            uint32
		answered           bool
	}{
		{"may be skipped", b6, "\x1e\x04\x00\x00\x00\x00", 0, 0, false},
		{"to be dropped", b6, "\x5e\x04\x00\x00\x00\x00", 0, 0, false},
		{"to be answered", b6, "\x9e\x04\x00\x00\x00\x00", 2, 42, true},
		{"to be answered, second", b6, "\x1e\x00\x9e\x02\x00\x00", 2, 44, true},
		{"to be answered, of multicast too", "ff05::7", "\x9e\x04\x00\x00\x00\x00", 2, 42, true},
		{"to be answered but for multicast", b6, "\xde\x04\x00\x00\x00\x00", 2, 42, true},
		{"but for multicast", "ff05::7", "\xde\x04\x00\x00\x00\x00", 0, 0, false},
		{"a jumbogram that says its length twice", b6, "\xc2\x04\x00\x01\x00\x00", 0, 42, true},
		{"a jumbogram that is none", b6, "\xc2\x04\x00\x00\xff\xff", 0, 44, true},
		{"a jumbo length of three bytes", b6, "\xc2\x03\x00\x01\x00\x00", 0, 0, false},
		{"beyond the header", b6, "\x9e\x09\x00\x00\x00\x00", 0, 0, false},
	}
	for _, r := range rows {
		p := &Packet{Data: Build(Ether{}, IPv6{Src: a6, Dst: r.dst}, Ext{Kind: HopByHop, Body: r.options}, UDP{})}
		if d := Parse(p, tab); (d != DropNone) != (r.name != "may be skipped") {
			t.Errorf("%s: parsed with %v", r.name, d)
		}
		code, pointer, ok := p.HopProblem()
		if code != r.code || pointer != r.pointer || ok != r.answered {
			t.Errorf("%s: code %d, pointer %d, answered %t", r.name, code, pointer, ok)
		}
		if ok && (p.Family != flowtable.FamilyIPv6 || p.End != uint32(len(p.Data)) || p.Proto != flowtable.ProtoUDP) {
			t.Errorf("%s: family %d, end %d, protocol %d", r.name, p.Family, p.End, p.Proto)
		}
	}
}
