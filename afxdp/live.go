package afxdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
)

// live sends frames as the kernel's XDP frames, without a packet buffer for
// each: what TransmitXDP stands for. Frames are copied into slots of a map; a test run
// of the interface's program with live frames writes each slot into a page of its
// own and redirects that to the interface. A second program, at the tracepoint of
// such redirects, tells how many of them the device took. A queue's worker owns
// it.
//
// The kernel hands frames to the device liveBulk at a time and says after each
// how many went, so that the program leaves all others alone once one was
// refused: those that went are always the first ones.
type live struct {
	u       *UMEM
	longest *atomic.Uint32 // frame that the interface sends, bytes
	prog    int            // file of the interface's program
	frames  *ebpf.Map      // slots: length, then the frame
	control *ebpf.Map
	device  *ebpf.Map
	report  *ebpf.Program
	trace   link.Link
	mem     []byte // the slots
	ctlMem  []byte
	ctl     *liveControl
	slot    int // bytes of one
	slots   int

	count trafficCounters
	runs  perf.Counter // system calls
	full  perf.Counter // of them, those after which the device had no room
	fails perf.Counter // of them, those that failed otherwise
	down  atomic.Bool  // the last one found the way closed

	most    int       // length of the longest frame that the device has taken
	stuck   time.Time // since when it takes none though its way is open; zero: it does
	limit   int       // frames this long the other end refuses; 0: none that is known
	learned time.Time // when that was found out
}

// livePatience is how long a frame that is longer than all that went is tried: the
// other end of a veth refuses those beyond its own MTU as it refuses those it has no
// room for. After liveAgain it is tried anew.
const (
	livePatience = 100 * time.Millisecond
	liveAgain    = 10 * time.Second
)

// liveControl is what the programs and the worker share, in the control map.
type liveControl struct {
	next    uint32 // slot to be sent next
	end     uint32 // the slot behind the last one
	armed   uint32 // frames redirected since the device was last told
	cpu     uint32 // on which that is
	refused uint32 // frames that the device did not take, after which none are sent
	fault   int32  // what it said then: 0 or a negative errno
	sent    uint64 // frames that the device took
	lost    uint64 // frames that were redirected in vain
}

const (
	liveBulk  = 16 // the kernel's DEV_MAP_BULK_SIZE
	liveHead  = 8  // bytes in front of a slot's frame: its length
	vlanBytes = 4
)

// LongestFrame returns the longest frame that is sent, in bytes without FCS.
// Where frames are redirected the kernel has room for one VLAN tag beside the MTU.
func (i *Interface) LongestFrame() int {
	if i.opt.Transmit == TransmitXDP {
		return i.dev.mtu + etherRoom - vlanBytes
	}
	return i.dev.mtu + etherRoom
}

// CheckTransmit says whether frames sent as the options ask can leave the
// interface at this moment. In the interface's network namespace; a matter of
// control, not for every burst.
func (i *Interface) CheckTransmit() error {
	if i.opt.Transmit != TransmitXDP {
		return nil
	}
	f, err := ReadFeatures(i.dev.index)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // a kernel that does not tell
		return nil
	case err != nil:
		return fmt.Errorf("interface %s: %w", i.name, err)
	case f&FeatureXmit != 0:
		return nil
	case i.dev.driver == "veth":
		return fmt.Errorf("interface %s: transmit xdp: the other end of the veth takes no XDP frames: run `ethtool -K PEER gro on` there, or a program with XDP of its own, or use transmit afxdp", i.name)
	}
	return fmt.Errorf("interface %s: transmit xdp: driver %q takes no redirected XDP frames (ndo_xdp_xmit), or not as it is set up: use transmit afxdp", i.name, i.dev.driver)
}

// newLive makes maps and the reporting program, in the interface's namespace.
func newLive(dev device, slots int, longest *atomic.Uint32) (_ *live, err error) {
	l := &live{longest: longest, slots: slots, prog: -1}
	defer func() {
		if err != nil {
			_ = l.close() // the first error is the one to tell
		}
	}()
	// An odd number of cache lines: so the slots' beginnings are on different ones.
	l.slot = (liveHead + dev.mtu + etherRoom + 63) &^ 63
	l.slot |= 64
	make := func(m **ebpf.Map, spec ebpf.MapSpec) error {
		spec.KeySize = 4
		if *m, err = ebpf.NewMap(&spec); err != nil {
			return livePrivilege("make the map "+spec.Name, err)
		}
		return nil
	}
	if err = make(&l.frames, ebpf.MapSpec{Name: "sluice_frames", Type: ebpf.Array, ValueSize: uint32(l.slot), MaxEntries: uint32(slots), Flags: unix.BPF_F_MMAPABLE}); err != nil {
		return nil, err
	}
	if err = make(&l.control, ebpf.MapSpec{Name: "sluice_live", Type: ebpf.Array, ValueSize: uint32(liveControlBytes), MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE}); err != nil {
		return nil, err
	}
	if err = make(&l.device, ebpf.MapSpec{Name: "sluice_device", Type: ebpf.DevMap, ValueSize: 4, MaxEntries: 1}); err != nil {
		return nil, err
	}
	if err = l.device.Put(uint32(0), uint32(dev.index)); err != nil {
		return nil, fmt.Errorf("transmit xdp: enter the interface into the program's map: %w", err)
	}
	if l.mem, err = unix.Mmap(l.frames.FD(), 0, slots*l.slot, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err == nil {
		l.ctlMem, err = unix.Mmap(l.control.FD(), 0, liveControlBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	}
	if err != nil {
		return nil, fmt.Errorf("transmit xdp: map the slots: %w", err)
	}
	l.ctl = liveControlIn(l.ctlMem)
	l.report, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "sluice_sent", Type: ebpf.RawTracepoint, License: "Dual MIT/GPL", Instructions: l.reportInstructions(),
	})
	if err != nil {
		return nil, livePrivilege("load the program that counts", err)
	}
	l.trace, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "xdp_devmap_xmit", Program: l.report})
	if err != nil {
		return nil, livePrivilege("attach to the tracepoint xdp_devmap_xmit", err)
	}
	return l, nil
}

func livePrivilege(what string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) && unix.Geteuid() != 0 {
		return fmt.Errorf("transmit xdp: %s: not permitted: run as root or with CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, or use transmit afxdp: %w", what, err)
	}
	return fmt.Errorf("transmit xdp: %s: %w", what, err)
}

// start takes the interface's program and asks whether the kernel runs it with
// live frames of that length.
func (l *live) start(prog *ebpf.Program, mtu int) error {
	l.prog = prog.FD()
	*l.ctl = liveControl{} // nothing to be sent: the frames are dropped
	for _, probe := range [2]struct {
		bytes int
		what  error
	}{
		{64, errors.New("the kernel has no live frames for XDP: want Linux 5.18 or later, or use transmit afxdp")},
		{mtu + etherRoom - vlanBytes, fmt.Errorf("frames of an MTU of %d do not fit into a page, in which the kernel makes them: lower the MTU, to 3300 for example, or use transmit afxdp", mtu)},
	} {
		switch e := runLive(l.prog, l.mem[liveHead:liveHead+probe.bytes], 1); e {
		case 0:
		case unix.EINVAL:
			return fmt.Errorf("transmit xdp: %w", probe.what)
		default:
			return livePrivilege("run the program", e)
		}
	}
	return nil
}

// send sends the first frames of descs and frees them; it returns how many. The
// rest the device did not take; once closed, all.
func (l *live) send(descs []Desc) (taken int) {
	if l.ctl == nil {
		return 0
	}
	var frames, tooLong int
	var bytes uint64
	for taken < len(descs) {
		n, most := l.fill(descs[taken:])
		if n == 0 {
			l.u.Free(descs[taken].Addr)
			taken++
			tooLong++
			continue
		}
		passed, lost := l.run(n, most)
		for _, d := range descs[taken : taken+passed] {
			l.u.Free(d.Addr)
			bytes += uint64(d.Len)
			l.most = max(l.most, int(d.Len))
		}
		taken += passed
		frames += passed - lost
		tooLong += lost
		if passed < n {
			l.wait(int(descs[taken].Len), passed)
			break
		}
		l.stuck = time.Time{}
	}
	l.count.sent(frames, bytes, tooLong, len(descs)-taken)
	return taken
}

// wait notes that a frame of some length was refused behind others that passed.
func (l *live) wait(length, passed int) {
	switch now := time.Now(); {
	case passed > 0 || l.stuck.IsZero() || l.down.Load():
		l.stuck = now
	case length > l.most && now.Sub(l.stuck) > livePatience:
		l.limit, l.learned, l.stuck = length, now, time.Time{}
	}
}

// fill copies frames into the slots, up to the first that cannot be sent; most
// is the length of the longest.
func (l *live) fill(descs []Desc) (n, most int) {
	longest := l.longest.Load() - vlanBytes
	if l.limit > 0 {
		if longest = min(longest, uint32(l.limit)-1); time.Since(l.learned) > liveAgain {
			l.limit = 0
		}
	}
	for _, d := range descs[:min(len(descs), l.slots)] {
		if d.Len > longest || d.Len < shortestFrame || int(d.Len) > l.slot-liveHead {
			break
		}
		putSlot(l.mem[n*l.slot:(n+1)*l.slot], l.u.Frame(d.Addr, d.Len))
		n++
		most = max(most, int(d.Len))
	}
	return n, most
}

// putSlot writes a frame into a slot.
func putSlot(slot, frame []byte) {
	binary.NativeEndian.PutUint32(slot, uint32(len(frame)))
	copy(slot[liveHead:], frame)
}

// run has the kernel send the frames of the first n slots. It returns how many
// are gone, and how many of them never got anywhere: their way was closed while
// others of their bulk passed. Signals interrupt a run, which then goes on.
func (l *live) run(n, most int) (passed, lost int) {
	c := l.ctl
	for passed < n {
		*c = liveControl{next: uint32(passed), end: uint32(n)}
		e := runLive(l.prog, l.mem[liveHead:liveHead+most], n-passed)
		l.runs.Add(1)
		went := int(c.sent + c.lost)
		passed += went
		lost += int(c.lost)
		closed := false
		switch {
		case e != 0 && e != unix.EINTR || c.fault != 0 && unix.Errno(-c.fault) != unix.ENXIO && unix.Errno(-c.fault) != unix.ENETDOWN:
			l.fails.Add(1)
		case c.fault != 0 || went == 0 && c.refused == 0 && e == 0:
			closed = true // the device has no receiver, or is down
		case c.refused > 0:
			l.full.Add(1)
		}
		if closed != l.down.Load() {
			l.down.Store(closed)
		}
		if c.refused > 0 || e != unix.EINTR && (e != 0 || went == 0) {
			break
		}
	}
	return passed, lost
}

// close takes the programs and maps back.
func (l *live) close() error {
	var errs []error
	l.ctl = nil
	if l.trace != nil {
		errs = append(errs, l.trace.Close())
	}
	if l.report != nil {
		errs = append(errs, l.report.Close())
	}
	for _, mem := range [][]byte{l.mem, l.ctlMem} {
		if mem != nil {
			errs = append(errs, unix.Munmap(mem))
		}
	}
	for _, m := range []*ebpf.Map{l.frames, l.control, l.device} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}
