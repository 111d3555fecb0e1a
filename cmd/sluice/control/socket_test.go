package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClaim(t *testing.T) {
	name := filepath.Join(t.TempDir(), "box.sock")
	s, err := Claim(name)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Claim(name); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprintf("already running, pid %d", os.Getpid())) {
		t.Errorf("second claim: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestClaimStale: what a killed box leaves is a socket nobody listens on and an
// unlocked lock file.
func TestClaimStale(t *testing.T) {
	name := filepath.Join(t.TempDir(), "box.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(l.Close(), os.WriteFile(name+".lock", []byte("1\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(name); !errors.Is(err, ErrNoBox) {
		t.Errorf("connect to a stale socket: %v", err)
	}
	s, err := Claim(name)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(name + ".lock"); string(text) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("lock file %q", text)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSilentBox: clients of a box that is there and does not answer are told.
func TestSilentBox(t *testing.T) {
	name := filepath.Join(t.TempDir(), "box.sock")
	s, err := Claim(name) // and no Serve
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer func(was time.Duration) { patience = was }(patience)
	patience = 50 * time.Millisecond
	want := fmt.Sprintf("control socket %s: the box there (pid %d) does not answer", name, os.Getpid())
	if _, err := Connect(name); !errors.Is(err, ErrSilent) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := newClient(name).SetProfiling(false); !errors.Is(err, ErrSilent) {
		t.Errorf("of one that fell silent later: %v", err)
	}
}

func TestClaimErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		plain:                           "a file of that name that is no socket",
		filepath.Join(dir, "none", "s"): "no such file or directory",
		filepath.Join(dir, strings.Repeat("x", 150)): "choose a shorter one",
	} {
		if _, err := Claim(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, _ := os.ReadFile(plain); string(text) != "precious" {
		t.Error("the file was harmed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.lock")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestConnectNobody(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.sock")
	_, err := Connect(name)
	if !errors.Is(err, ErrNoBox) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "`sluice run`") {
		t.Error(err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(plain + "/s"); err == nil || errors.Is(err, ErrNoBox) || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
}

func TestDefaultPath(t *testing.T) {
	name, err := DefaultPath()
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/self/ns/net") // net:[4026531840]
	if err != nil {
		t.Fatal(err)
	}
	if want := "/run/sluice/" + strings.Trim(link, "net:[]") + ".sock"; name != want {
		t.Errorf("%s, want %s", name, want)
	}
}
