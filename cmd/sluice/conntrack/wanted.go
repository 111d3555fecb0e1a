package conntrack

import (
	"encoding/binary"
	"syscall"

	"github.com/sluice-net/sluice/flowtable"
)

// Parts of an Object that belong together.
const (
	attrOrig       = AttrOrigSrc | AttrOrigDst
	attrReply      = AttrReplySrc | AttrReplyDst
	attrOrigPorts  = AttrOrigSport | AttrOrigDport
	attrReplyPorts = AttrReplySport | AttrReplyDport
	attrICMP       = AttrICMPType | AttrICMPCode
)

// Tuple returns the tuple that -G looks for. As with the tool only the original
// direction says enough.
func (c *Command) Tuple() (flowtable.Tuple, syscall.Errno) {
	o := &c.Object
	if o.Set&attrOrig != attrOrig || !o.complete(attrOrigPorts) {
		return flowtable.Tuple{}, syscall.EINVAL
	}
	tu := o.Orig
	if tu.Proto == protoDCCP { // nobody tracks its ports
		tu.SrcPort, tu.DstPort = 0, 0
	}
	if _, ok := flowtable.Invert(&tu); !ok {
		return flowtable.Tuple{}, syscall.EINVAL
	}
	return tu, 0
}

// complete reports whether the ports, keys or types are there that the protocol
// needs.
func (o *Object) complete(ports Attr) bool {
	switch o.Orig.Proto {
	case flowtable.ProtoTCP, flowtable.ProtoUDP, flowtable.ProtoUDPLite, flowtable.ProtoSCTP, flowtable.ProtoGRE:
		return o.Set&ports == ports
	case flowtable.ProtoICMP, flowtable.ProtoICMPv6:
		return o.Set&attrICMP == attrICMP
	}
	return true
}

// Wanted returns the flow that -I and -A make.
func (c *Command) Wanted() (*flowtable.Wanted, syscall.Errno) {
	o := &c.Object
	w := &flowtable.Wanted{Orig: o.Orig, Reply: o.Reply, TimeoutSec: o.Timeout, Status: o.Status, Mark: c.Mark.Value, VTag: o.VTag}
	w.Reply.Proto = w.Orig.Proto
	if w.Orig.Proto == protoDCCP { // nobody tracks its ports
		w.Orig.SrcPort, w.Orig.DstPort, w.Reply.SrcPort, w.Reply.DstPort = 0, 0, 0, 0
	}
	icmp := w.Orig.Proto == flowtable.ProtoICMP || w.Orig.Proto == flowtable.ProtoICMPv6
	switch orig, reply := o.Set&attrOrig != 0, o.Set&attrReply != 0; {
	case orig && !reply:
		var ok bool
		if w.Reply, ok = flowtable.Invert(&w.Orig); !ok || !o.complete(attrOrigPorts) {
			return nil, syscall.EINVAL
		}
	case reply && !orig:
		if icmp || !o.complete(attrReplyPorts) {
			return nil, syscall.EINVAL
		}
		w.Orig, _ = flowtable.Invert(&w.Reply)
	default:
		if icmp {
			inv, ok := flowtable.Invert(&w.Orig)
			if !ok {
				return nil, syscall.EINVAL
			}
			w.Reply.SrcPort, w.Reply.DstPort = inv.SrcPort, inv.DstPort
		}
		if !o.complete(attrOrigPorts) || !o.complete(attrReplyPorts) {
			return nil, syscall.EINVAL
		}
	}
	if o.Set&(AttrTCPState|AttrSCTPState) != 0 {
		w.State = flowtable.TCPState(o.State)
	}
	c.translate(w)
	if errno := o.zones(w); errno != 0 {
		return nil, errno
	}
	if c.Has(OptAddLabel) {
		w.HasLabels = true
		w.Labels = flowtable.Labels{binary.LittleEndian.Uint64(c.LabelModify[:]), binary.LittleEndian.Uint64(c.LabelModify[8:])}
	}
	return w, 0
}

// translate gives the answers what -n and -g say.
func (c *Command) translate(w *flowtable.Wanted) {
	o := &c.Object
	if o.Set&AttrSNAT != 0 {
		w.NAT, w.Reply.Dst = true, o.SNAT
		if o.Set&AttrSNATPort != 0 {
			w.Reply.DstPort = o.SNATPort
		}
	}
	if o.Set&AttrDNAT != 0 {
		w.NAT, w.Reply.Src = true, o.DNAT
		if o.Set&AttrDNATPort != 0 {
			w.Reply.SrcPort = o.DNATPort
		}
	}
}

// zones puts the tuples into the zones asked for; only one option can be.
func (o *Object) zones(w *flowtable.Wanted) syscall.Errno {
	switch o.Set & (AttrZone | AttrOrigZone | AttrReplyZone) {
	case 0:
	case AttrZone:
		w.Orig.Zone, w.Reply.Zone = o.Zone, o.Zone
	case AttrOrigZone:
		w.Orig.Zone = o.OrigZone
	case AttrReplyZone:
		w.Reply.Zone = o.ReplyZone
	default:
		return syscall.EINVAL
	}
	return 0
}

// MeansExpectation reports whether -G expect or -D expect means an expectation:
// whether a packet with that tuple would be expected by it.
func (c *Command) MeansExpectation(x *flowtable.Expectation) bool {
	o, tu := &c.Object.Orig, &x.Tuple
	return o.Family == tu.Family && o.Proto == tu.Proto && o.Dst == tu.Dst && o.DstPort == tu.DstPort &&
		masked(&o.Src, &tu.Src, &x.MaskSrc) && (o.SrcPort^tu.SrcPort)&x.MaskPort == 0
}
