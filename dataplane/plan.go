package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// A plan is what became of an established packet that left the box: the
// counters it was counted in, mark, way out, next hop. The packets of its flow
// and direction that follow it skip rules, routes and the NAT decision as long
// as the guard holds. Conntrack always comes first, so state, windows,
// timeouts and accounting are never skipped; whatever changes a flow's status
// or mark clears its plans (flowtable.Entry.Plan).
//
// Equal plans are one: a flow has its number and the stamp of the tables it was
// made or last confirmed under.
type plan struct {
	guard
	macs     [12]byte // destination and source, as they stand in the frame
	next     uint64   // key of the neighbour that the destination is of
	out      uint16
	mtu      uint16 // L3 bytes; longer packets walk
	mark     uint32 // meta mark when it leaves
	priority uint32 // with stepClass
	rule     uint32 // that decided
	counters [rules.MaxTrail]uint32
	n        uint8
	steps    uint8 // step* bits
	_        [2]uint8
}

// guard is what a packet must have in common with the one the plan was made of,
// beside its flow and direction and what plannable asks for.
type guard struct {
	in   uint16
	_    uint16
	mark uint32 // meta mark behind conntrack
	rule uint32 // that decided before conntrack
}

// What a plan does to a packet.
const (
	stepDstNAT uint8 = 1 << iota
	stepSrcNAT
	stepForward // TTL, and a hop instead of a wire's other end
	stepMACs
	stepClass // a priority that a rule has set
)

// Entry.Plan is a number of planBits, and above it a stamp.
const (
	planBits  = 14
	planMax   = 1<<planBits - 1 // plans; number 0 is none
	stampMax  = 1<<(32-planBits) - 1
	planSlots = 4 * (planMax + 1)
)

// plans are a worker's.
type plans struct {
	off    bool     // Config.WalkAlways
	list   []plan   // by number
	slots  []uint32 // open hash of numbers, by the plans' contents, each below the epoch it is of
	epoch  uint32   // slots of others are free; never 0
	used   uint32
	tables *tables // those that now stands for
	// Stamps count changes of the tables. Plans from before first are void; from
	// first on they hold but for what has changed since.
	first, now uint32
	routed     changed // where packets to addresses go
	touched    changed // what rules say of packets from and to addresses
	marked     marked  // cells of both
	sweep      uint32  // stamps ran out: where clearing all entries' plans goes on; 0: not at it

	learning bool  // the packet that walks may have a plan
	guard    guard // of it
}

func (ps *plans) reserve() (err error) {
	if ps.list, err = offheap.Make[plan](planMax + 1); err != nil {
		return err
	}
	for _, c := range []*changed{&ps.routed, &ps.touched} {
		if c.cells, err = offheap.Make[uint32](cellCount); err != nil {
			return err
		}
	}
	if ps.slots, err = offheap.Make[uint32](planSlots); err != nil {
		return err
	}
	// Written to, so that the kernel provides the memory now and not in the midst of traffic.
	clear(ps.slots)
	ps.touched.reset()
	ps.routed.reset()
	ps.marked = marked{}
	ps.first, ps.now, ps.epoch = 1, 1, 1
	return nil
}

func (ps *plans) release() []error {
	errs := []error{offheap.Free(ps.list), offheap.Free(ps.slots), offheap.Free(ps.routed.cells), offheap.Free(ps.touched.cells)}
	ps.list, ps.slots, ps.routed.cells, ps.touched.cells = nil, nil, nil, nil
	return errs
}

// adopt looks what is new in the tables of a round. New rules make every plan
// void, new elements and routes those that they concern.
func (w *worker) adopt(t *tables) {
	ps := &w.plans
	if ps.tables == t {
		return
	}
	begin := perf.Cycles()
	next := ps.tables != nil && ps.tables.serial+1 == t.serial // else nobody knows what was in between
	if (ps.tables == nil || ps.tables.image != t.image) && (!next || t.touched.all) {
		ps.forget()
	}
	ps.restamp()
	if next {
		ps.marked.turn(ps.now - 1)
		ps.touched.mark(&t.touched, ps.now, &ps.marked)
		ps.routed.mark(&t.routed, ps.now, &ps.marked)
		ps.move(t.routed.moves)
	} else {
		ps.routed.all = ps.now
	}
	ps.tables = t
	w.swaps.Record(perf.Cycles() - begin)
}

// moveMost is how many plans are looked at for what moved, in the midst of traffic.
const moveMost = 4096

// move gives the plans the new link addresses of neighbours.
func (ps *plans) move(moves []move) {
	if len(moves)*int(ps.used) > moveMost {
		ps.routed.all = ps.now // each packet looks its next hop up
		return
	}
	for _, m := range moves {
		for i := range ps.list[1 : ps.used+1] {
			if pl := &ps.list[1+i]; pl.next == m.next && *(*[6]byte)(pl.macs[:]) == m.was {
				copy(pl.macs[:], m.now[:])
			}
		}
	}
}

// forget makes all plans void.
func (ps *plans) forget() {
	ps.empty()
	ps.first = ps.now + 1
	ps.restamp()
}

// empty forgets the plans themselves. It is done in the midst of traffic, and so
// leaves the slots as they are until the epochs have run out.
func (ps *plans) empty() {
	ps.used = 0
	if ps.epoch++; ps.epoch > stampMax {
		clear(ps.slots)
		ps.epoch = 1
	}
}

// restamp begins a new stamp. When there is none any more no packet has a plan
// until all entries' are cleared, see sweepPlans.
func (ps *plans) restamp() {
	if ps.now++; ps.now > stampMax && ps.sweep == 0 {
		ps.sweep = 1
	}
}

// sweepSlice is how many entries' plans a round clears.
const sweepSlice = 64

func (w *worker) sweepPlans() {
	ps := &w.plans
	if ps.sweep = w.shard.ForgetPlans(ps.sweep, sweepSlice); ps.sweep == 0 {
		ps.empty()
		ps.touched.reset()
		ps.routed.reset()
		ps.marked = marked{}
		ps.first, ps.now = 1, 1
	}
}

// plannable says whether plans are for established packets like p: whole ones of
// TCP in the middle of a connection and of UDP, without anything special.
func plannable(p *packet.Packet) bool {
	return p.Flags == packet.FlagL4 && p.VLANs == 0 && !linkMulticast(p) && p.TTL() > 1 &&
		!p.Ct.Seen() &&
		(p.Proto == flowtable.ProtoTCP && p.Probe.Flags&^tcpPSH == tcpACK || p.Proto == flowtable.ProtoUDP)
}

const (
	tcpPSH = 0x08
	tcpACK = 0x10
)

// byPlan takes p, which conntrack has seen, to its end by the plan of its flow.
// False: p must walk, and learn may make a plan of that.
func (w *worker) byPlan(t *tables, p *packet.Packet) bool {
	ps := &w.plans
	ps.learning = false
	if p.Ct == nil || p.Info != flowtable.InfoEstablished && p.Info != flowtable.InfoEstablishedReply {
		return false
	}
	w.stats.Established++
	if ps.off || ps.sweep != 0 || w.parts != nil || !plannable(p) {
		return false
	}
	g := guard{in: p.InPort, mark: p.Mark, rule: p.Rule}
	if note := p.Ct.Plan[p.Dir&1]; note>>planBits >= ps.first {
		pl := &ps.list[note&planMax]
		if pl.guard == g && int(p.End)-int(p.L3) <= int(pl.mtu) {
			if stamp := note >> planBits; stamp != ps.now {
				pl = w.renew(t, p, pl, stamp)
			}
			if pl != nil {
				return w.follow(t, p, pl)
			}
		}
	}
	ps.learning, ps.guard = true, g
	w.env.Trail = rules.Trail{}
	return false
}

// follow does what the plan says. False: the frame cannot be rewritten, which
// the walk then finds too.
func (w *worker) follow(t *tables, p *packet.Packet, pl *plan) bool {
	w.stats.Planned++
	p.Mark, p.Rule, p.OutPort = pl.mark, pl.rule, pl.out
	t.image.Count(pl.counters[:pl.n], p.Bytes)
	d := packet.DropNone
	if pl.steps&stepDstNAT != 0 {
		d = w.rewrite(p, manipDst)
	}
	if pl.steps&stepForward != 0 {
		p.DecTTL()
	}
	if pl.steps&stepSrcNAT != 0 && d == packet.DropNone {
		d = w.rewrite(p, manipSrc)
	}
	if d != packet.DropNone {
		w.drop(p, d)
		return true
	}
	if pl.steps&stepMACs != 0 {
		*(*[12]byte)(p.Data) = pl.macs
	}
	if t.egress != nil {
		switch {
		case !t.classes: // nobody asks
		case pl.steps&stepClass != 0:
			p.Priority = pl.priority
		case pl.steps&stepForward != 0 && p.Family == flowtable.FamilyIPv4:
			p.Priority = p.TOSPriority()
		}
		w.depart(t, p)
		return true
	}
	w.ended(p, FateSent, packet.DropNone) // as depart does
	w.transmit(int(pl.out), p)
	return true
}

// renew returns the plan that p goes by under the tables in force, which is pl if that
// was right at a stamp and concerns nothing that has changed since. nil: p must walk.
// Rules see addresses that NAT changes as they were and as they will be.
func (w *worker) renew(t *tables, p *packet.Packet, pl *plan, stamp uint32) *plan {
	ps := &w.plans
	src, dst := addresses(p)
	set := ps.marked.since(stamp)
	clean := set != nil && !has(set, src) && !has(set, dst)
	if !clean && (ps.touched.since(src, stamp) || ps.touched.since(dst, stamp)) {
		return nil
	}
	if pl.steps&(stepDstNAT|stepSrcNAT) != 0 {
		target := w.target(p)
		src, dst = target.Src[:len(src)], target.Dst[:len(dst)]
		clean = set != nil && !has(set, src) && !has(set, dst)
		if !clean && (ps.touched.since(src, stamp) || ps.touched.since(dst, stamp)) {
			return nil
		}
	}
	if stamp >= ps.routed.all && (clean || !ps.routed.since(dst, stamp)) {
		// Now that it is known once, the flow's next packets need not ask again.
		p.Ct.Plan[p.Dir&1] = p.Ct.Plan[p.Dir&1]&planMax | ps.now<<planBits
		return pl
	}
	return w.reroute(t, p, pl)
}

// reroute returns the plan for p that is like pl, made under earlier routes and the
// same rules, but for the next hop. It then is the flow's, of now. nil: p leaves by
// another port, which rules see, or not at all.
func (w *worker) reroute(t *tables, p *packet.Packet, pl *plan) *plan {
	ps := &w.plans
	number := p.Ct.Plan[p.Dir&1] & planMax
	if pl.steps&stepForward != 0 {
		var dst [16]byte
		p.DstAddr(&dst)
		if pl.steps&stepDstNAT != 0 {
			target := w.target(p)
			dst = target.Dst
		}
		hop := t.routes.Lookup(p.Family, &dst, p.Hash)
		fresh := *pl
		fresh.out, fresh.macs, fresh.next, fresh.steps = w.ports[p.InPort].peer, [12]byte{}, 0, pl.steps&^stepMACs
		switch hop.Kind {
		case route.Forward:
			fresh.out = hop.Port
		case route.NoRoute:
			hop = nil
		default:
			return nil
		}
		if fresh.out != pl.out || t.ownAddress(p) {
			return nil
		}
		p.OutPort = fresh.out
		if !w.wayOut(t, p, hop, &dst, &fresh) || int(p.End)-int(p.L3) > int(fresh.mtu) {
			p.OutPort = packet.NoPort
			return nil
		}
		if fresh != *pl {
			number = ps.number(&fresh)
			pl = &ps.list[number]
		}
	}
	p.Ct.Plan[p.Dir&1] = number | ps.now<<planBits
	return pl
}

// wayOut fills in what a plan takes from hop, nil for none; false: the next
// hop's address is not known.
func (w *worker) wayOut(t *tables, p *packet.Packet, hop *route.Hop, dst *[16]byte, pl *plan) bool {
	pl.mtu = uint16(min(w.mtu(p, hop), 0xffff))
	if hop == nil {
		return true
	}
	mac := t.routes.NextHop(hop, p.Family, dst)
	if mac == nil {
		return false
	}
	pl.steps |= stepMACs
	pl.next = hop.Key(p.Family, dst)
	copy(pl.macs[:6], mac[:])
	copy(pl.macs[6:], w.ports[hop.Port].mac[:])
	return true
}

// learn makes a plan of the walk of p, which is about to leave by hop (nil: by
// the wire's other end or the port's peer).
func (w *worker) learn(t *tables, p *packet.Packet, hop *route.Hop) {
	ps := &w.plans
	ps.learning = false
	trail := &w.env.Trail
	if trail.Open {
		t.blame(trail.Rule)
		return
	}
	if ps.sweep != 0 {
		return
	}
	hs := &t.hooks[familyIndex(p.Family)]
	pl := plan{guard: ps.guard, out: p.OutPort, mark: p.Mark, rule: p.Rule, counters: trail.Counters, n: trail.N}
	if hs[nft.HookPrerouting].natDst && applies(p, manipDst) {
		pl.steps |= stepDstNAT
	}
	if hs[nft.HookPostrouting].natSrc && applies(p, manipSrc) {
		pl.steps |= stepSrcNAT
	}
	if !w.wire {
		pl.steps |= stepForward
	}
	if trail.Classed {
		pl.steps |= stepClass
		pl.priority = p.Priority
	}
	var dst [16]byte
	p.DstAddr(&dst)
	if !w.wayOut(t, p, hop, &dst, &pl) {
		return
	}
	p.Ct.Plan[p.Dir&1] = ps.number(&pl) | ps.now<<planBits
}

// number returns the number of a plan equal to pl, a new one if there is none.
func (ps *plans) number(pl *plan) uint32 {
	at := pl.hash()
	for {
		slot := ps.slots[at%planSlots]
		if slot>>planBits != ps.epoch {
			break
		}
		if n := slot & planMax; ps.list[n] == *pl {
			return n
		}
		at++
	}
	if ps.used == planMax {
		ps.forget()
		at = pl.hash()
	}
	ps.used++
	ps.slots[at%planSlots] = ps.epoch<<planBits | ps.used
	ps.list[ps.used] = *pl
	return ps.used
}

// hash mixes what tells plans apart in practice, of the next hop what stays when it moves.
func (pl *plan) hash() uint32 {
	const k = 0x9e3779b1
	h := uint32(pl.in)<<16 | uint32(pl.out)
	h = (h*k ^ h>>15) + pl.guard.mark
	h = (h*k ^ h>>15) + pl.mark ^ pl.rule<<8 ^ uint32(pl.steps)
	h = (h*k ^ h>>15) + uint32(pl.next)
	for _, c := range pl.counters[:min(int(pl.n), len(pl.counters))] {
		h = (h*k ^ h>>15) + c
	}
	return h*k ^ h>>15
}
