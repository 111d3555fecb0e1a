//go:build !race

package offheap

import (
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

func free[T any](s []T) error {
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
