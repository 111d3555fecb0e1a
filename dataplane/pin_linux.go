package dataplane

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// usableCPUs lists the CPUs that this process may run on, ascending.
func usableCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// nap sleeps for less than a millisecond, to which time.Sleep rounds up where no
// other goroutine has anything to do.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal ends it early
}

// pin confines a thread, 0 the calling one, to CPUs. Refusal is no error: it then
// runs where the kernel puts it.
func pin(tid int, cpus ...int) {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	_ = unix.SchedSetaffinity(tid, &set)
}

// pinAll confines all threads that the process has. Those it will have are
// confined as the one is that begins them; Go never begins one from a thread that a
// goroutine has for itself. Twice, for the threads that began meanwhile.
func pinAll(cpus []int) {
	for range 2 {
		tasks, _ := os.ReadDir("/proc/self/task") // without it they stay where they are
		for _, task := range tasks {
			if tid, err := strconv.Atoi(task.Name()); err == nil {
				pin(tid, cpus...)
			}
		}
	}
}
