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

// crashResult is what was seen of a killed box. Everything is tried at once,
// right after the kill; the checks then tell it one by one.
type crashResult struct {
	traffic             *traffic // goes on until the box is back; nil: nothing was killed
	ping, ssh, closed   error    // nil: as it should be
	pingAfter, sshAfter time.Duration
	beforeStart         time.Time
}

var errNotKilled = errors.New("the box was not killed")

var crashChecks = []check{
	{name: "SIGKILL under traffic: transit stops", box: true, limit: 20 * time.Second, run: killUnderTraffic},
	{name: "SIGKILL: the box answers pings within a second", box: true, run: func(_ context.Context, w *world) (string, error) {
		r := &w.crash
		if r.traffic == nil {
			return "", errNotKilled
		}
		return fmt.Sprintf("after %v", r.pingAfter.Round(time.Millisecond)), r.ping
	}},
	{name: "SIGKILL: ssh to the box works within a second", box: true, run: func(ctx context.Context, w *world) (string, error) {
		r := &w.crash
		if r.traffic == nil {
			return "", errNotKilled
		}
		if r.ssh != nil {
			return "", r.ssh
		}
		login, err := w.ssh(ctx, lab.RouterC4)
		return fmt.Sprintf("its greeting after %v, a login takes %s", r.sshAfter.Round(time.Millisecond), login), err
	}},
	{name: "SIGKILL: an untrusted port stays closed to new connections", box: true, run: func(_ context.Context, w *world) (string, error) {
		if w.crash.traffic == nil {
			return "", errNotKilled
		}
		return "", w.crash.closed
	}},
	{name: "restart: picks up at once", box: true, run: restart},
	{name: "restart: connections from before the crash live on", box: true, run: func(ctx context.Context, w *world) (string, error) {
		t := w.crash.traffic
		if t == nil {
			return "", errNotKilled
		}
		w.crash.traffic = nil
		defer t.stop()
		// Senders have waited up to twice as long as the box was away.
		err := t.alive(ctx, 10*time.Second)
		return fmt.Sprintf("%v after the start", time.Since(w.crash.beforeStart).Round(time.Millisecond)), err
	}},
	{name: "restart: new connections", box: true, run: func(ctx context.Context, w *world) (string, error) {
		return w.manyConnections(ctx, 20)
	}},
}

func killUnderTraffic(ctx context.Context, w *world) (string, error) {
	t, err := w.startTraffic(ctx, lab.Server4, lab.Server6)
	if err != nil {
		return "", err
	}
	sshAddress := func(a string) string { return net.JoinHostPort(a, "22") }
	// The port must be open while the box is there, else closed would mean nothing.
	if _, err := greeting(w, lab.Server, sshAddress(lab.RouterS4.String()), 2*time.Second); err != nil {
		t.stop()
		return "", fmt.Errorf("before: %w", err)
	}
	if err := w.box.kill(); err != nil {
		t.stop()
		return "", err
	}
	killed := time.Now()
	r := &w.crash
	r.traffic = t
	w.closers = append(w.closers, func() error {
		if w.crash.traffic != nil {
			w.crash.traffic.stop()
		}
		return nil
	})
	done := make(chan struct{}, 3)
	go func() {
		defer func() { done <- struct{}{} }()
		r.ping = within(recoverIn, killed, &r.pingAfter, func() error {
			for _, a := range []string{lab.RouterC4.String(), lab.RouterC6.String()} {
				if _, err := w.output(ctx, lab.Client, "ping", "-n", "-q", "-c", "1", "-W", "1", a); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		r.ssh = within(recoverIn, killed, &r.sshAfter, func() error {
			_, err := greeting(w, lab.Client, sshAddress(lab.RouterC4.String()), time.Second)
			return err
		})
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for _, a := range []string{lab.RouterS4.String(), lab.RouterS6.String()} {
			if _, err := greeting(w, lab.Server, sshAddress(a), 1200*time.Millisecond); err == nil {
				r.closed = fmt.Errorf("%s is open", sshAddress(a))
			} else if !silent(err) {
				r.closed = fmt.Errorf("%s: want silence, got: %w", sshAddress(a), err)
			}
		}
	}()
	// What was on its way at the kill may still come.
	const onTheWay = 50 * time.Millisecond
	time.Sleep(onTheWay)
	var rounds []uint64
	for _, s := range t.streams {
		rounds = append(rounds, s.rounds.Load())
	}
	for range 3 {
		<-done
	}
	for i, s := range t.streams {
		if n := s.rounds.Load() - rounds[i]; n > 0 {
			return "", fmt.Errorf("%s: %d rounds got through without the box", s.name, n)
		}
	}
	for _, p := range t.probes {
		if n, _ := p.since(killed.Add(onTheWay)); n > 0 {
			return "", fmt.Errorf("%s: %d datagrams got through without the box", p.name, n)
		}
	}
	return fmt.Sprintf("watched for %v", time.Since(killed).Round(time.Millisecond)), nil
}

// within calls f again until it succeeds, and stores how long after begin.
func within(limit time.Duration, begin time.Time, took *time.Duration, f func() error) error {
	for {
		err := f()
		*took = time.Since(begin)
		switch {
		case err == nil && *took <= limit:
			return nil
		case err == nil:
			return fmt.Errorf("after %v only", took.Round(time.Millisecond))
		case *took > limit+2*time.Second:
			return fmt.Errorf("not within %v: %w", took.Round(time.Millisecond), err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// greeting connects to an ssh server and reads its first line.
func greeting(w *world, from, address string, limit time.Duration) (string, error) {
	c, err := lab.DialIn(w.lab.NS(from), "tcp", address, limit)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err == nil && !strings.HasPrefix(string(b[:n]), "SSH-2.0-") {
		err = fmt.Errorf("no greeting of ssh: %q", b[:n])
	}
	return string(b[:n]), err
}

func restart(ctx context.Context, w *world) (string, error) {
	r := &w.crash
	if r.traffic == nil {
		return "", errNotKilled
	}
	r.beforeStart = time.Now()
	took, err := w.box.start(ctx)
	if err != nil {
		return "", err
	}
	flows, err := r.traffic.recovered(ctx, r.beforeStart.Add(took), recoverIn)
	return fmt.Sprintf("answers commands after %v, traffic flows %v later", took.Round(time.Millisecond), flows.Round(time.Millisecond)), err
}
