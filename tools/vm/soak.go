package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// soakCases keep traffic and changes up for a time.
func soakCases(length time.Duration) []testCase {
	return []testCase{{name: fmt.Sprintf("soak for %v", length), limit: length + 2*time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.soak(ctx, length)
	}}}
}

// soak repeats rounds: datagrams both ways, TCP, new rules, now and then a link
// that goes down or a box that is killed. Every round must leave the ledger even.
func (w *world) soak(ctx context.Context, length time.Duration) (string, error) {
	end := time.Now().Add(length)
	if err := w.startBox(ctx, natRules, 2); err != nil {
		return "", err
	}
	rounds, kills, downs := 0, 0, 0
	for ; time.Now().Before(end); rounds++ {
		switch rand.IntN(10) {
		case 0:
			kills++
			queues := []int{1, 2, 4}[rand.IntN(3)]
			if err := w.startBox(ctx, natRules, queues); err != nil {
				return "", fmt.Errorf("round %d: start with %d queues: %w", rounds, queues, err)
			}
		case 1:
			downs++
			if err := w.shell(ctx, "ip link set eth1 down; sleep 0.5; ip link set eth1 up"); err != nil {
				return "", fmt.Errorf("round %d: %w", rounds, err)
			}
		case 2:
			if err := w.guest.write(ctx, "/tmp/next.nft", "flush ruleset\n"+natRules); err != nil {
				return "", err
			}
			if _, err := w.guest.run(ctx, "/bin/sluice", "nft", "-f", "/tmp/next.nft"); err != nil {
				return "", fmt.Errorf("round %d: %w", rounds, err)
			}
		}
		detail, err := w.exact(ctx, 5000, 64)
		if err != nil {
			return "", fmt.Errorf("round %d: %w", rounds, err)
		}
		tcp, err := w.transfer(ctx, server4, 4, 256<<10)
		if err != nil {
			return "", fmt.Errorf("round %d: %w", rounds, err)
		}
		if rounds%20 == 0 {
			fmt.Printf("     round %d: %s; %s\n", rounds, detail, tcp)
		}
	}
	return fmt.Sprintf("%d rounds, %d new boxes, %d times link down", rounds, kills, downs), nil
}
