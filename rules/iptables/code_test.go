package iptables

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestPhysdevOnWire: what holds because no packet came over a bridge is refused
// where the box is one.
func TestPhysdevOnWire(t *testing.T) {
	for _, row := range []struct {
		rules string
		line  int // of the rule that a wire refuses; 0: none
	}{
		{"-A FORWARD -i lan -j DROP\n", 0},
		{"-A FORWARD -i lan -j DROP\n-A FORWARD -m physdev --physdev-in lan -j DROP\n", 3},
		{"-A FORWARD -m physdev ! --physdev-is-bridged -j ACCEPT\n", 2},
	} {
		tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n"+row.rules+"COMMIT\n", RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rs, err := rules.Compile(tree, rules.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var wrong *rules.Error
		if err := rs.OnWire(); row.line == 0 && err != nil || row.line > 0 && (!errors.As(err, &wrong) || wrong.Pos.Line != row.line) {
			t.Errorf("%s%v, want an error in line %d", row.rules, err, row.line)
		}
	}
}

// TestChunks: which packets hold for lists of chunks, and which are dropped for
// what their chunks are.
func TestChunks(t *testing.T) {
	const data, sack, abort = "\x00\x03\x00\x04", "\x03\x00\x00\x04", "\x06\x01\x00\x04"
	for _, row := range []struct {
		list, chunks string
		want         rules.Action
	}{
		{"all DATA,SACK", data + sack, rules.ActContinue},
		{"all DATA,SACK", data, rules.ActNext},
		{"all DATA", data + sack, rules.ActContinue},
		{"any DATA,INIT", sack + data, rules.ActContinue},
		{"any INIT", sack + data, rules.ActNext},
		{"any ABORT:T", abort, rules.ActContinue},
		{"any ABORT:t", abort, rules.ActNext},
		{"only DATA:BE", data, rules.ActContinue},
		{"only DATA:Be", data, rules.ActNext},
		{"only DATA", data + sack, rules.ActNext},
		{"all NONE", data, rules.ActContinue},
		{"any ALL", "", rules.ActDrop},
		{"any SACK", data + "\x03\x00\x00\x00", rules.ActDrop},
		{"all SACK", data + "\x03\x00", rules.ActDrop},
	} {
		for _, neg := range []bool{false, true} {
			rule, want := "-p sctp -m sctp --chunk-types "+row.list, row.want
			if neg {
				rule = "-p sctp -m sctp ! --chunk-types " + row.list
				want = map[rules.Action]rules.Action{rules.ActNext: rules.ActContinue, rules.ActContinue: rules.ActNext}[want]
			}
			tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n-A FORWARD "+rule+"\nCOMMIT\n", RestoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			datagram := append(make([]byte, 12), row.chunks...) // behind an IP header of no length
			p := &packet.Packet{Family: flowtable.FamilyIPv4, Proto: flowtable.ProtoSCTP, Flags: packet.FlagL4, Data: datagram, End: uint32(len(datagram))}
			ran := false
			for _, st := range findTable(tree, nft.FamilyIP, "filter").Chains[1].Rules[0].Stmts {
				if x, ok := st.(*nft.Extension); ok {
					ran = true
					if got := x.Impl.(rules.Extension).Run(p, &rules.Env{}); got != want {
						t.Errorf("%s of %x: %d, want %d", rule, row.chunks, got, want)
					}
				}
			}
			if !ran {
				t.Errorf("%s: nothing looks at chunks", rule)
			}
		}
	}
}
