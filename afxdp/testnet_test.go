package afxdp

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// testNet is a network namespace of one test, without IPv6 so that the kernel
// sends nothing on its own. The test's goroutine is locked to a thread in it.
type testNet struct {
	t  testing.TB
	ns netns.NsHandle
}

// needXDP skips a test where it cannot run, in words that CI looks for.
func needXDP(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIP-PRIVILEGE: needs root")
	}
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW, 0)
	if err != nil {
		t.Skipf("SKIP-PRIVILEGE: no AF_XDP sockets here: %v", err)
	}
	_ = unix.Close(fd)
}

func newTestNet(t testing.TB) *testNet {
	t.Helper()
	needXDP(t)
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Skipf("SKIP-PRIVILEGE: no network namespaces here: %v", err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Skipf("SKIP-PRIVILEGE: cannot make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Set(home); err != nil {
			t.Errorf("return to the first namespace: %v", err)
			return // the thread stays locked and ends with the goroutine
		}
		_, _ = ns.Close(), home.Close()
		runtime.UnlockOSThread()
	})
	for _, which := range []string{"all", "default"} {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0o644) // no IPv6 will do, too
	}
	return &testNet{t: t, ns: ns}
}

// veth makes a pair with so many queues at both ends, up. The namespace takes
// it away.
func (n *testNet) veth(a, b string, queues int) {
	n.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.NumTxQueues, attrs.NumRxQueues = a, queues, queues
	v := netlink.NewVeth(attrs)
	v.PeerName, v.PeerNumTxQueues, v.PeerNumRxQueues = b, uint32(queues), uint32(queues)
	if err := netlink.LinkAdd(v); err != nil {
		n.t.Fatal(err)
	}
	n.set(a, netlink.LinkSetUp)
	n.set(b, netlink.LinkSetUp)
}

func (n *testNet) set(name string, do func(netlink.Link) error) {
	n.t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := do(l); err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
}

// program returns the id of the XDP program on an interface; 0: none.
func (n *testNet) program(name string) uint32 {
	n.t.Helper()
	d, err := lookUp(name, -1)
	if err != nil {
		n.t.Fatal(err)
	}
	return d.progID
}

// post is one queue of an interface with its UMEM, as a worker has it.
type post struct {
	name string
	u    *UMEM
	q    Queue
	buf  []Desc // for bursts
}

func testOptions(queues int) Options {
	o := DefaultOptions()
	o.Queues, o.Ring = queues, 256
	return o
}

// open opens and attaches an interface, queue i on umems[i].
func (n *testNet) open(name string, opt Options, umems []*UMEM) (*Interface, []post) {
	n.t.Helper()
	i, err := OpenInterface(name, opt)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := i.Close(); err != nil {
			n.t.Error(err)
		}
	})
	posts := make([]post, opt.Queues)
	for k := range posts {
		q, err := i.Open(k, umems[k])
		if err != nil {
			n.t.Fatal(err)
		}
		posts[k] = post{fmt.Sprintf("%s queue %d", name, k), umems[k], q, make([]Desc, 64)}
	}
	if err := i.Attach(); err != nil {
		n.t.Fatal(err)
	}
	return i, posts
}

// umems makes one UMEM per queue and checks at the end, after the interfaces
// are closed, that every frame has come back.
func (n *testNet) umems(queues, frames int) []*UMEM {
	n.t.Helper()
	us := make([]*UMEM, queues)
	for i := range us {
		u, err := NewUMEM(frames, 2048)
		if err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(func() {
			if u.FreeFrames() != u.Frames() {
				n.t.Errorf("UMEM %d: %d of %d frames are free at the end", i, u.FreeFrames(), u.Frames())
			}
			if err := u.Close(); err != nil {
				n.t.Error(err)
			}
		})
		us[i] = u
	}
	return us
}

const testHead = 14 + 8 + 8 // Ethernet header, stream, sequence

// writeFrame builds a frame that the program takes for IPv4.
func writeFrame(f []byte, stream, seq uint64) {
	copy(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00")
	binary.BigEndian.PutUint64(f[14:], stream)
	binary.BigEndian.PutUint64(f[22:], seq)
	for i := testHead; i < len(f); i++ {
		f[i] = byte(seq*7 + stream + uint64(i))
	}
}

func frameLength(stream, seq uint64) uint32 { return uint32(60 + (seq*31+stream*17)%1400) }

// readFrame checks every byte of a frame.
func readFrame(f []byte) (stream, seq uint64, err error) {
	if len(f) < testHead {
		return 0, 0, fmt.Errorf("frame of %d bytes", len(f))
	}
	stream, seq = binary.BigEndian.Uint64(f[14:]), binary.BigEndian.Uint64(f[22:])
	if uint32(len(f)) != frameLength(stream, seq) {
		return 0, 0, fmt.Errorf("stream %d sequence %d: %d bytes, want %d", stream, seq, len(f), frameLength(stream, seq))
	}
	want := make([]byte, len(f))
	writeFrame(want, stream, seq)
	if string(f[12:]) != string(want[12:]) {
		return 0, 0, fmt.Errorf("stream %d sequence %d: content differs", stream, seq)
	}
	return stream, seq, nil
}

// send writes and sends up to n frames and returns how many the port took.
func (l post) send(stream, seq uint64, n int) int {
	descs := make([]Desc, 0, n)
	for k := range uint64(n) {
		addr, ok := l.u.Alloc()
		if !ok {
			break
		}
		length := frameLength(stream, seq+k)
		writeFrame(l.u.Frame(addr, length), stream, seq+k)
		descs = append(descs, Desc{Addr: addr, Len: length})
	}
	sent := l.q.Send(descs)
	for _, d := range descs[sent:] {
		l.u.Free(d.Addr)
	}
	l.q.Flush()
	return sent
}

// move carries what came in at l out at to, which shares its UMEM, and returns
// how many frames.
func (l post) move(to post) int {
	n := l.q.Recv(l.buf)
	for _, d := range l.buf[to.q.Send(l.buf[:n]):n] {
		l.u.Free(d.Addr)
	}
	to.q.Flush()
	l.q.Flush()
	return n
}

// take receives what is there, checks it against the next expected sequence
// number of the stream and returns the one after.
func (l post) take(t testing.TB, stream, next uint64) uint64 {
	t.Helper()
	for _, d := range l.buf[:l.q.Recv(l.buf)] {
		s, seq, err := readFrame(l.u.Frame(d.Addr, d.Len))
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		if s != stream || seq != next {
			t.Fatalf("%s: stream %d sequence %d, want %d and %d", l.name, s, seq, stream, next)
		}
		next++
		l.u.Free(d.Addr)
	}
	l.q.Flush()
	return next
}

// eventually repeats a step until it says true.
func eventually(t testing.TB, what string, step func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !step(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// inNamespace runs f on a thread of its own in the test's namespace and throws
// the thread away, so that f may give privileges up.
func (n *testNet) inNamespace(f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := netns.Set(n.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNet) index(name string) (index int) {
	n.t.Helper()
	n.set(name, func(l netlink.Link) error { index = l.Attrs().Index; return nil })
	return index
}

// bridge makes an interface whose driver has no XDP.
func (n *testNet) bridge(name string) {
	n.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		n.t.Fatal(err)
	}
	n.set(name, netlink.LinkSetUp)
}

// takeAny receives what is there, of any stream, and checks it against the next
// expected sequence number of each, which it moves on.
func (l post) takeAny(t testing.TB, next []uint64) {
	t.Helper()
	for _, d := range l.buf[:l.q.Recv(l.buf)] {
		s, seq, err := readFrame(l.u.Frame(d.Addr, d.Len))
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		if s >= uint64(len(next)) || seq != next[s] {
			t.Fatalf("%s: stream %d sequence %d, want those of %v", l.name, s, seq, next)
		}
		next[s]++
		l.u.Free(d.Addr)
	}
	l.q.Flush()
}
