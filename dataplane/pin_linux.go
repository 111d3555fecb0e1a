package dataplane

import (
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

// pin confines the calling thread to one CPU. Refusal is no error: the worker
// then runs where the kernel puts it.
func pin(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set)
}
