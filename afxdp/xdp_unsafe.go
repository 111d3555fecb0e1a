package afxdp

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Everything in this package that needs unsafe is here: structures that go to
// the kernel by address, and views of memory that the kernel gave us.

// Desc is copied to and from the kernel as it is.
var _ [unsafe.Sizeof(unix.XDPDesc{})]byte = [unsafe.Sizeof(Desc{})]byte{}

func setXDP(fd, name int, value unsafe.Pointer, size uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(name), uintptr(value), size, 0)
	if e != 0 {
		return e
	}
	return nil
}

func getXDP(fd, name int, value unsafe.Pointer, size uintptr) error {
	length := uint32(size)
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(name), uintptr(value),
		uintptr(unsafe.Pointer(&length)), 0)
	if e != 0 {
		return e
	}
	return nil
}

// registerMemory makes mem the socket's UMEM. The kernel writes behind 256
// bytes of its own choice, which is Headroom, so no more is asked for.
func registerMemory(fd int, mem []byte, chunk int) error {
	reg := unix.XDPUmemReg{
		Addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))),
		Len:  uint64(len(mem)),
		Size: uint32(chunk),
	}
	// Kernels that do not know the last fields take the shorter structure.
	err := setXDP(fd, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg))
	runtime.KeepAlive(mem)
	return err
}

func mmapOffsets(fd int) (off unix.XDPMmapOffsets, err error) {
	err = getXDP(fd, unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&off), unsafe.Sizeof(off))
	return off, err
}

// socketOptions returns what XDP_OPTIONS says: whether a bound socket is in
// zero-copy mode.
func socketOptions(fd int) (zeroCopy bool, err error) {
	var options uint32
	err = getXDP(fd, unix.XDP_OPTIONS, unsafe.Pointer(&options), unsafe.Sizeof(options))
	return options&unix.XDP_OPTIONS_ZEROCOPY != 0, err
}

func socketStatistics(fd int) (stats unix.XDPStatistics, err error) {
	err = getXDP(fd, unix.XDP_STATISTICS, unsafe.Pointer(&stats), unsafe.Sizeof(stats))
	return stats, err
}

// mapRing maps the ring of size elements that begins at pgoff of the socket.
func mapRing[T any](fd int, pgoff int64, off unix.XDPRingOffset, size int) (kernelRing[T], error) {
	length := int(off.Desc) + size*int(unsafe.Sizeof(*new(T)))
	mem, err := unix.Mmap(fd, pgoff, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return kernelRing[T]{}, err
	}
	at := func(offset uint64) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&mem[offset])) }
	return kernelRing[T]{
		prod: at(off.Producer), cons: at(off.Consumer), flags: at(off.Flags),
		slots: unsafe.Slice((*T)(unsafe.Pointer(&mem[off.Desc])), size),
		mask:  uint32(size - 1),
		mem:   mem,
	}, nil
}

// channels is the kernel's struct ethtool_channels.
type channels struct {
	Cmd                                      uint32
	MaxRx, MaxTx, MaxOther, MaxCombined      uint32
	RxCount, TxCount, OtherCount, ComboCount uint32
}

// ethtoolValue is the kernel's struct ethtool_value.
type ethtoolValue struct{ Cmd, Data uint32 }

type ifreqPointer struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

func ethtool(ctl int, name string, what unsafe.Pointer) error {
	req := ifreqPointer{data: what}
	if len(name) >= len(req.name) {
		return unix.ENODEV
	}
	copy(req.name[:], name)
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(ctl), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(what)
	if e != 0 {
		return e
	}
	return nil
}

// errNoChannels: the driver does not tell how many channels it has.
var errNoChannels = errors.New("driver does not report channels")

func getChannels(ctl int, name string) (channels, error) {
	c := channels{Cmd: unix.ETHTOOL_GCHANNELS}
	err := ethtool(ctl, name, unsafe.Pointer(&c))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return c, errNoChannels
	}
	if err != nil {
		return c, fmt.Errorf("ethtool channels of %s: %w", name, err)
	}
	return c, nil
}

// ethtoolGet asks for a value; 0 if the interface has none.
func ethtoolGet(ctl int, name string, command uint32) (uint32, error) {
	v := ethtoolValue{Cmd: command}
	err := ethtool(ctl, name, unsafe.Pointer(&v))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return 0, nil
	}
	return v.Data, err
}

// ethtoolRings is the kernel's struct ethtool_ringparam.
type ethtoolRings struct {
	Cmd                             uint32
	MaxRx, MaxMini, MaxJumbo, MaxTx uint32
	Rx, Mini, Jumbo, Tx             uint32
}

// getRings returns how many descriptors the device's receive and transmit rings
// have, and could have; zeros when the driver does not say.
func getRings(ctl int, name string) (now, most [2]int) {
	r := ethtoolRings{Cmd: unix.ETHTOOL_GRINGPARAM}
	if ethtool(ctl, name, unsafe.Pointer(&r)) != nil {
		return now, most
	}
	return [2]int{int(r.Rx), int(r.Tx)}, [2]int{int(r.MaxRx), int(r.MaxTx)}
}

// ethtoolHash is the head of the kernel's struct ethtool_rxfh, asked for without
// table and key.
type ethtoolHash struct {
	Cmd, Context, TableSize, KeySize uint32
	Function, Transform              uint8
	_                                [2]uint8
	_                                uint32
}

// symmetricHash says whether the receive hash is made from both ends without
// regard to which is which, and whether the driver tells.
func symmetricHash(ctl int, name string) (symmetric, known bool) {
	h := ethtoolHash{Cmd: unix.ETHTOOL_GRSSH}
	if ethtool(ctl, name, unsafe.Pointer(&h)) != nil {
		return false, false
	}
	const symmetricXor, symmetricOrXor = 1, 2
	return h.Transform&(symmetricXor|symmetricOrXor) != 0, true
}
