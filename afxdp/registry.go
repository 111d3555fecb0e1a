package afxdp

import (
	"fmt"

	"github.com/sluice-net/sluice/perf/offheap"
)

// registry is what a UMEM knows of the kernel sockets that use it. The first
// socket registers the memory with the kernel and decides the mode class: all
// sockets of a UMEM are in zero-copy mode, or all copy. When the last is
// closed, both are open again.
//
// holder tells for every chunk which socket's rings the kernel has it in, so
// that a socket that is closed gives all its frames back, also those that no
// ring shows because a driver or the kernel's pool keeps them.
type registry struct {
	sockets  [maxSockets]*socket // by slot; slot 0 is never used
	living   int
	zeroCopy bool    // class, while living > 0
	holder   []uint8 // by chunk: slot of the socket that has it; 0: none
	shift    uint8   // chunk size as a power of two
}

const maxSockets = 256

// prepare makes the table of holders at the first socket.
func (u *UMEM) prepare() error {
	if u.kernel.holder != nil {
		return nil
	}
	holder, err := offheap.Make[uint8](u.Frames())
	if err != nil {
		return fmt.Errorf("umem: %w", err)
	}
	u.kernel.holder = holder
	for u.chunk>>u.kernel.shift > 1 {
		u.kernel.shift++
	}
	return nil
}

// enter gives a socket a slot. It counts as living only after join.
func (u *UMEM) enter(s *socket) error {
	for slot := 1; slot < maxSockets; slot++ {
		if u.kernel.sockets[slot] == nil {
			u.kernel.sockets[slot] = s
			s.slot = uint8(slot)
			return nil
		}
	}
	return fmt.Errorf("umem: %d sockets use it already", maxSockets-1)
}

// join notes that a socket is bound.
func (u *UMEM) join(s *socket) {
	u.kernel.living++
	u.kernel.zeroCopy = s.zeroCopy
	s.joined = true
}

// leave takes a socket out and frees every frame that the kernel had from it.
// The kernel must be done with them.
func (u *UMEM) leave(s *socket) {
	if u.kernel.sockets[s.slot] != s {
		return
	}
	u.kernel.sockets[s.slot] = nil
	if s.joined {
		u.kernel.living--
		s.joined = false
	}
	for i, slot := range u.kernel.holder {
		if slot == s.slot {
			u.kernel.holder[i] = 0
			u.Free(uint64(i) << u.kernel.shift)
		}
	}
}

// anyLiving returns the descriptor of a bound socket, which further sockets
// name to share the memory.
func (u *UMEM) anyLiving() (fd int, ok bool) {
	for _, s := range u.kernel.sockets {
		if s != nil && s.joined {
			return s.fd, true
		}
	}
	return -1, false
}

// fillTarget is how many frames a socket should have in its fill ring: half of
// the UMEM is for the fill rings of all its sockets, the other half for bursts,
// for TX rings and for what the worker makes itself.
func (u *UMEM) fillTarget(ring int) int {
	return min(ring, u.Frames()/2/max(1, u.kernel.living))
}

// KernelFrames counts the frames that sockets of the kernel have. It walks the
// whole memory: for accounts, not for every burst. By the worker that owns it.
func (u *UMEM) KernelFrames() (n int) {
	for _, slot := range u.kernel.holder {
		if slot != 0 {
			n++
		}
	}
	return n
}

// reserve is how many free frames are not put into fill rings.
func (u *UMEM) reserve() int { return min(64, u.Frames()/8) }
