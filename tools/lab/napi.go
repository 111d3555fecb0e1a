package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ThreadNAPI gives an interface's receive path a kernel thread and returns its
// thread id. The interface must have one: a veth does with GRO or an XDP program.
func ThreadNAPI(ns, ifname string) (tid int, err error) {
	before := ThreadsNamed("napi/" + ifname)
	if err := setThreaded(ns, ifname); err != nil {
		return 0, err
	}
	time.Sleep(100 * time.Millisecond)
	for tid := range ThreadsNamed("napi/" + ifname) {
		if !before[tid] {
			return tid, nil
		}
	}
	return 0, errors.New("the kernel made no thread for NAPI of " + ifname)
}

// setThreaded writes the setting, which is in the sysfs of the namespace: that
// must be mounted for it, on this thread only.
func setThreaded(ns, ifname string) error {
	return Do(ns, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
			return fmt.Errorf("mount sysfs: %w", err)
		}
		return os.WriteFile("/sys/class/net/"+ifname+"/threaded", []byte("1"), 0)
	})
}

// ThreadsNamed returns the ids of the kernel threads whose name begins so.
func ThreadsNamed(prefix string) map[int]bool {
	found := map[int]bool{}
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil && strings.HasPrefix(string(text), prefix) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			found[pid] = true
		}
	}
	return found
}

// Pin confines a thread to a CPU; 0 is the calling thread.
func Pin(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("confine thread %d to CPU %d: %w", tid, cpu, err)
	}
	return nil
}
