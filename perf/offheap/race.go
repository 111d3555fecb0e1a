//go:build race

package offheap

// RaceTwin says whether memory comes from the Go heap for the race detector.
const RaceTwin = true

// The Go allocator aligns blocks of 512 bytes and more to a cache line at
// least on every size class that matters here; layout tests check it.
func alloc[T any](n int) ([]T, error) { return make([]T, n), nil }

func allocSparse[T any](n int) ([]T, error) { return make([]T, n), nil }

func free[T any]([]T) error { return nil }

// HugePages says whether a slice is on pages of the hugetlb pool: never here.
func HugePages[T any]([]T) bool { return false }
