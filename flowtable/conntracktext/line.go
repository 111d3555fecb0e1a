package conntracktext

import (
	"strconv"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

// appendEvent begins the line of an event, right-aligned to 9 places.
func appendEvent(b []byte, e Event) []byte {
	switch e {
	case EventNew:
		return append(b, "    [NEW] "...)
	case EventUpdate:
		return append(b, " [UPDATE] "...)
	case EventDestroy:
		return append(b, "[DESTROY] "...)
	}
	return b
}

// AppendLine appends a connection as `conntrack -L`, -E, -D, -G and -U print it.
func AppendLine(b []byte, e *Entry, o *Options) []byte {
	b = appendEvent(b, o.Event)
	if o.Layer3 {
		b = appendPadded(b, familyName(e.Orig.Family))
		b = appendNumber(b, " ", uint64(e.Orig.Family))
		b = append(b, ' ')
	}
	b = appendPadded(b, ProtocolName(e.Orig.Proto))
	b = appendNumber(b, " ", uint64(e.Orig.Proto))
	if e.Set&HasTimeout != 0 {
		b = appendNumber(b, " ", uint64(e.Timeout))
	}
	if e.Set&HasState != 0 {
		if name := StateName(e.Orig.Proto, e.State); name != "" {
			b = append(append(b, ' '), name...)
		}
	}
	b = e.appendDirections(b, AppendTuple)
	if e.Set&HasZone != 0 {
		b = appendNumber(b, " zone=", uint64(e.Zone))
	}
	if e.Set&HasStart != 0 {
		b = strconv.AppendInt(append(b, " delta-time="...), e.lived(o.Now), 10)
		if o.Timestamps {
			b = appendDate(b, " [start=", e.Start)
			if e.Stop != 0 {
				b = appendDate(b, " [stop=", e.Stop)
			}
		}
	}
	if e.Set&HasHelper != 0 {
		b = append(append(b, " helper="...), e.Helper...)
	}
	if e.Set&HasUse != 0 {
		b = appendNumber(b, " use=", uint64(e.Use))
	}
	if o.ID && e.Set&HasID != 0 {
		b = appendNumber(b, " id=", uint64(e.ID))
	}
	if o.Labels != nil && e.Set&HasLabels != 0 {
		b = o.Labels.append(append(b, " labels="...), &e.Labels)
	}
	return b
}

// appendDirections appends what the tool and the kernel write in the same order:
// both directions, and behind them the mark.
func (e *Entry) appendDirections(b []byte, tuple func([]byte, *flowtable.Tuple) []byte) []byte {
	b = tuple(b, &e.Orig)
	if e.Set&HasOrigZone != 0 {
		b = appendNumber(b, " zone-orig=", uint64(e.Zone))
	}
	b = appendCounters(b, e, flowtable.Original)
	if e.Set&HasStatus != 0 && e.Status&flowtable.StatusSeenReply == 0 {
		b = append(b, " [UNREPLIED]"...)
	}
	b = tuple(b, &e.Reply)
	if e.Set&HasReplyZone != 0 {
		b = appendNumber(b, " zone-reply=", uint64(e.Zone))
	}
	b = appendCounters(b, e, flowtable.Reply)
	if e.Set&HasStatus != 0 && e.Status&flowtable.StatusAssured != 0 {
		b = append(b, " [ASSURED]"...)
	}
	if e.Set&HasMark != 0 {
		b = appendNumber(b, " mark=", uint64(e.Mark))
	}
	return b
}

// AppendTuple appends the addresses and what the protocol has besides, with a
// space before it, as the tool does.
func AppendTuple(b []byte, tu *flowtable.Tuple) []byte {
	b = appendAddress(b, " src=", tu, &tu.Src)
	return appendEnds(appendAddress(b, " dst=", tu, &tu.Dst), tu)
}

// appendEnds appends what a tuple has besides addresses.
func appendEnds(b []byte, tu *flowtable.Tuple) []byte {
	switch {
	case hasPorts(tu.Proto):
		b = appendNumber(b, " sport=", uint64(tu.SrcPort))
		b = appendNumber(b, " dport=", uint64(tu.DstPort))
	case tu.Proto == flowtable.ProtoGRE:
		b = strconv.AppendUint(append(b, " srckey=0x"...), uint64(tu.SrcPort), 16)
		b = strconv.AppendUint(append(b, " dstkey=0x"...), uint64(tu.DstPort), 16)
	case tu.Proto == flowtable.ProtoICMP, tu.Proto == flowtable.ProtoICMPv6:
		b = appendNumber(b, " type=", uint64(tu.DstPort>>8))
		b = appendNumber(b, " code=", uint64(tu.DstPort&0xff))
		b = appendNumber(b, " id=", uint64(tu.SrcPort))
	}
	return b
}

func appendCounters(b []byte, e *Entry, dir uint8) []byte {
	if e.Set&HasCounters == 0 {
		return b
	}
	b = appendNumber(b, " packets=", e.Packets[dir])
	return appendNumber(b, " bytes=", e.Bytes[dir])
}

const nanos = int64(time.Second)

// lived returns how many seconds the connection has lived. As in the tool both
// ends are cut down to seconds first.
func (e *Entry) lived(now int64) int64 {
	if e.Stop != 0 {
		now = e.Stop / nanos
	}
	return now - e.Start/nanos
}

// appendDate appends a time of the wall clock as ctime(3) writes it.
func appendDate(b []byte, before string, at int64) []byte {
	b = append(b, before...)
	b = time.Unix(at/nanos, at%nanos).AppendFormat(b, time.ANSIC)
	return append(b, ']')
}

// AppendExpectation appends an expectation as `conntrack -L expect` and -E print
// it.
func AppendExpectation(b []byte, x *Expectation, e Event) []byte {
	b = appendEvent(b, e)
	b = strconv.AppendUint(b, uint64(x.Timeout), 10)
	b = appendNumber(b, " proto=", uint64(x.Tuple.Proto))
	b = AppendTuple(b, &x.Tuple)
	b = appendMasked(b, " mask-src=", " mask-dst=", &x.Mask)
	b = appendMasked(b, " master-src=", " master-dst=", &x.Master)
	if x.Zone != 0 {
		b = appendNumber(b, " zone=", uint64(x.Zone))
	}
	b = appendExpectFlags(b, " ", x.Flags)
	b = appendNumber(b, " class=", uint64(x.Class))
	if x.Helper != "" {
		b = append(append(b, " helper="...), x.Helper...)
	}
	return b
}

// appendMasked appends a tuple whose addresses have other words before them.
func appendMasked(b []byte, src, dst string, tu *flowtable.Tuple) []byte {
	b = appendAddress(b, src, tu, &tu.Src)
	b = appendAddress(b, dst, tu, &tu.Dst)
	if hasPorts(tu.Proto) {
		b = appendNumber(b, " sport=", uint64(tu.SrcPort))
		b = appendNumber(b, " dport=", uint64(tu.DstPort))
	}
	return b
}

func appendExpectFlags(b []byte, before string, flags uint32) []byte {
	for _, f := range []struct {
		bit  uint32
		name string
	}{{ExpectPermanent, "PERMANENT"}, {ExpectInactive, "INACTIVE"}, {ExpectUserspace, "USERSPACE"}} {
		if flags&f.bit != 0 {
			b = append(append(b, before...), f.name...)
			before = ","
		}
	}
	return b
}
