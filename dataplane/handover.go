package dataplane

import (
	"errors"
	"fmt"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/perf/offheap"
)

// parcelKind says why a frame changes workers.
type parcelKind uint8

const (
	parcelNone             parcelKind = iota // it does not: a frame as the port gave it
	parcelOwned                              // by hash: the receiver owns the flow
	parcelDirected                           // by the directory: the receiver has the NATed flow
	parcelFragment                           // to the worker that reassembles the datagram
	parcelDatagram                           // one fragment of a whole datagram, by hash
	parcelDatagramDirected                   // the same, by the directory

	fromHost    parcelKind = 0x80 // a flag: the box's own stack sent it out by the port
	pastIngress parcelKind = 0x40 // a flag: chains below IP have seen it
)

// reason returns k without the flags.
func (k parcelKind) reason() parcelKind { return k &^ (fromHost | pastIngress) }

// parcel describes a frame in a handover ring.
type parcel struct {
	bytes  uint32
	serial uint32
	marks  // with pastIngress
	inPort uint16
	kind   parcelKind
	parts  uint8 // of a datagram: fragments that follow this one
}

// marks are what chains below IP have written on a packet and not into it; trace is its
// number if it is traced, else 0.
type marks struct{ mark, priority, trace uint32 }

func (w *worker) marksOf(p *packet.Packet) marks { return marks{p.Mark, p.Priority, w.traced(p)} }

// give gives a packet that was parsed anew its marks.
func (m *marks) give(p *packet.Packet) {
	p.Mark, p.Priority, p.Trace = m.mark, m.priority, m.trace
	if m.trace != 0 {
		p.Flags |= packet.FlagTraced
	}
}

// handover carries frames from one worker to one other: single producer,
// single consumer. Bytes are copied in and out, so no frame ever belongs to
// two workers, and nothing in it refers to an image. The log rings are of the
// same kind: there the consumer is the control side.
type handover struct {
	ring *afxdp.Ring[parcel]
	mem  []byte // slot bytes for each element of ring
	slot int
}

func newHandover(slots, slot int) (*handover, error) {
	ring, err := afxdp.NewRing[parcel](slots)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	mem, err := offheap.Make[byte](slots * slot)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", errors.Join(err, ring.Close()))
	}
	return &handover{ring: ring, mem: mem, slot: slot}, nil
}

func (h *handover) close() error { return errors.Join(h.ring.Close(), offheap.Free(h.mem)) }

// room returns the bytes of a slot.
func (h *handover) room(index uint32) []byte {
	at := int(h.ring.Index(index)) * h.slot
	return h.mem[at : at+h.slot : at+h.slot]
}

// write fills the slot of an index that ring.Reserve gave. A longer frame is
// cut off: chunks of UMEM and slots have the same size, so none is.
func (h *handover) write(index uint32, frame []byte, p parcel) {
	p.bytes = uint32(copy(h.room(index), frame))
	*h.ring.Slot(index) = p
}

// put sends one frame; false when the ring is full. Producer only.
func (h *handover) put(frame []byte, p parcel) bool {
	at, n := h.ring.Reserve(1)
	if n == 0 {
		return false
	}
	h.write(at, frame, p)
	h.ring.Publish(1)
	return true
}

// read returns the frame at an index that ring.Peek gave, a view that Release
// ends. Consumer only.
func (h *handover) read(index uint32) ([]byte, parcel) {
	p := *h.ring.Slot(index)
	return h.room(index)[:p.bytes], p
}
