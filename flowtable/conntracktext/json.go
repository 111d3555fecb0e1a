package conntracktext

import (
	"encoding/json"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

// JSON is the shape of a connection in `-o json`, one object a line. Fields
// that the tool's line would not have are absent.
type JSON struct {
	Event    string        `json:"event,omitempty"` // new, update or destroy
	Family   string        `json:"family"`          // ipv4 or ipv6
	Protocol string        `json:"protocol"`        // as the tool names it
	Protonum uint8         `json:"protonum"`
	Timeout  *uint32       `json:"timeout,omitempty"` // seconds
	State    string        `json:"state,omitempty"`
	Original JSONDirection `json:"original"`
	Reply    JSONDirection `json:"reply"`
	Status   []string      `json:"status"` // seen-reply assured expected confirmed snat dnat fixed-timeout dying helper
	Mark     uint32        `json:"mark"`
	Zone     uint16        `json:"zone,omitempty"`
	Start    *time.Time    `json:"start,omitempty"`
	Stop     *time.Time    `json:"stop,omitempty"`
	Helper   string        `json:"helper,omitempty"`
	Use      uint32        `json:"use,omitempty"`
	ID       uint32        `json:"id,omitempty"`
	Labels   []string      `json:"labels,omitempty"` // names, or numbers of bits without one
}

// JSONDirection is one direction of a connection.
type JSONDirection struct {
	Src     string  `json:"src"`
	Dst     string  `json:"dst"`
	Sport   *uint16 `json:"sport,omitempty"`
	Dport   *uint16 `json:"dport,omitempty"`
	Type    *uint8  `json:"type,omitempty"` // ICMP
	Code    *uint8  `json:"code,omitempty"`
	ID      *uint16 `json:"id,omitempty"`
	SrcKey  *uint16 `json:"srckey,omitempty"` // GRE
	DstKey  *uint16 `json:"dstkey,omitempty"`
	Zone    uint16  `json:"zone,omitempty"` // of this direction alone
	Packets *uint64 `json:"packets,omitempty"`
	Bytes   *uint64 `json:"bytes,omitempty"`
}

var eventWords = [...]string{EventNone: "", EventNew: "new", EventUpdate: "update", EventDestroy: "destroy"}

var jsonStatus = []struct {
	bit  uint32
	word string
}{
	{flowtable.StatusExpected, "expected"}, {flowtable.StatusSeenReply, "seen-reply"}, {flowtable.StatusAssured, "assured"},
	{flowtable.StatusConfirmed, "confirmed"}, {flowtable.StatusSrcNAT, "snat"}, {flowtable.StatusDstNAT, "dnat"},
	{flowtable.StatusDying, "dying"}, {flowtable.StatusFixedTimeout, "fixed-timeout"}, {statusHelper, "helper"},
}

const statusHelper = 1 << 13 // IPS_HELPER

// AppendJSON appends a connection as one JSON object (see JSON).
func AppendJSON(b []byte, e *Entry, o *Options) []byte {
	j := JSON{
		Event: eventWords[o.Event], Family: familyName(e.Orig.Family), Protocol: ProtocolName(e.Orig.Proto), Protonum: e.Orig.Proto,
		Original: e.direction(flowtable.Original, &e.Orig, e.Set&HasOrigZone != 0),
		Reply:    e.direction(flowtable.Reply, &e.Reply, e.Set&HasReplyZone != 0),
		Mark:     e.Mark, Status: []string{}, Use: e.Use, ID: e.ID, Helper: e.Helper,
	}
	if e.Set&HasTimeout != 0 {
		j.Timeout = &e.Timeout
	}
	if e.Set&HasState != 0 {
		j.State = StateName(e.Orig.Proto, e.State)
	}
	if e.Set&HasZone != 0 {
		j.Zone = e.Zone
	}
	for _, w := range jsonStatus {
		if e.Status&w.bit != 0 {
			j.Status = append(j.Status, w.word)
		}
	}
	if e.Set&HasStart != 0 {
		j.Start = jsonTime(e.Start)
		if e.Stop != 0 {
			j.Stop = jsonTime(e.Stop)
		}
	}
	if e.Set&HasLabels != 0 {
		j.Labels = o.Labels.list(&e.Labels)
	}
	return appendJSON(b, &j)
}

func jsonTime(nanoseconds int64) *time.Time {
	t := time.Unix(nanoseconds/nanos, nanoseconds%nanos).UTC()
	return &t
}

func (e *Entry) direction(dir uint8, tu *flowtable.Tuple, zone bool) JSONDirection {
	j := jsonTuple(tu)
	if zone {
		j.Zone = e.Zone
	}
	if e.Set&HasCounters != 0 {
		j.Packets, j.Bytes = &e.Packets[dir], &e.Bytes[dir]
	}
	return j
}

func jsonTuple(tu *flowtable.Tuple) JSONDirection {
	j := JSONDirection{Src: tu.Address(&tu.Src).String(), Dst: tu.Address(&tu.Dst).String()}
	switch {
	case hasPorts(tu.Proto):
		j.Sport, j.Dport = &tu.SrcPort, &tu.DstPort
	case tu.Proto == flowtable.ProtoGRE:
		j.SrcKey, j.DstKey = &tu.SrcPort, &tu.DstPort
	case tu.Proto == flowtable.ProtoICMP, tu.Proto == flowtable.ProtoICMPv6:
		typ, code := uint8(tu.DstPort>>8), uint8(tu.DstPort)
		j.Type, j.Code, j.ID = &typ, &code, &tu.SrcPort
	}
	return j
}

// JSONExpectation is the shape of an expectation in `-L expect -o json`.
type JSONExpectation struct {
	Event    string        `json:"event,omitempty"`
	Family   string        `json:"family"`
	Protocol string        `json:"protocol"`
	Protonum uint8         `json:"protonum"`
	Timeout  uint32        `json:"timeout"` // seconds
	Expected JSONDirection `json:"expected"`
	Mask     JSONDirection `json:"mask"`
	Master   JSONDirection `json:"master"`
	Zone     uint16        `json:"zone,omitempty"`
	Flags    []string      `json:"flags,omitempty"` // permanent inactive userspace
	Class    uint32        `json:"class"`
	Helper   string        `json:"helper,omitempty"`
}

// AppendExpectationJSON appends an expectation as one JSON object (see
// JSONExpectation).
func AppendExpectationJSON(b []byte, x *Expectation, e Event) []byte {
	j := JSONExpectation{
		Event: eventWords[e], Family: familyName(x.Tuple.Family), Protocol: ProtocolName(x.Tuple.Proto), Protonum: x.Tuple.Proto,
		Timeout: x.Timeout, Expected: jsonTuple(&x.Tuple), Mask: jsonTuple(&x.Mask), Master: jsonTuple(&x.Master),
		Zone: x.Zone, Class: x.Class, Helper: x.Helper,
	}
	for i, word := range []string{"permanent", "inactive", "userspace"} {
		if x.Flags&(1<<i) != 0 {
			j.Flags = append(j.Flags, word)
		}
	}
	return appendJSON(b, &j)
}

func appendJSON(b []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // nothing in these shapes can fail
	}
	return append(b, text...)
}
