package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// guest is the virtual machine, and the line to its agent.
type guest struct {
	cmd     *exec.Cmd
	ended   chan struct{}
	line    net.Conn
	console *logBuffer
	release string // of its kernel

	lock    sync.Mutex
	last    uint64
	waiting map[uint64]chan wire.Reply // by number of the question
	broken  error                      // nothing is answered any more
}

// hardware says what machine to make.
type hardware struct {
	kernel   *kernel
	programs *programs
	initrd   string
	dir      string // for sockets
	cpus     int
	taps     [][]*os.File // by port: a file a queue
	memoryMB int
}

// args returns the command line of qemu, whose files the caller passes on from
// descriptor 3 on.
func (h *hardware) args() []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35",
		"-smp", fmt.Sprint(h.cpus), "-m", fmt.Sprint(h.memoryMB), "-no-reboot",
		"-kernel", h.kernel.image, "-initrd", h.initrd,
		"-append", "console=ttyS0 quiet panic=-1 oops=panic mitigations=off random.trust_cpu=on nokaslr",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-qmp", "unix:" + filepath.Join(h.dir, "qmp") + ",server=on,wait=off",
		"-chardev", "socket,id=agent,path=" + filepath.Join(h.dir, "agent") + ",server=on,wait=off",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=" + wire.PortName,
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
		// A card with VLAN offloads, which virtio has none of. No cable is plugged in.
		"-device", "vmxnet3,id=card2,mac=52:54:00:00:00:03",
	}
	fd := 3
	for i, queues := range h.taps {
		var fds []string
		for range queues {
			fds = append(fds, fmt.Sprint(fd))
			fd++
		}
		args = append(args,
			"-netdev", fmt.Sprintf("tap,id=net%d,fds=%s,vhost=off", i, strings.Join(fds, ":")),
			// Without iommu_platform the device has no DMA device, and zero-copy is refused.
			"-device", fmt.Sprintf("virtio-net-pci,id=card%d,netdev=net%d,mac=52:54:00:00:00:%02x,mq=on,vectors=%d,iommu_platform=on,disable-legacy=on",
				i, i, i+1, 2*len(queues)+2))
	}
	return args
}

// boot starts the machine and returns when its agent answers.
func boot(ctx context.Context, h hardware) (_ *guest, err error) {
	g := &guest{ended: make(chan struct{}), console: &logBuffer{}, waiting: map[uint64]chan wire.Reply{}}
	g.cmd = h.programs.qemu(h.args())
	g.cmd.Stdout, g.cmd.Stderr = g.console, g.console
	// Ctrl-C is for this program, which then ends the machine; killed, it takes it along.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, queues := range h.taps {
		g.cmd.ExtraFiles = append(g.cmd.ExtraFiles, queues...)
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start qemu: %w", err)
	}
	go func() {
		_ = g.cmd.Wait() // the console says more
		close(g.ended)
	}()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; the console says: %s", err, g.console.last(15))
			g.kill()
		}
	}()
	up := make(chan wire.Reply, 1)
	g.waiting[0] = up
	if err := g.connect(ctx, filepath.Join(h.dir, "agent")); err != nil {
		return nil, err
	}
	select {
	case r := <-up:
		g.release = r.Text
		return g, nil
	case <-g.ended:
		return nil, errors.New("the machine ended while it booted")
	case <-ctx.Done():
		return nil, fmt.Errorf("the machine has not booted: %w", ctx.Err())
	}
}

// connect waits for qemu's socket and reads from it from then on.
func (g *guest) connect(ctx context.Context, path string) error {
	for {
		var err error
		if g.line, err = net.Dial("unix", path); err == nil {
			break
		}
		select {
		case <-g.ended:
			return errors.New("qemu ended at once")
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
	go g.read()
	return nil
}

// read gives answers to those who wait for them.
func (g *guest) read() {
	from := bufio.NewReaderSize(g.line, 1<<20)
	for {
		line, err := from.ReadBytes('\n')
		var r wire.Reply
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		g.lock.Lock()
		if err != nil {
			g.broken = fmt.Errorf("the machine does not answer any more: %w", err)
			for id, c := range g.waiting {
				close(c)
				delete(g.waiting, id)
			}
			g.lock.Unlock()
			return
		}
		if c := g.waiting[r.ID]; c != nil {
			c <- r
			delete(g.waiting, r.ID)
		}
		g.lock.Unlock()
	}
}

// call asks the agent. The error is the agent's too.
func (g *guest) call(ctx context.Context, r wire.Request) (wire.Reply, error) {
	answer := make(chan wire.Reply, 1)
	g.lock.Lock()
	if g.broken != nil {
		g.lock.Unlock()
		return wire.Reply{}, g.broken
	}
	g.last++
	r.ID = g.last
	g.waiting[r.ID] = answer
	line, err := json.Marshal(r)
	if err == nil {
		_, err = g.line.Write(append(line, '\n'))
	}
	g.lock.Unlock()
	if err != nil {
		return wire.Reply{}, err
	}
	select {
	case reply, ok := <-answer:
		switch {
		case !ok:
			g.lock.Lock()
			defer g.lock.Unlock()
			return reply, g.broken
		case reply.Error != "":
			return reply, fmt.Errorf("%s: %s", r.Op, reply.Error)
		}
		return reply, nil
	case <-ctx.Done():
		return wire.Reply{}, fmt.Errorf("%s %s: the machine does not answer: %w", r.Op, strings.Join(r.Args, " "), ctx.Err())
	}
}

// run runs a program in the machine; one that fails is an error.
func (g *guest) run(ctx context.Context, args ...string) (string, error) {
	r, err := g.call(ctx, wire.Request{Op: wire.OpRun, Args: args})
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s: exit status %d: %s", strings.Join(args, " "), r.Code, strings.TrimSpace(r.Text))
	}
	return r.Text, err
}

// write puts a text into a file in the machine.
func (g *guest) write(ctx context.Context, path, text string) error {
	_, err := g.call(ctx, wire.Request{Op: wire.OpWrite, Args: []string{path}, Text: text})
	return err
}

// off switches the machine off.
func (g *guest) off() {
	line, err := json.Marshal(wire.Request{Op: wire.OpOff})
	if err == nil {
		_, _ = g.line.Write(append(line, '\n')) // else it is killed
	}
	select {
	case <-g.ended:
	case <-time.After(5 * time.Second):
	}
	g.kill()
}

func (g *guest) kill() {
	_ = g.cmd.Process.Kill()
	<-g.ended
	if g.line != nil {
		_ = g.line.Close()
	}
}

// monitor gives a command to qemu itself.
func monitor(dir, execute string, arguments map[string]any) error {
	_, err := query(dir, execute, arguments)
	return err
}

// query gives a command to qemu and returns the line it answers.
func query(dir, execute string, arguments map[string]any) (string, error) {
	c, err := net.Dial("unix", filepath.Join(dir, "qmp"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	from := bufio.NewScanner(c)
	from.Scan() // the greeting
	for _, q := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": execute, "arguments": arguments}} {
		line, err := json.Marshal(q)
		if err != nil {
			return "", err
		}
		if _, err := c.Write(append(line, '\n')); err != nil {
			return "", err
		}
		for from.Scan() && !strings.Contains(from.Text(), `"return"`) {
			if strings.Contains(from.Text(), `"error"`) {
				return "", errors.New("qemu: " + from.Text())
			}
		}
	}
	return from.Text(), from.Err()
}

// logBuffer keeps what a program writes.
type logBuffer struct {
	lock sync.Mutex
	b    []byte
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.b = append(l.b, b...)
	return len(b), nil
}

// last returns the last n lines.
func (l *logBuffer) last(n int) string {
	l.lock.Lock()
	defer l.lock.Unlock()
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(l.b), "\r", "")), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
