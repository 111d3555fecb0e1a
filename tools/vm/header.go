package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The kernel's virtio_net takes the header of zero-copy frames, zeros, from its
// variable xsk_hdr, and as a loaded module (7.3.4) gives the device a wrong address
// of it: that of the kernel's image, to which the module does not belong. The
// frames of a card are lost while anything but zeros is there. So the machine's
// kernel is not moved about (nokaslr): the address is then behind its memory, where
// qemu reads zeros.

const (
	memoryMB = 1024 // no more, or the address is within it
	// imageBase is where x86-64 maps the kernel's image, and modules behind it.
	imageBase = 0xffffffff80000000
)

// header is where the machine's cards get the headers of zero-copy frames from.
type header struct {
	stray   bool // from a wrong address; else no more is known
	address uint64
}

func (h header) String() string {
	if !h.stray {
		return "virtio_net knows where its header is"
	}
	return fmt.Sprintf("virtio_net has its header at %#x", h.address)
}

// header asks the machine's kernel where variable and kernel are.
func (w *world) header(ctx context.Context) (header, error) {
	text, err := w.guest.run(ctx, "/bin/sh", "-c", `grep -E ' (_text|xsk_hdr)' /proc/kallsyms; grep 'Kernel code' /proc/iomem`)
	if err != nil {
		return header{}, err
	}
	return readHeader(text)
}

// readHeader reads lines of /proc/kallsyms and one of /proc/iomem.
func readHeader(text string) (header, error) {
	var variable, image, code uint64
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		var err error
		switch {
		case len(f) == 4 && f[2] == "xsk_hdr" && f[3] == "[virtio_net]":
			variable, err = strconv.ParseUint(f[0], 16, 64)
		case len(f) == 3 && f[2] == "_text":
			image, err = strconv.ParseUint(f[0], 16, 64)
		case strings.HasSuffix(strings.TrimSpace(line), "Kernel code"):
			first, _, _ := strings.Cut(f[0], "-")
			code, err = strconv.ParseUint(first, 16, 64)
		}
		if err != nil {
			return header{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	if image == 0 || code == 0 {
		return header{}, errors.New("the machine does not tell where its kernel is")
	}
	if variable == 0 {
		return header{}, nil
	}
	moved := code - (image - imageBase) // both may wrap
	return header{stray: true, address: variable - imageBase + moved}, nil
}

// checkHeader demands that zero-copy frames get headers that are zeros.
func (w *world) checkHeader(ctx context.Context) (string, error) {
	h, err := w.header(ctx)
	if err != nil || !h.stray {
		return h.String(), err
	}
	if h.address < memoryMB<<20 {
		return "", fmt.Errorf("%v but in its memory of %d MiB: what is sent is lost unless zeros are there", h, memoryMB)
	}
	return fmt.Sprintf("%v: behind the memory, zeros", h), nil
}
