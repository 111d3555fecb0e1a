package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// The fourth node and its addresses. Server and far are joined by s1 and f0.
const (
	far   = "far"
	farIf = "f0"
	outIf = "s1" // of the server, towards far

	farMTU  = 1400
	farNet4 = "10.77.3.0/24"
	farNet6 = "fd77:3::/64"
)

var (
	far4       = netip.MustParseAddr("10.77.3.2")
	far6       = netip.MustParseAddr("fd77:3::2")
	serverFar4 = netip.MustParseAddr("10.77.3.1") // of the server, towards far
	serverFar6 = netip.MustParseAddr("fd77:3::1")
	// Second addresses of the server, other ways to far.
	other4 = netip.MustParseAddr("10.77.2.3")
	other6 = netip.MustParseAddr("fd77:2::3")
)

// world is the lab, what runs in it, and what checks leave for later ones.
type world struct {
	opt     *options
	lab     *lab.Lab
	dir     string // for everything on disk
	box     *box
	servers []*process
	closers []func() error
	big     [32]byte // SHA-256 of the large file
	crash   crashResult
	before  map[string]string // the router's interfaces before the box
}

// labName is the base of the lab's name.
const labName = "clients"

// newWorld makes the lab and starts the servers. The box is not started.
func newWorld(ctx context.Context, opt *options) (_ *world, err error) {
	if removed, err := lab.CleanLeftovers(labName); err != nil {
		return nil, err
	} else if len(removed) > 0 {
		fmt.Printf("removed left-overs of an earlier run: %v\n", removed)
	}
	w := &world{opt: opt}
	defer func() {
		if err != nil {
			_ = w.close() // the first error is the one to tell
		}
	}()
	if w.dir, err = os.MkdirTemp("", "sluice-lab-"); err != nil {
		return nil, err
	}
	if err = w.buildLab(); err != nil {
		return nil, err
	}
	if w.box, err = newBox(w); err != nil {
		return nil, err
	}
	startCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err = w.startServers(startCtx); err != nil {
		return nil, fmt.Errorf("start servers: %w", err)
	}
	return w, nil
}

// buildLab makes the nodes and joins them. The order gives the two ends of each
// cable of the box different interface numbers: when they are equal, the kernel
// takes up to a second to notice that the link is up again.
func (w *world) buildLab() (err error) {
	if w.lab, err = lab.Empty(lab.Unique(labName)); err != nil {
		return err
	}
	l := w.lab
	for _, node := range []string{lab.Client, lab.Router, lab.Server, far} {
		if err := l.AddNode(node, node == lab.Router || node == lab.Server); err != nil {
			return err
		}
	}
	cable := lab.Cable{Queues: w.opt.queues}
	if err := errors.Join(
		l.Connect(lab.Server, outIf, far, farIf, lab.Cable{MTU: farMTU}),
		l.Connect(lab.Router, lab.RouterIfS, lab.Server, lab.ServerIf, cable),
		l.Connect(lab.Client, lab.ClientIf, lab.Router, lab.RouterIfC, cable),
	); err != nil {
		return err
	}
	for _, a := range []struct {
		node, ifname string
		addr         netip.Addr
	}{
		{lab.Client, lab.ClientIf, lab.Client4}, {lab.Client, lab.ClientIf, lab.Client6},
		{lab.Router, lab.RouterIfC, lab.RouterC4}, {lab.Router, lab.RouterIfC, lab.RouterC6},
		{lab.Router, lab.RouterIfS, lab.RouterS4}, {lab.Router, lab.RouterIfS, lab.RouterS6},
		{lab.Server, lab.ServerIf, lab.Server4}, {lab.Server, lab.ServerIf, lab.Server6},
		{lab.Server, lab.ServerIf, other4}, {lab.Server, lab.ServerIf, other6},
		{lab.Server, outIf, serverFar4}, {lab.Server, outIf, serverFar6},
		{far, farIf, far4}, {far, farIf, far6},
	} {
		bits := 24
		if a.addr.Is6() {
			bits = 64
		}
		if err := l.AddAddr(a.node, a.ifname, netip.PrefixFrom(a.addr, bits).String()); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		node string
		via  netip.Addr
	}{
		{lab.Client, lab.RouterC4}, {lab.Client, lab.RouterC6}, {lab.Server, lab.RouterS4}, {lab.Server, lab.RouterS6},
		{far, serverFar4}, {far, serverFar6},
	} {
		if err := l.AddRoute(r.node, "", r.via.String()); err != nil {
			return err
		}
	}
	if err := w.addFarRoutes(); err != nil {
		return err
	}
	for _, s := range [][3]string{
		// A new MAC address is told to the neighbours, as redundant routers do.
		{lab.Server, "net/ipv4/conf/s0/arp_notify", "1"},
		{lab.Server, "net/ipv6/conf/s0/ndisc_notify", "1"},
		// Otherwise an interface that goes down loses its IPv6 addresses for good.
		{lab.Router, "net/ipv6/conf/all/keep_addr_on_down", "1"},
	} {
		if err := lab.Sysctl(l.NS(s[0]), s[1], s[2]); err != nil {
			return err
		}
	}
	// The kernel asks for a neighbour before a link that just came up can carry
	// the question, and by default asks again only a second later. That would be
	// all the time that traffic may stand still.
	for _, at := range [][2]string{
		{lab.Client, lab.ClientIf}, {lab.Router, lab.RouterIfC}, {lab.Router, lab.RouterIfS}, {lab.Server, lab.ServerIf},
	} {
		for _, family := range []string{"ipv4", "ipv6"} {
			if err := lab.Sysctl(l.NS(at[0]), "net/"+family+"/neigh/"+at[1]+"/retrans_time_ms", "250"); err != nil {
				return err
			}
		}
	}
	return nil
}

// addFarRoutes tells the router how to reach far. The kernel forgets these
// routes when the interface goes down.
func (w *world) addFarRoutes() error {
	return errors.Join(
		w.lab.AddRoute(lab.Router, farNet4, lab.Server4.String()),
		w.lab.AddRoute(lab.Router, farNet6, lab.Server6.String()))
}

// close ends and removes everything.
func (w *world) close() error {
	var errs []error
	if w.box != nil {
		errs = append(errs, w.box.end())
	}
	for _, c := range w.closers {
		errs = append(errs, c())
	}
	for _, p := range w.servers {
		errs = append(errs, p.end())
	}
	if w.lab != nil {
		errs = append(errs, w.lab.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// left says what is still there after close.
func (w *world) left() error {
	var errs []error
	for _, node := range []string{lab.Client, lab.Router, lab.Server, far} {
		if _, err := os.Stat("/run/netns/" + w.lab.NS(node)); err == nil {
			errs = append(errs, fmt.Errorf("namespace %s is still there", w.lab.NS(node)))
		}
	}
	if _, err := os.Stat(w.dir); err == nil {
		errs = append(errs, fmt.Errorf("%s is still there", w.dir))
	}
	for _, p := range w.servers {
		if groupRuns(p.cmd.Process.Pid) {
			errs = append(errs, fmt.Errorf("processes of %s still run", p.name))
		}
	}
	return errors.Join(errs...)
}
