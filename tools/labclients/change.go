package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// recoverIn is how long traffic may stand still after a change.
const recoverIn = time.Second

// aliveIn is how long a TCP connection may take to go on: its sender waits
// longer after each attempt in vain.
const aliveIn = 5 * time.Second

var changeChecks = []check{
	{name: "ip link down/up on the server side", run: func(ctx context.Context, w *world) (string, error) {
		return w.linkDownUp(ctx, lab.RouterIfS)
	}},
	{name: "ip link down/up on the client side", run: func(ctx context.Context, w *world) (string, error) {
		return w.linkDownUp(ctx, lab.RouterIfC)
	}},
	{name: "route change to another gateway", run: routeChange},
	{name: "route removed and added", run: routeGone},
	{name: "neighbour MAC change", run: macChange},
}

// during runs a change under traffic that goes to server and far, and then
// wants the traffic back in time and its connections alive, unless they may
// break. change returns the time from which on traffic must flow again.
func (w *world) during(ctx context.Context, mayBreak bool, change func() (time.Time, error)) (string, error) {
	if err := w.box.running(); err != nil {
		return "", err
	}
	t, err := w.startTraffic(ctx, lab.Server4, lab.Server6, far4, far6)
	if err != nil {
		return "", err
	}
	defer t.stop()
	begin := time.Now()
	from, err := change()
	if err != nil {
		return "", err
	}
	took, err := t.recovered(ctx, from, recoverIn)
	if err != nil {
		return "", err
	}
	if err := t.alive(ctx, aliveIn); err != nil && !mayBreak {
		return "", err
	}
	time.Sleep(100 * time.Millisecond) // so that a pause that comes late shows as well
	return fmt.Sprintf("flows after %v, longest pause %v", took.Round(time.Millisecond), t.gap(begin, time.Now()).Round(time.Millisecond)), nil
}

func (w *world) linkDownUp(ctx context.Context, ifname string) (string, error) {
	// The kernel forgets what it masqueraded when the interface goes down.
	mayBreak := w.opt.kernel && ifname == lab.RouterIfS
	return w.during(ctx, mayBreak, func() (time.Time, error) {
		if err := w.lab.SetLink(lab.Router, ifname, false); err != nil {
			return time.Time{}, err
		}
		time.Sleep(300 * time.Millisecond)
		err := w.lab.SetLink(lab.Router, ifname, true)
		if err == nil && ifname == lab.RouterIfS {
			err = w.addFarRoutes()
		}
		return time.Now(), err
	})
}

// routes runs `ip route` in the router for both families.
func (w *world) routes(ctx context.Context, verb, via4, via6 string) error {
	args := func(family, net, via string) []string {
		a := []string{family, "route", verb, net}
		if via != "" {
			a = append(a, "via", via)
		}
		return a
	}
	_, err4 := w.output(ctx, lab.Router, "ip", args("-4", farNet4, via4)...)
	_, err6 := w.output(ctx, lab.Router, "ip", args("-6", farNet6, via6)...)
	return errors.Join(err4, err6)
}

// routeChange moves far to a gateway that nobody has talked to yet, and back.
func routeChange(ctx context.Context, w *world) (string, error) {
	var details []string
	for _, via := range [][2]string{{other4.String(), other6.String()}, {lab.Server4.String(), lab.Server6.String()}} {
		detail, err := w.during(ctx, false, func() (time.Time, error) {
			now := time.Now()
			return now, w.routes(ctx, "replace", via[0], via[1])
		})
		if err != nil {
			return "", fmt.Errorf("to %s: %w", via[0], err)
		}
		details = append(details, detail)
	}
	return strings.Join(details, "; back: "), nil
}

func routeGone(ctx context.Context, w *world) (string, error) {
	return w.during(ctx, false, func() (time.Time, error) {
		if err := w.routes(ctx, "del", "", ""); err != nil {
			return time.Time{}, err
		}
		time.Sleep(300 * time.Millisecond)
		err := w.addFarRoutes()
		return time.Now(), err
	})
}

// macChange gives the server another MAC address, about which it tells its
// neighbours.
func macChange(ctx context.Context, w *world) (string, error) {
	return w.during(ctx, false, func() (time.Time, error) {
		now := time.Now()
		return now, w.lab.SetMAC(lab.Server, lab.ServerIf, net.HardwareAddr{2, 0x77, 0, 0, 0, byte(now.UnixNano())})
	})
}
