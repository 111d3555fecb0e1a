package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// soakCases keep traffic and changes up for a time.
func soakCases(length time.Duration) []testCase {
	return []testCase{{name: fmt.Sprintf("soak for %v", length), limit: length + 10*time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.soak(ctx, length)
	}}}
}

// soakCount is what a soak has done.
type soakCount struct {
	rounds, failed             int
	starts, kills, downs, news int
	datagrams, tcpKiB          int
}

func (c *soakCount) String() string {
	return fmt.Sprintf("%d rounds, %d failed; %d datagrams and %d MiB of TCP, all arrived; boxes ended and started %d times, killed %d times, links down %d times, rules new %d times",
		c.rounds, c.failed, c.datagrams, c.tcpKiB>>10, c.starts, c.kills, c.downs, c.news)
}

// soak repeats rounds: now and then a change, then datagrams both ways and TCP,
// which must all arrive and leave the ledger even. A round that fails is told,
// and the next one starts the box anew.
func (w *world) soak(ctx context.Context, length time.Duration) (string, error) {
	end := time.Now().Add(length)
	if err := w.startBox(ctx, natRules, 2); err != nil {
		return "", err
	}
	var c soakCount
	for ; time.Now().Before(end) && ctx.Err() == nil; c.rounds++ {
		detail, err := w.soakRound(ctx, &c)
		if err != nil {
			c.failed++
			fmt.Printf("     round %d failed: %v\n%s", c.rounds, err, w.anatomy(ctx))
			w.showLog(ctx)
			if err := w.startBox(ctx, natRules, 2); err != nil {
				return "", fmt.Errorf("round %d: start after a failure: %w; %v", c.rounds, err, &c)
			}
		}
		if c.rounds%20 == 0 {
			fmt.Printf("     %s round %d: %s\n     so far: %v\n", time.Now().Format(time.TimeOnly), c.rounds, detail, &c)
		}
	}
	if err := errors.Join(ctx.Err(), w.stopBox(ctx)); err != nil {
		return "", err
	}
	if c.failed > 0 {
		return "", errors.New(c.String())
	}
	return c.String() + "; ledger even after each round", nil
}

func (w *world) soakRound(ctx context.Context, c *soakCount) (string, error) {
	queues := []int{1, 2, 4}[rand.IntN(3)]
	switch rand.IntN(12) {
	case 0:
		c.starts++
		if err := w.startBox(ctx, natRules, queues); err != nil {
			return "", fmt.Errorf("start with %d queues: %w", queues, err)
		}
	case 1:
		c.kills++
		if _, err := w.signalBox(ctx, syscall.SIGKILL); err != nil {
			return "", err
		}
		// The kernel takes its time to free what a killed box had.
		if err := errors.Join(w.nothingAttached(ctx), w.startBox(ctx, natRules, queues)); err != nil {
			return "", fmt.Errorf("start with %d queues after SIGKILL: %w", queues, err)
		}
	case 2:
		c.downs++
		if err := w.shell(ctx, "ip link set eth1 down; sleep 0.5; ip link set eth1 up"); err != nil {
			return "", err
		}
	case 3:
		c.news++
		if err := w.guest.write(ctx, "/tmp/next.nft", "flush ruleset\n"+natRules); err != nil {
			return "", err
		}
		if _, err := w.guest.run(ctx, "/bin/sluice", "nft", "-f", "/tmp/next.nft"); err != nil {
			return "", err
		}
	}
	const datagrams, conns, bytes = 5000, 4, 256 << 10
	round, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	detail, err := w.exact(round, datagrams, 64)
	if err != nil {
		return "", err
	}
	tcp, err := w.transfer(round, server4, conns, bytes)
	if err != nil {
		return "", err
	}
	c.datagrams += 2 * datagrams
	c.tcpKiB += 2 * conns * bytes >> 10
	return detail + "; " + tcp, nil
}
