package mirror

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"golang.org/x/sys/unix"
)

const (
	askPause   = 250 * time.Millisecond // between two requests for one address
	askTries   = 5 * time.Second        // after which an address without answer is forgotten
	keepFor    = 10 * time.Minute       // after the last Resolve
	keepPause  = time.Second            // between two requests to keep one address
	keepRound  = 250 * time.Millisecond
	fresh      = 2 * time.Second        // a link that came up: requests may get lost
	freshPause = 100 * time.Millisecond // between two of them at first, then twice as long each time
	maxPending = 1024                   // addresses asked for and not resolved yet
	maxKept    = 4096                   // addresses resolved and kept, beside gateways
	maxGateway = 4096                   // gateways kept
)

// pending is an address that somebody asked for.
type pending struct {
	first, last time.Time // of the requests to the kernel
	queued      bool
}

// keeper knows the neighbours and keeps those in use resolved. The kernel sees
// no transit, so that without it their entries would age and go.
type keeper struct {
	m      *Mirror
	req    *requester // used by run only
	signal chan struct{}

	mu       sync.Mutex // for what follows
	neigh    map[hop]neighbour
	index    []int // interface index by port, 0: none
	up       []bool
	upSince  []time.Time // when it came up, as far as seen from here
	gateways map[hop]struct{}
	pending  map[hop]*pending
	kept     map[hop]time.Time // the last Resolve
	queue    []hop             // to be asked for at once

	// Used by run only.
	sent    map[hop]time.Time // the last request to keep a hop
	again   map[hop]time.Time // the last time that the kernel was made to begin anew on a fresh link
	mine    map[hop]struct{}  // hops made managed from here
	first   time.Time         // of the first request with NTF_EXT_MANAGED
	managed int8              // 1: the kernel does it, -1: it does not, 0: not known yet
}

func (k *keeper) init(m *Mirror, ports int) {
	k.m = m
	k.signal = make(chan struct{}, 1)
	k.neigh = map[hop]neighbour{}
	k.index, k.up, k.upSince = make([]int, ports), make([]bool, ports), make([]time.Time, ports)
	k.pending, k.kept = map[hop]*pending{}, map[hop]time.Time{}
	k.sent, k.again, k.mine = map[hop]time.Time{}, map[hop]time.Time{}, map[hop]struct{}{}
}

func (k *keeper) wake() {
	select {
	case k.signal <- struct{}{}:
	default:
	}
}

func (k *keeper) setNeighbours(all map[hop]neighbour) {
	k.mu.Lock()
	k.neigh = all
	k.mu.Unlock()
}

// setNeighbour says whether a State shows the difference.
func (k *keeper) setNeighbour(h hop, n neighbour, there bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.neigh[h]
	if !there {
		delete(k.neigh, h)
		return old.usable()
	}
	k.neigh[h] = n
	return old.usable() != n.usable() || (n.usable() && old.mac != n.mac)
}

// setLinks tells of interfaces, by port, and of gateways. The arguments are the
// keeper's from now on.
func (k *keeper) setLinks(index []int, up []bool, gateways map[hop]struct{}) {
	k.mu.Lock()
	for port, now := 0, time.Now(); port < len(up); port++ {
		if up[port] && (!k.up[port] || index[port] != k.index[port]) {
			k.upSince[port] = now
		}
	}
	k.index, k.up, k.gateways = index, up, gateways
	k.mu.Unlock()
}

// usable returns the usable neighbours on ports.
func (k *keeper) usable() []route.Neighbour {
	k.mu.Lock()
	var list []route.Neighbour
	for h, n := range k.neigh {
		// The kernel has entries for multicast groups too, made by a formula.
		if port := k.portOf(h.index); port >= 0 && n.usable() && !h.addr.IsMulticast() {
			list = append(list, route.Neighbour{Port: uint16(port), Addr: h.addr, MAC: n.mac})
		}
	}
	k.mu.Unlock()
	slices.SortFunc(list, compareNeighbour)
	return list
}

// portOf is the port of an interface, -1 when it is none. Called with mu held.
func (k *keeper) portOf(index int) int {
	if index == 0 {
		return -1
	}
	return slices.Index(k.index, index)
}

// resolve is Mirror.Resolve.
func (k *keeper) resolve(port uint16, addr netip.Addr) {
	if k.ask(port, addr.WithZone("").Unmap(), time.Now()) {
		k.wake()
	}
}

// ask notes that somebody wants an address, and says whether there is
// something to do at once.
func (k *keeper) ask(port uint16, addr netip.Addr, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	drop := int(port) >= len(k.index) || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast()
	if drop || k.index[port] == 0 || !k.up[port] {
		k.m.count(func(s *Stats) { s.AskedDropped++ })
		return false
	}
	h := hop{k.index[port], addr}
	if _, ok := k.kept[h]; ok {
		k.kept[h] = now
		if n, ok := k.neigh[h]; ok && n.usable() {
			return false
		}
	}
	p := k.pending[h]
	if p == nil {
		if len(k.pending) >= maxPending {
			k.m.count(func(s *Stats) { s.AskedDropped++ })
			return false
		}
		p = &pending{first: now}
		k.pending[h] = p
	}
	if p.queued || now.Sub(p.last) < askPause {
		return false
	}
	p.last, p.queued = now, true
	k.queue = append(k.queue, h)
	return true
}

// run does the work until ctx ends.
func (k *keeper) run(ctx context.Context) {
	tick := time.NewTimer(keepRound)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			k.release()
			return
		case <-k.signal:
		case <-tick.C:
		}
		k.serve()
		now := time.Now()
		k.round(now)
		tick.Reset(k.pause(now))
	}
}

// pause is how long to wait for the next round.
func (k *keeper) pause(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	for port, up := range k.up {
		if up && now.Sub(k.upSince[port]) < fresh {
			return freshPause / 4
		}
	}
	return keepRound
}

// serve asks the kernel for the addresses that wait.
func (k *keeper) serve() {
	k.mu.Lock()
	queue := k.queue
	k.queue = nil
	wanted := queue[:0]
	for _, h := range queue {
		if p := k.pending[h]; p != nil {
			p.queued = false
		}
		// A request for an entry somebody made permanent would unmake it.
		if n := k.neigh[h]; n.state&nudFixed == 0 {
			wanted = append(wanted, h)
		}
	}
	k.mu.Unlock()
	for _, h := range wanted {
		_, managed := k.mine[h]
		k.send(h, managed)
		k.m.count(func(s *Stats) { s.Asked++ })
	}
}

// round looks at every hop in use and asks the kernel for those that need it.
func (k *keeper) round(now time.Time) {
	keep, release, lost := k.plan(now)
	for _, h := range release {
		k.send(h, false) // without the flag: takes it away
		delete(k.mine, h)
	}
	for _, h := range keep {
		if k.send(h, k.managed >= 0) && k.managed >= 0 {
			k.mine[h] = struct{}{}
			if k.first.IsZero() {
				k.first = now
			}
		}
		k.sent[h] = now
	}
	for _, h := range lost {
		_, managed := k.mine[h]
		k.restart(h, managed)
		k.again[h] = now
	}
	for h, t := range k.again {
		if now.Sub(t) > fresh {
			delete(k.again, h)
		}
	}
	for h, t := range k.sent {
		if now.Sub(t) > 2*keepPause {
			delete(k.sent, h)
		}
	}
}

// plan brings the tables up to date and says which hops need a request, which
// are of no more use, and for which the request got lost on a fresh link.
func (k *keeper) plan(now time.Time) (keep, release, lost []hop) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for h, p := range k.pending {
		n, ok := k.neigh[h]
		switch {
		case ok && n.usable():
			delete(k.pending, h)
			if len(k.kept) < maxKept {
				k.kept[h] = now
			}
		case p.queued:
		case k.wasLost(h, now):
			lost = append(lost, h)
		case ok && n.state&unix.NUD_FAILED != 0 && now.Sub(p.last) > askPause, now.Sub(p.last) > askTries:
			delete(k.pending, h)
		}
	}
	live := func(h hop) bool { port := k.portOf(h.index); return port >= 0 && k.up[port] }
	for h, asked := range k.kept {
		n, ok := k.neigh[h]
		// Only an interface that is there counts: one that is down comes back
		// mostly with the same neighbours.
		gone := ok && n.state&unix.NUD_FAILED != 0 || k.portOf(h.index) < 0
		if gone || now.Sub(asked) > keepFor {
			delete(k.kept, h)
			continue
		}
		k.want(h, now, live(h), &keep, &lost)
	}
	gateways := 0
	for h := range k.gateways {
		if gateways++; gateways > maxGateway {
			break
		}
		if _, both := k.kept[h]; !both {
			k.want(h, now, live(h), &keep, &lost)
		}
	}
	for h := range k.mine {
		_, gateway := k.gateways[h]
		_, kept := k.kept[h]
		if gateway || kept {
			continue
		}
		if n, ok := k.neigh[h]; ok && n.managed && n.state&nudFixed == 0 {
			release = append(release, h)
		} else if now.Sub(k.sent[h]) > keepPause { // else the event may still come
			delete(k.mine, h)
		}
	}
	return keep, release, lost
}

// want puts a hop in use into the list of what has to be done about it.
func (k *keeper) want(h hop, now time.Time, live bool, keep, lost *[]hop) {
	_, pending := k.pending[h]
	switch {
	case !live:
	case k.needs(h, now):
		*keep = append(*keep, h)
	case !pending && k.wasLost(h, now): // pending ones are in the list already
		*lost = append(*lost, h)
	}
}

// wasLost says whether a hop should have answered by now that was asked for on
// a link that came up just before. What is sent in the first moments goes
// nowhere often, because the other end is not ready, and the kernel would send
// again after a second only.
func (k *keeper) wasLost(h hop, now time.Time) bool {
	port := k.portOf(h.index)
	if port < 0 || !k.up[port] {
		return false
	}
	up := k.upSince[port]
	age := now.Sub(up)
	n := k.neigh[h]
	if age >= fresh || n.usable() || n.state&(nudFixed|unix.NUD_FAILED) != 0 {
		return false
	}
	last := up
	if t := k.again[h]; t.After(up) {
		last = t
	}
	return now.Sub(last) >= max(freshPause, age/2)
}

// needs says whether a hop in use needs a request now.
func (k *keeper) needs(h hop, now time.Time) bool {
	n, ok := k.neigh[h]
	if ok && n.state&nudFixed != 0 {
		return false
	}
	doubt := n.state&(unix.NUD_STALE|unix.NUD_FAILED) != 0 || n.state == unix.NUD_NONE
	if ok && n.managed {
		if k.managed == 0 {
			k.decide(1)
		}
		// The kernel looks at its managed entries every five seconds only.
		return doubt && now.Sub(k.sent[h]) >= keepPause
	}
	_, asked := k.mine[h]
	_, restarted := k.again[h] // then the flag is away for a moment
	if k.managed == 0 && ok && asked && !restarted && now.Sub(k.first) > keepPause {
		k.decide(-1)
	}
	if now.Sub(k.sent[h]) < keepPause {
		// One request is enough, but not when the entry went away since.
		return !ok && k.managed > 0 && now.Sub(k.sent[h]) > keepRound
	}
	return k.managed >= 0 || !ok || doubt
}

// decide notes what the kernel can do.
func (k *keeper) decide(managed int8) {
	k.managed = managed
	k.m.count(func(s *Stats) { s.Managed = managed > 0 })
	if managed < 0 {
		k.m.log.Info("the kernel does not keep neighbours by itself (NTF_EXT_MANAGED), requests from here do")
	}
}
