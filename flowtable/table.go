package flowtable

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf/offheap"
)

// Table is the state that all workers share: configuration, hash secrets, the
// count of entries and the directory. What it holds besides those is the
// shards, one for each worker.
type Table struct {
	cfg      Config
	keys     keys
	max      int64
	trackers [2][256]*Tracker // by family (0 IPv4, 1 IPv6) and protocol; never nil
	direct   bool             // TCP and UDP have the built-in trackers
	ms       timeoutsMs
	dir      directory
	expect   expectations
	helpers  []Helper    // by number; 0 is none
	nat      atomic.Bool // stored by SetNAT, loaded at every Confirm
	shards   []*Shard
	closed   bool

	_     [64]byte
	count atomic.Int64 // entries of all shards, unconfirmed ones included
	_     [56]byte
}

// timeoutsMs are the settings in ticks.
type timeoutsMs struct {
	tcp                   [TCPStates]uint32
	tcpUnacked            uint32
	tcpRetrans            uint32
	udp, udpStream        uint32
	icmp, icmpv6, generic uint32
	gre, greStream        uint32
}

// New reserves a table. Memory for Max entries is reserved in every shard and
// touched only as entries come into use. It fails with ErrConfig or when
// memory cannot be reserved.
func New(cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Max == 0 {
		cfg.Max = defaultMax(machineMemory())
	}
	t := &Table{cfg: cfg, keys: newKeys(cfg.HashKey), max: int64(cfg.Max), ms: ticks(&cfg.Timeouts)}
	t.register()
	if err := t.dir.reserve(2*cfg.Max, &t.keys); err != nil { // a flow stands in it twice at most
		return nil, fmt.Errorf("reserve directory: %w", err)
	}
	if cfg.ExpectMax == 0 {
		cfg.ExpectMax = max(cfg.Max/256, 1) * 4
	}
	if err := t.expect.reserve(cfg.ExpectMax, &t.keys); err != nil {
		return nil, errors.Join(fmt.Errorf("reserve expectations: %w", err), t.Close())
	}
	t.helpers = append([]Helper{{}}, cfg.Helpers...)
	for i := range cfg.Workers {
		s, err := newShard(t, i)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("reserve shard %d: %w", i, err), t.Close())
		}
		t.shards = append(t.shards, s)
	}
	return t, nil
}

func ticks(t *Timeouts) timeoutsMs {
	m := timeoutsMs{
		tcpUnacked: t.TCPUnacknowledged * 1000, tcpRetrans: t.TCPMaxRetrans * 1000,
		udp: t.UDP * 1000, udpStream: t.UDPStream * 1000,
		icmp: t.ICMP * 1000, icmpv6: t.ICMPv6 * 1000, generic: t.Generic * 1000,
		gre: t.GRE * 1000, greStream: t.GREStream * 1000,
	}
	for i, sec := range t.TCP {
		m.tcp[i] = sec * 1000
	}
	return m
}

// Close gives the memory back. No worker may touch a shard any more. A second
// call does nothing.
func (t *Table) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	var errs []error
	for _, s := range t.shards {
		errs = append(errs, s.release()...)
	}
	errs = append(errs, t.expect.release()...)
	errs = append(errs, offheap.Free(t.dir.words))
	return errors.Join(errs...)
}

// Shard returns the shard of worker i.
func (t *Table) Shard(i int) *Shard { return t.shards[i] }

// Workers returns the number of shards.
func (t *Table) Workers() int { return len(t.shards) }

// SetNAT says whether some rule may translate addresses. While it is on, and with
// more than one worker, every new flow stands in the directory, so that no
// worker gives out a tuple that a flow of another one uses. Any goroutine.
func (t *Table) SetNAT(on bool) { t.nat.Store(on) }

// Count returns the number of entries of all shards, unconfirmed ones
// included. Any goroutine may call it.
func (t *Table) Count() int { return int(t.count.Load()) }

// Max returns the number of entries the table admits.
func (t *Table) Max() int { return int(t.max) }

// Acct says whether flows count packets and bytes.
func (t *Table) Acct() bool { return t.cfg.Acct }
