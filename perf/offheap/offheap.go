package offheap

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
)

// CacheLine is the alignment, in bytes, that Make guarantees at least.
const CacheLine = 64

// ErrPointers is returned by Make for an element type that holds Go pointers.
var ErrPointers = errors.New("offheap: element type holds Go pointers")

// ErrPlanted is the failure that FailAfter plants.
var ErrPlanted = errors.New("offheap: planted failure")

var inUse atomic.Int64

// planted counts calls down to the one that fails; 0: none does.
var planted atomic.Int64

// FailAfter plants a failure for tests of what stays behind when memory runs out:
// after n more reservations that succeed the next one fails with ErrPlanted, and
// those behind it succeed again. A negative n takes it back.
func FailAfter(n int) { planted.Store(int64(n) + 1) }

// InUse returns the bytes handed out and not yet given back.
func InUse() int64 { return inUse.Load() }

// Make returns n zeroed elements of a pointer-free type T, aligned to at least
// a cache line. It fails with ErrPointers, or with what mmap answered.
func Make[T any](n int) ([]T, error) { return reserve(n, alloc[T]) }

// MakeSparse is Make for elements of which few are ever used, far apart: it
// takes only small pages, so that each costs 4 KiB and not 2 MiB.
func MakeSparse[T any](n int) ([]T, error) { return reserve(n, allocSparse[T]) }

func reserve[T any](n int, alloc func(int) ([]T, error)) ([]T, error) {
	t := reflect.TypeFor[T]()
	if hasPointers(t) {
		return nil, fmt.Errorf("make []%v: %w", t, ErrPointers)
	}
	if n < 0 || (t.Size() > 0 && uintptr(n) > (1<<46)/t.Size()) {
		return nil, fmt.Errorf("make []%v: length %d out of range", t, n)
	}
	if n == 0 || t.Size() == 0 {
		return nil, nil
	}
	if planted.Load() > 0 && planted.Add(-1) == 0 {
		return nil, fmt.Errorf("make []%v of %d: %w", t, n, ErrPlanted)
	}
	s, err := alloc(n)
	if err != nil {
		return nil, fmt.Errorf("make []%v of %d: %w", t, n, err)
	}
	inUse.Add(int64(n) * int64(t.Size()))
	return s, nil
}

// Free gives back a slice that Make or MakeSparse returned, whole. Free of nil does nothing.
func Free[T any](s []T) error {
	if len(s) == 0 {
		return nil
	}
	inUse.Add(-int64(len(s)) * int64(reflect.TypeFor[T]().Size()))
	return free(s)
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return true
	}
}
