package xtables_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/rules/xtables"
)

// The extensions of somebody who knows nothing of the engine's instructions.

// digits is a match: the digits of the destination port add up to a number.
type digits struct{ sum uint16 }

func (m digits) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	_, port, ok := p.Ports()
	sum := uint16(0)
	for ; port > 0; port /= 10 {
		sum += port % 10
	}
	if ok && sum == m.sum {
		return rules.ActContinue
	}
	return rules.ActNext
}

// tap is a target that keeps the source ports it has seen and says what it is
// told to say.
type tap struct {
	say  rules.Action
	seen *atomic.Uint64
}

func (t tap) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	t.seen.Add(1)
	return t.say
}

var digitsMatch = &xtables.Record{
	Name: "digits", Revision: 1, Family: nft.FamilyInet, Proto: 17, Hooks: xtables.At(nft.HookForward),
	Check: func(u *xtables.Use) (rules.Extension, error) {
		sum, ok := u.Args.(int)
		if !ok || sum < 1 || sum > 45 {
			return nil, fmt.Errorf("%w: the sum is 1 to 45", xtables.ErrInvalid)
		}
		return digits{uint16(sum)}, nil
	},
}

func tapTarget(seen *atomic.Uint64) *xtables.Record {
	return &xtables.Record{Name: "TAP", Family: nft.FamilyIP, Check: func(u *xtables.Use) (rules.Extension, error) {
		return tap{u.Args.(rules.Action), seen}, nil
	}}
}

// world is a box between two links, and a registry for it.
type world struct {
	t        *testing.T
	box      *dataplane.Box
	lan, wan *afxdp.End
	*xtables.Registry
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	cfg := dataplane.Default()
	cfg.Frames, cfg.Conntrack.Max = 1024, 1024
	for i, end := range []**afxdp.End{&w.lan, &w.wan} {
		near, far, err := afxdp.NewPipe(afxdp.PipeConfig{
			Name: [2]string{[]string{"lan", "wan"}[i], fmt.Sprint("far", i)}, Queues: 1, Ring: 64,
			MAC: [2]net.HardwareAddr{{2, 0, 0, 0, 0, byte(i)}, {2, 0, 0, 0, 1, byte(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{
			Port: near, Peer: -1, Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 24)},
		})
		cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{
			Port: uint16(i), Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 2}), MAC: [6]byte{2, 0, 0, 0, 1, byte(i)},
		})
		if *end, err = afxdp.NewEnd(far, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.box, err = dataplane.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.box.Close() })
	w.Registry = xtables.New(xtables.Engine{
		Tree: func() *nft.Ruleset { return w.box.Rules().Tree },
		Load: func(tree *nft.Ruleset) ([]rules.CounterTotal, error) {
			rs, err := w.box.Compile(tree)
			if err != nil {
				return nil, err
			}
			report, err := w.box.Publish(rs)
			if err != nil {
				return nil, err
			}
			return report.OldCounters(), nil
		},
		Counters: w.box.Counters,
	})
	return w
}

// through sends a datagram from LAN to WAN and says whether it came out.
func (w *world) through(dport uint16) bool {
	w.t.Helper()
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 8, 0, 0x45})
	ip := f[14:]
	binary.BigEndian.PutUint16(ip[2:], 46)
	ip[8], ip[9] = 64, 17
	copy(ip[12:], []byte{10, 0, 0, 2, 10, 0, 1, 2})
	binary.BigEndian.PutUint16(ip[10:], packet.Checksum(ip[:20], 0))
	binary.BigEndian.PutUint16(ip[20:], 1000)
	binary.BigEndian.PutUint16(ip[22:], dport)
	binary.BigEndian.PutUint16(ip[24:], 26)
	if !w.lan.Write(f, 0) {
		w.t.Fatal("the pipe is full")
	}
	w.lan.Flush()
	w.box.Drain()
	came := false
	for frame, _, ok := w.wan.Read(); ok; frame, _, ok = w.wan.Read() {
		came = came || len(frame) > 0
	}
	return came
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
