package appliance

import (
	"syscall"
	"unsafe"
)

// linux/sockios.h and linux/ethtool.h.
const (
	siocEthtool      = 0x8946
	ethtoolGChannels = 0x3c
)

// ethtoolChannels is struct ethtool_channels of linux/ethtool.h.
type ethtoolChannels struct {
	cmd                                 uint32
	maxRx, maxTx, maxOther, maxCombined uint32
	rx, tx, other, combined             uint32
}

// ifreqData is struct ifreq with a pointer in its union.
type ifreqData struct {
	name [syscall.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// receiveQueues returns on how many queues an interface receives; 1 when its
// driver does not say, or there is no such interface: opening it then says more.
func receiveQueues(name string) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 1
	}
	defer syscall.Close(fd)
	c := ethtoolChannels{cmd: ethtoolGChannels}
	r := ifreqData{data: unsafe.Pointer(&c)}
	copy(r.name[:syscall.IFNAMSIZ-1], name)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), siocEthtool, uintptr(unsafe.Pointer(&r))); e != 0 {
		return 1
	}
	return max(1, int(c.rx+c.combined))
}
