package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// needs are the programs and the Debian packages that have them.
var needs = [][2]string{
	{"nginx", "nginx"}, {"curl", "curl"}, {"iperf3", "iperf3"}, {"dig", "bind9-dnsutils"}, {"dnsmasq", "dnsmasq-base"},
	{"ping", "iputils-ping"}, {"tracepath", "iputils-tracepath"}, {"traceroute", "traceroute"},
	{"ssh", "openssh-client"}, {"ssh-keygen", "openssh-client"}, {"sshd", "openssh-server"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"ethtool", "ethtool"},
	{"vsftpd", "vsftpd"}, {"lftp", "lftp"}, {"in.tftpd", "tftpd-hpa"}, {"sipp", "sip-tester"},
}

// missingPrograms says which programs are not there.
func missingPrograms(opt *options) error {
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	var missing []string
	for _, n := range needs {
		if _, err := exec.LookPath(n[0]); err != nil {
			missing = append(missing, n[1])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("programs are missing; run `make deps`, or apt-get install %s", strings.Join(missing, " "))
	}
	if opt.kernel {
		return nil
	}
	path, err := filepath.Abs(opt.sluice)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return fmt.Errorf("%w; build it with `make build`", err)
	}
	opt.sluice = path
	return nil
}

// process is a program that runs until it is ended.
type process struct {
	name   string
	cmd    *lab.Cmd
	output *logBuffer
	ended  chan struct{} // closed after Wait
	err    error         // of Wait; valid when ended is closed
}

// startProcess starts a program in a node, in a process group of its own, so
// that a terminal's Ctrl-C reaches this program only.
func startProcess(l *lab.Lab, node, name string, args ...string) (*process, error) {
	p := &process{name: name, cmd: l.Command(node, name, args...), output: &logBuffer{}, ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// signal sends a signal to the program alone.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// waitEnd waits for the program to end and says whether it did.
func (p *process) waitEnd(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// end makes sure that the program and all its children are gone.
func (p *process) end() error {
	group := -p.cmd.Process.Pid
	p.signal(syscall.SIGTERM)
	gone := p.waitEnd(2 * time.Second)
	_ = syscall.Kill(group, syscall.SIGKILL) // children that did not go along, or all of it
	if !gone && !p.waitEnd(2*time.Second) {
		return fmt.Errorf("%s does not end", p.name)
	}
	return nil
}

// groupRuns says whether a process of a group still runs. Those that have ended
// but that nobody has asked after do not count: in a container there may be no
// init that would.
func groupRuns(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return true
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // gone meanwhile
		}
		_, behind, _ := strings.Cut(string(b), ") ") // the name may hold anything
		if f := strings.Fields(behind); len(f) > 2 && f[0] != "Z" && f[2] == fmt.Sprint(group) {
			return true
		}
	}
	return false
}

// logBuffer keeps what a program writes, from its beginning and its end.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const logBytes = 1 << 20

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > logBytes {
		l.b.Next(logBytes / 2)
	}
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// output runs a program in a node to its end and returns what it wrote. The
// error has it too.
func (w *world) output(ctx context.Context, node, name string, args ...string) (string, error) {
	cmd := lab.CommandContext(ctx, w.lab.NS(node), name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && ctx.Err() != nil {
			err = ctx.Err()
		}
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// poll calls f until it returns nil or the context ends; then with f's error.
func poll(ctx context.Context, every time.Duration, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(every):
		}
	}
}
