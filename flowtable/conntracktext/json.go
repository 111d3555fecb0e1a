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

// AppendJSON appends a connection as one JSON object (see JSON). It is written
// by hand because a listing can have millions; a test holds it to the shape.
func AppendJSON(b []byte, e *Entry, o *Options) []byte {
	b = append(b, '{')
	if o.Event != EventNone {
		b = append(appendString(b, `"event":`, eventWords[o.Event]), ',')
	}
	b = appendString(b, `"family":`, familyName(e.Orig.Family))
	b = appendString(b, `,"protocol":`, ProtocolName(e.Orig.Proto))
	b = appendNumber(b, `,"protonum":`, uint64(e.Orig.Proto))
	if e.Set&HasTimeout != 0 {
		b = appendNumber(b, `,"timeout":`, uint64(e.Timeout))
	}
	if e.Set&HasState != 0 {
		if name := StateName(e.Orig.Proto, e.State); name != "" {
			b = appendString(b, `,"state":`, name)
		}
	}
	b = e.appendJSONDirection(append(b, `,"original":`...), flowtable.Original, &e.Orig, HasOrigZone)
	b = e.appendJSONDirection(append(b, `,"reply":`...), flowtable.Reply, &e.Reply, HasReplyZone)
	b = append(b, `,"status":[`...)
	comma := ""
	for _, w := range jsonStatus {
		if e.Status&w.bit != 0 {
			b = appendString(b, comma, w.word)
			comma = ","
		}
	}
	b = appendNumber(b, `],"mark":`, uint64(e.Mark))
	if e.Set&HasZone != 0 {
		b = appendNumber(b, `,"zone":`, uint64(e.Zone))
	}
	if e.Set&HasStart != 0 {
		b = appendJSONTime(b, `,"start":"`, e.Start)
		if e.Stop != 0 {
			b = appendJSONTime(b, `,"stop":"`, e.Stop)
		}
	}
	if e.Helper != "" {
		b = appendString(b, `,"helper":`, e.Helper)
	}
	if e.Set&HasUse != 0 {
		b = appendNumber(b, `,"use":`, uint64(e.Use))
	}
	if e.ID != 0 {
		b = appendNumber(b, `,"id":`, uint64(e.ID))
	}
	if e.Set&HasLabels != 0 {
		comma = `,"labels":[`
		for _, name := range o.Labels.list(&e.Labels) {
			b = appendString(b, comma, name)
			comma = ","
		}
		if comma == "," {
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

// appendString appends a word: names of protocols, helpers and labels need no
// escapes.
func appendString(b []byte, before, word string) []byte {
	return append(append(append(append(b, before...), '"'), word...), '"')
}

func appendJSONTime(b []byte, before string, nanoseconds int64) []byte {
	t := time.Unix(nanoseconds/nanos, nanoseconds%nanos).UTC()
	return append(t.AppendFormat(append(b, before...), time.RFC3339Nano), '"')
}

func (e *Entry) appendJSONDirection(b []byte, dir uint8, tu *flowtable.Tuple, zone Fields) []byte {
	b = append(appendAddress(b, `{"src":"`, tu, &tu.Src), '"')
	b = append(appendAddress(b, `,"dst":"`, tu, &tu.Dst), '"')
	switch {
	case hasPorts(tu.Proto):
		b = appendNumber(b, `,"sport":`, uint64(tu.SrcPort))
		b = appendNumber(b, `,"dport":`, uint64(tu.DstPort))
	case tu.Proto == flowtable.ProtoGRE:
		b = appendNumber(b, `,"srckey":`, uint64(tu.SrcPort))
		b = appendNumber(b, `,"dstkey":`, uint64(tu.DstPort))
	case tu.Proto == flowtable.ProtoICMP, tu.Proto == flowtable.ProtoICMPv6:
		b = appendNumber(b, `,"type":`, uint64(tu.DstPort>>8))
		b = appendNumber(b, `,"code":`, uint64(tu.DstPort&0xff))
		b = appendNumber(b, `,"id":`, uint64(tu.SrcPort))
	}
	if e.Set&zone != 0 {
		b = appendNumber(b, `,"zone":`, uint64(e.Zone))
	}
	if e.Set&HasCounters != 0 {
		b = appendNumber(b, `,"packets":`, e.Packets[dir])
		b = appendNumber(b, `,"bytes":`, e.Bytes[dir])
	}
	return append(b, '}')
}

func jsonTuple(tu *flowtable.Tuple) JSONDirection {
	j := JSONDirection{Src: tu.Address(&tu.Src).String(), Dst: tu.Address(&tu.Dst).String()}
	if hasPorts(tu.Proto) {
		j.Sport, j.Dport = &tu.SrcPort, &tu.DstPort
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
