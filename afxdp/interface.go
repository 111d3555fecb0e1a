package afxdp

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Interface is a Port over a network interface of this namespace.
//
// Life: OpenInterface, Open for every queue, Attach, and at the end Close. The
// sockets are in the program's map before the program is attached, so from the
// first frame on nothing passes the box by. The kernel detaches the program
// when the process ends, however it ends.
type Interface struct {
	name string
	opt  Options
	dev  device
	ctl  int // socket of the interface's namespace, for ioctl
	all  int // socket that keeps the interface promiscuous; -1: none

	lock     sync.Mutex // over all below
	channels int        // receive queues of the device; no fewer than queues
	queues   []*bundle  // by queue; nil: not open
	umems    []*UMEM    // by queue
	program  *xdpProgram
	link     link.Link // nil: not attached
	silence  silence
	live     *live         // nil: sends by the TX ring
	pieces   bool          // frames of the MTU may come in several pieces
	longest  atomic.Uint32 // frame that is sent, bytes; queues load it
	room     int           // smallest frame that a queue has for receiving
	closed   bool
	warnings []string
}

// ifQueue is a queue as the interface sees it.
type ifQueue interface {
	Queue
	pollable
	info() QueueInfo
	zeroCopyMode() bool
	shut() error    // closes the socket; the kernel may use its frames a little longer
	release() error // gives the frames of a closed socket back
}

var _ Port = (*Interface)(nil)

// OpenInterface checks an interface of the calling thread's network namespace
// and prepares its program; with AllFrames it makes it promiscuous for as long
// as it is open, else it changes nothing yet. Whatever is in the way is an error
// that names the command which mends it. Control side only, as all
// methods of Interface.
func OpenInterface(name string, opt Options) (*Interface, error) {
	i, err := openInterface(name, opt)
	if err != nil {
		return nil, fmt.Errorf("open interface %s: %w", name, err)
	}
	return i, nil
}

func openInterface(name string, opt Options) (_ *Interface, err error) {
	if err = opt.Validate(); err != nil {
		return nil, err
	}
	if opt.Generic {
		opt.Mode = ModeCopy // a zero-copy socket is not served by generic XDP
	}
	i := &Interface{name: name, opt: opt, ctl: -1, all: -1, silence: silence{fd: -1}, queues: make([]*bundle, opt.Queues), umems: make([]*UMEM, opt.Queues)}
	defer func() {
		if err != nil {
			_ = i.Close() // the first error is the one to tell
		}
	}()
	if i.ctl, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open a control socket: %w", err)
	}
	if i.silence, err = openSilence(); err != nil {
		return nil, err
	}
	if i.dev, err = lookUp(name, i.ctl); err != nil {
		return nil, err
	}
	if len(i.dev.mac) != 6 {
		return nil, fmt.Errorf("is not an Ethernet interface: its address has %d bytes", len(i.dev.mac))
	}
	if err = i.dev.master.check(name); err != nil {
		return nil, err
	}
	if i.dev.progID != 0 {
		return nil, errForeign(name, i.dev.progID)
	}
	if i.channels, err = i.countChannels(); err != nil {
		return nil, err
	}
	if opt.Mode != ModeCopy {
		var warning string
		if opt, warning = opt.avoidDefect(name, zeroCopyDefect(i.dev.driver)); warning != "" {
			i.opt, i.warnings = opt, append(i.warnings, warning)
		}
	}
	i.SetMTU(i.dev.mtu)
	if err = i.choosePieces(); err != nil {
		return nil, err
	}
	o, err := readOffloads(i.ctl, name)
	if err != nil {
		return nil, err
	}
	if err = o.check(name, i.dev.driver, opt.Generic, vlanDevices(name)); err != nil {
		return nil, err
	}
	if i.dev.driver == "veth" {
		i.warnings = append(i.warnings, fmt.Sprintf("%s is a veth: if its peer carries VLAN devices, their tags do not arrive until `ethtool -K PEER txvlan off` is run at that end", name))
	}
	if opt.Generic {
		i.warnings = append(i.warnings, fmt.Sprintf("%s runs generic XDP: it is slow, and it also takes frames that a program redirects into the interface", name))
		if i.dev.driver == "veth" {
			i.warnings = append(i.warnings, unsegmented(name))
		}
	}
	if opt.AllFrames {
		if i.all, err = keepPromiscuous(i.dev.index); err != nil {
			return nil, err
		}
	}
	if opt.Transmit == TransmitXDP {
		if i.live, err = newLive(i.dev, opt.TxBudget, &i.longest); err != nil {
			return nil, err
		}
	}
	if i.program, err = loadProgram(max(i.channels, i.dev.rxQueues), opt, i.pieces, i.live); err != nil || i.live == nil {
		return i, err
	}
	return i, i.live.start(i.program.prog, i.dev.mtu)
}

// unsegmented is about senders that leave segmenting to a device: a veth hands
// the long frame on, of which native XDP makes a copy in pieces or segments first.
func unsegmented(name string) string {
	return fmt.Sprintf("generic XDP on the veth %s gets what its peer leaves unsegmented as one frame, and what is too long is lost, so that TCP stalls: run `ethtool -K PEER tso off gso off` at that end", name)
}

// countChannels returns how many receive queues the device uses, which may not
// be fewer than ours. Every one gets a socket: one without would lose its frames.
func (i *Interface) countChannels() (int, error) {
	have, set, err := rxChannels(i.ctl, i.name, i.dev.rxQueues)
	if err != nil {
		return 0, err
	}
	if have < i.opt.Queues || i.opt.Backend == BackendAsavie && have != i.opt.Queues {
		if c, err := getChannels(i.ctl, i.name); err == nil && i.opt.Queues > c.most() {
			return 0, fmt.Errorf("interface receives on %d queues, and no more than %d can be set; %d workers are configured: configure %d", have, c.most(), i.opt.Queues, have)
		}
		return 0, fmt.Errorf("interface receives on %d queues, %d are configured: set the device with `%s`, or configure %d",
			have, i.opt.Queues, set(i.opt.Queues), have)
	}
	return have, nil
}

// checkChannels says whether the device still uses the queues that have sockets.
func (i *Interface) checkChannels() error {
	have, set, err := rxChannels(i.ctl, i.name, i.dev.rxQueues)
	if err == nil && have != i.channels {
		err = fmt.Errorf("interface receives on %d queues, sockets are on %d: restart, or set it back with `%s`", have, i.channels, set(i.channels))
	}
	return err
}

// Name returns the name the interface was opened by.
func (i *Interface) Name() string { return i.name }

// MAC returns the hardware address at the time of opening.
func (i *Interface) MAC() net.HardwareAddr { return slices.Clone(i.dev.mac) }

// MTU returns the L3 bytes per frame at the time of opening.
func (i *Interface) MTU() int { return i.dev.mtu }

// SetMTU tells the queues that the interface has another MTU by now: frames that
// are longer are not sent. Any goroutine.
func (i *Interface) SetMTU(mtu int) { i.longest.Store(uint32(mtu + etherRoom)) }

// Queues returns the number of queues.
func (i *Interface) Queues() int { return i.opt.Queues }

// ZeroCopy says whether the driver knows zero-copy mode and the options allow
// it. Where the kernel does not tell, the driver may.
func (i *Interface) ZeroCopy() bool {
	if i.opt.Generic || i.opt.Mode == ModeCopy || i.opt.Backend != BackendOwn {
		return false
	}
	f, err := ReadFeatures(i.dev.index)
	return err != nil || f&FeatureZeroCopy != 0
}

// Index returns the interface's index.
func (i *Interface) Index() int { return i.dev.index }

// Open binds a socket to queue n, on the UMEM of the worker that will poll it.
// Frames pass by reference between all queues of one UMEM, also of different
// interfaces, unless Info says Private. Open the interfaces whose drivers know
// zero-copy mode first: the first socket decides the mode of a UMEM. When the
// device receives on more queues than the port has, queue n takes those with
// numbers n, n+Queues and so on.
func (i *Interface) Open(n int, u *UMEM) (Queue, error) {
	i.lock.Lock()
	defer i.lock.Unlock()
	q, err := i.open(n, u)
	if err != nil {
		return nil, fmt.Errorf("open %s queue %d: %w", i.name, n, err)
	}
	i.queues[n], i.umems[n] = q, u
	if room := i.roomIn(u); i.room == 0 || room < i.room {
		i.room = room
	}
	return q, nil
}

func (i *Interface) open(n int, u *UMEM) (*bundle, error) {
	switch {
	case i.closed:
		return nil, net.ErrClosed
	case n < 0 || n >= len(i.queues):
		return nil, fmt.Errorf("there are %d queues", len(i.queues))
	case i.queues[n] != nil:
		return nil, errors.New("open already")
	}
	if err := i.checkRoom(u); err != nil {
		return nil, err
	}
	b := &bundle{live: i.live}
	if b.live != nil {
		b.live.u = u
	}
	for channel := n; channel < i.channels; channel += len(i.queues) {
		if err := i.join(b, channel, u, i.opt); err != nil {
			return nil, errors.Join(err, b.shut(), b.release())
		}
	}
	return b, nil
}

// join gives a bundle a socket on one of the device's queues.
func (i *Interface) join(b *bundle, channel int, u *UMEM, opt Options) error {
	q, fd, err := i.newQueue(channel, u, opt)
	if errors.Is(err, unix.ENETDOWN) {
		return fmt.Errorf("interface is down: set it up with `ip link set dev %s up`: %w", i.name, err)
	}
	if err != nil {
		return err
	}
	if err = i.program.put(channel, fd); err != nil {
		return errors.Join(err, q.shut(), q.release())
	}
	b.parts = append(b.parts, q)
	return nil
}

func (i *Interface) newQueue(n int, u *UMEM, opt Options) (q ifQueue, fd int, err error) {
	if opt.Backend == BackendAsavie {
		q, err := openAsavie(u, i.dev.index, n, opt)
		if err != nil {
			return nil, -1, err
		}
		q.longest = &i.longest
		return q, q.fd, nil
	}
	if !i.pieces && int(u.chunk) <= unix.Getpagesize() {
		s, err := openSocket(u, i.dev.index, n, opt, false)
		if err == nil {
			return &socketQueue{socket: s, longest: &i.longest, busyPoll: opt.BusyPoll > 0}, s.fd, nil
		}
		if !errors.Is(err, errModeClass) {
			return nil, -1, err
		}
	}
	own, err := newPrivateUMEM(u, opt.Ring)
	if err != nil {
		return nil, -1, err
	}
	s, err := openSocket(own, i.dev.index, n, opt, i.pieces)
	if err != nil {
		return nil, -1, errors.Join(err, own.Close())
	}
	return &privateQueue{socketQueue: &socketQueue{socket: s, longest: &i.longest, busyPoll: opt.BusyPoll > 0}, worker: u, own: own}, s.fd, nil
}

// Attach puts the program on the interface, from when on frames arrive. Every
// queue must be open, and none in use yet.
func (i *Interface) Attach() error {
	i.lock.Lock()
	defer i.lock.Unlock()
	if err := i.attach(); err != nil {
		return fmt.Errorf("attach to %s: %w", i.name, err)
	}
	return nil
}

func (i *Interface) attach() error {
	if i.closed {
		return net.ErrClosed
	}
	if i.link != nil {
		return errors.New("attached already")
	}
	for n, q := range i.queues {
		if q == nil {
			return fmt.Errorf("queue %d is not open", n)
		}
	}
	if err := i.checkChannels(); err != nil {
		return err
	}
	flags := link.XDPDriverMode
	if i.opt.Generic {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: i.program.prog, Interface: i.dev.index, Flags: flags})
	switch {
	case err == nil:
		i.link = l
		return i.followChannels()
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("another XDP program is attached: end the program that holds it (`bpftool link`), or remove it with `ip link set dev %s xdp off`: %w", i.name, err)
	case errors.Is(err, unix.EPERM):
		return errPrivilege("attach an XDP program", err)
	case errors.Is(err, unix.ERANGE):
		return fmt.Errorf("the MTU is too large for the driver's XDP: lower it with `ip link set dev %s mtu 1500`; at a veth it is the peer's that counts: %w", i.name, err)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("the driver lacks queues for XDP; at a veth, the peer transmits on more queues than this end receives on: set them with `ethtool -L PEER tx %d`: %w", i.channels, err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("driver %q does not take an XDP program in its present set-up (no XDP, or receive offloads in the way: `ethtool -K %s lro off rx-gro-hw off`); generic mode may do: %w", i.dev.driver, i.name, err)
	}
	return err
}

// followChannels opens sockets on receive queues that the device has added when
// the program was attached: virtio_net then adds one for each CPU, meant for
// sending, if there are as many left, and the other side fills them. They go
// when the program goes, which the end of a killed process may do first, and then
// virtio_net (seen with 7.3.4) does not let go of the memory of a zero-copy socket that
// is still on one: the next XDP program makes the kernel crash. So these copy.
func (i *Interface) followChannels() error {
	have, err := i.countChannels()
	if err != nil {
		return fmt.Errorf("with the program attached: %w", err)
	}
	if have > i.channels {
		i.warnings = append(i.warnings, fmt.Sprintf("%s receives on %d queues with the program attached and on %d without: those added copy; `ethtool -L %s combined %d` before the start, with as many workers, avoids it",
			i.name, have, i.channels, i.name, have))
	}
	opt := i.opt
	opt.Mode = ModeCopy
	for ; i.channels < have; i.channels++ {
		n := i.channels % len(i.queues)
		if err := i.join(i.queues[n], i.channels, i.umems[n], opt); err != nil {
			return fmt.Errorf("queue %d, which the device has added: %w", i.channels, err)
		}
	}
	return nil
}

// Check says what has changed since Attach in a way that loses frames: the
// number of channels, an MTU larger than a frame, the interface itself, or
// frames that do not reach the program. The error names the command that mends it. To be called now and then.
func (i *Interface) Check() error {
	i.lock.Lock()
	defer i.lock.Unlock()
	if i.closed {
		return fmt.Errorf("interface %s: %w", i.name, net.ErrClosed)
	}
	index, mtu, err := i.present()
	switch {
	case err != nil:
		return fmt.Errorf("interface %s is gone or was renamed: restart once it is back: %w", i.name, err)
	case index != i.dev.index:
		return fmt.Errorf("interface %s was replaced by another of that name: restart to use it", i.name)
	case i.room > 0 && mtu+etherRoom > i.room:
		larger := ""
		if ChunkForMTU(mtu) <= MaxChunk {
			larger = ", or start again, with larger frames"
		}
		return fmt.Errorf("MTU of %s has grown to %d, and its frames have room for an MTU of %d: lower it with `ip link set dev %s mtu %d`%s",
			i.name, mtu, i.room-etherRoom, i.name, i.room-etherRoom, larger)
	}
	if err := i.checkChannels(); err != nil {
		return fmt.Errorf("channels of %s have changed: %w", i.name, err)
	}
	return i.checkSilence()
}

// present asks for index and MTU in the namespace of ctl, whichever the calling
// thread is in.
func (i *Interface) present() (index, mtu int, err error) {
	req, err := unix.NewIfreq(i.name)
	if err != nil {
		return 0, 0, err
	}
	if err = unix.IoctlIfreq(i.ctl, unix.SIOCGIFINDEX, req); err != nil {
		return 0, 0, err
	}
	index = int(req.Uint32())
	if req, err = unix.NewIfreq(i.name); err != nil {
		return 0, 0, err
	}
	if err = unix.IoctlIfreq(i.ctl, unix.SIOCGIFMTU, req); err != nil {
		return 0, 0, err
	}
	return index, int(req.Uint32()), nil
}

// Info returns what is known about the interface and its queues. Any goroutine.
func (i *Interface) Info() Info {
	i.lock.Lock()
	defer i.lock.Unlock()
	info := Info{
		Name: i.name, Index: i.dev.index, Driver: i.dev.driver, Backend: i.opt.Backend, Generic: i.opt.Generic, Transmit: i.opt.Transmit,
		Attached: i.link != nil, Ring: i.opt.Ring, Channels: i.channels, Queues: make([]QueueInfo, len(i.queues)), Warnings: slices.Clone(i.warnings),
	}
	for n, q := range i.queues {
		if q != nil {
			info.Queues[n] = q.info()
			info.Queues[n].Open = !i.closed
		}
	}
	if !i.closed {
		info.Program = i.program.counts()
	}
	return info
}

// Close detaches the program and closes the sockets; frames that the kernel
// still had return to their UMEM. The workers must have stopped using the
// queues. Close of a closed Interface does nothing.
func (i *Interface) Close() error {
	i.lock.Lock()
	defer i.lock.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	var errs []error
	if i.link != nil {
		errs = append(errs, i.link.Close())
		i.link = nil
	}
	linger := false
	for _, q := range i.queues {
		if q != nil {
			errs = append(errs, q.shut())
			linger = linger || q.zeroCopyMode()
		}
	}
	if linger {
		time.Sleep(zeroCopyLinger) // once for all queues
	}
	for _, q := range i.queues {
		if q != nil {
			errs = append(errs, q.release())
		}
	}
	if i.program != nil {
		errs = append(errs, i.program.close())
	}
	if i.live != nil {
		errs = append(errs, i.live.close())
	}
	for _, fd := range []int{i.all, i.ctl, i.silence.fd} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close interface %s: %w", i.name, err)
	}
	return nil
}
