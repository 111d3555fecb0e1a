package afxdp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Before each frame that it sends in zero-copy mode, virtio_net puts a header of
// zeros, the same for all: its variable xsk_hdr. The physical address that it
// gives the device is computed as if the variable were in the kernel's image.
// When the driver is a loaded module that is the address of something else, another
// one after each boot, and the device takes for header whatever is there (seen with
// 7.3.4). With anything but zeros there the other side gets nothing, or changed
// frames, while every count on this side says sent.

// ErrStrayHeader says that in zero-copy mode a driver sends its frames with
// memory of somebody else for header.
var ErrStrayHeader = errors.New("the kernel's virtio_net, being a loaded module, takes the header of zero-copy frames from an address that belongs to something else: what is sent may be lost, and nothing counts it")

// headerSymbol is how the kernel lists the variable in a module; a driver in the
// kernel's image has no name in brackets, one without the defect no such variable.
const headerSymbol = " xsk_hdr\t[virtio_net]"

// zeroCopyDefect says why frames of a driver must not be sent in zero-copy mode;
// nil: nothing is known. What cannot be read is no reason to complain.
func zeroCopyDefect(driver string) error {
	if driver == "virtio_net" && strayHeader() {
		return ErrStrayHeader
	}
	return nil
}

// strayHeader is told once: the list has some 100,000 lines.
var strayHeader = sync.OnceValue(func() bool {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return false
	}
	defer f.Close()
	return hasSymbol(f, headerSymbol)
})

// hasSymbol says whether a line of a list of symbols ends so.
func hasSymbol(list io.Reader, end string) bool {
	for lines := bufio.NewScanner(list); lines.Scan(); {
		if bytes.HasSuffix(lines.Bytes(), []byte(end)) {
			return true
		}
	}
	return false
}

// avoidDefect returns the options for a driver with a defect: in ModeAuto it
// copies, and with zero-copy demanded it is only warned of.
func (o Options) avoidDefect(name string, defect error) (_ Options, warning string) {
	switch {
	case defect == nil:
	case o.Mode == ModeAuto:
		o.Mode = ModeCopy
		warning = fmt.Sprintf("%s copies: in zero-copy mode %v", name, defect)
	case o.Mode == ModeZeroCopy:
		warning = fmt.Sprintf("%s may not send, leave its mode to auto or copy: %v", name, defect)
	}
	return o, warning
}
