package afxdp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// ErrSelfTest says that the kernel has bound a queue in a mode in which the
// driver then does not move frames.
var ErrSelfTest = errors.New("self-test failed")

// selfTestPatience is how long a driver may take for a frame.
const selfTestPatience = 500 * time.Millisecond

// SelfTest sends a frame on every queue in zero-copy mode and waits until the
// driver gives it back: a driver that fails at this keeps every frame that it
// is given. (Whether it receives cannot be found out alone: the kernel does not
// show what a driver takes off the fill ring until it wants more.) The frames
// are for the interface's own address and have an EtherType that is kept for
// experiments, so nobody else takes them. To be called after Attach and before
// any queue is in use. An interface that is down or without carrier is not
// tested, nor are queues that copy: there the kernel itself does it all. The
// error wraps ErrSelfTest.
func (i *Interface) SelfTest() error {
	i.lock.Lock()
	defer i.lock.Unlock()
	if i.closed || i.link == nil || !i.carrier() {
		return nil
	}
	for n, b := range i.queues {
		for _, q := range b.parts {
			s, ok := q.(*socketQueue)
			if p, private := q.(*privateQueue); private {
				s, ok = p.socketQueue, true
			}
			if !ok || !s.zeroCopy {
				continue
			}
			if err := s.selfTest(i.dev.mac); err != nil {
				return fmt.Errorf("interface %s queue %d: %w: %w", i.name, n, ErrSelfTest, err)
			}
		}
	}
	return nil
}

// carrier says whether the interface can send now.
func (i *Interface) carrier() bool {
	req, err := unix.NewIfreq(i.name)
	if err != nil || unix.IoctlIfreq(i.ctl, unix.SIOCGIFFLAGS, req) != nil {
		return false
	}
	const running = unix.IFF_UP | unix.IFF_RUNNING
	return req.Uint16()&running == running
}

// testFrame is an Ethernet frame from an interface to itself.
func testFrame(mac []byte) []byte {
	const experimental = "\x88\xb5"
	f := slices.Concat(mac, mac, []byte(experimental), []byte("sluice self-test"))
	return append(f, make([]byte, 60-len(f))...)
}

func (q *socketQueue) selfTest(mac []byte) error {
	addr, ok := q.umem.Alloc()
	if !ok {
		return nil // a memory this small is a test's
	}
	f := testFrame(mac)
	copy(q.umem.Frame(addr, uint32(len(f))), f)
	before := q.done.own
	if q.Send([]Desc{{Addr: addr, Len: uint32(len(f))}}) == 0 {
		q.umem.Free(addr)
		return errors.New("the transmit ring takes nothing")
	}
	for end := time.Now().Add(selfTestPatience); ; time.Sleep(time.Millisecond) {
		q.Flush()
		switch {
		case q.done.own != before, q.count.down.Load():
			return nil // sent, or gone down meanwhile
		case time.Now().After(end):
			return fmt.Errorf("the driver has not sent a frame for %v", selfTestPatience)
		}
	}
}
