package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/sluice-net/sluice/tools/lab"
	"github.com/vishvananda/netlink"
)

// endLimit is what a test allows a box to end in. A second is promised and is
// what it takes, with room, on an idle machine; tests run on busy ones.
const endLimit = 3 * time.Second

// asProgram makes the test binary behave as sluice itself.
const asProgram = "SLUICE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// testLab is a client, a router and a server for one test.
type testLab struct {
	*lab.Lab
	t testing.TB
}

func newTestLab(t testing.TB, options ...lab.Option) *testLab {
	t.Helper()
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: needs root and network namespaces: %v", err)
	}
	name := lab.Unique("run")
	if _, err := lab.CleanLeftovers("run"); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(name, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testLab{l, t}
}

// program prepares sluice in the router's namespace.
func (l *testLab) program(args ...string) *lab.Cmd {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	c := l.Command(lab.Router, self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// sluice runs a command to its end in the router's namespace.
func (l *testLab) sluice(stdin string, args ...string) (status int, stdout, stderr string) {
	l.t.Helper()
	c := l.program(args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// good is sluice that has to succeed.
func (l *testLab) good(args ...string) (stdout string) {
	l.t.Helper()
	status, out, errs := l.sluice("", args...)
	if status != 0 {
		l.t.Fatalf("sluice %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// tool runs another program in a node and returns all it says.
func (l *testLab) tool(node, name string, args ...string) string {
	l.t.Helper()
	out, err := l.Command(node, name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// boxLog is what a box has logged so far.
type boxLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *boxLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *boxLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var _ io.Writer = (*boxLog)(nil)

// runningBox is `sluice run` in the router's namespace.
type runningBox struct {
	l     *testLab
	rules string // file
	cmd   *lab.Cmd
	log   boxLog
	done  chan error
}

// startBox starts `sluice run` on both ports of the router and waits until it
// runs.
func (l *testLab) startBox(rules string, args ...string) *runningBox {
	l.t.Helper()
	file := filepath.Join(l.t.TempDir(), "rules.nft")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		l.t.Fatal(err)
	}
	b := l.start(append([]string{"run", "--port", lab.RouterIfC, "--port", lab.RouterIfS, "--rules", file}, args...)...)
	b.rules = file
	return b
}

func (l *testLab) start(args ...string) *runningBox {
	l.t.Helper()
	b := &runningBox{l: l, done: make(chan error, 1)}
	b.cmd = l.program(args...)
	b.cmd.Stderr = &b.log
	if err := b.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() { b.done <- b.cmd.Wait() }()
	l.t.Cleanup(func() {
		_ = b.cmd.Process.Kill() // one that has ended is fine
		<-b.done
		if at := regexp.MustCompile(`"control": "([^"]+)"`).FindStringSubmatch(b.log.String()); at != nil {
			_, _ = os.Remove(at[1]), os.Remove(at[1]+".lock") // left when it was killed
		}
		if l.t.Failed() {
			l.t.Logf("log of the box:\n%s", b.log.String())
		}
	})
	b.waitLog("running")
	return b
}

// waitLog waits until the box has logged something.
func (b *runningBox) waitLog(text string) {
	b.l.t.Helper()
	b.l.eventually("the log says "+text, func() bool {
		select {
		case err := <-b.done:
			b.done <- err
			b.l.t.Fatalf("the box has ended: %v", err)
		default:
		}
		return strings.Contains(b.log.String(), text)
	})
}

// eventually waits for something to become true.
func (l *testLab) eventually(what string, holds func() bool) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	l.t.Fatalf("not so: %s", what)
}

// stop ends the box as an operator does and returns how long that took.
func (b *runningBox) stop() time.Duration {
	b.l.t.Helper()
	began := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.l.t.Fatal(err)
	}
	select {
	case err := <-b.done:
		b.done <- nil
		if err != nil {
			b.l.t.Errorf("the box ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		b.l.t.Fatal("the box does not end")
	}
	return time.Since(began)
}

// attachForeign puts an XDP program of somebody else on an interface of the
// router, one that lets everything pass.
func (l *testLab) attachForeign(port string) {
	l.t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 2), asm.Return(),
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	defer p.Close()
	if err := l.Do(lab.Router, func() error {
		link, err := netlink.LinkByName(port)
		if err != nil {
			return err
		}
		return netlink.LinkSetXdpFd(link, p.FD())
	}); err != nil {
		l.t.Fatal(err)
	}
}
