package dataplane

import (
	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// Fragments are collected by the worker that a hash of their addresses and
// identification names; when the datagram is whole it goes to its flow's owner
// and walks there as one packet, see datagram.go. worker.parts has its fragments
// meanwhile and is nil while a plain frame walks.

// fragment sends a fragment to the worker that reassembles its datagram, and
// walks the datagram when it is whole.
func (w *worker) fragment(t *tables, p *packet.Packet, came parcelKind) {
	if p.Family == flowtable.FamilyIPv6 && int(p.Frag)+fragHeader > int(p.End) { // the header itself is cut off
		if packet.Headless(p) { // Linux asks this first (nf_ct_frag6_gather)
			w.alone(t, p, came)
		} else {
			w.drop(p, packet.DropFragment)
		}
		return
	}
	if came == parcelNone && len(w.out) > 1 {
		if to := w.table.Owner(w.frags.Hash(p)); to != w.id {
			w.handOver(p, to, parcelFragment)
			return
		}
	}
	if came == parcelOwned || came == parcelDirected {
		w.alone(t, p, came)
		return
	}
	w.stats.Fragments++
	if packet.Headless(p) {
		w.alone(t, p, came)
		return
	}
	switch res, list := w.frags.Add(p, w.now); res {
	case defrag.Refused:
		w.drop(p, packet.DropFragment)
		w.refuse(list, packet.DropFragment)
	case defrag.Alone:
		w.refuse(list, packet.DropFragment)
		w.alone(t, p, came)
	case defrag.Complete:
		w.datagram(t, list, p.Flags&packet.FlagLocal, parcelNone)
	}
}

// alone walks an IPv6 fragment that is not gathered: a first one as if it were
// all of a datagram, which its checksum mostly belies, any other as invalid.
func (w *worker) alone(t *tables, p *packet.Packet, came parcelKind) {
	if p.Flags&packet.FlagLaterFrag != 0 {
		p.Kind, p.Reason = flowtable.KindInvalid, flowtable.ReasonFragment
	} else {
		packet.ReadAlone(p, w.table)
		if len(w.out) > 1 && w.elsewhere(t, p, came) {
			return
		}
	}
	w.whole(t, p)
}

// datagram walks the fragments of one whole datagram, first fragment first.
// local is FlagLocal when the box's own stack sent them, else 0.
func (w *worker) datagram(t *tables, list []defrag.Frag, local packet.Flags, came parcelKind) {
	p := &w.head
	w.view(p, &list[0])
	packet.Parse(p, w.table)
	in, serial, l3 := p.InPort, p.Serial, int(p.L3)
	whole := w.joined.join(w, p, list)
	if whole == nil {
		w.refuse(list, packet.DropFragment)
		return
	}
	p.Data, p.Addr = whole, 0
	if packet.ParseJoined(p, w.table, l3) != packet.DropNone {
		w.refuse(list, packet.DropFragment)
		return
	}
	if p.Family == flowtable.FamilyIPv6 && p.Flags&(packet.FlagFragment|packet.FlagLaterFrag) == packet.FlagFragment {
		packet.ReadAlone(p, w.table) // a fragment in what is whole: nobody gathers again
	}
	p.InPort, p.Serial = in, serial
	p.Flags |= local
	w.parts = list
	if !w.elsewhere(t, p, came) {
		w.whole(t, p)
	}
	w.parts = nil
}

// view makes p the frame of a fragment, to be parsed.
func (w *worker) view(p *packet.Packet, f *defrag.Frag) {
	p.Data, p.Addr = w.umem.Frame(f.Addr, f.Len), f.Addr
	p.InPort, p.Serial = f.InPort, f.Serial
}

// refuse frees fragments that make no datagram. Each counts for itself.
func (w *worker) refuse(list []defrag.Frag, d packet.Drop) {
	for i := range list {
		var q packet.Packet
		w.view(&q, &list[i])
		packet.Parse(&q, w.table)
		w.ended(&q, FateDropped, d)
		w.umem.Free(q.Addr)
	}
}

// expireFragments drops what has waited too long for the rest.
func (w *worker) expireFragments() {
	for list := w.frags.Expire(w.now); len(list) > 0; list = w.frags.Expire(w.now) {
		w.refuse(list, packet.DropFragmentTimeout)
	}
}

// largest returns the L3 length of p, or of the largest fragment it came as if
// that is less: of an IPv6 fragment that is all of its datagram it is not.
func (w *worker) largest(p *packet.Packet) int {
	size := int(p.End) - int(p.L3)
	if w.parts != nil {
		size = min(size, w.joined.most)
	}
	return size
}

// mustFit says that nobody but the sender may cut p up: IPv6, or IPv4 with DF.
func mustFit(p *packet.Packet) bool {
	return p.Family == flowtable.FamilyIPv6 || p.Data[p.L3+6]&0x40 != 0
}

// sendPieces sends p in fragments and ends it.
func (w *worker) sendPieces(t *tables, p *packet.Packet, mtu int) {
	if w.parts == nil && p.Family != flowtable.FamilyIPv4 {
		w.depart(t, p)
		return
	}
	w.ended(p, FateSent, packet.DropNone)
	pieces := w.cutUp(p, mtu)
	parts := w.parts
	w.parts = nil
	for i, d := range pieces {
		if t.egress == nil || w.passPiece(t, p, d) {
			w.transmitFrame(int(p.OutPort), d)
		} else if !w.copies.relayed {
			for _, rest := range pieces[i+1:] { // Linux gives up at the first that is dropped
				w.umem.Free(rest.Addr)
			}
			break
		}
	}
	w.parts = parts
}

// passPiece is pass for a frame of p, which is cut up.
func (w *worker) passPiece(t *tables, p *packet.Packet, d afxdp.Desc) bool {
	c := &w.copies.piece
	c.Data, c.Addr, c.InPort, c.Serial = w.umem.Frame(d.Addr, d.Len), d.Addr, p.InPort, d.Options
	packet.Parse(c, w.table)
	c.OutPort, c.Mark, c.Priority, c.Rule = p.OutPort, p.Mark, p.Priority, p.Rule
	w.copies.relayed = false
	return w.pass(t, c)
}

// freeWhole gives back the frames of p.
func (w *worker) freeWhole(p *packet.Packet) {
	if w.parts == nil {
		w.umem.Free(p.Addr)
	}
	for i := range w.parts {
		w.umem.Free(w.parts[i].Addr)
	}
}

// handOverWhole copies p, with all its fragments, into the ring to another
// worker and frees the frames; false: there was no room, nothing happened.
func (w *worker) handOverWhole(p *packet.Packet, to int, kind parcelKind) bool {
	ring, port := w.out[to], p.InPort
	if port == packet.NoPort {
		port = p.OutPort // the box's own, on its way out already
	}
	if w.parts == nil {
		if !ring.put(p.Data, parcel{inPort: port, serial: p.Serial, kind: kind, marks: w.marksOf(p)}) {
			return false
		}
		w.stats.HandoversOut++
		w.umem.Free(p.Addr)
		return true
	}
	n := len(w.parts)
	at, room := ring.ring.Reserve(n)
	if room < n {
		return false
	}
	whole := parcelDatagram
	if kind.reason() == parcelDirected {
		whole = parcelDatagramDirected
	}
	kind = whole | kind&fromHost
	for i := range w.parts {
		f := &w.parts[i]
		m := parcel{inPort: f.InPort, serial: f.Serial, kind: kind, parts: uint8(n - 1 - i)}
		ring.write(at+uint32(i), w.umem.Frame(f.Addr, f.Len), m)
		w.umem.Free(f.Addr)
	}
	ring.ring.Publish(n) // all at once: the other side never sees a part of it
	w.stats.HandoversOut += uint64(n)
	return true
}

// datagramFromWorker takes one datagram in fragments from a handover ring,
// where its parts stand one behind the other.
func (w *worker) datagramFromWorker(t *tables, h *handover) {
	at, _ := h.ring.Peek(1)
	first := *h.ring.Slot(at)
	n := int(first.parts) + 1
	h.ring.Peek(n)
	list := w.taken[:0]
	var q packet.Packet
	for i := range n {
		frame, m := h.read(at + uint32(i))
		if w.unpack(&q, frame, m) {
			packet.Parse(&q, w.table) // it was sound on the other side
			list = append(list, defrag.Part(&q))
		}
	}
	h.ring.Release(n)
	w.stats.HandoversIn += uint64(n)
	if len(list) < n {
		w.refuse(list, packet.DropNoFrame)
		return
	}
	var local packet.Flags
	if first.kind&fromHost != 0 {
		local = packet.FlagLocal
	}
	w.datagram(t, list, local, first.kind.reason())
}
