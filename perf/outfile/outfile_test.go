package outfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// TestCheckChangesNothing: what is there stays, what is not there is not made, and
// what is in the way is told.
func TestCheckChangesNothing(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("old"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("old", at("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		names []string
		want  string
	}{
		{"none", []string{"", ""}, ""},
		{"new and old", []string{at("new"), at("old"), ""}, ""},
		{"link", []string{at("link")}, ""},
		{"no folder", []string{at("none/new")}, "no such file or directory"},
		{"under a file", []string{at("old/new")}, "not a directory"},
		{"folder", []string{at("folder")}, "it is a folder"},
		{"twice", []string{at("new"), dir + "/./new"}, "two results"},
		{"file and link", []string{at("old"), at("link")}, "two results"},
		{"device", []string{os.DevNull, os.DevNull}, ""},
		{"dash", []string{"-"}, "want the name of a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(c.names...)
			if fmt.Sprint(err) != "<nil>" && c.want == "" || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if found, err := os.ReadDir(dir); err != nil || len(found) != 3 {
				t.Errorf("%v, %v", found, err)
			}
			if b, err := os.ReadFile(at("old")); err != nil || string(b) != "precious" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

// TestSame: names of one file are told whatever they look like.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("old"), nil, 0o600), os.WriteFile(at("other"), nil, 0o600), os.Link(at("old"), at("hard")),
		os.Symlink("old", at("soft")), os.Symlink("new", at("to-new")), os.Mkdir(at("folder"), 0o700), os.Symlink("..", at("folder/up"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{at("old"), at("old"), true},
		{at("old"), at("other"), false},
		{at("old"), at("hard"), true},
		{at("soft"), at("hard"), true},
		{at("folder/up/old"), at("old"), true},
		{at("new"), dir + "/./new", true},
		{at("new"), at("folder/up/new"), true},
		{at("new"), at("to-new"), true},
		{at("new"), at("newer"), false},
		{at("new"), at("folder/new"), false},
		{at("new"), at("old"), false},
		{at("none/new"), at("none/new"), false},
		{os.DevNull, os.DevNull, false},
		{dir, dir, false},
	} {
		if Same(c.a, c.b) != c.want || Same(c.b, c.a) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
}

// TestWrite: files keep their mode and their links, and stay as they were when
// writing fails; devices stay devices.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	old, link := filepath.Join(dir, "old"), filepath.Join(dir, "link")
	if err := errors.Join(Write(old, text("first")), os.Chmod(old, 0o640), os.Symlink("old", link), Write(link, text("second"))); err != nil {
		t.Fatal(err)
	}
	fails := errors.New("fails")
	if err := Write(old, func(w io.Writer) error { return errors.Join(text("half")(w), fails) }); !errors.Is(err, fails) {
		t.Errorf("%v", err)
	}
	b, err := os.ReadFile(old)
	info, bad := os.Lstat(old)
	if err != nil || bad != nil || string(b) != "second" || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v %v", b, info.Mode(), err, bad)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 2 {
		t.Errorf("%v, %v", found, err)
	}
	for _, name := range []string{os.DevNull, dir} {
		before, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(name, text("x")); (err == nil) == before.IsDir() {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Stat(name); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: %v, %v", name, after, err)
		}
	}
}
