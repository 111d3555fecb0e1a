package dataplane

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf/offheap"
)

// parcelHeader is the length of what stands in front of a parcel's bytes:
//
//	0      4        6      7       8        12    16
//	| Len  | InPort | Kind | parts | Serial |     | frame ...
const parcelHeader = 16

// parcelKind says why a frame changes workers.
type parcelKind uint8

const (
	parcelNone             parcelKind = iota // it does not: a frame as the port gave it
	parcelOwned                              // by hash: the receiver owns the flow
	parcelDirected                           // by the directory: the receiver has the NATed flow
	parcelFragment                           // to the worker that reassembles the datagram
	parcelDatagram                           // one fragment of a whole datagram, by hash; parts counts those still to come
	parcelDatagramDirected                   // the same, by the directory
)

// handover carries frames from one worker to one other: single producer,
// single consumer. Bytes are copied in and out, so no frame ever belongs to
// two workers, and nothing in it refers to an image.
type handover struct {
	mem  []byte
	mask uint64
	slot uint64

	_    [offheap.CacheLine]byte
	head atomic.Uint64 // next slot to fill; stored by the producer, loaded by the consumer
	seen uint64        // producer's copy of tail
	_    [offheap.CacheLine - 16]byte
	tail atomic.Uint64 // next slot to empty; stored by the consumer, loaded by the producer
	_    [offheap.CacheLine - 8]byte
}

func newHandover(slots, chunk int) (*handover, error) {
	slot := chunk + parcelHeader
	mem, err := offheap.Make[byte](slots * slot)
	if err != nil {
		return nil, fmt.Errorf("handover ring: %w", err)
	}
	return &handover{mem: mem, mask: uint64(slots - 1), slot: uint64(slot)}, nil
}

func (h *handover) close() error { return offheap.Free(h.mem) }

// room returns how many parcels fit. Producer only.
func (h *handover) room() int {
	free := h.mask + 1 - (h.head.Load() - h.seen)
	if free == 0 {
		h.seen = h.tail.Load()
		free = h.mask + 1 - (h.head.Load() - h.seen)
	}
	return int(free)
}

// roomFor says whether n parcels fit. Producer only.
func (h *handover) roomFor(n int) bool {
	if h.room() < n {
		h.seen = h.tail.Load()
	}
	return h.room() >= n
}

// put copies a frame in; false when the ring is full. Producer only.
func (h *handover) put(frame []byte, inPort uint16, kind parcelKind, parts uint8, serial uint32) bool {
	if h.room() == 0 || uint64(len(frame)) > h.slot-parcelHeader {
		return false
	}
	at := h.head.Load()
	s := h.mem[(at&h.mask)*h.slot:][:h.slot]
	binary.LittleEndian.PutUint32(s, uint32(len(frame)))
	binary.LittleEndian.PutUint16(s[4:], inPort)
	s[6], s[7] = byte(kind), parts
	binary.LittleEndian.PutUint32(s[8:], serial)
	copy(s[parcelHeader:], frame)
	h.head.Store(at + 1)
	return true
}

// parcel is the oldest frame in a handover ring; a view that pop invalidates.
type parcel struct {
	frame  []byte
	inPort uint16
	kind   parcelKind
	parts  uint8
	serial uint32
}

// waiting returns how many parcels can be taken. Consumer only.
func (h *handover) waiting() int { return int(h.head.Load() - h.tail.Load()) }

// peek returns the oldest parcel of a ring that is not empty. Consumer only.
func (h *handover) peek() parcel {
	s := h.mem[(h.tail.Load()&h.mask)*h.slot:][:h.slot]
	n := binary.LittleEndian.Uint32(s)
	return parcel{
		frame:  s[parcelHeader : parcelHeader+n],
		inPort: binary.LittleEndian.Uint16(s[4:]),
		kind:   parcelKind(s[6]), parts: s[7],
		serial: binary.LittleEndian.Uint32(s[8:]),
	}
}

// pop ends the use of what peek returned. Consumer only.
func (h *handover) pop() { h.tail.Store(h.tail.Load() + 1) }
