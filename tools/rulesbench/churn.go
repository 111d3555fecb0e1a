package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/nft"
)

// What a box follows each second, and for how long it is looked at with and
// without, in turns.
const (
	churnFlows      = 1_000_000
	churnRoutes     = 1000
	elementsSecond  = 10
	routesSecond    = 100
	neighbourSecond = 10
	churnTurns      = 8
	churnTurn       = 2 * time.Second
)

// churn prints what edits of elements, routes and neighbours cost a worker that has
// as much to do as it can.
func churn(*options) error {
	fmt.Printf("\n%d flows, %d elements, %d routes; a second: %d elements, %d routes and %d neighbours edited; one worker at all it can; %d turns of %v with, and without\n",
		churnFlows, editElements, churnRoutes, elementsSecond, routesSecond, neighbourSecond, churnTurns, churnTurn)
	text := strings.Replace(setOf(editElements, false), "counter drop\n", "counter drop\n\t\tct state established,related counter accept\n", 1)
	w, err := newWorldOf(churnFlows, text, 1, 0, false)
	if err != nil {
		return err
	}
	state := churnState()
	if err := w.box.SetState(state); err != nil {
		return err
	}
	w.pause(false)
	for began := w.received(); w.received()-began < 6*churnFlows; { // every flow was asked and answered
		time.Sleep(10 * time.Millisecond)
	}
	var costs [2][]float64 // cycles a packet: without, with
	var planned [2]float64
	var control, late time.Duration
	edits := 0
	r := rand.New(rand.NewPCG(1, 3))
	for turn := range 2 * churnTurns {
		with := turn % 2
		before, stats := w.box.Profile(), w.box.Stats().Total()
		used := processCPU() - workerCPU(before)
		if with == 0 {
			time.Sleep(churnTurn)
		} else {
			err := w.serve(func() error {
				n, behind, err := w.follow(&state, r)
				edits += n
				late = max(late, behind)
				return err
			})
			if err != nil {
				return err
			}
		}
		after, now := w.box.Profile(), w.box.Stats().Total()
		if with == 1 {
			control += processCPU() - workerCPU(after) - used
		}
		account := after.Workers[0].Stages
		account.Sub(before.Workers[0].Stages)
		costs[with] = append(costs[with], float64(account.Total())/float64(account.Packets))
		planned[with] = float64(now.Planned-stats.Planned) / float64(now.Established-stats.Established)
	}
	if err := w.close(); err != nil {
		return err
	}
	nanos := func(v []float64) float64 {
		slices.Sort(v)
		return float64(perf.CycleRate().Duration(uint64(1000*v[len(v)/2]))) / 1000
	}
	without, with := nanos(costs[0]), nanos(costs[1])
	fmt.Printf("ns a packet: %.1f with, %.1f without: %.1f %% more; by plans: %.1f %% and %.1f %%; %d edits, at most %.1f ms late; control side: %.0f %% of a CPU\n",
		with, without, 100*(with/without-1), 100*planned[1], 100*planned[0], edits, float64(late)/1e6, 100*control.Seconds()/(churnTurns*churnTurn).Seconds())
	return nil
}

// workerCPU is what the only worker's thread has used.
func workerCPU(p dataplane.Profile) time.Duration { return p.Workers[0].Thread.CPU }

// churnState is what newWorldOf configures, and routes that nobody takes.
func churnState() dataplane.State {
	s := dataplane.State{Ports: []dataplane.PortState{
		{Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, MAC: [6]byte(mac(1)), MTU: 1500},
		{Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/24")}, MAC: [6]byte(mac(2)), MTU: 1500},
	}}
	gateway := netip.MustParseAddr("203.0.113.2")
	s.Routes = []route.Route{
		{Prefix: netip.MustParsePrefix("10.0.0.1/32"), Kind: route.Local}, {Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: route.Forward},
		{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Port: 1, Kind: route.Local}, {Prefix: netip.MustParsePrefix("203.0.113.0/24"), Port: 1, Kind: route.Forward},
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: gateway, Port: 1},
	}
	for i := range churnRoutes {
		s.Routes = append(s.Routes, churnRoute(i))
	}
	s.Neighbours = []route.Neighbour{{Port: 1, Addr: gateway, MAC: [6]byte(mac(0x20))}}
	for i := range byte(clients) {
		s.Neighbours = append(s.Neighbours, route.Neighbour{Addr: netip.AddrFrom4([4]byte{10, 0, 0, 2 + i}), MAC: [6]byte(mac(0x10))})
	}
	return s
}

func churnRoute(i int) route.Route {
	return route.Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16 + byte(i>>8&15), byte(i), 0}), 24), Gateway: netip.MustParseAddr("203.0.113.2"), Port: 1}
}

// follow makes the edits of a turn, each in its time, and says how many and how late
// the latest was done.
func (w *world) follow(state *dataplane.State, r *rand.Rand) (edits int, late time.Duration, err error) {
	start := time.Now()
	for i := 0; time.Since(start) < churnTurn; i++ {
		due := start.Add(time.Duration(i) * time.Second / routesSecond)
		time.Sleep(time.Until(due))
		at := len(state.Routes) - 1 - r.IntN(churnRoutes)
		state.Routes[at] = churnRoute(r.IntN(4 * churnRoutes))
		if err = w.box.SetState(*state); err != nil {
			return
		}
		edits++
		if i%(routesSecond/neighbourSecond) == 3 {
			n := &state.Neighbours[1+r.IntN(clients)]
			n.MAC[5] ^= 1
			if err = w.box.SetState(*state); err != nil {
				return
			}
			edits++
		}
		if i%(routesSecond/elementsSecond) == 6 {
			tree := w.box.Rules().Tree
			out, err := nft.Run(tree, "command", []byte(editElement(tree, i/2, r)), nft.ParseOptions{}, nft.PrintOptions{})
			if err != nil {
				return edits, late, err
			}
			rs, err := w.box.Compile(out.Rules)
			if err != nil {
				return edits, late, err
			}
			if _, err := w.box.Publish(rs); err != nil {
				return edits, late, err
			}
			edits++
		}
		late = max(late, time.Since(due))
	}
	return
}
