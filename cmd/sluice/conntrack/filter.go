package conntrack

import (
	"syscall"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// Match reports whether the command means an entry, as the kernel's filter and
// the tool's together. Errors of the filter itself are FilterError's.
func (c *Command) Match(e *conntracktext.Entry) bool {
	switch c.Verb {
	case Update:
		return c.matchFamily(e) && c.matchNAT(e) && c.matchLabels(e) && c.matchNetworks(e) &&
			(c.Object.Set&AttrID == 0 || c.Object.ID == e.ID) &&
			(!c.Has(optOrig|OptProto) || c.matchOrig(e)) && (!c.Has(optReply|OptProto) || c.matchReply(e))
	case List:
		if c.Has(OptStatus) && e.Status&c.Status.Mask != c.Status.Value {
			return false
		}
	}
	return c.matchFamily(e) && c.matchNAT(e) && (!c.Has(OptMark) || e.Mark&c.Mark.Mask == c.Mark.Value) &&
		c.matchLabels(e) && c.matchNetworks(e) &&
		(!c.Has(optComparison) || c.matchMeta(e) && c.matchOrig(e) && c.matchReply(e))
}

// FilterError returns the kernel's error for a filter that it refuses, 0 when
// there is none.
func (c *Command) FilterError() syscall.Errno {
	if c.Verb == List && c.Table == TableConntrack && c.Has(OptStatus) && c.Status.Mask == 0 {
		return syscall.EINVAL
	}
	return 0
}

func (c *Command) matchFamily(e *conntracktext.Entry) bool {
	return c.Family == 0 || c.Family == e.Orig.Family
}

// matchNAT compares with -n, -g and -j. As for the tool, what stands where ports
// do is a port: the pings of a box that translates count as translated.
func (c *Command) matchNAT(e *conntracktext.Entry) bool {
	if !c.Has(OptSrcNAT | OptDstNAT | OptAnyNAT) {
		return true
	}
	o := &c.Object
	src := translation{
		address: e.Translates(flowtable.StatusSrcNAT), port: e.Status&flowtable.StatusSrcNATDone != 0 && e.Orig.SrcPort != e.Reply.DstPort,
		to: &e.Reply.Dst, toPort: e.Reply.DstPort,
	}.is(o.Set&AttrSNAT != 0, &o.SNAT, o.Set&AttrSNATPort != 0, o.SNATPort)
	dst := translation{
		address: e.Translates(flowtable.StatusDstNAT), port: e.Status&flowtable.StatusDstNATDone != 0 && e.Orig.DstPort != e.Reply.SrcPort,
		to: &e.Reply.Src, toPort: e.Reply.SrcPort,
	}.is(o.Set&AttrDNAT != 0, &o.DNAT, o.Set&AttrDNATPort != 0, o.DNATPort)
	switch {
	case c.Has(OptAnyNAT):
		return src || dst
	case c.Has(OptSrcNAT) && c.Has(OptDstNAT):
		return src && dst
	case c.Has(OptSrcNAT):
		return src
	}
	return dst
}

// translation is what became of one end of a connection.
type translation struct {
	address, port bool // it was translated
	to            *[16]byte
	toPort        uint16
}

// is reports whether it was translated, and to what is asked for.
func (t translation) is(hasAddress bool, to *[16]byte, hasPort bool, toPort uint16) bool {
	if !hasAddress && !hasPort {
		return t.address || t.port
	}
	return (!hasAddress || t.address && *t.to == *to) && (!hasPort || t.port && t.toPort == toPort)
}

func (c *Command) matchLabels(e *conntracktext.Entry) bool {
	if c.Has(OptLabel) {
		for i, want := range c.Label {
			if want&^e.Labels[i] != 0 {
				return false
			}
		}
	}
	return true
}

// matchNetworks compares with addresses that have a mask.
func (c *Command) matchNetworks(e *conntracktext.Entry) bool {
	return (!c.Has(OptMaskSrc) || masked(&e.Orig.Src, &c.Object.Orig.Src, &c.Mask.Orig.Src)) &&
		(!c.Has(OptMaskDst) || masked(&e.Orig.Dst, &c.Object.Orig.Dst, &c.Mask.Orig.Dst))
}

func masked(a, b, mask *[16]byte) bool {
	for i := range mask {
		if (a[i]^b[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// matchMeta compares what is not of a direction.
func (c *Command) matchMeta(e *conntracktext.Entry) bool {
	o := &c.Object
	return o.equal(AttrID, o.ID == e.ID) && o.equal(AttrTimeout, o.Timeout == e.Timeout) &&
		o.equal(AttrStatus, o.Status&^e.Status == 0) &&
		o.equal(AttrTCPState, e.Orig.Proto == flowtable.ProtoTCP && o.State == e.State) &&
		o.equal(AttrSCTPState, e.Orig.Proto == flowtable.ProtoSCTP && o.State == e.State) &&
		o.equal(AttrDCCPState, false) && // nobody tracks it
		o.equal(AttrZone, o.Zone == zone(e, conntracktext.HasZone)) &&
		o.equal(AttrOrigZone, o.OrigZone == zone(e, conntracktext.HasOrigZone)) &&
		o.equal(AttrReplyZone, o.ReplyZone == zone(e, conntracktext.HasReplyZone))
}

// zone is the zone of an entry for one kind of zones; 0 when it has another.
func zone(e *conntracktext.Entry, kind conntracktext.Fields) uint16 {
	if e.Set&kind == 0 {
		return 0
	}
	return e.Zone
}

// equal is true when the part was not given.
func (o *Object) equal(part Attr, same bool) bool { return o.Set&part == 0 || same }

// matchOrig compares the original direction. Keys of GRE do not count.
func (c *Command) matchOrig(e *conntracktext.Entry) bool {
	o := &c.Object
	if o.Set&(AttrOrigSrc|AttrOrigDst) != 0 && o.Family != e.Orig.Family || !o.equal(AttrProto, o.Orig.Proto == e.Orig.Proto) {
		return false
	}
	if !c.Has(OptMaskSrc) && !o.equal(AttrOrigSrc, o.Orig.Src == e.Orig.Src) ||
		!c.Has(OptMaskDst) && !o.equal(AttrOrigDst, o.Orig.Dst == e.Orig.Dst) {
		return false
	}
	if o.Orig.Proto == protoDCCP && o.Set&attrOrigPorts != 0 {
		return false // nobody tells its ports
	}
	return o.Orig.Proto == flowtable.ProtoGRE ||
		o.equal(AttrOrigSport, o.Orig.SrcPort == e.Orig.SrcPort) && o.equal(AttrOrigDport, o.Orig.DstPort == e.Orig.DstPort) &&
			o.equal(AttrICMPType, o.Orig.DstPort>>8 == e.Orig.DstPort>>8) && o.equal(AttrICMPCode, o.Orig.DstPort&0xff == e.Orig.DstPort&0xff) &&
			o.equal(AttrICMPID, o.Orig.SrcPort == e.Orig.SrcPort)
}

// matchReply compares the reply direction.
func (c *Command) matchReply(e *conntracktext.Entry) bool {
	o := &c.Object
	if o.Set&(AttrReplySrc|AttrReplyDst) != 0 && o.Family != e.Reply.Family ||
		!o.equal(AttrReplySrc, o.Reply.Src == e.Reply.Src) || !o.equal(AttrReplyDst, o.Reply.Dst == e.Reply.Dst) {
		return false
	}
	return o.Orig.Proto == flowtable.ProtoGRE ||
		o.equal(AttrReplySport, o.Reply.SrcPort == e.Reply.SrcPort) && o.equal(AttrReplyDport, o.Reply.DstPort == e.Reply.DstPort)
}
