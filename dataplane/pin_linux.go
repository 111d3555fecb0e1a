package dataplane

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/panjf2000/ants/v2"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
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

// Aside runs f, which compiles rules or does other long work, in a thread of its own
// to which the kernel prefers the other threads of the process, and waits for it. Go's
// runtime takes each worker's processor away every now and then and hands it back by
// way of some other thread; behind a thread that compiles this one waits for up to
// 10 ms, and the worker with it. Where workers have all CPUs f gets no such thread,
// for they would leave it little. A panic of f is the caller's,
// as a perf.Fault.
func (b *Box) Aside(f func()) {
	var fault *perf.Fault
	done := make(chan struct{})
	go func() {
		defer close(done)
		fault = perf.Catch(func() { b.makeWay(); f() })
	}()
	<-done
	fault.Raise()
}

// makeWay gives the calling goroutine a thread of low priority, which ends with it.
// Calling it again does nothing. The process's first thread, which cannot end before
// the others and whose priority is shown as the process's, stays as it is.
func (b *Box) makeWay() {
	if !b.spare.Load() || unix.Gettid() == unix.Getpid() {
		return
	}
	if p, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && 20-p < lowPriority { // the system call says 20 less nice
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, lowPriority)
	}
}

// lowPriority is a nice value: about a tenth of the time of a thread of nice 0.
const lowPriority = 10

// controlPool runs the control side's jobs, which make way.
type controlPool struct {
	*ants.Pool
	box *Box
}

// Submit runs a job, or refuses it when all goroutines have one.
func (p controlPool) Submit(job func()) error {
	return p.Pool.Submit(func() { p.box.makeWay(); job() })
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
