package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	// programSuite is where programs come from. Not bookworm, whose qemu 7.2 may run
	// code that has been replaced: see doc.go.
	programSuite = "trixie"
	// libraryFolder is where its shared libraries are, in the tree as in the machine.
	libraryFolder = "usr/lib/x86_64-linux-gnu"
	loader        = "ld-linux-x86-64.so.2"
)

// programPackages are qemu, and what in the machine stands for the programs of a
// real one: busybox for ip, ping, a DHCP client and a shell, dropbear for sshd.
var programPackages = []string{"qemu-system-x86", "busybox-static", "dropbear-bin"}

// programs is a tree of unpacked packages with all libraries they need.
type programs struct{ root string }

// findPrograms returns the tree that is kept in the cache, fetching it when
// there is none.
func findPrograms(ctx context.Context, cache string) (*programs, error) {
	kept := filepath.Join(cache, "programs-"+programSuite)
	if _, err := os.Stat(kept); err == nil {
		return &programs{kept}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := fetchPrograms(ctx, cache, kept); err != nil {
		return nil, fmt.Errorf("qemu of %s %w: %w", programSuite, errSkip, err)
	}
	return &programs{kept}, nil
}

func fetchPrograms(ctx context.Context, cache, to string) error {
	return fetching(ctx, cache, programSuite, func(a *apt, dir string) error {
		root := filepath.Join(dir, "root")
		if err := a.unpackWhole(ctx, root, programPackages...); err != nil {
			return err
		}
		return os.Rename(root, to)
	})
}

// qemu makes the command of a machine. It runs with the libraries of its own
// suite, which this machine's may be older than.
func (p *programs) qemu(args []string) *exec.Cmd {
	at := func(path string) string { return filepath.Join(p.root, path) }
	all := []string{"--library-path", at(libraryFolder), at("usr/bin/qemu-system-x86_64"), "-L", at("usr/share/qemu"), "-L", at("usr/share/seabios")}
	cmd := exec.Command(at("usr/lib64/"+loader), append(all, args...)...)
	cmd.Env = append(os.Environ(), "QEMU_MODULE_DIR="+at(libraryFolder+"/qemu"))
	return cmd
}

// addTo puts the machine's programs into an initramfs.
func (p *programs) addTo(c *cpio) error {
	busybox, err := readProgram(filepath.Join(p.root, "usr/bin/busybox"))
	if err != nil {
		return err
	}
	c.file("bin/busybox", 0o755, busybox)
	for _, name := range []string{"sh", "ip", "ping", "udhcpc", "cat", "sha256sum"} {
		c.link("bin/"+name, "busybox")
	}
	const daemon = "usr/sbin/dropbear"
	data, err := os.ReadFile(filepath.Join(p.root, daemon))
	if err != nil {
		return err
	}
	c.file("bin/dropbear", 0o755, data)
	libraries := map[string][]byte{}
	if err := p.libraries(data, libraries); err != nil {
		return fmt.Errorf("%s: %w", daemon, err)
	}
	for _, folder := range []string{"usr", "usr/lib", libraryFolder, "lib64"} {
		c.folder(folder)
	}
	for name, data := range libraries {
		c.file(filepath.Join(libraryFolder, name), 0o755, data)
	}
	c.link("lib64/"+loader, "/"+libraryFolder+"/"+loader)
	return nil
}

// libraries adds what a program or library is linked with, and what that is.
func (p *programs) libraries(program []byte, all map[string][]byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return err
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, name := range append(names, loader) {
		if all[name] != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(p.root, libraryFolder, name))
		if err != nil {
			return err
		}
		all[name] = data
		if err := p.libraries(data, all); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readProgram reads a program that goes into the machine as it is. It must be
// static.
func readProgram(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, errors.New(path + " is not static: build it with CGO_ENABLED=0")
	}
	return data, nil
}
