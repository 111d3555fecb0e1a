package offheap

import (
	"errors"
	"reflect"
	"runtime"
	"testing"
)

type flat struct {
	A uint64
	B [3]uint16
	C struct{ D float32 }
}

func TestMakeRefusesPointers(t *testing.T) {
	for name, err := range map[string]error{
		"pointer":   refused[*int](),
		"string":    refused[string](),
		"slice":     refused[[]byte](),
		"map":       refused[map[int]int](),
		"interface": refused[error](),
		"func":      refused[func()](),
		"channel":   refused[chan int](),
		"field":     refused[struct{ a, b any }](),
		"array":     refused[[2]struct{ s string }](),
	} {
		if !errors.Is(err, ErrPointers) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"struct":         refused[flat](),
		"uintptr":        refused[uintptr](),
		"bool":           refused[bool](),
		"array of none":  refused[[0]*int](),
		"complex number": refused[complex128](),
	} {
		if err != nil {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// refused returns the error of making one T, which it frees.
func refused[T any]() error {
	s, err := Make[T](1)
	if err != nil {
		return err
	}
	return Free(s)
}

// TestMake checks sizes from one element to several huge pages: memory is
// aligned, zero, all usable, kept over a collection, counted and given back.
func TestMake(t *testing.T) {
	for _, n := range []int{1, 7, 64, 1000, 4096, 100_000, 1 << 18, 1<<18 + 1} {
		before := InUse()
		s, err := Make[uint64](n)
		if err != nil {
			t.Fatal(err)
		}
		if len(s) != n || InUse()-before != int64(8*n) {
			t.Errorf("%d elements: length %d, %d bytes in use", n, len(s), InUse()-before)
		}
		if at := reflect.ValueOf(s).Pointer(); n*8 >= 512 && at%CacheLine != 0 {
			t.Errorf("%d elements: at %#x", n, at)
		}
		for i, v := range s {
			if v != 0 {
				t.Fatalf("%d elements: number %d is %d", n, i, v)
			}
			s[i] = uint64(i) * 3
		}
		runtime.GC()
		for i, v := range s {
			if v != uint64(i)*3 {
				t.Fatalf("%d elements: number %d became %d", n, i, v)
			}
		}
		if err := Free(s); err != nil {
			t.Fatal(err)
		}
		if InUse() != before {
			t.Errorf("%d elements: %d bytes still in use", n, InUse()-before)
		}
	}
}

func TestMakeNothing(t *testing.T) {
	for name, f := range map[string]func() (int, error){
		"no elements":   func() (int, error) { s, err := Make[uint64](0); return len(s), errors.Join(err, Free(s)) },
		"empty element": func() (int, error) { s, err := Make[struct{}](9); return len(s), errors.Join(err, Free(s)) },
		"nil":           func() (int, error) { return 0, Free[int](nil) },
	} {
		if n, err := f(); n != 0 || err != nil {
			t.Errorf("%s: %d elements, error %v", name, n, err)
		}
	}
	for _, n := range []int{-1, 1 << 60} {
		if _, err := Make[uint64](n); err == nil {
			t.Errorf("%d elements were made", n)
		}
	}
}

// TestFailAfter: the reservation that was named fails, no other, and nothing is
// counted for it.
func TestFailAfter(t *testing.T) {
	before := InUse()
	FailAfter(1)
	for i, want := range []error{nil, ErrPlanted, nil} {
		s, err := MakeSparse[uint64](100)
		if !errors.Is(err, want) || (err != nil) != (want != nil) {
			t.Errorf("reservation %d: %v, want %v", i, err, want)
		}
		if err := Free(s); err != nil {
			t.Error(err)
		}
	}
	FailAfter(0)
	FailAfter(-1)
	s, err := Make[uint64](100)
	if err != nil || Free(s) != nil || InUse() != before {
		t.Errorf("%v, %d bytes in use", err, InUse()-before)
	}
}
