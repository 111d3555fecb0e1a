// Package offheap hands out the memory that workers touch: tables, images,
// rings and frames. The garbage collector neither scans nor moves it.
//
// Ownership: whoever calls Make owns the slice and gives it back with Free.
// Both are control-path calls and safe for concurrent use; a worker calls
// neither.
//
// Pages come from mmap and cost nothing until they are written, so a table may
// be reserved at its largest size. Regions of 2 MiB and more ask for huge
// pages (hugetlb when the pool has enough, else transparent ones).
//
// Under the build tag race the same calls return pointer-free Go heap memory,
// because the race detector does not see mmap memory at all. Nothing else may
// differ between the two.
//
// Files in reading order: offheap.go, mmap_unsafe.go, shelf.go, pool.go, race.go.
package offheap
