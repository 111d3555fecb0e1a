package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCpio: the archive is one that the kernel's tool of the time reads, names,
// modes, links and contents; where there is no cpio the layout alone is checked.
func TestCpio(t *testing.T) {
	var c cpio
	c.folder("bin")
	c.file("bin/odd", 0o755, []byte("five!"))
	c.link("bin/also", "odd")
	c.file("empty", 0o644, nil)
	var b bytes.Buffer
	if err := c.writeTo(&b); err != nil {
		t.Fatal(err)
	}
	if b.Len()%4 != 0 || strings.Count(b.String(), "070701") != 5 || !strings.Contains(b.String(), "TRAILER!!!\x00") {
		t.Errorf("%q", b.String())
	}
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("no cpio here to read it with")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(context.Background(), "cpio", "-idm", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(context.Background(), "cat", filepath.Join(dir, "bin/also")).Output()
	if err != nil || string(out) != "five!" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestDependencies reads what a module needs, and refuses what is none.
func TestDependencies(t *testing.T) {
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("depends=a,b\x00")} {
		if _, err := dependencies(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if moduleName("nf-tables") != "nf_tables" {
		t.Error("names of files and of modules differ")
	}
}

// TestHardware: every queue of every card gets a descriptor of its own, and
// enough interrupts.
func TestHardware(t *testing.T) {
	files := filesOf(t, 3)
	h := hardware{kernel: &kernel{image: "k"}, initrd: "i", dir: "/d", cpus: 3, memoryMB: 9}
	h.taps = append(h.taps, files[:2], files[2:])
	args := strings.Join(h.args(), " ")
	for _, want := range []string{"fds=3:4,", "fds=5,", "vectors=6,", "vectors=4,", "iommu_platform=on", "-smp 3", "mac=52:54:00:00:00:02"} {
		if !strings.Contains(args, want) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
}

func filesOf(t *testing.T, n int) (files []*os.File) {
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
	}
	return files
}

// TestTally: a stream is complete when everything came exactly once.
func TestTally(t *testing.T) {
	for _, row := range []struct {
		t  tally
		ok bool
	}{
		{tally{sent: 5, got: 5}, true}, {tally{sent: 5, got: 4}, false}, {tally{sent: 5, got: 5, twice: 1}, false},
		{tally{sent: 5, got: 5, answers: 5}, true}, {tally{sent: 5, got: 5, answers: 4}, false},
	} {
		if (row.t.complete() == nil) != row.ok {
			t.Errorf("%+v", row.t)
		}
	}
}
