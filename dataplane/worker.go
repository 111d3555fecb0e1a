package dataplane

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
)

// worker polls queue id of every port and owns shard id. Its fields are its
// own; the four that others touch come first and say so.
type worker struct {
	next  atomic.Pointer[tables] // stored by the publisher, loaded once per round
	epoch atomic.Uint64          // odd while the worker uses what it loaded; stored by the worker, loaded by the publisher
	mail  atomic.Pointer[letter] // stored by the control side when nil, cleared by the worker
	stop  atomic.Bool            // stored by the control side
	tid   atomic.Int32           // thread that runs it; 0: none does; stored by run

	id    int
	box   *Box
	clock *perf.Clock
	table *flowtable.Table
	shard *flowtable.Shard
	umem  *afxdp.UMEM

	queues []afxdp.Queue // by lane: the ports, then their ways to the host; nil: none
	polled []afxdp.Queue // those that are there
	in     []*handover   // by sending worker; nil at id
	out    []*handover   // by receiving worker; nil at id
	ports  []portInfo    // by port; those of this round's tables
	frags  *defrag.Reassembler

	now    uint32 // tick of this round, milliseconds
	nanos  int64  // clock of this round
	last   int64  // milliseconds of the round before
	began  int64  // wall time at which the clock began, nanoseconds since 1970
	verify bool   // conntrack looks at transport checksums
	env    rules.Env
	pkts   []packet.Packet
	at     int           // which of pkts is in work, for lastWords; their number: none
	drops  []packet.Drop // what parse said of pkts
	kinds  []parcelKind  // how pkts came
	marks  []marks       // of those with pastIngress
	hashes []uint64      // of pkts, for the prefetch
	hints  []uint32      // what the prefetch met; 0s when nothing is tracked
	descs  []afxdp.Desc
	head   packet.Packet // the datagram in joined
	waited packet.Packet // what waited for a next hop
	copies copies
	joined datagram       // the datagram in fragments that walks, see parts
	parts  []defrag.Frag  // its fragments; nil: a plain frame walks
	taken  []defrag.Frag  // parts of a datagram from another worker
	made   packet.Packet  // what the box itself sends: one at a time
	tx     [][]afxdp.Desc // by port: frames that leave at the end of the round

	logs     *handover // records for the log, see log.go
	tracer   tracer
	noted    uint32 // tick at which noteInvalid last wrote one
	full     uint32 // and noteFull; 0: never
	help     help
	wants    *afxdp.Ring[want] // next hops to resolve, for the control side
	waiting  waitingList
	wire     bool
	routed   bool                    // the packet in work is behind prerouting
	past     bool                    // chains below IP have seen it
	unseen   bool                    // it is with them: IP has not looked at it
	options  packet.Options          // of it, once it is behind prerouting
	echo     [packet.OptionsMax]byte // those of an answer
	plans    plans
	stages   *perf.Stages
	swaps    perf.Histogram // cycles it took to begin with new tables
	switches *perf.Switches // while it is profiled; nil: not to be had
	charging bool           // this round's packets are clocked one by one, see profile.go
	turn     uint32         // accounted rounds so far
	mark     uint64         // cycles at the end of the packet before
	stats    WorkerStats
	touched  byte // keeps touch from being optimized away
	trace    bool
	check    bool
	outcomes []Outcome
}

// portInfo is what a worker knows of a port.
type portInfo struct {
	mac        [6]byte
	anyMAC     bool
	unfinished bool
	peer       uint16 // packet.NoPort: none
	mtu        int
	addrs4     [][4]byte
	net4       []uint8 // prefix lengths
	addrs6     [][16]byte
	net6       []uint8
}

// idleRounds is how many empty rounds a worker spins before it sleeps.
const idleRounds = 2000

// run polls until stopped, on a thread of its own, which ends with it: others shall
// not be where it was pinned.
func (w *worker) run(cpu int) {
	runtime.LockOSThread()
	w.tid.Store(int32(unix.Gettid()))
	ended := false
	defer func() {
		if !ended {
			w.lastWords()
		}
		w.tid.Store(0)
		w.watch(false)
	}()
	if cpu >= 0 {
		pin(0, cpu)
	}
	idle := 0
	for !w.stop.Load() {
		if w.round(true) {
			idle = 0
			continue
		}
		if idle++; idle < idleRounds || w.box.cfg.Spin {
			continue
		}
		w.sleep()
	}
	ended = true
}

// sleep waits a moment, or until a frame comes if that can be waited for. Alone
// a worker may wait long; next to others it must look at its handover rings.
func (w *worker) sleep() {
	if len(w.out) == 1 && afxdp.Pollable(w.polled) {
		afxdp.Poll(w.polled, 1)
		return
	}
	nap(50 * time.Microsecond) // not time.Sleep: another thread would have to wake this one
}

// round polls everything once, the ports only if receive; false when there was
// nothing to do. The tables that it loads hold until it ends: the epoch tells
// the publisher when.
func (w *worker) round(receive bool) bool {
	w.epoch.Add(1) // odd: from here on the publisher waits for us
	t := w.next.Load()
	w.ports = t.ports
	w.adopt(t)
	w.nanos = w.clock.Nanos()
	w.now = perf.Tick(w.nanos)
	w.env.Now, w.env.Nanos, w.env.Wall = w.now, w.nanos, w.began+w.nanos
	w.shard.SetClock(w.began + w.nanos)
	if w.tracer.heard != w.box.traces.heard.Load() {
		w.beHeard(!w.tracer.heard)
	}
	w.catchUp(w.nanos / int64(time.Millisecond))
	w.stages.Begin()
	w.charging = w.stages.On() && w.chargeRound(t)

	busy, seen := false, w.stats.RxFrames+w.stats.HandoversIn
	for _, h := range w.in {
		if h != nil && w.fromWorker(t, h) {
			busy = true
		}
	}
	if receive {
		for lane, q := range w.queues {
			busy = q != nil && w.fromPort(t, lane, q) || busy
		}
	}
	w.shard.Expire(w.now, w.box.cfg.ExpireSlice)
	w.expireFragments()
	if w.plans.sweep != 0 {
		w.sweepPlans()
	}
	if w.waiting.used > 0 {
		w.retry(t)
	}
	w.flush()
	w.stages.Lap(stageTransmit)
	w.stages.End(int(w.stats.RxFrames + w.stats.HandoversIn - seen))
	w.epoch.Add(1) // even: quiescent

	if m := w.mail.Load(); m != nil {
		if m.step(w) {
			w.mail.Store(nil)
			m.done.Store(true)
		}
		busy = true
	}
	return busy
}

// leap is the longest step of the clock, in milliseconds, that the expiry of
// flows takes at once: ticks compare as signed 32-bit differences.
const leap = 1 << 30

// catchUp ends the flows whose time was over at some moment since the last
// round, when that is long ago, as it can be between two captured packets.
// Before any packet of the new time: seen from long ago its flow would look ended.
func (w *worker) catchUp(now int64) {
	for ; now-w.last > leap; w.last += leap {
		w.shard.Expire(uint32(w.last+leap), math.MaxInt)
	}
	w.last = now
}

// fromPort takes a burst from a lane's queue; false when there is none.
func (w *worker) fromPort(t *tables, lane int, q afxdp.Queue) bool {
	n := q.Recv(w.descs)
	if n == 0 {
		return false
	}
	w.stages.Lap(stageReceive)
	port, kind := lane, parcelNone
	if lane >= len(w.ports) {
		port, kind = lane-len(w.ports), fromHost
	}
	for i, d := range w.descs[:n] {
		p := &w.pkts[i]
		p.Data, p.Addr = w.umem.Frame(d.Addr, d.Len), d.Addr
		p.InPort, p.Serial = uint16(port), d.Options
		w.kinds[i] = kind
	}
	w.stats.RxFrames += uint64(n)
	w.touch(w.pkts[:n])
	w.burst(t, w.pkts[:n])
	return true
}

// touch reads the first byte of every frame. Another core has just written
// them: one behind the other in the parser these misses cost 80 to 100 ns each,
// here they overlap.
func (w *worker) touch(pkts []packet.Packet) {
	var sum byte
	for i := range pkts {
		if d := pkts[i].Data; len(d) > 0 {
			sum += d[0]
		}
	}
	w.touched = sum
}

// fromWorker takes what another worker handed over, a burst at most; false when
// there is nothing. A datagram in fragments is a burst of its own.
func (w *worker) fromWorker(t *tables, h *handover) bool {
	at, waiting := h.ring.Peek(len(w.pkts))
	if waiting == 0 {
		return false
	}
	if h.ring.Slot(at).kind.reason() >= parcelDatagram {
		w.datagramFromWorker(t, h)
		return true
	}
	taken, n := 0, 0
	for ; taken < waiting; taken++ {
		frame, m := h.read(at + uint32(taken))
		if m.kind.reason() >= parcelDatagram {
			break // the packets before it come first
		}
		if p := &w.pkts[n]; w.unpack(p, frame, m) {
			w.kinds[n], w.marks[n] = m.kind, m.marks
			n++
		}
	}
	h.ring.Release(taken)
	w.stats.HandoversIn += uint64(taken)
	w.stages.Lap(stageHandover)
	w.burst(t, w.pkts[:n])
	return true
}

// unpack copies a parcel into a frame of this worker; false: none is free.
func (w *worker) unpack(p *packet.Packet, frame []byte, m parcel) bool {
	addr, ok := w.umem.Alloc()
	if !ok {
		w.stats.Drops[packet.DropNoFrame]++
		w.stats.Fates[FateDropped]++
		return false
	}
	p.Data, p.Addr = w.umem.Frame(addr, uint32(len(frame))), addr
	p.InPort, p.Serial = m.inPort, m.serial
	copy(p.Data, frame)
	return true
}

// flush sends what the round queued and ends the burst on every lane.
func (w *worker) flush() {
	for lane, q := range w.queues {
		if q == nil {
			continue
		}
		if len(w.tx[lane]) > 0 {
			w.send(lane, q)
		}
		q.Flush()
	}
}

func (w *worker) send(lane int, q afxdp.Queue) {
	out := w.tx[lane]
	sent := q.Send(out)
	for _, d := range out[sent:] {
		w.umem.Free(d.Addr)
		w.stats.Drops[packet.DropTxFull]++
	}
	w.stats.TxFrames += uint64(sent)
	w.tx[lane] = out[:0]
}

// transmit queues a frame on a lane that is there and gives it away.
func (w *worker) transmit(lane int, p *packet.Packet) {
	w.transmitFrame(lane, afxdp.Desc{Addr: p.Addr, Len: uint32(len(p.Data)), Options: p.Serial})
}

func (w *worker) transmitFrame(lane int, d afxdp.Desc) {
	if len(w.tx[lane]) == cap(w.tx[lane]) {
		w.send(lane, w.queues[lane])
	}
	w.tx[lane] = append(w.tx[lane], d)
}
