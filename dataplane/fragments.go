package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// A datagram that came in fragments walks the hooks as one packet: its first
// fragment stands for all, the others wait in worker.parts. Nothing is joined:
// at the end every fragment leaves as it came, with the addresses, TTL and MAC
// addresses of the first. worker.parts is nil while a plain frame walks.

// fragment sends a fragment to the worker that reassembles its datagram, and
// walks the datagram when it is whole.
func (w *worker) fragment(t *tables, p *packet.Packet, came parcelKind) {
	if came == parcelNone && len(w.out) > 1 {
		if to := w.table.Owner(w.frags.Hash(p)); to != w.id {
			w.handOver(p, to, parcelFragment)
			return
		}
	}
	w.stats.Fragments++
	switch res, list := w.frags.Add(p, w.now); res {
	case defrag.Refused:
		w.drop(p, packet.DropFragment)
		w.refuse(list, packet.DropFragment)
	case defrag.Complete:
		w.datagram(t, list, p.Flags&packet.FlagLocal, parcelNone)
	}
}

// datagram walks the fragments of one whole datagram, first fragment first.
// local is FlagLocal when the box's own stack sent them, else 0.
func (w *worker) datagram(t *tables, list []defrag.Frag, local packet.Flags, came parcelKind) {
	p := &w.head
	w.view(p, &list[0])
	if packet.Parse(p, w.table) != packet.DropNone ||
		packet.ParseDatagram(p, w.table, defrag.Payload(list)) != packet.DropNone {
		w.refuse(list, packet.DropFragment)
		return
	}
	p.Flags |= local
	w.parts = list
	if !w.elsewhere(t, p, came) {
		w.whole(t, p)
	}
	w.parts = nil
}

// partsOK verifies the transport checksum of the datagram whose first fragment
// is p.
func (w *worker) partsOK(p *packet.Packet) bool {
	before := int(w.parts[0].Payload) - (int(p.End) - int(p.L4)) // extension headers in front of the transport header
	sum := p.BeginSum(int(defrag.Payload(w.parts)) - before)
	for i := 1; i < len(w.parts); i++ {
		f := &w.parts[i]
		var q packet.Packet
		w.view(&q, f)
		packet.Parse(&q, w.table)
		sum.Add(q.Data[int(q.End)-int(f.Payload) : q.End])
	}
	return sum.OK()
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

// largest returns the L3 length of p, or of its largest fragment.
func (w *worker) largest(p *packet.Packet) int {
	size := int(p.End) - int(p.L3)
	for i := 1; i < len(w.parts); i++ {
		size = max(size, int(w.parts[i].Len)-int(p.L3))
	}
	return size
}

// mustFit says that nobody but the sender may cut p up: IPv6, or IPv4 with DF.
func mustFit(p *packet.Packet) bool {
	return p.Family == flowtable.FamilyIPv6 || p.Data[p.L3+6]&0x40 != 0
}

// sendWhole sends p, with all its fragments, and ends it.
func (w *worker) sendWhole(p *packet.Packet, mtu int) {
	w.ended(p, FateSent, packet.DropNone)
	w.emit(p, mtu)
	for i := 1; i < len(w.parts); i++ {
		var q packet.Packet
		w.view(&q, &w.parts[i])
		packet.Parse(&q, w.table)
		q.OutPort = p.OutPort
		follow(&q, p)
		w.emit(&q, mtu)
	}
}

// emit transmits one frame, in pieces if it is larger than the way out takes.
func (w *worker) emit(p *packet.Packet, mtu int) {
	if int(p.End)-int(p.L3) <= mtu || p.Family != flowtable.FamilyIPv4 {
		w.transmit(int(p.OutPort), p)
		return
	}
	w.split(p, mtu)
	w.umem.Free(p.Addr)
}

// split sends an IPv4 packet as fragments of at most mtu bytes (ip_do_fragment).
// The header is repeated; options that are not to be copied become no-ops
// behind the first fragment (RFC 791 section 3.1).
func (w *worker) split(p *packet.Packet, mtu int) {
	l3, end := int(p.L3), int(p.End)
	hl := int(p.Data[l3]&15) * 4
	step := (mtu - hl) &^ 7
	if step <= 0 {
		w.stats.Drops[packet.DropMTU]++
		return
	}
	word := binary.BigEndian.Uint16(p.Data[l3+6:])
	for at := l3 + hl; at < end; at += step {
		n := min(step, end-at)
		addr, ok := w.umem.Alloc()
		if !ok {
			w.stats.Drops[packet.DropNoFrame]++
			return
		}
		q := packet.Packet{Addr: addr, Data: w.umem.Frame(addr, uint32(l3+hl+n)), OutPort: p.OutPort}
		q.Serial = p.Serial
		copy(q.Data, p.Data[:l3+hl])
		copy(q.Data[l3+hl:], p.Data[at:at+n])
		h := q.Data[l3 : l3+hl]
		if at > l3+hl {
			blankOptions(h[20:])
		}
		off := word + uint16(at-l3-hl)/8
		if at+n < end {
			off |= 0x2000
		}
		binary.BigEndian.PutUint16(h[2:], uint16(hl+n))
		binary.BigEndian.PutUint16(h[6:], off)
		h[10], h[11] = 0, 0
		binary.BigEndian.PutUint16(h[10:], packet.Checksum(h, 0))
		w.transmit(int(p.OutPort), &q)
	}
}

// blankOptions overwrites IPv4 options without the copied flag by no-ops.
func blankOptions(opts []byte) {
	for i := 0; i < len(opts) && opts[i] != 0; {
		n := 1
		if opts[i] != 1 {
			if i+1 >= len(opts) || opts[i+1] < 2 || i+int(opts[i+1]) > len(opts) {
				return
			}
			n = int(opts[i+1])
		}
		if opts[i]&0x80 == 0 {
			for j := i; j < i+n; j++ {
				opts[j] = 1
			}
		}
		i += n
	}
}

// follow gives the later fragment q what the walk changed in the first one, p.
func follow(q, p *packet.Packet) {
	copy(q.Data[0:12], p.Data[0:12])
	to, from := q.Data[q.L3:], p.Data[p.L3:]
	if p.Family == flowtable.FamilyIPv6 {
		to[7] = from[7]
		copy(to[8:40], from[8:40])
		return
	}
	to[8] = from[8]
	copy(to[12:20], from[12:20])
	head := to[:int(q.L4)-int(q.L3)]
	head[10], head[11] = 0, 0
	binary.BigEndian.PutUint16(head[10:], packet.Checksum(head, 0))
}

// freeWhole gives back the frames of p.
func (w *worker) freeWhole(p *packet.Packet) {
	w.umem.Free(p.Addr)
	for i := 1; i < len(w.parts); i++ {
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
		if !ring.put(p.Data, parcel{inPort: port, serial: p.Serial, kind: kind}) {
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
