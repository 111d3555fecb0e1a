package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

//go:embed lab.nft
var labRules []byte

// box is what forwards in the router's namespace.
type box struct {
	w       *world
	rules   string   // file
	process *process // nil: not running, or the kernel
	logs    []*logBuffer
}

func newBox(w *world) (*box, error) {
	b := &box{w: w, rules: filepath.Join(w.dir, "lab.nft")}
	return b, os.WriteFile(b.rules, labRules, 0o600)
}

// start runs the box and returns when it answers.
func (b *box) start(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if b.w.opt.kernel {
		_, err := b.w.output(ctx, lab.Router, "nft", "-f", b.rules)
		return time.Since(begin), err
	}
	p, err := startProcess(b.w.lab, lab.Router, b.w.opt.sluice, "run",
		"--port", lab.RouterIfC, "--port", lab.RouterIfS, "--untrusted", lab.RouterIfS,
		"--workers", strconv.Itoa(b.w.opt.workers), "--rules", b.rules)
	if err != nil {
		return 0, err
	}
	b.process = p
	b.logs = append(b.logs, p.output)
	err = poll(ctx, 20*time.Millisecond, func() error {
		select {
		case <-p.ended:
			return nil
		default:
		}
		_, err := b.control(ctx, "status")
		return err
	})
	if p.waitEnd(0) {
		b.process = nil
		return 0, fmt.Errorf("sluice run ended: %v: %s", p.err, p.output)
	}
	if err != nil {
		return 0, fmt.Errorf("sluice run does not answer: %w", err)
	}
	return time.Since(begin), nil
}

// control runs a command of sluice in the router's namespace.
func (b *box) control(ctx context.Context, args ...string) (string, error) {
	return b.w.output(ctx, lab.Router, b.w.opt.sluice, args...)
}

// listing returns the rules with their counters.
func (b *box) listing(ctx context.Context) (string, error) {
	if b.w.opt.kernel {
		return b.w.output(ctx, lab.Router, "nft", "list", "ruleset")
	}
	return b.control(ctx, "nft", "list", "ruleset")
}

// counter returns the packets that the rule with a comment has counted.
func (b *box) counter(ctx context.Context, comment string) (uint64, error) {
	text, err := b.listing(ctx)
	if err != nil {
		return 0, err
	}
	return counterOf(text, comment)
}

// kill ends the box without giving it a chance.
func (b *box) kill() error {
	if b.process == nil {
		return errors.New("the box does not run")
	}
	p := b.process
	b.process = nil
	p.signal(syscall.SIGKILL)
	if !p.waitEnd(2 * time.Second) {
		return errors.New("SIGKILL does not end the box")
	}
	return nil
}

// stop asks the box to end and says how long that took.
func (b *box) stop() (time.Duration, error) {
	if b.process == nil {
		return 0, errors.New("the box does not run")
	}
	p := b.process
	b.process = nil
	begin := time.Now()
	p.signal(syscall.SIGTERM)
	if !p.waitEnd(5 * time.Second) {
		_ = p.end()
		return 0, errors.New("the box has not ended 5 s after SIGTERM")
	}
	if p.err != nil {
		return 0, fmt.Errorf("after SIGTERM: %w: %s", p.err, lastLines(p.output.String(), 3))
	}
	return time.Since(begin), nil
}

// running says why the box does not run; nil: it does.
func (b *box) running() error {
	if b.w.opt.kernel {
		return nil
	}
	if b.process == nil || b.process.waitEnd(0) {
		return errors.New("the box does not run")
	}
	return nil
}

func (b *box) end() error {
	if b.process == nil {
		return nil
	}
	return b.process.end()
}

// showLog prints what every run of the box has written last.
func (b *box) showLog(out io.Writer) {
	for i, l := range b.logs {
		fmt.Fprintf(out, "--- run %d of the box wrote\n%s\n", i+1, lastLines(l.String(), 40))
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

var startChecks = []check{
	{name: "start: the box answers", run: func(ctx context.Context, w *world) (string, error) {
		var err error
		if w.before, err = w.interfaces(ctx); err != nil {
			return "", err
		}
		took, err := w.box.start(ctx)
		return fmt.Sprintf("after %v", took.Round(time.Millisecond)), err
	}},
}
