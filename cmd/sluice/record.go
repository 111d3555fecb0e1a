package main

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// record is what a replay says about one packet.
type record struct {
	serial  uint32 // of all packets, from 1 in order of arrival
	number  uint32 // of the record in its file, from 1
	file    uint8  // 0: --in, 1: --in2
	at      time.Time
	since   time.Duration // since the first packet
	port    int           // in
	out     int           // -1: none
	verdict string
	drop    string // why, when dropped
	state   string // of conntrack; empty when it was off
	reason  string // why conntrack found the packet invalid, or dropped it; why it is no frame
	rule    *rules.RuleInfo
	before  *endpoints
	after   *endpoints // nil: not translated
}

// endpoints is a tuple in words.
type endpoints struct {
	Protocol string     `json:"protocol"`
	Src      netip.Addr `json:"src"`
	SrcPort  *uint16    `json:"sport,omitempty"`
	Dst      netip.Addr `json:"dst"`
	DstPort  *uint16    `json:"dport,omitempty"`
	Type     *uint8     `json:"type,omitempty"`
	Code     *uint8     `json:"code,omitempty"`
	ID       *uint16    `json:"id,omitempty"`
}

// A packet that came to no end yet.
const verdictHeld = "held"

// Why a packet never entered the box.
const (
	dropTooLong = "too-long"
	dropNoFrame = "no-frame"
)

// recorder prints a replay.
type recorder interface {
	packet(r *record) error
	totals(t *totals) error
	counter(rule *rules.RuleInfo, c rules.CounterTotal) error
	connections(lines []string) error
}

// totals counts verdicts and drop reasons; sent by port.
type totals struct {
	packets  int
	verdicts map[string]int
	drops    map[string]int
	sent     [2]int

	untranslated [2]map[bool]int    // dropped for want of a translation, by port in and whether the packet is IPv6
	noPort       int                // of these, for want of a free port
	held         map[uint32]*record // by serial
}

func (t *totals) init() {
	t.verdicts, t.drops, t.held = map[string]int{}, map[string]int{}, map[uint32]*record{}
	t.untranslated = [2]map[bool]int{{}, {}}
}

// add counts a packet; one that was held counts as what it came to be.
func (t *totals) add(r *record) {
	if t.held[r.serial] != nil {
		t.verdicts[verdictHeld]--
		t.packets--
		delete(t.held, r.serial)
	}
	t.packets++
	t.verdicts[r.verdict]++
	if r.drop != "" {
		t.drops[r.drop]++
	}
	if r.drop == packet.DropNAT.String() && r.before != nil {
		t.untranslated[r.port][r.before.Src.Is6()]++
	}
	if r.reason == flowtable.ReasonNoPort.String() {
		t.noPort++
	}
	if r.verdict == verdictHeld {
		t.held[r.serial] = r
	}
}

// records says what became of a run whose first frame has a serial, and of
// frames of earlier runs that came to their end with it, in order of serials.
// left is what the box sent by each port.
func (r *rig) records(frames []captured, first uint32, left [2][]leaving) []record {
	var all []record
	ended := map[uint32]bool{}
	for _, o := range r.box.Outcomes() {
		if o.Made {
			continue // an answer is not a packet of the capture
		}
		ended[o.Serial] = true
		all = append(all, r.describe(&o))
	}
	// The later fragments of a datagram have no outcome of their own: they leave
	// when the first one does.
	for port := range left {
		for _, l := range left[port] {
			if !ended[l.serial] && (l.serial >= first || r.total.held[l.serial] != nil) {
				ended[l.serial] = true
				rec := record{serial: l.serial, out: port, verdict: dataplane.FateSent.String()}
				if f := r.total.held[l.serial]; f != nil {
					rec.port = f.port
				} else {
					rec.port = int(frames[l.serial-first].port)
				}
				all = append(all, rec)
			}
		}
	}
	for i := range frames {
		if serial := first + uint32(i); !ended[serial] {
			rec := record{serial: serial, port: int(frames[i].port), out: -1, verdict: verdictHeld}
			if frames[i].refused != "" {
				rec.verdict, rec.drop, rec.reason = dataplane.FateDropped.String(), dropNoFrame, frames[i].refused
			} else if r.wires[rec.port].tooLong(&frames[i]) {
				rec.verdict, rec.drop = dataplane.FateDropped.String(), dropTooLong
			}
			all = append(all, rec)
		}
	}
	for i := range all {
		n := all[i].serial
		all[i].number, all[i].file = r.frames[n-1].number, r.frames[n-1].file
		if n >= first {
			all[i].at = frames[n-first].at
		} else {
			all[i].at = r.clock.Wall() // held until now
		}
		all[i].since = all[i].at.Sub(r.start)
		if all[i].before == nil && n >= first {
			all[i].before = endpointsIn(frames[n-first].data)
		}
	}
	sortBy(all, func(rec record) uint32 { return rec.serial })
	return all
}

func (r *rig) describe(o *dataplane.Outcome) record {
	rec := record{
		serial: o.Serial, port: int(o.InPort), out: -1,
		verdict: o.Fate.String(), rule: r.rules.Rule(o.Rule),
	}
	if o.Fate == dataplane.FateSent && o.OutPort != packet.NoPort {
		rec.out = int(o.OutPort)
	}
	if o.Drop != packet.DropNone {
		rec.drop = o.Drop.String()
	}
	if o.Tracked {
		rec.state = stateName(o.Info)
		if o.Reason != flowtable.ReasonNone {
			rec.reason = o.Reason.String()
		}
	}
	rec.before = endpointsOf(&o.Before)
	if o.NATed {
		rec.after = endpointsOf(&o.After)
	}
	return rec
}

// stateName is the word that rules use for a packet's state.
func stateName(i flowtable.Info) string {
	switch i.State() {
	case flowtable.StateEstablished:
		return "established"
	case flowtable.StateRelated:
		return "related"
	case flowtable.StateNew:
		return "new"
	case flowtable.StateUntracked:
		return "untracked"
	default:
		return "invalid"
	}
}

// endpointsOf puts a tuple into words; nil for an empty one.
func endpointsOf(t *flowtable.Tuple) *endpoints {
	if t.Family == flowtable.FamilyNone {
		return nil
	}
	e := &endpoints{Protocol: protocolName(t.Proto)}
	if t.Family == flowtable.FamilyIPv4 {
		e.Src, e.Dst = netip.AddrFrom4([4]byte(t.Src[:4])), netip.AddrFrom4([4]byte(t.Dst[:4]))
	} else {
		e.Src, e.Dst = netip.AddrFrom16(t.Src), netip.AddrFrom16(t.Dst)
	}
	switch {
	case t.Proto == flowtable.ProtoICMP || t.Proto == flowtable.ProtoICMPv6:
		typ, code, id := uint8(t.DstPort>>8), uint8(t.DstPort), t.SrcPort
		e.Type, e.Code, e.ID = &typ, &code, &id
	case slices.Contains([]uint8{flowtable.ProtoTCP, flowtable.ProtoUDP, 33, 132, 136}, t.Proto):
		sport, dport := t.SrcPort, t.DstPort
		e.SrcPort, e.DstPort = &sport, &dport
	}
	return e
}

// endpointsIn describes a frame that has no tuple, by what stands at the fixed
// places of its IP header; nil if it has none.
func endpointsIn(frame []byte) *endpoints {
	ip, family := network3(frame)
	switch family {
	case 4:
		return &endpoints{Protocol: protocolName(ip[9]), Src: sourceOf(ip, family), Dst: netip.AddrFrom4([4]byte(ip[16:20]))}
	case 6:
		return &endpoints{Protocol: protocolName(ip[6]), Src: sourceOf(ip, family), Dst: netip.AddrFrom16([16]byte(ip[24:40]))}
	}
	return nil
}

func sourceOf(ip []byte, family int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte(ip[12:16]))
	}
	return netip.AddrFrom16([16]byte(ip[8:24]))
}

func protocolName(proto uint8) string {
	names := map[uint8]string{
		0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 43: "route", 44: "frag", 47: "gre",
		50: "esp", 51: "ah", 58: "icmpv6", 89: "ospf", 132: "sctp", 136: "udplite",
	}
	if name, ok := names[proto]; ok {
		return name
	}
	return "proto-" + itoa(int(proto))
}
