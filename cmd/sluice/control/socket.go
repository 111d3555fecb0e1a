package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder has the sockets of all boxes.
const folder = "/run/sluice"

// DefaultPath returns the control socket's path for the network namespace of
// this process.
func DefaultPath() (string, error) {
	info, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return "", fmt.Errorf("find this network namespace: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.New("find this network namespace: no inode number")
	}
	return filepath.Join(folder, strconv.FormatUint(st.Ino, 10)+".sock"), nil
}

// path is what a flag or setting says, or the default.
func path(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	return DefaultPath()
}

// Socket is a claimed control socket. Its owner closes it.
type Socket struct {
	path string
	lock *os.File
	net.Listener
}

// ErrRunning says that another box has the socket.
var ErrRunning = errors.New("already running")

// maxPath is what fits into a socket's address, with the zero at its end.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Claim makes the control socket at a path (empty: the default one), replacing
// one whose box is gone. When its box is alive the error is ErrRunning with the
// process number. Clients can connect from now on and are answered once Serve
// runs.
func Claim(given string) (_ *Socket, err error) {
	name, err := path(given)
	if err != nil {
		return nil, err
	}
	if len(name) > maxPath {
		return nil, fmt.Errorf("control socket %s: a socket's path may have %d bytes: choose a shorter one with --control", name, maxPath)
	}
	if given == "" {
		if err := makeFolder(folder); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	lock, err := lockFile(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", name, err)
	}
	s := &Socket{path: name, lock: lock}
	defer func() {
		if err != nil {
			_ = s.unlock()
		}
	}()
	// We hold the lock: whatever lies there belongs to nobody alive.
	if info, err := os.Lstat(name); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("control socket %s: there is a file of that name that is no socket: remove it or choose another path with --control", name)
		}
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	// The mode is right from the first moment on, not only after a chmod.
	mask := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s.Listener = l
	return s, nil
}

func makeFolder(name string) error {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return err
	}
	return os.Chmod(name, 0o700)
}

// lockFile opens a file, locks it and writes this process's number into it.
func lockFile(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, fmt.Errorf("%w, pid %s", ErrRunning, lockOwner(name))
			}
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		// A box that ended between our open and our lock has removed the file
		// that we hold: then nobody else would meet our lock.
		if !sameFile(f, name) {
			_ = f.Close()
			continue
		}
		err = f.Truncate(0)
		if err == nil {
			_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		return f, nil
	}
}

// lockOwner reads the process number that lockFile wrote.
func lockOwner(name string) string {
	text, err := os.ReadFile(name)
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "not known"
}

func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}

// unlock removes the lock's file while it is still held.
func (s *Socket) unlock() error {
	return errors.Join(os.Remove(s.lock.Name()), s.lock.Close())
}

// Path returns where the socket is.
func (s *Socket) Path() string { return s.path }

// Close removes the socket. A second call does nothing.
func (s *Socket) Close() error {
	if s.lock == nil {
		return nil
	}
	err := s.Listener.Close() // removes the socket
	if errors.Is(err, net.ErrClosed) {
		err = nil // a server has closed it
	}
	err = errors.Join(err, s.unlock())
	s.lock = nil
	return err
}
