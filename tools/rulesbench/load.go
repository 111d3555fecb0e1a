package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/rules/nft"
)

// loads are the files. There are no sets in the rules: the kernel looks for the name
// of one that has none among all others, and took two minutes for 20,000.
var loads = []struct {
	name string
	text func() string
}{
	{"1k rules", func() string { return ruleset(1000, 0, false) }},
	{"10k rules", func() string { return ruleset(10000, 0, false) }},
	{"100k rules", func() string { return ruleset(100000, 0, false) }},
	{"100k addresses", func() string { return setOf(100_000, false) }},
	{"100k ranges", func() string { return setOf(100_000, true) }},
	{"1M addresses", func() string { return setOf(1_000_000, false) }},
}

// span is how long something took.
type span struct{ wall, cpu time.Duration }

// load prints how long files of rules take to be in force.
func load(o *options) error {
	fmt.Printf("\nfiles, from text to in force, seconds; nft: nft -f on the kernel; medians of %d in turns\n", o.rounds)
	fmt.Printf("%-14s %10s %10s %10s %10s\n", "", "wall", "nft wall", "CPU", "nft CPU")
	_, err := exec.LookPath("nft")
	kernel := err == nil && os.Geteuid() == 0
	if !kernel {
		fmt.Println("SKIP-PRIVILEGE: nft on the kernel needs root, and the tool")
	}
	dir, err := os.MkdirTemp("", "rulesbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, l := range loads {
		text := l.text()
		file := filepath.Join(dir, "rules.nft")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		var ours, theirs []span
		for range o.rounds {
			s, err := loadHere(text)
			if err != nil {
				return err
			}
			ours = append(ours, s)
			if kernel {
				if s, err = loadKernel(file); err != nil {
					return err
				}
				theirs = append(theirs, s)
			}
		}
		a, b := middle(ours), middle(theirs)
		fmt.Printf("%-14s %10.3f %10.3f %10.3f %10.3f\n", l.name, a.wall.Seconds(), b.wall.Seconds(), a.cpu.Seconds(), b.cpu.Seconds())
	}
	return nil
}

// middle takes the median of each figure; zeros of none.
func middle(spans []span) (m span) {
	if len(spans) == 0 {
		return m
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.wall - b.wall) })
	m.wall = spans[len(spans)/2].wall
	slices.SortFunc(spans, func(a, b span) int { return int(a.cpu - b.cpu) })
	m.cpu = spans[len(spans)/2].cpu
	return m
}

// loadHere replaces the rules of a box, as the control socket's server does.
func loadHere(text string) (s span, err error) {
	w, err := newWorld("", 1, 0, false)
	if err != nil {
		return s, err
	}
	start, cpu := time.Now(), processCPU()
	out, err := nft.Replace(w.box.Rules().Tree, "rules.nft", []byte(text), nft.ParseOptions{})
	if err == nil {
		rs, e := w.box.Compile(out.Rules)
		if err = e; err == nil {
			_, err = w.box.Publish(rs)
		}
	}
	s = span{time.Since(start), processCPU() - cpu}
	if e := w.close(); err == nil {
		err = e
	}
	return s, err
}

// loadKernel has nft load a file into a network namespace of its own.
func loadKernel(file string) (s span, err error) {
	var stderr bytes.Buffer
	cmd := exec.Command("nft", "-f", file)
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return s, fmt.Errorf("nft -f: %w\n%s", err, stderr.Bytes()[:min(stderr.Len(), 500)])
	}
	return span{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// processCPU is what this process has used.
func processCPU() time.Duration {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
