package flowtable

import (
	"errors"
	"fmt"

	"github.com/sluice-net/sluice/perf/offheap"
)

// builder does the steps of New one after the other and remembers how to undo
// each. Closing a table is undoing all of them, the last one first; so is a New
// that fails on its way.
type builder struct {
	undo []func() error
	fail func(step string) error // of tests; nil: no step fails for no reason
	done []string                // steps that stand, of tests
}

// step does one step. What it leaves behind in case of failure is its own affair.
func (b *builder) step(name string, do, undo func() error) error {
	if b.fail != nil {
		if err := b.fail(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.done = append(b.done, name)
	b.undo = append(b.undo, func() error {
		b.done = b.done[:len(b.done)-1]
		if err := undo(); err != nil {
			return fmt.Errorf("undo %s: %w", name, err)
		}
		return nil
	})
	return nil
}

// unwind undoes the steps done, in reverse order. A second call does nothing.
func (b *builder) unwind() error {
	var errs []error
	for len(b.undo) > 0 {
		last := len(b.undo) - 1
		undo := b.undo[last]
		b.undo = b.undo[:last]
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// reserve is the step that makes *to a slice of n elements.
func reserve[T any](b *builder, name string, to *[]T, n int) error {
	return reserveBy(b, name, to, n, offheap.Make[T])
}

// reserveSparse is reserve for what few entries use.
func reserveSparse[T any](b *builder, name string, to *[]T, n int) error {
	return reserveBy(b, name, to, n, offheap.MakeSparse[T])
}

func reserveBy[T any](b *builder, name string, to *[]T, n int, make func(int) ([]T, error)) error {
	return b.step(name,
		func() (err error) { *to, err = make(n); return err },
		func() error { s := *to; *to = nil; return offheap.Free(s) })
}

// steps calls functions in order until one fails.
func steps(list ...func() error) error {
	for _, f := range list {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}
