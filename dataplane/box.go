package dataplane

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"
	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"go.uber.org/zap"
)

// Box is the firewall: workers, the tables they share, and the control side.
// All its methods may be called from any goroutine, except that Drain and
// Outcomes belong to whoever drives a box by hand.
type Box struct {
	cfg     Config
	table   *flowtable.Table
	limiter *limiter
	cookies cookies // of SYN proxies
	chance  *rules.Chance
	workers []*worker
	pool    controlPool
	spare   atomic.Bool // there are CPUs that no worker has
	cache   *rules.Cache
	store   *rules.Store // what limits and quotas remember
	routes  route.Shelf  // memory of the workers' copies
	log     *zap.Logger

	inForce atomic.Pointer[inForce] // what log records refer to; stored by publish

	logging sync.Mutex // held by who reads the log rings
	traces  traces

	control      sync.Mutex // guards what follows; no worker ever takes it
	running      bool
	closed       bool
	generation   uint64
	rules        *rules.Ruleset // in force
	state        *State         // in force; nil: it is not known, or too large to be kept
	judged       uint64         // packets walked under tables that were replaced since the last change of rules
	poisoned     []*rules.Image // checking mode: the last images that were retired
	profiling    bool
	cpus         []int // that the process may run on, if workers are pinned
	done         sync.WaitGroup
	stopDispatch chan struct{}
}

// New makes a box with no rules: it forwards everything. Start or Drain moves
// packets; Close gives back what New took. Ports stay the caller's to close.
func New(cfg Config) (b *Box, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if cfg.Clock == nil {
		cfg.Clock = perf.NewClock()
	}
	var chance *rules.Chance
	if cfg.Seed != 0 {
		chance = rules.NewChance(cfg.Seed)
	}
	if cfg.Defrag.Key == [2]uint64{} {
		cfg.Defrag.Key = [2]uint64{chance.Uint64(), chance.Uint64()}
	}
	if chance != nil && cfg.Conntrack.HashKey == [2]uint64{} {
		cfg.Conntrack.HashKey = [2]uint64{chance.Uint64(), chance.Uint64()}
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	b = &Box{cfg: cfg, log: cfg.Log, limiter: newLimiter(cfg.ICMPRate, cfg.ICMPBurst, cfg.ICMPGap), cookies: newCookies(chance), chance: chance}
	defer func() {
		if err != nil {
			_ = b.Close() // memory that sockets of the ports still use goes with the process
			b = nil
		}
	}()
	b.pool.box = b
	if b.pool.Pool, err = ants.NewPool(poolSize, ants.WithNonblocking(true), ants.WithPanicHandler(b.poolFault)); err != nil {
		return b, fmt.Errorf("control pool: %w", err)
	}
	if cfg.CompileCache > 0 {
		if b.cache, err = rules.NewCache(cfg.CompileCache); err != nil {
			return b, fmt.Errorf("compile cache: %w", err)
		}
	}
	cfg.Conntrack.Workers, cfg.Conntrack.Helpers = cfg.Workers, helper.ForTable(cfg.Helpers)
	b.cfg.Conntrack = cfg.Conntrack
	if b.table, err = flowtable.New(cfg.Conntrack); err != nil {
		return b, fmt.Errorf("conntrack: %w", err)
	}
	if b.store, err = rules.NewStore(b.table, chance, b.cfg.Clock); err != nil {
		return b, fmt.Errorf("memory of rules: %w", err)
	}
	if err = b.makeWorkers(); err != nil {
		return b, err
	}
	return b, b.firstTables()
}

// firstTables publishes no rules, and the routes that the configuration gives.
func (b *Box) firstTables() error {
	empty, err := b.Compile(&nft.Ruleset{})
	if err != nil {
		return err
	}
	routes, err := b.configRoutes()
	if err != nil {
		return err
	}
	ports, err := configPorts(b.cfg.Ports)
	if err != nil {
		return err
	}
	b.control.Lock()
	defer b.control.Unlock()
	_, err = b.publish(change{rules: empty, routes: routes, shelf: &b.routes, ports: ports, routed: reach{all: true}})
	return err
}

// inForce is a published ruleset and the generation it got.
type inForce struct {
	generation uint64
	rules      *rules.Ruleset
}

// poolSize is how many control-side jobs run at once.
const poolSize = 4

func (b *Box) makeWorkers() error {
	for i := range b.cfg.Workers {
		w, err := b.newWorker(i)
		if err != nil {
			_ = w.discard() // as in New
			return fmt.Errorf("worker %d: %w", i, err)
		}
		b.workers = append(b.workers, w)
	}
	for _, w := range b.workers {
		for _, to := range b.workers {
			if w == to {
				continue
			}
			h, err := newHandover(b.cfg.HandoverSlots, b.cfg.Chunk)
			if err != nil {
				return err
			}
			w.out[to.id], to.in[w.id] = h, h
		}
	}
	return nil
}

// newWorker makes a worker. It is returned with the error too, for discard.
func (b *Box) newWorker(id int) (*worker, error) {
	w := &worker{
		id: id, box: b, clock: b.cfg.Clock, began: b.cfg.Clock.Start().UnixNano(), table: b.table, shard: b.table.Shard(id), wire: b.cfg.Wire, verify: b.cfg.Checksum,
		last: b.cfg.Clock.Nanos() / int64(time.Millisecond),
		in:   make([]*handover, b.cfg.Workers), out: make([]*handover, b.cfg.Workers),
		pkts: make([]packet.Packet, b.cfg.Burst), at: b.cfg.Burst, drops: make([]packet.Drop, b.cfg.Burst),
		kinds: make([]parcelKind, b.cfg.Burst), marks: make([]marks, b.cfg.Burst), hashes: make([]uint64, b.cfg.Burst), hints: make([]uint32, b.cfg.Burst), taken: make([]defrag.Frag, 0, b.cfg.Defrag.FragsPerContext), descs: make([]afxdp.Desc, b.cfg.Burst),
		trace: b.cfg.Trace, check: b.cfg.Check,
		stages: perf.NewStages(stageNames[:]...), joined: newDatagram(),
	}
	w.stages.Enable(b.stagesOf(false))
	var err error
	if w.umem, err = afxdp.NewUMEM(b.cfg.Frames, b.cfg.Chunk); err != nil {
		return w, err
	}
	w.help = newHelp(b.cfg.Helpers, w.shard)
	w.env.Shard, w.env.CPU, w.env.Route, w.env.Copy, w.env.Chance = w.shard, uint32(w.id), w.way, w.duplicate, b.chance
	w.copies.buffer, w.copies.parts = make([]byte, datagramRoom), make([]defrag.Frag, 0, b.cfg.Defrag.FragsPerContext)
	w.plans.off = b.cfg.WalkAlways
	if err = w.plans.reserve(); err != nil {
		return w, err
	}
	if w.frags, err = defrag.New(b.cfg.Defrag); err != nil {
		return w, err
	}
	if w.logs, err = newHandover(logSlots, logRecordMax); err != nil {
		return w, err
	}
	if w.tracer.steps, err = newHandover(traceSlots, traceRecordMax); err != nil {
		return w, err
	}
	if w.wants, err = afxdp.NewRing[want](wantSlots); err != nil {
		return w, err
	}
	return w, b.openQueues(w)
}

// openQueues opens a worker's queue of every lane. The first decides whether the
// worker's memory can be shared with devices without copies, so those that can
// come first.
func (b *Box) openQueues(w *worker) (err error) {
	lanes := make([]afxdp.Port, 2*len(b.cfg.Ports))
	for i, p := range b.cfg.Ports {
		lanes[i], lanes[len(b.cfg.Ports)+i] = p.Port, p.Host
	}
	w.queues, w.tx = make([]afxdp.Queue, len(lanes)), make([][]afxdp.Desc, len(lanes))
	for _, zeroCopy := range []bool{true, false} {
		for i, port := range lanes {
			if port == nil || zeroCopyPort(port) != zeroCopy {
				continue
			}
			if w.queues[i], err = port.Open(w.id, w.umem); err != nil {
				return fmt.Errorf("open port %s queue %d: %w", port.Name(), w.id, err)
			}
		}
	}
	for i, q := range w.queues {
		w.tx[i] = make([]afxdp.Desc, 0, b.cfg.Burst)
		if q != nil {
			w.polled = append(w.polled, q)
		}
	}
	return nil
}

// zeroCopyPort says whether a port shares memory with a device.
func zeroCopyPort(port afxdp.Port) bool {
	p, ok := port.(interface{ ZeroCopy() bool })
	return ok && p.ZeroCopy()
}

// discard gives back the worker's own memory, as far as it was made. Queues must
// be closed with their ports first where the kernel knows the UMEM.
func (w *worker) discard() error {
	errs := w.plans.release()
	if w.logs != nil {
		errs = append(errs, w.logs.close())
	}
	if w.tracer.steps != nil {
		errs = append(errs, w.tracer.steps.close())
	}
	if w.wants != nil {
		errs = append(errs, w.wants.Close())
	}
	if w.frags != nil {
		errs = append(errs, w.frags.Close())
	}
	if w.umem != nil {
		errs = append(errs, w.umem.Close())
	}
	return errors.Join(errs...)
}

// parallel runs n jobs in the control pool and waits for them. A pool that
// takes no more leaves the job to the caller. A panic of one is the caller's when
// all have ended.
func (b *Box) parallel(n int, job func(i int)) {
	var wg sync.WaitGroup
	faults := make([]*perf.Fault, n)
	for i := range n {
		wg.Add(1)
		run := func() {
			defer wg.Done()
			faults[i] = perf.Catch(func() { job(i) })
		}
		if n == 1 || b.pool.Submit(run) != nil {
			run()
		}
	}
	wg.Wait()
	for _, fault := range faults {
		fault.Raise()
	}
}

// Start runs every worker on a thread of its own until Stop.
func (b *Box) Start() error {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed || b.running {
		return errors.New("start: the box is closed or running already")
	}
	// Workers never leave their processor: without processors to spare the
	// control side would wait for the scheduler to take one away from them.
	if n := b.cfg.Workers + 2; runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
	b.cpus = nil
	if b.cfg.Pin {
		b.cpus = usableCPUs()
	}
	if n := len(b.workers); len(b.cpus) > n {
		b.spare.Store(true)
		pinAll(b.cpus[n:]) // first: workers then go where they belong
	}
	for i, w := range b.workers {
		cpu := -1
		if len(b.cpus) > 0 {
			cpu = b.cpus[i%len(b.cpus)]
		}
		w.stop.Store(false)
		b.done.Add(1)
		go func() { defer b.done.Done(); w.run(cpu) }()
	}
	b.running = true
	b.stopDispatch = make(chan struct{})
	b.done.Add(1)
	go b.dispatch(b.stopDispatch)
	return nil
}

// Stop ends every worker after its round, then finishes what they have handed
// to each other, so that nothing that was received is lost. Flows and rules
// stay; Start goes on.
func (b *Box) Stop() {
	b.control.Lock()
	defer b.control.Unlock()
	b.halt()
}

// halt is Stop. Held: b.control.
func (b *Box) halt() {
	if !b.running {
		return
	}
	for _, w := range b.workers {
		w.stop.Store(true)
	}
	close(b.stopDispatch)
	b.done.Wait()
	if b.spare.Swap(false) {
		pinAll(b.cpus)
	}
	b.running = false
	b.settle(false)
}

// Drain runs all workers in turn on the calling goroutine until none has
// anything left to do. The box must not be started.
func (b *Box) Drain() {
	b.control.Lock()
	defer b.control.Unlock()
	if b.running || b.closed {
		panic("dataplane: Drain of a box that runs or is closed")
	}
	b.settle(true)
}

// settle runs all workers in turn until none has anything left to do.
func (b *Box) settle(receive bool) {
	for busy := true; busy; {
		busy = false
		for _, w := range b.workers {
			busy = w.round(receive) || busy
		}
	}
	b.writeLogs()
}

// Close stops the box and gives back its memory. The ports stay open; nothing
// may be received from them into this box any more.
func (b *Box) Close() error {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return nil
	}
	b.halt()
	b.closed = true
	var errs []error
	for _, w := range b.workers {
		if t := w.next.Load(); t != nil {
			t.routes.Free()
			errs = append(errs, t.image.Free())
		}
		for _, h := range w.out {
			if h != nil {
				errs = append(errs, h.close())
			}
		}
		errs = append(errs, w.discard())
	}
	for _, image := range b.poisoned {
		errs = append(errs, image.Free())
	}
	errs = append(errs, b.routes.Clear())
	if b.store != nil {
		errs = append(errs, b.store.Close())
	}
	if b.table != nil {
		errs = append(errs, b.table.Close())
	}
	if b.cache != nil {
		b.cache.Close()
	}
	if b.pool.Pool != nil {
		_ = b.pool.ReleaseTimeout(time.Second) // idle workers end by themselves
	}
	return errors.Join(errs...)
}

// Rules returns the ruleset in force.
func (b *Box) Rules() *rules.Ruleset {
	b.control.Lock()
	defer b.control.Unlock()
	return b.rules
}

// Now is the time of the clock that workers go by, in nanoseconds.
func (b *Box) Now() int64 { return b.cfg.Clock.Nanos() }

// counterSlice is how many counters a worker copies between two rounds.
const counterSlice = 512

// counters sums the live images' counters. Each worker copies its own into
// room that was made before. Held: b.control.
func (b *Box) counters() []rules.CounterTotal {
	total := b.rules.Collect(nil)
	for _, w := range b.workers {
		part, from := make([]rules.Counter, len(total)), 0
		b.ask(w, func(w *worker) bool {
			from += copy(part[from:min(from+counterSlice, len(part))], w.next.Load().image.Counters()[from:])
			return from == len(part)
		})
		for i := range total {
			total[i].Packets += part[i].Packets
			total[i].Bytes += part[i].Bytes
		}
	}
	return total
}

// tick is the time of the worker's latest round, or of now when it has none.
func (w *worker) tick() uint32 { return perf.Tick(w.clock.Nanos()) }
