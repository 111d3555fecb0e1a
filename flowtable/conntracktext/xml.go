package conntracktext

import (
	"strconv"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

// XML is written between these lines, the last of them when there was any
// row.
const (
	XMLHeader         = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n"
	XMLFooter         = "</conntrack>\n"
	XMLExpectedHeader = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n"
	XMLExpectedFooter = "</expect>\n"
)

func appendFlowTag(b []byte, e Event) []byte {
	switch e {
	case EventNew:
		return append(b, `<flow type="new">`...)
	case EventUpdate:
		return append(b, `<flow type="update">`...)
	case EventDestroy:
		return append(b, `<flow type="destroy">`...)
	}
	return append(b, "<flow>"...)
}

// AppendXML appends a connection as `-o xml` prints it.
func AppendXML(b []byte, e *Entry, o *Options) []byte {
	b = appendFlowTag(b, o.Event)
	b = e.appendXMLDirection(b, flowtable.Original, &e.Orig, e.Set&HasOrigZone != 0)
	b = e.appendXMLDirection(b, flowtable.Reply, &e.Reply, e.Set&HasReplyZone != 0)
	b = append(b, `<meta direction="independent">`...)
	if e.Set&HasState != 0 {
		if int(e.State) < len(TCPStates) {
			b = appendTag(b, "state", TCPStates[e.State]) // SCTP's too
		}
	}
	for _, x := range []struct {
		set   Fields
		name  string
		value uint32
	}{{HasTimeout, "timeout", e.Timeout}, {HasMark, "mark", e.Mark}, {HasLabels, "", 0}, {HasZone, "zone", uint32(e.Zone)},
		{HasUse, "use", e.Use}, {HasID, "id", e.ID}} {
		switch {
		case e.Set&x.set == 0:
		case x.set == HasLabels:
			if o.Labels != nil {
				b = o.Labels.appendXML(b, &e.Labels)
			}
		default:
			b = appendNumberTag(b, x.name, uint64(x.value))
		}
	}
	if e.Set&HasStatus != 0 {
		if e.Status&flowtable.StatusAssured != 0 {
			b = append(b, "<assured/>"...)
		}
		if e.Status&flowtable.StatusSeenReply == 0 {
			b = append(b, "<unreplied/>"...)
		}
	}
	if e.Set&HasStart != 0 {
		if o.Timestamps {
			b = appendNumberTag(append(b, "<timestamp>"...), "start", uint64(e.Start))
			if e.Stop != 0 {
				b = appendNumberTag(b, "stop", uint64(e.Stop))
			}
			b = append(b, "</timestamp>"...)
		}
		b = append(b, "<deltatime>"...)
		b = append(strconv.AppendInt(b, e.lived(o.Now), 10), "</deltatime>"...)
	}
	b = append(b, "</meta>"...)
	if o.When {
		b = appendWhen(b, o.Now)
	}
	if e.Set&HasHelper != 0 {
		b = appendTag(b, "helper", e.Helper)
	}
	return append(b, "</flow>"...)
}

func (e *Entry) appendXMLDirection(b []byte, dir uint8, tu *flowtable.Tuple, zone bool) []byte {
	name := "original"
	if dir == flowtable.Reply {
		name = "reply"
	}
	b = append(append(append(b, `<meta direction="`...), name...), `">`...)
	b = appendProtoTag(b, "layer3", tu.Family, familyName(tu.Family))
	b = append(appendXMLAddresses(b, tu), "</layer3>"...)
	b = appendProtoTag(b, "layer4", tu.Proto, ProtocolName(tu.Proto))
	b = append(appendXMLPorts(b, tu), "</layer4>"...)
	if zone {
		b = appendNumberTag(b, "zone", uint64(e.Zone))
	}
	if e.Set&HasCounters != 0 {
		b = appendNumberTag(append(b, "<counters>"...), "packets", e.Packets[dir])
		b = append(appendNumberTag(b, "bytes", e.Bytes[dir]), "</counters>"...)
	}
	return append(b, "</meta>"...)
}

func appendProtoTag(b []byte, tag string, num uint8, name string) []byte {
	b = append(append(append(b, '<'), tag...), ` protonum="`...)
	b = strconv.AppendUint(b, uint64(num), 10)
	b = append(append(b, `" protoname="`...), name...)
	return append(b, `">`...)
}

func appendXMLAddresses(b []byte, tu *flowtable.Tuple) []byte {
	b = appendAddress(b, "<src>", tu, &tu.Src)
	b = appendAddress(append(b, "</src>"...), "<dst>", tu, &tu.Dst)
	return append(b, "</dst>"...)
}

func appendXMLPorts(b []byte, tu *flowtable.Tuple) []byte {
	switch {
	case hasPorts(tu.Proto):
		b = appendNumberTag(b, "sport", uint64(tu.SrcPort))
		b = appendNumberTag(b, "dport", uint64(tu.DstPort))
	case tu.Proto == flowtable.ProtoGRE:
		b = append(strconv.AppendUint(append(b, "<srckey>0x"...), uint64(tu.SrcPort), 16), "</srckey>"...)
		b = append(strconv.AppendUint(append(b, "<dstkey>0x"...), uint64(tu.DstPort), 16), "</dstkey>"...)
	}
	return b
}

// AppendExpectationXML appends an expectation as `-L expect -o xml` prints it.
func AppendExpectationXML(b []byte, x *Expectation, o *Options) []byte {
	b = appendFlowTag(b, o.Event)
	b = appendProtoTag(b, "layer3", x.Tuple.Family, familyName(x.Tuple.Family))
	for _, part := range x.parts() {
		b = append(append(append(b, '<'), part.tag...), '>')
		b = appendXMLAddresses(b, part.tuple)
		b = append(append(append(b, "</"...), part.tag...), '>')
	}
	b = append(b, "</layer3>"...)
	b = appendProtoTag(b, "layer4", x.Tuple.Proto, ProtocolName(x.Tuple.Proto))
	for _, part := range x.parts() {
		b = append(append(append(b, '<'), part.tag...), '>')
		b = appendXMLPorts(b, part.tuple)
		b = append(append(append(b, "</"...), part.tag...), '>')
	}
	b = append(b, "</layer4><meta>"...)
	if x.Helper != "" {
		b = appendTag(b, "helper-name", x.Helper)
	}
	b = appendNumberTag(b, "timeout", uint64(x.Timeout))
	b = appendNumberTag(b, "class", uint64(x.Class))
	if x.Zone != 0 {
		b = appendNumberTag(b, "zone", uint64(x.Zone))
	}
	if o.When {
		b = appendWhen(b, o.Now)
	}
	for _, f := range []struct {
		bit uint32
		tag string
	}{{ExpectPermanent, "<permanent/>"}, {ExpectInactive, "<inactive/>"}, {ExpectUserspace, "<userspace/>"}} {
		if x.Flags&f.bit != 0 {
			b = append(b, f.tag...)
		}
	}
	return append(b, "</meta></flow>"...)
}

type expectationPart struct {
	tag   string
	tuple *flowtable.Tuple
}

func (x *Expectation) parts() [3]expectationPart {
	return [3]expectationPart{{"expected", &x.Tuple}, {"mask", &x.Mask}, {"master", &x.Master}}
}

func appendTag(b []byte, tag, text string) []byte {
	b = append(append(append(b, '<'), tag...), '>')
	b = append(append(b, text...), "</"...)
	return append(append(b, tag...), '>')
}

func appendNumberTag(b []byte, tag string, v uint64) []byte {
	b = append(append(append(b, '<'), tag...), '>')
	b = append(strconv.AppendUint(b, v, 10), "</"...)
	return append(append(b, tag...), '>')
}

// appendWhen appends a time of the wall clock in parts; days of the week begin
// with Sunday, which is 1.
func appendWhen(b []byte, now int64) []byte {
	t := time.Unix(now, 0)
	b = appendNumberTag(append(b, "<when>"...), "hour", uint64(t.Hour()))
	b = append(t.AppendFormat(append(b, "<min>"...), "04"), "</min>"...)
	b = append(t.AppendFormat(append(b, "<sec>"...), "05"), "</sec>"...)
	b = appendNumberTag(b, "wday", uint64(t.Weekday())+1)
	b = appendNumberTag(b, "day", uint64(t.Day()))
	b = appendNumberTag(b, "month", uint64(t.Month()))
	return append(appendNumberTag(b, "year", uint64(t.Year())), "</when>"...)
}
