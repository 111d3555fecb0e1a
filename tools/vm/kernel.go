package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// errSkip: this machine cannot run the cases, for a reason that is none of ours.
var errSkip = errors.New("cannot be had")

// kernel is an unpacked kernel of Debian's.
type kernel struct {
	release string
	image   string // vmlinuz
	modules string // folder with all .ko.xz somewhere below
}

const (
	// kernelSuite is where Debian's kernels that are recent enough come from:
	// zero-copy of virtio_net needs more than bookworm's.
	kernelSuite = "trixie-backports"
	flavour     = "cloud-amd64"
)

// findKernel returns the kernel that is kept in the cache, fetching one when
// there is none, or another than the one asked for.
func findKernel(ctx context.Context, cache, want string) (*kernel, error) {
	have, err := filepath.Glob(filepath.Join(cache, "kernel-*", "release"))
	if err != nil {
		return nil, err
	}
	slices.Sort(have)
	for _, file := range slices.Backward(have) {
		release, err := os.ReadFile(file)
		if err == nil && (want == "" || string(release) == want) {
			return openKernel(filepath.Dir(file), string(release))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	k, err := fetchKernel(ctx, cache, want)
	if err != nil {
		return nil, fmt.Errorf("a kernel of %s %w: %w", kernelSuite, errSkip, err)
	}
	return k, nil
}

func openKernel(dir, release string) (*kernel, error) {
	root := filepath.Join(dir, "root")
	image := findImage(root)
	if image == "" {
		return nil, fmt.Errorf("no kernel image in %s: remove that folder", dir)
	}
	return &kernel{release: release, image: image, modules: root}, nil
}

// findImage returns the kernel's image, which older packages have in /boot.
func findImage(root string) string {
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} {
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// fetchKernel downloads the packages with apt, from an index of its own so that
// the machine's sources stay as they are, and unpacks them. Nothing is installed.
func fetchKernel(ctx context.Context, cache, want string) (k *kernel, err error) {
	err = fetching(ctx, cache, kernelSuite, func(a *apt, dir string) error {
		if want == "" {
			if want, err = a.newest(ctx); err != nil {
				return err
			}
		}
		root := filepath.Join(dir, "root")
		if err := a.unpack(ctx, root, "linux-image-"+want); err != nil {
			return err
		}
		// From 7.x on image and modules are in packages of their own.
		if findImage(root) == "" {
			if err := a.unpack(ctx, root, "linux-binary-"+want, "linux-modules-"+want); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, "apt")); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "release"), []byte(want), 0o644); err != nil {
			return err
		}
		to := filepath.Join(cache, "kernel-"+want)
		if err := errors.Join(os.RemoveAll(to), os.Rename(dir, to)); err != nil {
			return err
		}
		k, err = openKernel(to, want)
		return err
	})
	return k, err
}
