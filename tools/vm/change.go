package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// changeCases are about what may happen while the box runs.
var changeCases = []testCase{
	{name: "rules change under load, sockets stay", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, routerRules, 2); err != nil {
			return "", err
		}
		if err := w.warm(ctx); err != nil {
			return "", err
		}
		before, err := w.cookies(ctx)
		if err != nil {
			return "", err
		}
		began, err := w.status(ctx)
		if err != nil {
			return "", err
		}
		const changes = 8
		s := bothWays(8000, 64)[0]
		s.pace = 50 * time.Microsecond
		type outcome struct {
			t   tally
			err error
		}
		done := make(chan outcome, 1)
		go func() {
			t, err := s.run(ctx, w.lab)
			done <- outcome{t, err}
		}()
		var failure error
		for i := range changes {
			text := fmt.Sprintf("flush ruleset\n%s\ntable inet other {\n chain c {\n type filter hook forward priority 10;\n counter comment \"%d\"\n }\n}\n", routerRules, i)
			failure = errors.Join(failure, w.guest.write(ctx, "/tmp/next.nft", text))
			_, err := w.guest.run(ctx, "/bin/sluice", "nft", "-f", "/tmp/next.nft")
			failure = errors.Join(failure, err)
		}
		o := <-done
		if err := errors.Join(failure, o.err); err != nil {
			return "", err
		}
		if err := o.t.complete(); err != nil {
			return "", err
		}
		after, err := w.cookies(ctx)
		if err != nil {
			return "", err
		}
		ended, err := w.status(ctx)
		if err != nil {
			return "", err
		}
		if !slices.Equal(before, after) {
			return "", fmt.Errorf("sockets %v have become %v", before, after)
		}
		if got := ended.Rules.Generation - began.Rules.Generation; got != changes || ended.FramesLost != 0 {
			return "", fmt.Errorf("%d generations for %d changes; ledger: %d frames lost", got, changes, ended.FramesLost)
		}
		return fmt.Sprintf("%d changes, %v, the same %d sockets; ledger 0 of %d", changes, o.t, len(after), ended.Frames), nil
	}},
	{name: "link down and up under load", run: func(ctx context.Context, w *world) (string, error) {
		return w.disturbed(ctx, "link is down", "link is up", func() error {
			return w.shell(ctx, "ip link set eth1 down; sleep 1; ip link set eth1 up")
		})
	}},
	{name: "cable out and in under load", run: func(ctx context.Context, w *world) (string, error) {
		return w.disturbed(ctx, "", "", func() error {
			err := monitor(w.dir, "set_link", map[string]any{"name": "card1", "up": false})
			time.Sleep(time.Second)
			return errors.Join(err, monitor(w.dir, "set_link", map[string]any{"name": "card1", "up": true}))
		})
	}},
	{name: "MTU change while running", run: func(ctx context.Context, w *world) (string, error) {
		defer func() { _ = w.setMTU(ctx, 1500) }()
		if err := w.shell(ctx, "ip link set eth1 mtu 1400"); err != nil {
			return "", err
		}
		if err := w.until(ctx, func(s *status) bool { return s.Ports[1].MTU == 1400 }); err != nil {
			return "", fmt.Errorf("the box does not follow an MTU of 1400: %w", err)
		}
		if err := w.warm(ctx); err != nil {
			return "", err
		}
		// Larger than a frame: the driver refuses it, or the box says what to do.
		large := "refused by the driver"
		if err := w.shell(ctx, "ip link set eth1 mtu 4000"); err == nil {
			if err := w.until(ctx, func(s *status) bool {
				large = strings.Join(s.Trouble, " ")
				return mentions(large, "MTU of eth1", "ip link set dev eth1 mtu") == nil
			}); err != nil {
				return "", fmt.Errorf("nothing is said about an MTU larger than a frame: %w", err)
			}
		}
		if err := w.shell(ctx, "ip link set eth1 mtu 1500"); err != nil {
			return "", err
		}
		if err := w.until(ctx, func(s *status) bool { return s.Ports[1].MTU == 1500 && len(s.Trouble) == 0 }); err != nil {
			return "", err
		}
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("1400 is followed; 4000: %s; %s", large, detail), err
	}},
	{name: "queue count changes while running", run: func(ctx context.Context, w *world) (string, error) {
		how := ""
		if err := w.channels(ctx, boxC, 3); err != nil {
			how = "refused by the driver: " + err.Error()
		} else {
			if err := w.until(ctx, func(s *status) bool {
				how = strings.Join(s.Trouble, " ")
				return mentions(how, "channels of eth0", "ethtool -L eth0") == nil
			}); err != nil {
				return "", fmt.Errorf("nothing is said about it: %w", err)
			}
			if err := w.channels(ctx, boxC, 2); err != nil {
				return "", err
			}
		}
		detail, err := w.exact(ctx, 1000, 16)
		return how + "; " + detail, err
	}},
	{name: "interface removed and back", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.shell(ctx, "basename $(readlink /sys/class/net/eth1/device) > /tmp/card; cat /tmp/card > /sys/bus/virtio/drivers/virtio_net/unbind"); err != nil {
			return "", err
		}
		said := ""
		err := w.until(ctx, func(s *status) bool {
			said = strings.Join(s.Trouble, " ")
			return mentions(said, boxS, "gone") == nil
		})
		if err != nil {
			return "", fmt.Errorf("nothing is said about it: %w", err)
		}
		if err := w.reaches(ctx, client, boxC4); err != nil {
			return "", fmt.Errorf("the other port: %w", err)
		}
		took, err := w.signalBox(ctx, 15)
		if err != nil {
			return "", err
		}
		if err := w.shell(ctx, "cat /tmp/card > /sys/bus/virtio/drivers/virtio_net/bind; sleep 0.2;"+addressScript); err != nil {
			return "", err
		}
		if err := w.startBox(ctx, routerRules, 2); err != nil {
			return "", err
		}
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("%q; ended after %v; anew: %s", said, took.Round(time.Millisecond), detail), err
	}},
}

// cookies returns the identities of all AF_XDP sockets, in order.
func (w *world) cookies(ctx context.Context) ([]uint64, error) {
	sockets, err := w.sockets(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]uint64, len(sockets))
	for i, s := range sockets {
		all[i] = s.Cookie
	}
	slices.Sort(all)
	return all, nil
}

// until waits for the box to be in a state.
func (w *world) until(ctx context.Context, good func(s *status) bool) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		s, err := w.status(ctx)
		switch {
		case err != nil:
			return err
		case good(&s):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("status %+v", s)
		}
	}
}

// disturbed does something to a card during a stream, whose losses are no
// matter, and demands that afterwards all arrives again.
func (w *world) disturbed(ctx context.Context, first, then string, disturb func() error) (string, error) {
	lossy := bothWays(2000, 16)[0]
	lossy.pace, lossy.patience = time.Millisecond, 6*time.Second
	type outcome struct {
		t   tally
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		t, err := lossy.run(ctx, w.lab)
		done <- outcome{t, err}
	}()
	time.Sleep(300 * time.Millisecond)
	failure := disturb()
	o := <-done
	if err := errors.Join(failure, o.err); err != nil {
		return "", err
	}
	log, err := w.boxLog(ctx)
	if err != nil {
		return "", err
	}
	if err := mentions(log, first, then); err != nil {
		return "", err
	}
	detail, err := w.exact(ctx, 1000, 16)
	return fmt.Sprintf("meanwhile %v; afterwards %s", o.t, detail), err
}

// attached lists what a box has left on the machine's interfaces.
func (w *world) attached(ctx context.Context) (all []string, err error) {
	links, err := w.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	for name, l := range links {
		if l.XDP != 0 || l.Ingress != 0 || l.Egress != 0 {
			all = append(all, fmt.Sprintf("%s has XDP program %d, %d and %d TCX programs", name, l.XDP, l.Ingress, l.Egress))
		}
	}
	sockets, err := w.sockets(ctx)
	for _, s := range sockets {
		all = append(all, fmt.Sprintf("an AF_XDP socket on interface %d queue %d", s.Ifindex, s.Queue))
	}
	return all, err
}

// pairs lists the veth pairs of host paths.
func pairs(links map[string]wire.Interface) (all []string) {
	for name := range links {
		if strings.HasPrefix(name, "slb") || strings.HasPrefix(name, "slk") {
			all = append(all, name)
		}
	}
	return all
}
