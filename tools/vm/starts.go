package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// startsCases start boxes again and again while datagrams come, and demand that
// every queue receives and every card sends from the start on: a datagram that
// does not arrive has stayed on one side or the other, and the anatomy tells where.
func startsCases(n int) []testCase {
	return []testCase{{name: fmt.Sprintf("%d starts under load", n), limit: time.Duration(n+10) * time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.starts(ctx, n)
	}}}
}

func (w *world) starts(ctx context.Context, n int) (string, error) {
	stalls, second := 0, 0
	for i := range n {
		queues := []int{2, 4}[i%2]
		if err := w.startUnderLoad(ctx, queues); err != nil {
			return "", fmt.Errorf("start %d: %w", i, err)
		}
		err := w.allQueues(ctx)
		for try := 0; err != nil && try < 2; try++ {
			second++
			fmt.Printf("     start %d: %v; once more\n", i, err)
			err = w.allQueues(ctx)
		}
		if err != nil {
			stalls++
			fmt.Printf("     start %d with %d queues: %v\n", i, queues, err)
			w.showAnatomy(ctx)
		}
		if i%10 == 9 {
			fmt.Printf("     %s %d starts, %d stalls\n", time.Now().Format(time.TimeOnly), i+1, stalls)
		}
	}
	text := fmt.Sprintf("%d starts, half with 2 and half with 4 queues; after %d a queue did not receive, or a card did not send", n, stalls)
	if stalls > 0 {
		return "", errors.New(text)
	}
	return fmt.Sprintf("%s; datagrams were sent a second time %d times", text, second), nil
}

// startUnderLoad starts a box while datagrams come from both sides.
func (w *world) startUnderLoad(ctx context.Context, queues int) error {
	load, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for load.Err() == nil {
			for _, s := range bothWays(500, 64) {
				s.pace, s.patience = 200*time.Microsecond, 300*time.Millisecond
				_, _ = s.run(load, w.lab) // most is lost: there is no box yet
			}
		}
	}()
	err := w.startBox(ctx, natRules, queues)
	end()
	<-done
	return err
}

// allQueues sends datagrams of so many flows both ways that every queue gets some.
func (w *world) allQueues(ctx context.Context) error {
	var errs []error
	for _, s := range bothWays(300, 64) {
		t, err := s.run(ctx, w.lab)
		errs = append(errs, err, t.complete())
	}
	return errors.Join(errs...)
}
