package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// The SYN proxy answers for a server until it knows that the client exists: the
// SYN gets a cookie and leaves nothing behind; the segment that acknowledges the
// cookie makes the box open the connection to the server in the client's name.
// What the server says is then moved to the numbers that the client has learnt
// from the cookie (seqadj, and an offset of timestamps), for the life of the flow.
//
// The flow begins with the box's own SYN, so a rule reaches the client's segments
// only while they are untracked or INVALID (`tcp flags syn notrack` before
// conntrack, and nf_conntrack_tcp_loose=0).

// Flags of TCP that the proxy sets and looks at.
const (
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpECE = 0x40
	tcpCWR = 0x80
)

// synproxy does what a synproxy statement says with a client's segment, which
// ends here (nft_synproxy_eval_v4, _v6).
func (w *worker) synproxy(t *tables, p *packet.Packet, spec *rules.SynproxySpec) {
	if p.Flags&packet.FlagLocal == 0 && !p.ChecksumOK() {
		w.drop(p, packet.DropPolicy)
		return
	}
	o := p.TCPOptions()
	if p.Probe.Flags&tcpSYN == 0 {
		if w.openServer(t, p, o, p.Seq) {
			w.drop(p, packet.DropSynproxy)
		} else {
			w.drop(p, packet.DropCookie)
		}
		return
	}
	if p.Probe.Flags&(tcpECE|tcpCWR) == tcpECE|tcpCWR {
		o.Has |= packet.TCPHasECN
	}
	offered := o
	o.Has &= spec.Options
	o.MSS = spec.MSS
	if o.Has&packet.TCPHasTimestamp != 0 {
		offered.Has = o.Has
		o.Echo, o.Value, o.Scale = offered.Value, stamp(&offered, w.nanos), spec.Scale
	} else { // nowhere to keep them
		o.Has &^= packet.TCPHasScale | packet.TCPHasSACK | packet.TCPHasECN
	}
	flags := uint8(tcpSYN | tcpACK)
	if o.Has&packet.TCPHasECN != 0 {
		flags |= tcpECE
	}
	w.utter(t, p, true, nil, &packet.Segment{
		Seq: w.box.cookies.make(p, offered.MSS, w.nanos), Ack: p.Seq + 1, Flags: flags, Options: o,
	})
	w.drop(p, packet.DropSynproxy)
}

// openServer sends the SYN of a client whose segment p acknowledges a cookie; seq
// is the number behind that of its SYN. False: it does not.
func (w *worker) openServer(t *tables, p *packet.Packet, o packet.TCPOptions, seq uint32) bool {
	mss, ok := w.box.cookies.check(p, p.Ack-1, seq-1, w.nanos)
	if !ok {
		return false
	}
	o.Has, o.MSS = o.Has|packet.TCPHasMSS, mss
	unstamp(&o)
	flags := uint8(tcpSYN)
	if o.Has&packet.TCPHasECN != 0 {
		flags |= tcpECE | tcpCWR
	}
	// The acknowledgement is not for the server: it tells proxied the cookie.
	w.utter(t, p, false, &flowtable.Template{Synproxy: true}, &packet.Segment{Seq: seq - 1, Ack: p.Ack - 1, Window: p.Window, Flags: flags, Options: o})
	return true
}

// proxied is what becomes of a packet of a proxied flow before it leaves for
// good (ipv4_synproxy_hook). False: it is gone.
func (w *worker) proxied(t *tables, p *packet.Packet) bool {
	if p.Flags&(packet.FlagRelatedError|packet.FlagL4) != packet.FlagL4 || p.Proto != flowtable.ProtoTCP {
		return true
	}
	mine := w.shard.Synproxy(p.Entry)
	flags := p.Probe.Flags
	reply := p.Dir == flowtable.Reply
	switch {
	case inTCPState(p, flowtable.TCPClose) && flags&tcpRST != 0 && reply:
		w.shard.SetSeqAdjust(p.Entry, flowtable.Reply, int32(mine.Seq-p.Seq+1)) // refused: no SYN+ACK told the server's number
	case inTCPState(p, flowtable.TCPSynSent), inTCPState(p, flowtable.TCPClose) && flags&(tcpSYN|tcpACK) == tcpSYN && !reply:
		o := p.TCPOptions()
		if flags&(tcpSYN|tcpACK) == tcpACK && !reply { // the client again: it waits for a window
			// A keepalive's number is one less than the next one.
			if w.openServer(t, p, o, p.Seq+1) {
				w.drop(p, packet.DropSynproxy)
			} else {
				w.drop(p, packet.DropCookie)
			}
			return false
		}
		if inTCPState(p, flowtable.TCPClose) {
			w.shard.SetSeqAdjust(p.Entry, flowtable.Reply, 0)
			mine.Offset = 0
		}
		mine.Seq = p.Ack
		if o.Has&packet.TCPHasTimestamp != 0 {
			mine.Timestamp = o.Echo
		}
	case inTCPState(p, flowtable.TCPSynRecv) && flags&(tcpSYN|tcpACK) == tcpSYN|tcpACK:
		w.introduce(t, p, mine)
		return false
	}
	if mine.Offset != 0 && (p.Flags&packet.FlagLocal == 0 || reply) {
		// Differs: the kernel moves the echo of its own acknowledgement too, which
		// is the server's already.
		if reply {
			p.ShiftTimestamp(-mine.Offset, false)
		} else {
			p.ShiftTimestamp(mine.Offset, true)
		}
	}
	return true
}

// introduce makes client and server known to each other: the server's SYN+ACK is
// acknowledged, and the client, which has had one, gets a window.
func (w *worker) introduce(t *tables, p *packet.Packet, mine *flowtable.Synproxy) {
	o := p.TCPOptions()
	scale := o.Scale
	if o.Has&packet.TCPHasTimestamp != 0 {
		mine.Offset = o.Value - mine.Timestamp
	}
	o.Has &= packet.TCPHasTimestamp
	o.Value, o.Echo = o.Echo, o.Value
	w.utter(t, p, true, nil, &packet.Segment{Seq: p.Ack, Ack: p.Seq + 1, Window: uint16(min(w.shard.TCPWindow(p.Entry, flowtable.Original), 0xffff)),
		Flags: tcpACK, Options: o})
	w.shard.SetSeqAdjust(p.Entry, flowtable.Reply, int32(mine.Seq-p.Seq))
	o.Value, o.Echo = o.Echo, o.Value
	s := packet.Segment{Seq: p.Seq + 1, Ack: p.Ack, Window: p.Window >> scale, Flags: tcpACK, Options: o}
	w.utter(t, p, false, nil, &s)
	w.drop(p, packet.DropSynproxy)
}

// utter sends a segment of p's connection, back to p's sender or on to its
// receiver, through output and postrouting. One that goes on belongs to p's flow
// if that has one already; any other is tracked by itself.
func (w *worker) utter(t *tables, p *packet.Packet, back bool, template *flowtable.Template, s *packet.Segment) {
	a, ok := w.answer()
	if !ok {
		return
	}
	n := packet.BuildTCP(a.Data, p, back, s)
	if n == 0 {
		w.umem.Free(a.Addr)
		return
	}
	a.Data, a.InPort, a.Serial = a.Data[:n], p.InPort, p.Serial
	if d := packet.Parse(a, w.table); d != packet.DropNone {
		w.umem.Free(a.Addr)
		w.stats.Drops[d]++
		return
	}
	a.InPort = packet.NoPort
	a.Flags |= packet.FlagLocal
	if template != nil {
		a.Template = *template
	}
	if !back && p.Ct != nil && p.Info == flowtable.InfoEstablishedReply {
		a.Entry, a.Dir, a.Info, a.Ct = p.Entry, p.Dir, p.Info, p.Ct
	}
	var dst [16]byte
	a.DstAddr(&dst)
	hop := t.routes.Lookup(a.Family, &dst, a.Hash)
	local := hop.Kind == route.Local
	if a.OutPort = p.OutPort; back {
		a.OutPort = p.InPort
	}
	if hop.Kind == route.Forward && !linkLocal(a, ip6Dst) {
		a.OutPort = hop.Port
	} else {
		hop = nil
	}
	parts := w.parts
	w.parts = nil
	defer func() { w.parts = parts }()
	if !w.hook(t, nft.HookOutput, a) {
		return
	}
	if local { // for a server that is the box itself: as if it had come from the client
		if a.OutPort = packet.NoPort; w.hook(t, nft.HookPostrouting, a) {
			a.InPort = p.InPort
			setMACs(a.Data, &w.ports[p.InPort].mac, (*[6]byte)(p.Data[6:12]))
			w.toHost(a)
		}
		return
	}
	if hop = w.rerouted(t, a, &dst, hop); hop == nil {
		if back {
			returnMACs(a.Data, p.Data)
		} else {
			copy(a.Data[:12], p.Data[:12])
		}
	}
	w.leave(t, a, hop)
}
