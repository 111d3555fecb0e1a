package main

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is an AF_XDP socket that only sends.
type socket struct {
	fd   int
	tx   txRing
	done doneRing
}

// ring is one that is shared with the kernel.
type ring[T any] struct {
	prod, cons, flags *atomic.Uint32
	slots             []T
	own               uint32 // our index
}

type txRing struct{ ring[unix.XDPDesc] }

func (r *txRing) room() int                   { return len(r.slots) - int(r.own-r.cons.Load()) }
func (r *txRing) slot(i uint32) *unix.XDPDesc { return &r.slots[(r.own+i)%ringSize] }
func (r *txRing) wantsWakeup() bool           { return r.flags.Load()&unix.XDP_RING_NEED_WAKEUP != 0 }
func (r *txRing) publish(n int) {
	r.own += uint32(n)
	r.prod.Store(r.own)
}

type doneRing struct{ ring[uint64] }

// take appends the frames that were sent.
func (r *doneRing) take(free []uint64) []uint64 {
	for n := r.prod.Load() - r.own; n > 0; n-- {
		free = append(free, r.slots[r.own%ringSize])
		r.own++
	}
	r.cons.Store(r.own)
	return free
}

// open makes a socket with frame memory and rings.
func open(mem []byte) (*socket, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))), Len: uint64(len(mem)), Size: chunk}
	if _, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_UMEM_REG, uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0); e != 0 {
		return nil, e
	}
	for _, name := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_TX_RING} {
		if err := unix.SetsockoptInt(fd, unix.SOL_XDP, name, ringSize); err != nil {
			return nil, err
		}
	}
	var off unix.XDPMmapOffsets
	n := uint32(unsafe.Sizeof(off))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS, uintptr(unsafe.Pointer(&off)), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		return nil, e
	}
	s := &socket{fd: fd}
	if s.tx.ring, err = mapRing[unix.XDPDesc](fd, unix.XDP_PGOFF_TX_RING, off.Tx); err != nil {
		return nil, err
	}
	s.done.ring, err = mapRing[uint64](fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, off.Cr)
	return s, err
}

func mapRing[T any](fd int, pgoff int64, off unix.XDPRingOffset) (r ring[T], err error) {
	length := int(off.Desc) + ringSize*int(unsafe.Sizeof(*new(T)))
	mem, err := unix.Mmap(fd, pgoff, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return r, err
	}
	at := func(offset uint64) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&mem[offset])) }
	return ring[T]{
		prod: at(off.Producer), cons: at(off.Consumer), flags: at(off.Flags),
		slots: unsafe.Slice((*T)(unsafe.Pointer(&mem[off.Desc])), ringSize),
	}, nil
}

// wake makes the kernel send what is in the TX ring, as much as it does in one
// call.
func wake(fd int) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return e
}
