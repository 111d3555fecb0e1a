package perf

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime is what the kernel has counted for a thread of this process.
type ThreadTime struct {
	CPU    time.Duration `json:"cpu_nanos"`    // on a CPU, in user mode and in the kernel
	Waited time.Duration `json:"waited_nanos"` // ready to run, while others ran
}

// ReadThreadTime reads a thread's times from /proc. They may lack what is newer
// than the scheduler's last tick, some milliseconds. For the control side.
func ReadThreadTime(tid int) (t ThreadTime, err error) {
	name := fmt.Sprintf("/proc/self/task/%d/schedstat", tid)
	text, err := os.ReadFile(name)
	if err != nil {
		return t, err
	}
	if _, err := fmt.Sscan(string(text), (*int64)(&t.CPU), (*int64)(&t.Waited)); err != nil {
		return t, fmt.Errorf("%s: %q: %w", name, text, err)
	}
	return t, nil
}

// ThreadCPU returns the time that the calling thread has spent on a CPU, exactly.
// A goroutine that compares two readings is locked to its thread. A system call;
// 0 where the kernel does not tell.
func ThreadCPU() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
