package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	chunk    = 2048 // bytes
	ringSize = 2048 // descriptors, and as many chunks
	frameLen = 60   // bytes, without FCS
	sourceAt = 29   // last byte of the IP source address
)

func main() {
	name := flag.String("i", "", "the `INTERFACE` to send on")
	burst := flag.Int("burst", 64, "how many frames are handed over by one system call")
	far := flag.Bool("drop", false, "send nothing: drop what the interface receives")
	flag.Parse()
	if err := run(*name, *burst, *far); err != nil {
		fmt.Fprintln(os.Stderr, "rawsend:", err)
		os.Exit(1)
	}
}

func run(name string, burst int, far bool) error {
	if burst < 32 || burst > ringSize {
		return fmt.Errorf("-burst %d: want 32 to %d", burst, ringSize)
	}
	link, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("interface %q: %w", name, err)
	}
	if far {
		return drop(link.Index)
	}
	mem, err := unix.Mmap(-1, 0, ringSize*chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("frame memory: %w", err)
	}
	s, err := open(mem)
	if err != nil {
		return fmt.Errorf("AF_XDP socket: %w", err)
	}
	// Kernels before 6.17 do not know the option and send 32 frames a call.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, burst)
	if err := bind(s.fd, link.Index); err != nil {
		return fmt.Errorf("%s: bind: %w", name, err)
	}
	free := make([]uint64, ringSize)
	for i := range free {
		free[i] = uint64(i) * chunk
		write(mem[free[i]:])
	}
	runtime.LockOSThread()
	return s.send(mem, free, burst)
}

// bind tries for a moment: the kernel frees the queue of a socket that was closed
// a little later.
func bind(fd, index int) error {
	for tries := 0; ; tries++ {
		err := unix.Bind(fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY | unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(index)})
		if !errors.Is(err, unix.EBUSY) || tries == 100 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// write writes a frame of UDP.
func write(b []byte) {
	copy(b, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, frameLen - 14, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 10, 0, 0, 0, 10, 1, 0, 1})
	binary.BigEndian.PutUint16(b[34:], 1024)
	binary.BigEndian.PutUint16(b[36:], 53)
	binary.BigEndian.PutUint16(b[38:], frameLen-34)
}

// send sends until it is killed.
func (s *socket) send(mem []byte, free []uint64, burst int) error {
	var source byte
	for {
		free = s.done.take(free)
		n := min(burst, len(free), s.tx.room())
		for i := range uint32(n) {
			addr := free[len(free)-1-int(i)]
			source++
			mem[addr+sourceAt] = source
			*s.tx.slot(i) = unix.XDPDesc{Addr: addr, Len: frameLen}
		}
		free = free[:len(free)-n]
		s.tx.publish(n)
		if !s.tx.wantsWakeup() {
			continue
		}
		switch e := wake(s.fd); e {
		case 0, unix.EAGAIN, unix.EBUSY, unix.ENOBUFS:
		default:
			return e
		}
	}
}
