package mirror

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// openNamespace returns the network namespace of the calling thread.
func openNamespace() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// sameNamespace says whether the calling thread is in a network namespace.
func sameNamespace(ns *os.File) bool {
	var now, then unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &now) != nil || unix.Fstat(int(ns.Fd()), &then) != nil {
		return false
	}
	return now.Dev == then.Dev && now.Ino == then.Ino
}

// inNamespace calls f on a thread of that network namespace. Going to another
// one needs CAP_SYS_ADMIN.
func inNamespace(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if sameNamespace(ns) {
		return f()
	}
	go func() {
		// Not unlocked: the runtime ends a thread that another goroutine must
		// not get.
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
