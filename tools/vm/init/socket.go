package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// umemZeroCopy is XDP_DU_F_ZEROCOPY of linux/xdp_diag.h.
const umemZeroCopy = 1

// sockets asks the kernel for all AF_XDP sockets, and each socket for its mode.
func (a *agent) sockets() ([]wire.Socket, error) {
	found, err := netlink.SocketDiagXDP()
	if err != nil {
		return nil, fmt.Errorf("socket diagnosis: %w", err)
	}
	options := a.options()
	var all []wire.Socket
	for _, f := range found {
		s := wire.Socket{Inode: f.XDPDiagMsg.Ino, Cookie: uint64(f.XDPDiagMsg.Cookie[1])<<32 | uint64(f.XDPDiagMsg.Cookie[0])}
		if i := f.XDPInfo; i != nil {
			s.Ifindex, s.Queue = int(i.Ifindex), int(i.QueueID)
			if u := i.Umem; u != nil {
				s.UMEM, s.Chunk, s.ZeroCopy = u.ID, int(u.ChunkSize), u.Flags&umemZeroCopy != 0
			}
		}
		if s.Option = options[s.Inode]; s.Option == "" {
			s.Option = "of no process that was started here"
		}
		all = append(all, s)
	}
	return all, nil
}

// options asks every AF_XDP socket of the processes that run for its options.
func (a *agent) options() map[uint32]string {
	a.lock.Lock()
	defer a.lock.Unlock()
	all := map[uint32]string{}
	for pid, p := range a.running {
		if p.over() {
			continue
		}
		files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
		if err != nil {
			continue // it has just ended
		}
		for _, f := range files {
			target, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "fd", f.Name()))
			inode, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			number, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 32)
			if err != nil {
				continue
			}
			fd, err := strconv.Atoi(f.Name())
			if err != nil {
				continue
			}
			if option, ok := optionOf(pid, fd); ok {
				all[uint32(number)] = option
			}
		}
	}
	return all
}

// optionOf borrows a socket from a process; false when it is none of AF_XDP.
func optionOf(pid, fd int) (string, bool) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return "pidfd_open: " + err.Error(), true
	}
	defer unix.Close(process)
	socket, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return "pidfd_getfd: " + err.Error(), true
	}
	defer unix.Close(socket)
	if domain, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_XDP {
		return "", false
	}
	options, err := unix.GetsockoptInt(socket, unix.SOL_XDP, unix.XDP_OPTIONS)
	switch {
	case err != nil:
		return "getsockopt: " + err.Error(), true
	case options&unix.XDP_OPTIONS_ZEROCOPY != 0:
		return "zero-copy", true
	}
	return "copy", true
}
