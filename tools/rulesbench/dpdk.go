package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluice-net/sluice/tools/classbench"
)

// Passes over the trace in a short and in a long run.
const few, many = 2, 302

// peer runs dpdk-test-acl. A nil peer measures nothing.
type peer struct {
	cpu int
	dir string
	one string // file of one rule
}

func newPeer(cpu int) (*peer, error) {
	if _, err := exec.LookPath("dpdk-test-acl"); err != nil {
		return nil, errors.New("dpdk-test-acl is not installed (apt-get install dpdk-dev, or make bench-rules)")
	}
	dir, err := os.MkdirTemp("", "rulesbench")
	if err != nil {
		return nil, err
	}
	p := &peer{cpu: cpu, dir: dir, one: filepath.Join(dir, "one.rules")}
	line := "@10.0.0.0/8\t10.0.0.0/8\t0 : 65535\t0 : 65535\t0x06/0xFF\t0x0000/0x0000\t\n"
	return p, os.WriteFile(p.one, []byte(line), 0o600)
}

func (p *peer) close() {
	if p != nil {
		os.RemoveAll(p.dir)
	}
}

// measure returns its rate for bursts of 256, the time its build takes and the
// bytes of its tables.
func (p *peer) measure(rules string, trace []classbench.Header, alg string) (figures, error) {
	if p == nil {
		return figures{}, nil
	}
	file := filepath.Join(p.dir, filepath.Base(rules)+".trace")
	if _, err := os.Stat(file); err != nil {
		var b bytes.Buffer
		if err := classbench.WriteTrace(&b, trace); err != nil {
			return figures{}, err
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			return figures{}, err
		}
	}
	var cost [4]float64
	var log string
	for i, args := range [][]string{
		{"--rulesf=" + p.one},
		{"--rulesf=" + rules},
		{"--rulesf=" + rules, "--tracef=" + file, "--iter=" + strconv.Itoa(few)},
		{"--rulesf=" + rules, "--tracef=" + file, "--iter=" + strconv.Itoa(many)},
	} {
		var err error
		if cost[i], log, err = p.run(append(args, "--alg="+alg)); err != nil {
			return figures{}, err
		}
	}
	f := figures{buildMS: (cost[1] - cost[0]) * 1e3, burst: float64(many-few) * headers / (cost[3] - cost[2]) / 1e6}
	for _, line := range strings.Split(log, "\n") {
		if strings.HasPrefix(line, "total: ") {
			f.bytes, _ = strconv.ParseFloat(strings.Fields(line)[1], 64)
		}
	}
	return f, nil
}

// run returns the CPU seconds of a run and what it printed.
func (p *peer) run(args []string) (float64, string, error) {
	all := append([]string{
		"-l", strconv.Itoa(p.cpu), "--no-pci", "--no-telemetry", "--no-shconf", "--no-huge", "-m", "384",
		"--log-level=lib.acl:debug", "--force-max-simd-bitwidth=512", "--",
		"--rulenum=120000", "--tracenum=" + strconv.Itoa(headers), "--tracestep=256", "--verbose=0",
	}, args...)
	cmd := exec.Command("dpdk-test-acl", all...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, "", fmt.Errorf("dpdk-test-acl %s: %w\n%s", strings.Join(args, " "), err, out[max(len(out)-500, 0):])
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	sec := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return sec(use.Utime) + sec(use.Stime), string(out), nil
}
