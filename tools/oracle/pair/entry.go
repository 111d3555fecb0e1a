package pair

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// Tuple is one direction of an entry. ICMP has its identifier in SrcPort and
// type and code in DstPort.
type Tuple struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Proto            uint8
}

// Entry is a conntrack entry of either contender.
type Entry struct {
	Orig, Reply Tuple
	Timeout     uint32 // seconds left
	Status      uint32 // as enum ip_conntrack_status
	State       string // of protocols that have one
	Packets     [2]uint64
	Bytes       [2]uint64
	Mark        uint32
	Use         uint32 // 1, and one more for each child
	Zone        uint16
	Helper      string
	Text        string // as conntrack -L prints it, without the timeout
}

// statusShown are the status bits that are compared: what a packet or a rule
// can see.
const statusShown = flowtable.StatusExpected | flowtable.StatusSeenReply | flowtable.StatusAssured |
	flowtable.StatusSrcNAT | flowtable.StatusDstNAT | flowtable.StatusSeqAdjust | flowtable.StatusFixedTimeout

var protoNames = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 47: "gre", 58: "icmpv6", 132: "sctp", 136: "udplite"}

var tcpStates = []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}

var sctpStates = []string{"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"}

func stateName(names []string, n uint8) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprint("state ", n)
}

// Line returns the line that conntrack -L (1.4.7) prints for the entry.
func (e *Entry) Line() string {
	name, ok := protoNames[e.Orig.Proto]
	if !ok {
		name = "unknown"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %d %d", name, e.Orig.Proto, e.Timeout)
	if e.State != "" {
		b.WriteString(" " + e.State)
	}
	direction := func(t *Tuple, dir int) {
		fmt.Fprintf(&b, " src=%v dst=%v", t.Src, t.Dst)
		switch t.Proto {
		case 1, 58:
			fmt.Fprintf(&b, " type=%d code=%d id=%d", t.DstPort>>8, t.DstPort&0xff, t.SrcPort)
		case 6, 17, 33, 132, 136:
			fmt.Fprintf(&b, " sport=%d dport=%d", t.SrcPort, t.DstPort)
		case 47:
			fmt.Fprintf(&b, " srckey=0x%x dstkey=0x%x", t.SrcPort, t.DstPort)
		}
		fmt.Fprintf(&b, " packets=%d bytes=%d", e.Packets[dir], e.Bytes[dir])
	}
	direction(&e.Orig, 0)
	if e.Status&flowtable.StatusSeenReply == 0 {
		b.WriteString(" [UNREPLIED]")
	}
	direction(&e.Reply, 1)
	if e.Status&flowtable.StatusAssured != 0 {
		b.WriteString(" [ASSURED]")
	}
	fmt.Fprintf(&b, " mark=%d", e.Mark)
	if e.Zone != 0 {
		fmt.Fprintf(&b, " zone=%d", e.Zone)
	}
	if e.Helper != "" {
		fmt.Fprintf(&b, " helper=%s", e.Helper)
	}
	fmt.Fprintf(&b, " use=%d", e.Use)
	return b.String()
}

// WithoutTimeout replaces the timeout, the third word of a line, by "T".
func WithoutTimeout(line string) string {
	at := 0
	for range 2 { // the protocol's name and number
		at += strings.IndexByte(line[at:], ' ')
		at += len(line[at:]) - len(strings.TrimLeft(line[at:], " "))
	}
	end := at + strings.IndexByte(line[at:]+" ", ' ')
	return line[:at] + "T" + line[end:]
}

// ofFlow is what sluice says about a flow.
func ofFlow(f *flowtable.Flow) Entry {
	tuple := func(t *flowtable.Tuple) Tuple {
		return Tuple{Src: t.Address(&t.Src), Dst: t.Address(&t.Dst), SrcPort: t.SrcPort, DstPort: t.DstPort, Proto: t.Proto}
	}
	e := Entry{
		Orig: tuple(&f.Orig), Reply: tuple(&f.Reply), Timeout: f.TimeoutSec, Status: f.Status,
		Packets: f.Packets, Bytes: f.Bytes, Mark: f.Mark, Zone: f.Zone, Use: 1 + uint32(f.Children),
	}
	if f.Helper != 0 {
		e.Helper = helper.Default()[f.Helper-1].Name
	}
	e.Text = WithoutTimeout(conntracktext.FlowLine(f, e.Helper))
	if words := strings.Fields(e.Text); len(words) > 3 && !strings.Contains(words[3], "=") {
		e.State = words[3]
	}
	return e
}

func sortEntries(all []Entry) {
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Text, b.Text), cmp.Compare(a.Timeout, b.Timeout))
	})
}
