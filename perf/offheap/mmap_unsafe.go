//go:build !race

package offheap

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RaceTwin says whether memory comes from the Go heap for the race detector.
const RaceTwin = false

const hugePage = 2 << 20

func alloc[T any](n int) ([]T, error) {
	size := mapSize(uintptr(n) * unsafe.Sizeof(*new(T)))
	var b []byte
	var err error
	if size >= hugePage {
		b, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_HUGETLB)
		if err == nil {
			huge.Store(unsafe.SliceData(b), true)
		}
	}
	if b == nil || err != nil {
		b, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			return nil, err
		}
		if size >= hugePage {
			_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a wish: small pages work too
		}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

func allocSparse[T any](n int) ([]T, error) {
	size := mapSize(uintptr(n) * unsafe.Sizeof(*new(T)))
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) // a kernel without huge pages says no
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// huge holds the first byte of every region on pages of the hugetlb pool.
var huge sync.Map

// HugePages says whether a slice that Make returned is on pages of the hugetlb
// pool, rather than on those that the kernel may or may not make huge.
func HugePages[T any](s []T) bool {
	_, ok := huge.Load((*byte)(unsafe.Pointer(unsafe.SliceData(s))))
	return ok
}

func free[T any](s []T) error {
	huge.Delete((*byte)(unsafe.Pointer(unsafe.SliceData(s))))
	size := mapSize(uintptr(len(s)) * unsafe.Sizeof(*new(T)))
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
}

// mapSize rounds up so that alloc and free agree on the mapping's length and a
// large mapping is whole huge pages.
func mapSize(n uintptr) int {
	unit := uintptr(unix.Getpagesize())
	if n >= hugePage {
		unit = hugePage
	}
	return int((n + unit - 1) / unit * unit)
}
