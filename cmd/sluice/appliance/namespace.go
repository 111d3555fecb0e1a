package appliance

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/sluice-net/sluice/dataplane/guard"
	"golang.org/x/sys/unix"
)

// enterable opens the network namespace of the calling thread, for goroutines
// that run on others.
func (r *running) enterable() error {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	r.ns = ns
	r.later(ns.Close)
	return nil
}

// guardInstalled looks for the guard table in the box's namespace. Any
// goroutine.
func (r *running) guardInstalled() (installed bool, err error) {
	if e := r.inNamespace(func() { installed, err = guard.Installed() }); e != nil {
		err = e
	}
	return installed, err
}

// interfaceExists says whether the box's namespace has an interface, port or not.
// Any goroutine.
func (r *running) interfaceExists(name string) (exists bool) {
	err := r.inNamespace(func() {
		_, err := net.InterfaceByName(name)
		exists = err == nil
	})
	return err == nil && exists
}

// inNamespace calls f in the box's namespace. Any goroutine.
func (r *running) inNamespace(f func()) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it: the thread ends here, being in a namespace of its own
		if err = unix.Setns(int(r.ns.Fd()), unix.CLONE_NEWNET); err == nil {
			f()
		}
	}()
	<-done
	return err
}
