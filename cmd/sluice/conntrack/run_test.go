package conntrack

import (
	"bytes"
	"context"
	"strings"
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

// TestControl: the option of ours is read, and complained of, as the others are.
func TestControl(t *testing.T) {
	for _, row := range []struct{ name, args, path, says string }{
		{"in front", "--control /a -L", "/a", ""},
		{"joined", "-L --control=/b", "/b", ""},
		{"twice", "--control /a -L --control=/b", "/b", ""},
		{"none", "-L", "", ""},
		{"without a path", "-L --control", "", "option `--control' requires an argument"},
		{"alone", "--control", "", "option `--control' requires an argument"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var path string
			var out, errs bytes.Buffer
			r := &Runner{Connect: func(p string) (Box, error) { path = p; return talkingBox{}, nil }, Stdout: &out, Stderr: &errs}
			status := r.Run(context.Background(), strings.Fields(row.args))
			if path != row.path || (status != 0) != (row.says != "") || !strings.Contains(errs.String(), row.says) {
				t.Errorf("path %q, status %d: %s", path, status, errs.String())
			}
		})
	}
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
