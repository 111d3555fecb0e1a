package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// chunk is one of SCTP's.
func chunk(kind byte, size int, body ...byte) frame.Data {
	c := make([]byte, size)
	c[0], c[3] = kind, byte(size)
	copy(c[4:], body)
	return frame.Data(c)
}

// invalids are packets of which only the last is INVALID, for the reason.
func invalids() map[flowtable.Reason][]pair.Frame {
	k4 := talk{a: lanHost(0, false), b: wanHost(0, false), aPort: 1000, bPort: 80}
	k6 := talk{a: lanHost(0, true), b: wanHost(0, true), aPort: 1000, bPort: 80}
	udp, tcp := frame.UDP{Src: 1000, Dst: 80}, frame.TCP{Src: 1000, Dst: 80, Seq: 1000, Flags: "S"}
	one := func(layers ...frame.Layer) []pair.Frame { return []pair.Frame{k4.there(layers...)} }
	// then is a segment of a connection that is open, by the number that it begins with
	// and the one that it acknowledges; 1001 and 5001 would be right.
	then := func(flags string, seq, ack uint32) []pair.Frame {
		return append(k4.tcp(opening), k4.there(frame.TCP{Src: 1000, Dst: 80, Seq: seq, Ack: ack, Flags: flags}, frame.Data("x")))
	}
	quoted := []frame.Layer{frame.ICMP{Type: 3, Code: 1}, frame.IPv4{Src: k4.a.addr.String(), Dst: k4.b.addr.String()}, udp}
	sctp := frame.SCTP{Src: 1000, Dst: 80, Tag: 22}
	return map[flowtable.Reason][]pair.Frame{
		flowtable.ReasonMalformed:   one(frame.TCP{Src: 1000, Dst: 80, Flags: "S", DataOffset: frame.Say(4)}),
		flowtable.ReasonTruncated:   one(frame.Proto(6), frame.Zeros(19)),
		flowtable.ReasonFragment:    {k6.there(frame.Fragment{Offset: 4, More: true}, frame.Proto(17), frame.Zeros(13))},
		flowtable.ReasonChecksum:    one(frame.UDP{Src: 1000, Dst: 80, Sum: frame.SumWrong}, frame.Zeros(4)),
		flowtable.ReasonICMPSum:     one(frame.ICMP{Type: 8, Sum: frame.SumWrong}),
		flowtable.ReasonICMPShort:   one(frame.Proto(1), frame.Zeros(7)),
		flowtable.ReasonICMPType:    one(frame.ICMP{Type: 40}),
		flowtable.ReasonICMPInner:   one(frame.ICMP{Type: 3, Code: 1}, frame.Zeros(8)),
		flowtable.ReasonRedirect:    {k6.there(frame.ICMPv6{Type: 137}, frame.Zeros(40))},
		flowtable.ReasonLength:      one(frame.UDP{Src: 1000, Dst: 80, Len: frame.Say(7)}, frame.Zeros(4)),
		flowtable.ReasonGRE:         one(frame.GRE{Version: 1, Key: 5, Proto: 0x800}, frame.Zeros(4)),
		flowtable.ReasonNoInverse:   one(frame.ICMP{Type: 9}),
		flowtable.ReasonNoFlow:      {k4.b.to(k4.a.addr, quoted...)},
		flowtable.ReasonMisdirected: append(k4.udp(1, 0), k4.b.to(lanHost(5, false).addr, quoted...)),
		flowtable.ReasonNotQuery:    one(frame.ICMP{Type: 0, ID: 5}),
		flowtable.ReasonTCPFlags:    one(frame.TCP{Src: 1000, Dst: 80, Flags: "SF"}),
		flowtable.ReasonTCPState:    {k4.there(tcp), k4.there(frame.TCP{Src: 1000, Dst: 80, Seq: 1001, Ack: 1, Flags: "A"})},
		flowtable.ReasonTCPNotNew:   one(frame.TCP{Src: 1000, Dst: 80, Flags: "R"}),
		flowtable.ReasonTCPReset:    then("R", 1, 0),
		flowtable.ReasonTCPSeqOver:  then("PA", 1001+1<<28, 5001),
		flowtable.ReasonTCPAckOver:  then("PA", 1001, 5001+1<<28),
		flowtable.ReasonSCTPChunk:   one(sctp, frame.Zeros(4)),
		flowtable.ReasonSCTPTag:     append(k4.sctp(), k4.there(frame.SCTP{Src: 1000, Dst: 80, Tag: 23}, chunk(0, 20))),
		flowtable.ReasonSCTPState:   {k4.there(sctp, chunk(4, 8)), k4.back(frame.SCTP{Src: 80, Dst: 1000}, chunk(1, 20, 0, 0, 0, 9))},
		flowtable.ReasonSCTPNotNew:  one(sctp, chunk(11, 4)),
	}
}

// TestEveryInvalid provokes every reason for which a packet is INVALID: it is
// counted under that reason and no other, listed, and what a rule can ask for.
func TestEveryInvalid(t *testing.T) {
	var all []flowtable.Reason
	rules := "table inet t {\n\tchain c {\n\t\ttype filter hook prerouting priority filter; policy accept;\n\t\tct state invalid counter\n"
	for r := flowtable.ReasonNone + 1; r.Invalid(); r++ {
		all = append(all, r)
		rules += fmt.Sprintf("\t\tct state invalid ct reason %v counter\n", r)
	}
	rules += "\t\tct state invalid drop\n\t}\n}\n"
	cases := invalids()
	if known := slices.Sorted(maps.Keys(cases)); !slices.Equal(known, all) {
		t.Fatalf("cases for %v\nwant for %v", known, all)
	}
	for _, reason := range all {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%v/%d workers", reason, workers), func(t *testing.T) {
				box, err := pair.NewSluice(workers, [2]int{1, 2}, &pair.Case{Rules: rules})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = box.Close() })
				b := &testBox{box: box.Box()}
				b.serve(t)
				frames := cases[reason]
				for i, f := range frames {
					out, err := box.Send(f)
					if err != nil {
						t.Fatal(err)
					}
					// The barrier's ARP is answered by nobody here.
					if last := i == len(frames)-1; (len(out) == 0) != last {
						t.Errorf("packet %d of %d: %d frames came out", i+1, len(frames), len(out))
					}
				}
				rows := strings.Split(strings.TrimSpace(b.tool([]string{"--invalid"}).out), "\n")
				if len(rows) != 2 || strings.Fields(rows[1])[0] != "1" || !strings.HasSuffix(rows[1], "  "+reason.String()) {
					t.Errorf("listed: %q", rows)
				}
				var listed Invalids
				if err := json.Unmarshal([]byte(b.tool(strings.Fields("--invalid -o json")).out), &listed); err != nil || listed.Reason != reason.String() || listed.Total != 1 || len(listed.Workers) != workers {
					t.Errorf("as JSON: %+v, %v", listed, err)
				}
				stats := box.Stats()
				if stats.Invalid+stats.Error != 1 {
					t.Errorf("counted: invalid %d, error %d", stats.Invalid, stats.Error)
				}
				for _, c := range box.Counters() {
					want := uint64(0)
					if c.Number == 0 || c.Number == int(reason) {
						want = 1
					}
					if c.Packets != want {
						t.Errorf("rule %d has counted %d packets, want %d", c.Number, c.Packets, want)
					}
				}
			})
		}
	}
}
