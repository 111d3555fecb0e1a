package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// lifeCases are about how a box begins and ends.
var lifeCases = []testCase{
	{name: "a second instance is refused", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, routerRules, 2); err != nil {
			return "", err
		}
		said, err := w.refused(ctx, "--port", boxC, "--port", boxS, "--workers", "2")
		if err != nil {
			return said, err
		}
		other, err := w.refused(ctx, "--port", boxC, "--port", boxS, "--workers", "2", "--control", "/tmp/other.sock")
		if err != nil {
			return other, err
		}
		if err := mentions(other, boxC, "is a port already, of process"); err != nil {
			return "", err
		}
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("%q; with a control socket of its own: %q; the first: %s", said, other, detail), err
	}},
	{name: "SIGKILL: nothing stays attached, nothing is forwarded; start again", run: func(ctx context.Context, w *world) (string, error) {
		if _, err := w.signalBox(ctx, syscall.SIGKILL); err != nil {
			return "", err
		}
		if err := w.nothingAttached(ctx); err != nil {
			return "", err
		}
		r, err := lab.Ping(w.lab.NS(client), netip.MustParseAddr(server4), lab.PingConfig{Count: 3, Timeout: 300 * time.Millisecond})
		if err != nil || r.Received != 0 {
			return "", fmt.Errorf("without the box the kernel forwards: %v: %w", r, err)
		}
		begin := time.Now()
		if err := w.startBox(ctx, routerRules, 2); err != nil {
			return "", err
		}
		took := time.Since(begin)
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("the guard table stands; again after %v; %s", took.Round(10*time.Millisecond), detail), err
	}},
	{name: "clean exit under load within a second", run: func(ctx context.Context, w *world) (string, error) {
		load := bothWays(1<<20, 16)[0]
		load.patience = 500 * time.Millisecond
		done := make(chan tally, 1)
		go func() {
			t, _ := load.run(ctx, w.lab) // it ends for want of a box
			done <- t
		}()
		time.Sleep(500 * time.Millisecond)
		took, err := w.signalBox(ctx, syscall.SIGTERM)
		t := <-done
		if err != nil {
			return "", err
		}
		if took > time.Second {
			return "", fmt.Errorf("the end took %v", took)
		}
		if err := w.nothingAttached(ctx); err != nil {
			return "", err
		}
		links, err := w.interfaces(ctx)
		if err != nil {
			return "", err
		}
		if left := pairs(links); len(left) > 0 {
			return "", fmt.Errorf("host paths are left: %v", left)
		}
		return fmt.Sprintf("%v after %v", took.Round(time.Millisecond), t), nil
	}},
}

// nothingAttached demands it, allowing the kernel a moment to clean up.
func (w *world) nothingAttached(ctx context.Context) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left, err := w.attached(ctx)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("left: %s", strings.Join(left, "; "))
		}
	}
}
