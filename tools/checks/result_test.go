package checks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTell(t *testing.T) {
	var b strings.Builder
	r := Result{To: &b}
	r.Tell("plain", "", nil)
	r.Tell("with detail", "1\n 2", nil)
	r.Tell("broken", "unused", errors.New("no\tgood"))
	if r.Sum() {
		t.Error("all passed, though one has failed")
	}
	const want = "ok   plain\nok   with detail (1 2)\nFAIL broken: no good\n2 passed, 1 failed\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestBounded(t *testing.T) {
	broken := errors.New("broken")
	for _, row := range []struct {
		name   string
		run    func(ctx context.Context) (string, error)
		detail string
		is     error
		says   string
	}{
		{"passes", func(context.Context) (string, error) { return "fine", nil }, "fine", nil, ""},
		{"fails", func(context.Context) (string, error) { return "", broken }, "", broken, "broken"},
		{"too slow", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }, "", context.DeadlineExceeded, "not done after 20ms"},
	} {
		detail, err := Bounded(context.Background(), 20*time.Millisecond, row.run)
		if row.says == "" && err == nil && detail == row.detail {
			continue
		}
		if detail != row.detail || !errors.Is(err, row.is) || err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %q, %v", row.name, detail, err)
		}
	}
}

func TestOneLine(t *testing.T) {
	long := OneLine(strings.Repeat("a", 300) + " \n " + strings.Repeat("b", 300))
	if len(long) != 485 || !strings.HasPrefix(long, "aaa") || !strings.HasSuffix(long, "bbb") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
	if got := OneLine(" a\n\tb "); got != "a b" {
		t.Errorf("%q", got)
	}
}
