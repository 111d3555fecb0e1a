package dataplane

import (
	"net/netip"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
)

// Packets whose next hop has no known link address wait here, finished but for
// their MAC addresses, while the control side has it resolved. Each round looks
// whether the tables know the address by now. What waits refers to no tables.
const (
	waitHops    = 64   // next hops that packets wait for at once
	waitFrames  = 64   // packets per next hop, as many as the largest datagram has fragments; of more the oldest is dropped
	waitTotal   = 512  // packets that wait in all
	waitMillis  = 3000 // as long as a kernel asks: three times a second
	wantAgainMs = 1000
	wantSlots   = 256
)

// want is a next hop that a worker wants resolved.
type want struct {
	addr   [16]byte
	family uint8
	_      uint8
	port   uint16
}

type waitingList struct {
	hops   [waitHops]waitingHop
	used   int // hops that packets wait for
	frames int // packets that wait
}

type waitingHop struct {
	want   want
	frames [waitFrames]waitingFrame
	n      int    // of frames; 0: the element is free
	ask    uint32 // tick at which to ask again
	until  uint32 // tick at which to give up
}

type waitingFrame struct {
	addr   uint64
	length uint32
	serial uint32
	marks  marks
	inPort uint16
	quiet  bool // its sender would not know the packet that an error quotes
}

// await parks p until the link address of its next hop is known. Of a datagram
// every fragment waits for itself: they are finished and need each other no more.
func (w *worker) await(t *tables, p *packet.Packet, hop *route.Hop, dst *[16]byte) {
	if w.box.cfg.Resolve == nil {
		w.unreachable(t, p, icmpHostUnreachable, packet.DropNoNeighbour)
		return
	}
	to := want{addr: *dst, family: p.Family, port: hop.Port}
	if hop.HasGateway {
		to.addr, to.family = hop.Gateway, hop.GatewayFamily
	}
	l := &w.waiting
	at := -1
	for i := range l.hops {
		if h := &l.hops[i]; h.n == 0 {
			if at < 0 {
				at = i
			}
		} else if h.want == to {
			at = i
			break
		}
	}
	if at < 0 || l.frames+max(1, len(w.parts)) > waitTotal {
		w.drop(p, packet.DropNoNeighbour)
		return
	}
	h := &l.hops[at]
	if h.n == 0 {
		l.used++
		*h = waitingHop{want: to, ask: w.now + wantAgainMs, until: w.now + waitMillis}
		w.ask(to)
	}
	f := waitingFrame{
		addr: p.Addr, length: uint32(len(p.Data)), serial: p.Serial, inPort: p.InPort, marks: w.marksOf(p),
		quiet: p.InPort == packet.NoPort || p.Ct != nil && p.Ct.Status&flowtable.StatusNATMask != 0,
	}
	if w.parts == nil {
		w.park(h, f)
		return
	}
	pieces := w.cutUp(p, w.mtu(p, hop))
	w.parts = nil // from here on p may be overwritten, and what is given up is no part of it
	for i, d := range pieces {
		f.addr, f.length = d.Addr, d.Len
		f.quiet = f.quiet || i > 0
		w.park(h, f)
	}
}

func (w *worker) park(h *waitingHop, f waitingFrame) {
	if h.n == waitFrames {
		w.giveUp(&h.frames[0])
		copy(h.frames[:], h.frames[1:])
		h.n--
	}
	h.frames[h.n] = f
	h.n++
	w.waiting.frames++
}

// ask tells the control side. A full ring is asked again later.
func (w *worker) ask(to want) { w.wants.Push([]want{to}) }

// retry sends what can be sent by now and gives up what has waited too long.
func (w *worker) retry(t *tables) {
	l := &w.waiting
	for i := range l.hops {
		h := &l.hops[i]
		if h.n == 0 {
			continue
		}
		mac := t.routes.Neighbour(h.want.family, h.want.port, &h.want.addr)
		switch {
		case mac != nil:
			for k := range h.frames[:h.n] {
				w.release(t, &h.frames[k], h.want.port, mac)
			}
		case int32(w.now-h.until) >= 0:
			for k := range h.frames[:h.n] {
				w.unreached(t, &h.frames[k])
			}
		default:
			if int32(w.now-h.ask) >= 0 {
				h.ask = w.now + wantAgainMs
				w.ask(h.want)
			}
			continue
		}
		h.n = 0
		l.used--
	}
}

// again reads a waiting frame anew.
func (w *worker) again(f *waitingFrame) *packet.Packet {
	w.waiting.frames--
	p := &w.waited
	p.Data, p.Addr, p.InPort, p.Serial = w.umem.Frame(f.addr, f.length), f.addr, f.inPort, f.serial
	packet.Parse(p, w.table) // it was sound before
	f.marks.give(p)
	return p
}

func (w *worker) release(t *tables, f *waitingFrame, port uint16, mac *[6]byte) {
	p := w.again(f)
	p.OutPort = port
	setMACs(p.Data, mac, &t.ports[port].mac)
	w.goOut(t, p, w.mtu(p, nil))
}

func (w *worker) unreached(t *tables, f *waitingFrame) {
	p := w.again(f)
	if f.quiet {
		w.drop(p, packet.DropNoNeighbour)
		return
	}
	w.unreachable(t, p, icmpHostUnreachable, packet.DropNoNeighbour)
}

func (w *worker) giveUp(f *waitingFrame) { w.drop(w.again(f), packet.DropNoNeighbour) }

// resolve passes what workers want resolved to Config.Resolve.
func (b *Box) resolve() {
	var wants [16]want
	for _, w := range b.workers {
		for n := w.wants.Pop(wants[:]); n > 0; n = w.wants.Pop(wants[:]) {
			for _, x := range wants[:n] {
				addr := netip.AddrFrom16(x.addr)
				if x.family == flowtable.FamilyIPv4 {
					addr = netip.AddrFrom4([4]byte(x.addr[:4]))
				}
				b.cfg.Resolve(x.port, addr)
			}
		}
	}
}
