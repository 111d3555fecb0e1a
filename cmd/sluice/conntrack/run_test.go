package conntrack

import (
	"bytes"
	"context"
	"testing"
)

// talkingBox says something between two rows.
type talkingBox struct{}

func (talkingBox) Conntrack(_ context.Context, _ *Command, see func([]byte) error) (Result, error) {
	for _, line := range []string{" one", string([]byte{LineMessage}) + "about two", " two"} {
		if err := see([]byte(line)); err != nil {
			return Result{}, err
		}
	}
	return Result{Count: 2}, nil
}

// TestRowsAndMessages: where both streams are one, they stand in order.
func TestRowsAndMessages(t *testing.T) {
	var out bytes.Buffer
	r := &Runner{Connect: func(string) (Box, error) { return talkingBox{}, nil }, Stdout: &out, Stderr: &out}
	if status := r.Run(context.Background(), []string{"-L"}); status != 0 {
		t.Errorf("status %d", status)
	}
	want := "one\nabout two\ntwo\n" + banner + "2 flow entries have been shown.\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
