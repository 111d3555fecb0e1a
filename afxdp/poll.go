package afxdp

import "golang.org/x/sys/unix"

// pollable is a queue that can wait in the kernel.
type pollable interface {
	// pollFDs is how many sockets it has; pollFD returns one of them, false when
	// it is closed. By number, so that nothing escapes to the heap.
	pollFDs() int
	pollFD(i int) (fd int, ok bool)
}

// maxPoll is how many sockets one Poll waits for.
const maxPoll = 64

// Pollable says whether Poll can wait for all of the queues: whether each is of
// a real interface and open, and their sockets are not too many.
func Pollable(queues []Queue) bool {
	all := 0
	for _, q := range queues {
		p, ok := q.(pollable)
		if !ok {
			return false
		}
		for i := range p.pollFDs() {
			if _, ok = p.pollFD(i); !ok {
				return false
			}
			all++
		}
	}
	return all > 0 && all <= maxPoll
}

// Poll waits until one of a worker's queues has received something, for
// timeoutMillis at most (negative: for ever), and says whether one has; a signal
// ends the wait, and then none may have. It is
// for idle workers: one system call for all queues, which also transmits what
// is still in their TX rings. When Pollable is false it returns at once, with
// what the queues of real interfaces say. It does not allocate.
func Poll(queues []Queue, timeoutMillis int) (ready bool) {
	var fds [maxPoll]unix.PollFd
	n := 0
	for _, q := range queues {
		p, ok := q.(pollable)
		if !ok {
			timeoutMillis = 0
			continue
		}
		for i := range p.pollFDs() {
			fd, ok := p.pollFD(i)
			if !ok || n == maxPoll {
				timeoutMillis = 0
				continue
			}
			fds[n] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
			n++
		}
	}
	if n == 0 {
		return false
	}
	got, err := unix.Poll(fds[:n], timeoutMillis) // EINTR is a short wait
	return err == nil && got > 0
}
