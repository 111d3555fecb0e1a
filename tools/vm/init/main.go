package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

func main() {
	if err := serve(); err != nil {
		fmt.Println("init:", err)
	}
	off()
}

func off() {
	_ = os.Stdout.Sync()
	time.Sleep(100 * time.Millisecond) // for the console
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// serve boots and answers until the host hangs up.
func serve() error {
	if err := boot(); err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	if err := serveEcho(); err != nil {
		return err
	}
	a := &agent{to: port, running: map[int]*process{}}
	a.answer(wire.Reply{Text: kernelRelease()}) // number 0: the machine is up
	from := bufio.NewReaderSize(port, 1<<20)
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read from the host: %w", err)
		}
		var r wire.Request
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("read from the host: %w", err)
		}
		if r.Op == wire.OpOff {
			return nil
		}
		go func() {
			reply, err := a.do(&r)
			if err != nil {
				reply.Error = err.Error()
			}
			reply.ID = r.ID
			a.answer(reply)
		}()
	}
}

// agent answers the host.
type agent struct {
	writing sync.Mutex
	to      io.Writer

	lock    sync.Mutex
	running map[int]*process // by PID, also those that have ended
}

func (a *agent) answer(r wire.Reply) {
	line, err := json.Marshal(r)
	if err != nil {
		line = []byte(fmt.Sprintf(`{"id":%d,"error":%q}`, r.ID, err))
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if _, err := a.to.Write(append(line, '\n')); err != nil {
		fmt.Println("init: answer the host:", err)
	}
}

func (a *agent) do(r *wire.Request) (wire.Reply, error) {
	limit := time.Duration(r.Seconds * float64(time.Second))
	if limit == 0 {
		limit = 2 * time.Minute
	}
	switch r.Op {
	case wire.OpRun:
		return run(r.Args, r.Text, limit)
	case wire.OpStart:
		p, err := start(r.Args)
		if err != nil {
			return wire.Reply{}, err
		}
		a.lock.Lock()
		a.running[p.cmd.Process.Pid] = p
		a.lock.Unlock()
		return wire.Reply{PID: p.cmd.Process.Pid}, nil
	case wire.OpAwait, wire.OpLog, wire.OpStop:
		a.lock.Lock()
		p := a.running[r.PID]
		a.lock.Unlock()
		if p == nil {
			return wire.Reply{}, fmt.Errorf("no process %d was started", r.PID)
		}
		switch r.Op {
		case wire.OpAwait:
			return p.await(r.Text, limit)
		case wire.OpStop:
			return p.stop(unix.Signal(r.Number), limit)
		}
		return wire.Reply{Text: p.text()}, nil
	case wire.OpRead:
		b, err := os.ReadFile(r.Text)
		return wire.Reply{Text: string(b)}, err
	case wire.OpWrite:
		return wire.Reply{}, os.WriteFile(r.Args[0], []byte(r.Text), 0o644)
	case wire.OpChannels:
		return wire.Reply{}, setChannels(r.Text, r.Number)
	case wire.OpFeatures:
		return wire.Reply{}, featuresOff(r.Text, r.Args)
	case wire.OpState:
		links, err := state()
		return wire.Reply{Links: links}, err
	case wire.OpSockets:
		sockets, err := a.sockets()
		return wire.Reply{Sockets: sockets}, err
	}
	return wire.Reply{}, fmt.Errorf("unknown operation %q", r.Op)
}

// serveEcho is the TCP service of the machine.
func serveEcho() error {
	l, err := net.Listen("tcp", ":7")
	if err != nil {
		return fmt.Errorf("echo service: %w", err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // the peer sees what goes wrong
			}()
		}
	}()
	return nil
}
