package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// wantedModules are what the cases need; what these need is found by itself.
// Names that are no module are built into the kernel.
var wantedModules = []string{
	"virtio_net", "virtio_console", "veth", "nf_tables", "nft_ct", "nf_conntrack", "xsk_diag", "8021q", "vmxnet3", "dummy",
}

// moduleSet finds and orders kernel modules.
type moduleSet struct {
	files map[string]string // by name
	order []string          // those before come first
	data  map[string][]byte
}

// readModules returns the wanted modules of a kernel and what they depend on, in
// the order in which they load.
func readModules(ctx context.Context, k *kernel) (*moduleSet, error) {
	s := &moduleSet{files: map[string]string{}, data: map[string][]byte{}}
	err := filepath.WalkDir(k.modules, func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko.xz"); ok {
			s.files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range wantedModules {
		if err := s.add(ctx, moduleName(name)); err != nil {
			return nil, fmt.Errorf("kernel module %s: %w", name, err)
		}
	}
	return s, nil
}

// moduleName is how the kernel spells it: files have either.
func moduleName(file string) string { return strings.ReplaceAll(file, "-", "_") }

func (s *moduleSet) add(ctx context.Context, name string) error {
	path := s.files[name]
	if path == "" || s.data[name] != nil {
		return nil
	}
	data, err := exec.CommandContext(ctx, "xz", "-dc", path).Output()
	if err != nil {
		return fmt.Errorf("xz: %w", err)
	}
	s.data[name] = data
	needs, err := dependencies(data)
	if err != nil {
		return err
	}
	for _, need := range needs {
		if err := s.add(ctx, moduleName(need)); err != nil {
			return err
		}
	}
	if !slices.Contains(s.order, name) {
		s.order = append(s.order, name)
	}
	return nil
}

// dependencies reads what a module itself says it needs.
func dependencies(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("has no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(string(list), ","), nil
		}
	}
	return nil, nil
}

// addTo puts the modules into an initramfs, with the list of their order.
func (s *moduleSet) addTo(c *cpio) {
	for _, name := range s.order {
		c.file(name+".ko", 0o644, s.data[name])
	}
	c.file("modules", 0o644, []byte(strings.Join(s.order, "\n")+"\n"))
}
