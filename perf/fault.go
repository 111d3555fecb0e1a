package perf

import (
	"fmt"
	"runtime/debug"
)

// Fault is a panic on its way to a goroutine that waits for the one it began in,
// with the stack of where it began.
type Fault struct {
	Value any // of the panic
	Stack []byte
}

// Error has the stack too: Go's runtime prints it of a Fault that nobody recovers.
func (f *Fault) Error() string { return fmt.Sprintf("%v\n\nbegan on %s", f.Value, f.Stack) }

// Catch runs f and returns its panic; nil: there was none. The panic of a Fault is
// that Fault.
func Catch(f func()) (fault *Fault) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Fault:
			fault = r
		default:
			fault = &Fault{r, debug.Stack()}
		}
	}()
	f()
	return nil
}

// Raise panics with a fault that was caught; nil: it does nothing.
func (f *Fault) Raise() {
	if f != nil {
		panic(f)
	}
}
