package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"go.uber.org/zap"
)

// Link is what the kernel says of a port's interface.
type Link struct {
	Up    bool // administratively up and with a carrier
	MAC   [6]byte
	MTU   int // L3 bytes
	Index int // of the interface in this namespace, changes when it is created anew
}

// State is one whole view of the namespace. Port numbers are positions in the
// list given to New. A State that was handed out is never written again, so it
// may be kept and read by anyone.
type State struct {
	// Addrs has the usable addresses by port name, as address and prefix
	// length; IPv4 before IPv6, primary before secondary, global before
	// link-local, deprecated last. A port without addresses has no key.
	Addrs map[string][]netip.Prefix

	// Routes has one element per path. Forward routes that lead to no port
	// have Port route.NoPort; a path of weight w is there w times. Local and
	// Broadcast are those of the whole namespace.
	Routes []route.Route

	Neighbours []route.Neighbour // those with a usable link address, on ports

	// Links by port name. An interface that does not exist has no key.
	Links map[string]Link
}

// Stats counts what the mirror did since New.
type Stats struct {
	Events       uint64 // netlink messages received
	Reads        uint64 // dumps of one part of the state
	Overflows    uint64 // times that the kernel lost messages for us, each a full resync
	SocketErrors uint64 // other errors of the socket, each a new subscription and a full resync
	Applied      uint64 // calls of apply that returned nil
	ApplyErrors  uint64 // calls of apply that returned an error
	Asked        uint64 // resolutions the kernel was asked for by Resolve
	AskedAgain   uint64 // of requests that had no answer on a link just come up
	AskedDropped uint64 // calls of Resolve without effect: table full, no such port, port down
	KeepErrors   uint64 // refused requests to resolve or keep a neighbour
	Skipped      uint64 // routes of the last dump that no State can express
	PolicyRules  uint64 // rules beside the default ones at the last look, which no State can express
	Managed      bool   // next hops are kept by the kernel (NTF_EXT_MANAGED), else by requests from here
}

// Mirror follows one network namespace. Make it with New, read it once with
// Read or continuously with Run, and Close it.
type Mirror struct {
	ports []string
	log   *zap.Logger
	ns    *os.File // to subscribe anew from any thread

	receiveBytes int // of the event socket

	events *listener  // written and used by Read and Run only
	dump   *requester // likewise
	model  model      // likewise, but for what shared holds

	keeper keeper

	statsMu sync.Mutex
	stats   Stats
}

// New opens the sockets in the network namespace of the calling thread. The
// interfaces need not exist yet. log may be nil.
func New(ports []string, log *zap.Logger) (*Mirror, error) {
	return newMirror(ports, log, defaultReceiveBytes)
}

func newMirror(ports []string, log *zap.Logger, receiveBytes int) (*Mirror, error) {
	if log == nil {
		log = zap.NewNop()
	}
	if len(ports) >= int(route.NoPort) {
		return nil, fmt.Errorf("mirror: %d ports, at most %d can be numbered", len(ports), int(route.NoPort)-1)
	}
	seen := map[string]bool{}
	for _, name := range ports {
		if name == "" || seen[name] {
			return nil, fmt.Errorf("mirror: port name %q is empty or there twice", name)
		}
		seen[name] = true
	}
	ns, err := openNamespace()
	if err != nil {
		return nil, fmt.Errorf("mirror: network namespace: %w", err)
	}
	m := &Mirror{ports: append([]string(nil), ports...), log: log, ns: ns, receiveBytes: receiveBytes}
	m.model.init(len(ports))
	m.keeper.init(m, len(ports))
	if err := m.open(); err != nil {
		_ = m.Close() // the first error is the one to tell
		return nil, err
	}
	return m, nil
}

// open subscribes, and makes the sockets for requests where there are none.
func (m *Mirror) open() error {
	return inNamespace(m.ns, func() (err error) {
		if m.events, err = listen(m.receiveBytes); err != nil {
			return fmt.Errorf("mirror: subscribe to netlink: %w", err)
		}
		if m.dump == nil {
			if m.dump, err = newRequester(); err != nil {
				return fmt.Errorf("mirror: netlink socket: %w", err)
			}
		}
		if m.keeper.req == nil {
			if m.keeper.req, err = newRequester(); err != nil {
				return fmt.Errorf("mirror: netlink socket: %w", err)
			}
		}
		return nil
	})
}

// Close gives the sockets back. Neither Read nor Run may be running.
func (m *Mirror) Close() error {
	var errs []error
	if m.events != nil {
		errs = append(errs, m.events.close())
	}
	for _, r := range []*requester{m.dump, m.keeper.req} {
		if r != nil {
			r.close()
		}
	}
	if m.ns != nil {
		errs = append(errs, m.ns.Close())
	}
	m.events, m.dump, m.keeper.req, m.ns = nil, nil, nil, nil
	return errors.Join(errs...)
}

// Stats returns the counts. Any goroutine may call it.
func (m *Mirror) Stats() Stats {
	m.statsMu.Lock()
	defer m.statsMu.Unlock()
	return m.stats
}

func (m *Mirror) count(f func(*Stats)) {
	m.statsMu.Lock()
	f(&m.stats)
	m.statsMu.Unlock()
}

// Read dumps everything once and returns it. Not while Run runs.
func (m *Mirror) Read() (State, error) {
	if err := m.refresh(allParts); err != nil {
		return State{}, err
	}
	return m.compute(), nil
}

// Run follows the namespace until ctx ends, then gives neighbours it kept back
// to the kernel's usual ageing and returns nil. It calls apply with the first
// state and then each time the state changed, from one goroutine, never two
// calls at once; when changes come faster than apply returns, only the last
// state counts. When apply fails the same state, or a newer one, is tried again
// after a pause. Run is called once.
func (m *Mirror) Run(ctx context.Context, apply func(State) error) error {
	ctx, cancel := context.WithCancel(ctx)
	states := make(chan State, 1)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); m.follow(ctx, states) }()
	go func() { defer wg.Done(); m.keeper.run(ctx) }()
	m.deliver(ctx, states, apply)
	cancel()
	wg.Wait()
	return nil
}

const (
	applyPauseMin = 100 * time.Millisecond
	applyPauseMax = 5 * time.Second
)

// deliver hands states to apply until ctx ends.
func (m *Mirror) deliver(ctx context.Context, states <-chan State, apply func(State) error) {
	pause := applyPauseMin
	var state State
	var again <-chan time.Time // not nil: state is to be tried again
	for {
		select {
		case <-ctx.Done():
			return
		case state = <-states:
		case <-again:
		}
		again = nil
		if err := apply(state); err != nil {
			m.count(func(s *Stats) { s.ApplyErrors++ })
			m.log.Warn("state of the kernel not applied, will be tried again", zap.Error(err), zap.Duration("after", pause))
			again = time.After(pause)
			pause = min(2*pause, applyPauseMax)
			continue
		}
		pause = applyPauseMin
		m.count(func(s *Stats) { s.Applied++ })
	}
}

// Resolve says that packets for addr wait on a port, or still go there. The
// kernel is asked to resolve it, and when it can, keeps it resolved until
// nobody asked for a while. Calls for one address closer together than a
// quarter second count as one. It allocates little, never waits for the kernel
// and may be called from any goroutine, but not from a worker.
func (m *Mirror) Resolve(port uint16, addr netip.Addr) { m.keeper.resolve(port, addr) }
