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
)

// apt is apt-get with state of its own, so that the machine's stays as it is.
type apt struct {
	dir     string // where packages are put
	options []string
}

// keyring has the keys that Debian's archive is signed with.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newApt makes an index of a suite from the mirror that this machine uses. For
// this apt nothing is installed yet.
func newApt(ctx context.Context, dir, suite string) (*apt, error) {
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
		"Dir::State=" + filepath.Join(dir, "state"), "Dir::State::status=" + filepath.Join(dir, "state/status"),
		"Dir::State::lists=" + filepath.Join(dir, "lists"),
		"Dir::Cache=" + filepath.Join(dir, "cache"), "APT::Sandbox::User=root", "Acquire::Languages=none",
	} {
		a.options = append(a.options, "-o", o)
	}
	_, err = command(ctx, "", "apt-get", append(slices.Clone(a.options), "-qq", "update")...)
	return a, err
}

// fetching calls f with an apt of a suite and with the folder for what it fetches,
// in the cache, which is removed afterwards: what is worth keeping is renamed.
func fetching(ctx context.Context, cache, suite string, f func(a *apt, dir string) error) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := newApt(ctx, filepath.Join(dir, "apt"), suite)
	if err != nil {
		return err
	}
	return f(a, dir)
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
	return a.get(ctx, a.dir, root, packages, "download")
}

// unpackWhole does the same with all that the packages need.
func (a *apt) unpackWhole(ctx context.Context, root string, packages ...string) error {
	return a.get(ctx, filepath.Join(a.dir, "cache/archives"), root, packages, "-y", "--no-install-recommends", "--download-only", "install")
}

// get runs a command of apt-get that puts packages into a folder, and unpacks them.
func (a *apt) get(ctx context.Context, from, root string, packages []string, args ...string) error {
	if _, err := command(ctx, a.dir, "apt-get", slices.Concat(a.options, []string{"-qq"}, args, packages)...); err != nil {
		return err
	}
	return unpackAll(ctx, from, root)
}

// unpackAll unpacks the packages of a folder and removes them.
func unpackAll(ctx context.Context, from, root string) error {
	debs, err := filepath.Glob(filepath.Join(from, "*.deb"))
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
