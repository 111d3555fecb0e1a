package afxdp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// sharedInfo is what Linux keeps behind a frame in a driver's buffer of a page
// (struct skb_shared_info, in whole cache lines).
const sharedInfo = 320

// MaxChunk is the largest chunk of memory for frames of interfaces.
const MaxChunk = 1 << 14

// MaxSingleMTU returns the largest MTU at which every frame is in one piece, as
// all drivers of native XDP take it: what a page has room for beside headroom,
// Ethernet header, two VLAN tags and sharedInfo. Beyond it frames are in several
// pieces, which driver and kernel (6.6 and newer) must know, and are copied
// between a queue's memory and the worker's.
func MaxSingleMTU() int { return unix.Getpagesize() - Headroom - sharedInfo - etherRoom }

// ChunkForMTU returns the size of chunk for frames of an MTU.
func ChunkForMTU(mtu int) int { return ChunkFor(mtu + etherRoom) }

// choosePieces decides by the MTU at the time of opening.
func (i *Interface) choosePieces() error {
	if i.dev.mtu <= MaxSingleMTU() {
		return nil
	}
	lower := fmt.Sprintf("lower it with `ip link set dev %s mtu %d`", i.name, MaxSingleMTU())
	if i.opt.Backend == BackendAsavie {
		return fmt.Errorf("an MTU of %d needs frames in several pieces, which the asavie backend does not know: %s, or use the own backend", i.dev.mtu, lower)
	}
	if f, err := ReadFeatures(i.dev.index); err == nil && !i.opt.Generic && f&FeatureRxPieces == 0 {
		return fmt.Errorf("an MTU of %d needs frames in several pieces, which driver %q does not know: %s", i.dev.mtu, i.dev.driver, lower)
	}
	i.pieces = true
	i.warnings = append(i.warnings, fmt.Sprintf("frames of %s may be longer than a page: they come in several pieces and are copied; an MTU of %d or less is faster", i.name, MaxSingleMTU()))
	return nil
}

// roomIn returns how long a frame may be that the interface brings into u.
func (i *Interface) roomIn(u *UMEM) int {
	if i.pieces {
		return u.Room()
	}
	return min(u.Room(), unix.Getpagesize()-Headroom)
}

// checkRoom demands that a frame of the MTU with two VLAN tags fits into one
// frame of the UMEM.
func (i *Interface) checkRoom(u *UMEM) error {
	if i.dev.mtu+etherRoom <= u.Room() {
		return nil
	}
	other := ""
	if chunk := ChunkForMTU(i.dev.mtu); chunk <= MaxChunk {
		other = fmt.Sprintf(", or use frames of %d bytes", chunk)
	}
	return fmt.Errorf("MTU of %d is too large for frames of %d bytes: lower it with `ip link set dev %s mtu %d`%s",
		i.dev.mtu, u.chunk, i.name, u.Room()-etherRoom, other)
}
