package flowtable

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf"
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
	sources  sources
	gre      greKeys
	doomed   doomed
	expect   expectations
	helpers  []Helper    // by number; 0 is none
	nat      atomic.Bool // stored by SetNAT, loaded at every Confirm
	shards   []*Shard
	build    builder
	ext      []extension   // by ExtensionID
	watch    atomic.Uint32 // EventMask; stored by Listen, loaded by every Expire
	pressure atomic.Uint32 // raised when the table was full, loaded by every Expire
	policies [MaxTimeoutPolicies]atomic.Pointer[timeoutsMs]
	book     policyBook
	tallies  tallies

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
	sctp                  [SCTPStates]uint32
}

// New reserves a table. Memory for Max entries is reserved in every shard and
// touched only as entries come into use. It fails with ErrConfig or when
// memory cannot be reserved; then nothing is left behind.
func New(cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.size(perf.MachineMemory())
	t := &Table{cfg: cfg, keys: newKeys(cfg.HashKey), max: int64(cfg.Max), ms: ticks(&cfg.Timeouts)}
	t.build.fail = cfg.fail
	nothing := func() error { return nil }
	err := steps( // in the order of nf_conntrack_init_start
		func() error { return t.build.step("extensions", t.registerExtensions, nothing) },
		func() error { return t.build.step("trackers", t.register, nothing) },
		func() error { return t.dir.reserve(&t.build, 2*cfg.Max, &t.keys) }, // a flow stands in it twice at most
		func() error { return t.sources.reserve(&t.build, cfg.Max) },
		func() error { return t.reserveExpectations() },
		func() error { return t.reserveTallies() },
		func() error { return t.build.step("helpers", t.registerHelpers, nothing) },
	)
	for i := 0; err == nil && i < cfg.Workers; i++ {
		var s *Shard
		if s, err = newShard(&t.build, t, i); err != nil {
			err = fmt.Errorf("shard %d: %w", i, err)
		}
		t.shards = append(t.shards, s)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up flow table: %w", err), t.build.unwind())
	}
	if cfg.Events == EventsOn {
		t.Listen(EventFlows | EventExpects)
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
	for i, sec := range t.SCTP {
		m.sctp[i] = sec * 1000
	}
	return m
}

// Close gives the memory back. No worker may touch a shard any more. A second
// call does nothing.
func (t *Table) Close() error { return t.build.unwind() }

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
