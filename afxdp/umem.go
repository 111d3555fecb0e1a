package afxdp

import (
	"fmt"

	"github.com/sluice-net/sluice/perf/offheap"
)

// MinChunk is the smallest chunk, in bytes.
const MinChunk = 2048

// Headroom is kept free in front of every received frame for headers to come.
const Headroom = 256

// UMEM is the frame memory of one worker: equal chunks and a LIFO list of the
// free ones. Only that worker uses it. A frame has one owner at any time: the
// free list, a ring of a port, or the worker's burst.
type UMEM struct {
	mem   []byte
	free  []uint64 // chunk addresses
	chunk uint64   // bytes, a power of two
	nfree int

	kernel registry // sockets that use it
}

// NewUMEM makes frames chunks of chunk bytes (a power of two, 2048 or more).
func NewUMEM(frames, chunk int) (*UMEM, error) {
	if chunk < MinChunk || chunk&(chunk-1) != 0 {
		return nil, fmt.Errorf("umem: chunk of %d bytes: want a power of two, %d or more", chunk, MinChunk)
	}
	if frames < 1 || frames > 1<<26 {
		return nil, fmt.Errorf("umem: %d frames: want 1 to %d", frames, 1<<26)
	}
	mem, err := offheap.Make[byte](frames * chunk)
	if err != nil {
		return nil, fmt.Errorf("umem: %w", err)
	}
	free, err := offheap.Make[uint64](frames)
	if err != nil {
		_ = offheap.Free(mem)
		return nil, fmt.Errorf("umem: %w", err)
	}
	u := &UMEM{mem: mem, free: free, chunk: uint64(chunk), nfree: frames}
	for i := range free {
		free[i] = uint64(frames-1-i) * uint64(chunk)
	}
	return u, nil
}

// ChunkFor returns the size of chunk, a power of two, that has room for frames
// of so many bytes.
func ChunkFor(frame int) int {
	chunk := MinChunk
	for chunk-Headroom < frame {
		chunk *= 2
	}
	return chunk
}

// HugePages says whether the frames are on pages of the hugetlb pool.
func (u *UMEM) HugePages() bool { return offheap.HugePages(u.mem) }

// Alloc takes a free frame and returns the address of its first byte behind
// the headroom; false when none is free.
func (u *UMEM) Alloc() (uint64, bool) {
	if u.nfree == 0 {
		return 0, false
	}
	u.nfree--
	return u.free[u.nfree] + Headroom, true
}

// Free gives back the frame that addr lies in.
func (u *UMEM) Free(addr uint64) {
	u.free[u.nfree] = addr &^ (u.chunk - 1)
	u.nfree++
}

// Frame returns the n bytes at addr. Its capacity ends with the chunk.
func (u *UMEM) Frame(addr uint64, n uint32) []byte {
	end := addr&^(u.chunk-1) + u.chunk
	return u.mem[addr : addr+uint64(n) : end]
}

// Room returns how many bytes a frame from Alloc can hold.
func (u *UMEM) Room() int { return int(u.chunk) - Headroom }

// FreeFrames returns the number of free frames.
func (u *UMEM) FreeFrames() int { return u.nfree }

// Frames returns the number of frames in all.
func (u *UMEM) Frames() int { return len(u.free) }

// Close gives the memory back. No queue may be using it any more: while a
// socket is open on it, Close refuses.
func (u *UMEM) Close() error {
	if u.kernel.living > 0 {
		return fmt.Errorf("umem: %d sockets still use it", u.kernel.living)
	}
	if err := offheap.Free(u.kernel.holder); err != nil {
		return err
	}
	u.kernel.holder = nil
	if err := offheap.Free(u.free); err != nil {
		return err
	}
	u.nfree = 0
	return offheap.Free(u.mem)
}
