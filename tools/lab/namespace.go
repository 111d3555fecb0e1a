package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	namespaceDir = "/run/netns"
	scheme       = "sl-" // begins the name of every namespace made here
)

// Do runs f in the namespace called ns, on a thread of its own that is not used
// for anything else before or after, and returns f's error. Goroutines that f
// starts are outside. An empty name means the caller's process as it is, still
// on a thread of its own.
func Do(ns string, f func() error) error {
	if ns == "" {
		return onThread(f)
	}
	return onThread(func() error {
		h, err := netns.GetFromPath(filepath.Join(namespaceDir, ns))
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("there is no network namespace %s: `ip netns` lists them", ns)
			}
			return fmt.Errorf("namespace %s: %w", ns, err)
		}
		defer h.Close()
		if err := netns.Set(h); err != nil {
			return fmt.Errorf("enter namespace %s: %w", ns, hint(err))
		}
		return f()
	})
}

// onThread runs f locked to a thread that ends with it. A panic of f goes to the
// caller.
func onThread(f func() error) error {
	done := make(chan outcome, 1)
	go threadMain(f, done)
	o := <-done
	if o.panicked != nil {
		panic(o.panicked)
	}
	return o.err
}

// outcome is how a function ended.
type outcome struct {
	err      error
	panicked any
}

// threadMain is a goroutine that takes its thread with it. The process's first
// thread cannot end and stands for the whole process in /proc, so it is held
// while f runs on another.
func threadMain(f func() error, done chan<- outcome) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread() // it has stayed clean
		elsewhere := make(chan outcome, 1)
		go threadMain(f, elsewhere)
		done <- <-elsewhere
		return
	}
	// Never unlocked: the runtime ends the thread together with the goroutine.
	o := outcome{err: errors.New("the function ended its goroutine")} // runtime.Goexit, as by testing's FailNow
	defer func() {
		if p := recover(); p != nil {
			o.panicked = p
		}
		done <- o
	}()
	o.err = f()
}

// hint adds what would make an error of the kernel go away.
func hint(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN)", err)
	}
	return err
}

// Privileged returns nil when this process may make namespaces, otherwise why
// not. It makes one and lets it go.
func Privileged() error {
	return onThread(func() error {
		h, err := netns.New()
		if err != nil {
			return hint(fmt.Errorf("make a network namespace: %w", err))
		}
		return h.Close()
	})
}

// newNamespace makes an empty namespace with its loopback interface down.
func newNamespace(ns string) error {
	if len(ns) > 200 || strings.ContainsAny(ns, "/ \x00") {
		return fmt.Errorf("namespace name %q: too long or not fit for a file name", ns)
	}
	return onThread(func() error {
		h, err := netns.NewNamed(ns)
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("namespace %s is there already; left by an earlier run? remove it: ip netns del %s", ns, ns)
		}
		if err != nil {
			return fmt.Errorf("make namespace %s: %w", ns, hint(err))
		}
		return h.Close()
	})
}

// deleteNamespace removes the name; the namespace goes when nothing uses it.
// The file is removed too when its mount has vanished, as after a crash between
// the two steps of making one.
func deleteNamespace(ns string) error {
	path := filepath.Join(namespaceDir, ns)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount namespace %s: %w", ns, hint(err))
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove namespace %s: %w", ns, err)
	}
	return nil
}

// Unique returns a lab name that holds this process, so that the same base does
// not clash between processes.
func Unique(base string) string { return base + ".p" + strconv.Itoa(os.Getpid()) }

var uniqueName = regexp.MustCompile(`^(.+)\.p([0-9]+)$`)

// CleanLeftovers removes the namespaces of the lab called name and of labs named
// Unique(name) whose process is gone. It returns the namespaces removed. The
// lab called exactly name is removed even while it is in use: call it before New.
func CleanLeftovers(name string) ([]string, error) {
	entries, err := os.ReadDir(namespaceDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for left-over namespaces: %w", err)
	}
	var removed []string
	var errs []error
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), scheme)
		at := strings.LastIndexByte(rest, '-')
		if !ok || at < 0 {
			continue
		}
		if owner := rest[:at]; owner != name {
			m := uniqueName.FindStringSubmatch(owner)
			if m == nil || m[1] != name || alive(m[2]) {
				continue
			}
		}
		if err := deleteNamespace(e.Name()); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, e.Name())
	}
	return removed, errors.Join(errs...)
}

func alive(pid string) bool {
	_, err := os.Stat("/proc/" + pid)
	return err == nil
}

// Sysctl writes a kernel setting in a namespace; path is below /proc/sys, with
// slashes, such as "net/ipv4/ip_forward".
func Sysctl(ns, path, value string) error {
	err := Do(ns, func() error {
		return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
	})
	if err != nil {
		return fmt.Errorf("set %s to %s in %s: %w", path, value, ns, err)
	}
	return nil
}

// hasIPv6 says whether the kernel has IPv6 at all.
func hasIPv6(ns string) bool {
	return Do(ns, func() error {
		_, err := os.Stat("/proc/sys/net/ipv6/conf/default")
		return err
	}) == nil
}
