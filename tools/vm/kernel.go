package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	// suite is where Debian's kernels that are recent enough come from: zero-copy
	// of virtio_net needs more than bookworm's.
	suite   = "trixie-backports"
	flavour = "cloud-amd64"
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
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
		return nil, fmt.Errorf("a kernel of %s %w: %w", suite, errSkip, err)
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
func fetchKernel(ctx context.Context, cache, want string) (*kernel, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // what is worth keeping has been renamed
	a, err := newApt(ctx, filepath.Join(dir, "apt"))
	if err != nil {
		return nil, err
	}
	if want == "" {
		if want, err = a.newest(ctx); err != nil {
			return nil, err
		}
	}
	root := filepath.Join(dir, "root")
	if err := a.unpack(ctx, root, "linux-image-"+want); err != nil {
		return nil, err
	}
	// From 7.x on image and modules are in packages of their own.
	if findImage(root) == "" {
		if err := a.unpack(ctx, root, "linux-binary-"+want, "linux-modules-"+want); err != nil {
			return nil, err
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "apt")); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "release"), []byte(want), 0o644); err != nil {
		return nil, err
	}
	to := filepath.Join(cache, "kernel-"+want)
	if err := os.RemoveAll(to); err != nil {
		return nil, err
	}
	if err := os.Rename(dir, to); err != nil {
		return nil, err
	}
	return openKernel(to, want)
}

// findBusybox returns the static busybox, whose ip, ping, DHCP client and web
// server stand in the machine for those of a real one.
func findBusybox(ctx context.Context, cache string) (string, error) {
	kept := filepath.Join(cache, "busybox")
	if _, err := os.Stat(kept); err == nil {
		return kept, nil
	}
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	a := &apt{dir: dir}
	if err := a.unpack(ctx, filepath.Join(dir, "root"), "busybox-static"); err != nil {
		return "", fmt.Errorf("package busybox-static %w: %w", errSkip, err)
	}
	for _, at := range []string{"usr/bin/busybox", "bin/busybox"} {
		if err = os.Rename(filepath.Join(dir, "root", at), kept); err == nil {
			return kept, nil
		}
	}
	return "", fmt.Errorf("package busybox-static: %w", err)
}

// apt is apt-get, with state of its own if options are set.
type apt struct {
	dir     string // where packages are put
	options []string
}

// newApt makes an index of the suite from the mirror that this machine uses.
func newApt(ctx context.Context, dir string) (*apt, error) {
	for _, d := range []string{"lists/partial", "cache/archives/partial", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	out, err := command(ctx, "", "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian")
	if err != nil {
		return nil, err
	}
	mirrors := strings.Fields(out)
	// The archive itself has a shorter name than those for security and updates.
	slices.SortFunc(mirrors, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	if len(mirrors) == 0 {
		return nil, errors.New("apt knows no mirror of Debian: run `apt-get update`")
	}
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirrors[0], suite)
	for name, text := range map[string]string{"sources.list": sources, "state/status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	a := &apt{dir: dir}
	for _, o := range []string{
		"Dir::Etc::sourcelist=" + filepath.Join(dir, "sources.list"), "Dir::Etc::sourceparts=/dev/null",
		"Dir::State::lists=" + filepath.Join(dir, "lists"), "Dir::State::status=" + filepath.Join(dir, "state/status"),
		"Dir::Cache=" + filepath.Join(dir, "cache"), "APT::Sandbox::User=root", "Acquire::Languages=none",
	} {
		a.options = append(a.options, "-o", o)
	}
	_, err = command(ctx, "", "apt-get", append(slices.Clone(a.options), "-qq", "update")...)
	return a, err
}

// newest returns the release of the newest kernel.
func (a *apt) newest(ctx context.Context) (string, error) {
	out, err := command(ctx, "", "apt-cache", append(slices.Clone(a.options), "depends", "linux-image-"+flavour)...)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if _, release, ok := strings.Cut(line, "Depends: linux-image-"); ok {
			return strings.TrimSpace(release), nil
		}
	}
	return "", fmt.Errorf("package linux-image-%s names no kernel", flavour)
}

// unpack downloads packages and unpacks them into a folder.
func (a *apt) unpack(ctx context.Context, root string, packages ...string) error {
	args := append(append(slices.Clone(a.options), "-qq", "download"), packages...)
	if _, err := command(ctx, a.dir, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := command(ctx, "", "dpkg-deb", "-x", deb, root); err != nil {
			return err
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program and returns what it writes to standard output.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(out), nil
}
