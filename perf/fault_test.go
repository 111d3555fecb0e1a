package perf

import (
	"strings"
	"testing"
)

func planted() { panic("planted") }

// TestFault: a panic passes through goroutines with the stack of where it began.
func TestFault(t *testing.T) {
	if fault := Catch(func() {}); fault != nil {
		t.Fatalf("no panic, and %v", fault)
	}
	(*Fault)(nil).Raise()
	rethrown := func() {
		defer func() { panic(recover()) }()
		planted()
	}
	for name, f := range map[string]func(){"plain": planted, "thrown again": rethrown} {
		passed := make(chan *Fault)
		go func() { passed <- Catch(f) }()
		fault := <-passed
		if again := Catch(fault.Raise); again != fault {
			t.Errorf("%s: raised %v, caught %v", name, fault, again)
		}
		if text := fault.Error(); fault.Value != "planted" || !strings.HasPrefix(text, "planted\n") || !strings.Contains(text, "perf.planted(") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
