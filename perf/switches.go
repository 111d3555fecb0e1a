package perf

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Interruption is how long a burst takes that others' work came into, where that
// cannot be told by Switches: bursts do not take so long by themselves.
const Interruption = time.Millisecond

// Switches tells a thread whether the kernel has let another run in its place,
// by one read of memory. The kernel writes a performance event's page anew
// whenever its thread is put back on a CPU (perf_event_update_userpage).
type Switches struct {
	fd   int
	page []byte
}

// WatchSwitches watches the calling thread, to which the goroutine is locked.
// Where the kernel does not allow it (kernel.perf_event_paranoid), it is an error.
func WatchSwitches() (*Switches, error) {
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: unix.PERF_ATTR_SIZE_VER1, Config: unix.PERF_COUNT_SW_TASK_CLOCK}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch a thread's switches: %w", err)
	}
	page, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return nil, fmt.Errorf("map a thread's switches: %w", err)
	}
	return &Switches{fd, page}, nil
}

// Count returns a number that changes with every switch. A plain load will do:
// what the thread asks about has happened to itself.
func (s *Switches) Count() uint32 {
	const lock = 8 // struct perf_event_mmap_page
	return binary.NativeEndian.Uint32(s.page[lock:])
}

// Close ends the watch.
func (s *Switches) Close() error {
	err := unix.Munmap(s.page)
	s.page = nil
	if e := unix.Close(s.fd); err == nil {
		err = e
	}
	return err
}
