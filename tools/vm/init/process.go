package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// run runs a program to its end. That it fails is an answer, not an error.
func run(args []string, stdin string, limit time.Duration) (wire.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	reply := wire.Reply{Text: string(out), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return reply, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%s has not ended after %v", strings.Join(args, " "), limit)
	}
	return reply, err
}

// process is a program that runs beside the agent.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}

	lock    sync.Mutex
	written bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.written.Write(b)
}

func (p *process) text() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.written.String()
}

func start(args []string) (*process, error) {
	p := &process{cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // its exit status is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// await waits for a text in what the program writes.
func (p *process) await(text string, limit time.Duration) (wire.Reply, error) {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		written := p.text()
		switch {
		case strings.Contains(written, text):
			return wire.Reply{Text: written}, nil
		case p.over():
			return wire.Reply{Text: written, Code: p.cmd.ProcessState.ExitCode()}, errors.New("the program has ended: " + written)
		case time.Now().After(end):
			return wire.Reply{Text: written}, fmt.Errorf("the program has not written %q after %v: %s", text, limit, written)
		}
	}
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stop sends a signal and waits for the end, which may have come before.
func (p *process) stop(s unix.Signal, limit time.Duration) (wire.Reply, error) {
	begin := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil && !p.over() {
		return wire.Reply{Text: p.text()}, err
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		return wire.Reply{Text: p.text()}, fmt.Errorf("the program has not ended %v after %v", limit, s)
	}
	return wire.Reply{Text: p.text(), Code: p.cmd.ProcessState.ExitCode(), Nanos: int64(time.Since(begin))}, nil
}
