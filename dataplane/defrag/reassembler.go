package defrag

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
)

// Result is what Add did with a fragment.
type Result uint8

const (
	// Refused: the packet's frame stays the caller's, to be dropped with
	// packet.DropFragment, and so are the frames in the list.
	Refused Result = iota
	// Held: the frame is parked and no longer the caller's; the list is empty.
	Held
	// Alone: the frame stays the caller's and goes on by itself as a fragment
	// that belongs to no datagram, as Linux lets pass IPv6 fragments of odd
	// length; the frames in the list are to be dropped as with Refused.
	Alone
	// Complete: the list is the whole datagram by rising offset, without gaps,
	// the packet's own frame among it. All frames are the caller's.
	Complete
)

// Frag is a parked frame.
type Frag struct {
	Addr    uint64 // of the frame in the UMEM
	Len     uint32 // of the frame, bytes
	Serial  uint32 // of the packet
	Offset  uint32 // in the datagram's payload, bytes
	Payload uint32 // bytes of the datagram's payload in it
	InPort  uint16
	_       [6]byte
}

// Payload returns the length of the payload of the complete datagram list, as
// packet.ParseDatagram wants it.
func Payload(list []Frag) uint32 {
	if len(list) == 0 {
		return 0
	}
	last := &list[len(list)-1]
	return last.Offset + last.Payload
}

// Part describes a parsed fragment as Add would, without parking it: for a
// datagram that was completed elsewhere.
func Part(p *packet.Packet) Frag {
	f, _ := read(p)
	return f
}

// Stats counts fragments (frames), not datagrams, but for Datagrams and
// Timeouts. Written by the owning worker.
type Stats struct {
	Held       uint64 // parked now
	Fragments  uint64 // given to Add
	Completed  uint64 // came out in complete datagrams
	Datagrams  uint64 // complete datagrams
	Duplicates uint64 // refused alone: all of it was there already
	Overlaps   uint64 // refused or thrown out because of an overlap or contradicting ends
	Malformed  uint64 // same, because of a length that cannot be
	Limits     uint64 // same, because of a limit of Config
	TimedOut   uint64 // thrown out by Expire
	Timeouts   uint64 // datagrams thrown out by Expire
}

// Reassembler gathers the fragments that one worker is given.
type Reassembler struct {
	cfg      Config
	contexts []context // element 0 is unused: index 0 means none
	nodes    []node    // same
	buckets  []uint32  // first context of a chain
	out      []Frag    // the list of the last call
	freeCtx  uint32    // chained by context.next
	freeNode uint32    // chained by node.next
	age      [2]queue  // contexts of IPv4 and of IPv6, oldest first
	stats    Stats
}

// New makes a Reassembler; the error wraps ErrConfig or says what mmap
// answered. Close gives the memory back.
func New(cfg Config) (*Reassembler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Reassembler{cfg: cfg}
	size := 1 << bits.Len(uint(cfg.Contexts*2-1))
	var errs [4]error
	r.contexts, errs[0] = offheap.Make[context](cfg.Contexts + 1)
	r.nodes, errs[1] = offheap.Make[node](cfg.Frags + 1)
	r.buckets, errs[2] = offheap.Make[uint32](size)
	r.out, errs[3] = offheap.Make[Frag](cfg.FragsPerContext)
	for _, err := range errs {
		if err != nil {
			_ = r.Close()
			return nil, fmt.Errorf("defrag: %w", err)
		}
	}
	for i := len(r.contexts) - 1; i > 0; i-- {
		r.contexts[i].next = r.freeCtx
		r.freeCtx = uint32(i)
	}
	for i := len(r.nodes) - 1; i > 0; i-- {
		r.nodes[i].next = r.freeNode
		r.freeNode = uint32(i)
	}
	return r, nil
}

// Close frees the memory. Frames still parked are lost unless Drain came first.
func (r *Reassembler) Close() error {
	var first error
	for _, err := range []error{offheap.Free(r.contexts), offheap.Free(r.nodes), offheap.Free(r.buckets), offheap.Free(r.out)} {
		if first == nil {
			first = err
		}
	}
	*r = Reassembler{cfg: r.cfg, stats: r.stats}
	return first
}

// Stats returns the counters; the pointer stays valid.
func (r *Reassembler) Stats() *Stats { return &r.stats }

// Hash returns a keyed hash that all fragments of a datagram share, by which
// they are brought to one worker. p is a parsed fragment.
func (r *Reassembler) Hash(p *packet.Packet) uint64 {
	var k key
	k.read(p)
	return k.hash(&r.cfg.Key)
}

// Add takes a parsed fragment (packet.FlagFragment). now is the tick in
// milliseconds; it may wrap.
func (r *Reassembler) Add(p *packet.Packet, now uint32) (Result, []Frag) {
	r.stats.Fragments++
	f, more := read(p)
	var k key
	k.read(p)
	bucket := &r.buckets[k.hash(&r.cfg.Key)&uint64(len(r.buckets)-1)]
	n, room := r.find(bucket, &k)
	end := f.Offset + f.Payload
	v6 := p.Family == flowtable.FamilyIPv6
	switch {
	case end > 0xffff && v6:
		return r.refuse(0, &r.stats.Malformed)
	case end > 0xffff || f.Payload == 0 && !v6:
		return r.refuse(n, &r.stats.Malformed)
	case more && f.Payload&7 != 0 && v6:
		_, list := r.refuse(n, &r.stats.Malformed)
		return Alone, list
	}
	if n == 0 {
		if n = r.freeCtx; n == 0 || !room || r.freeNode == 0 {
			return r.refuse(0, &r.stats.Limits)
		}
		r.open(n, bucket, &k, now)
	}
	c := &r.contexts[n]
	if !c.ends(end, more) {
		if v6 {
			n = 0
		}
		return r.refuse(n, &r.stats.Overlaps)
	}
	if f.Payload == 0 {
		return r.refuse(0, &r.stats.Malformed)
	}
	prev, next, run, fit := r.place(c, &f)
	switch fit {
	case fitDuplicate:
		return r.refuse(0, &r.stats.Duplicates)
	case fitOverlap:
		return r.refuse(n, &r.stats.Overlaps)
	}
	if r.freeNode == 0 || int(c.count) >= r.cfg.FragsPerContext {
		return r.refuse(n, &r.stats.Limits)
	}
	i := r.freeNode
	r.freeNode = r.nodes[i].next
	if run == 0 {
		run = i
	}
	r.nodes[i] = node{frag: f, next: next, run: run}
	if prev == 0 {
		c.first = i
	} else {
		r.nodes[prev].next = i
	}
	c.count++
	c.bytes += f.Payload
	r.stats.Held++
	if !c.last || c.bytes != c.end {
		return Held, nil
	}
	list := r.take(n)
	r.stats.Completed += uint64(len(list))
	r.stats.Datagrams++
	return Complete, list
}

// Expire takes out the oldest datagram whose time is up and returns its frames,
// which become the caller's, to be dropped with packet.DropFragmentTimeout; nil
// when there is none. To be called until then, or as often as the caller's
// slice allows. When the first fragment is among them it is the list's first,
// with Offset 0.
func (r *Reassembler) Expire(now uint32) []Frag {
	for i := range r.age {
		for n := r.age[i].oldest; n != 0 && int32(now-r.contexts[n].deadline) >= 0; n = r.age[i].oldest {
			list := r.take(n)
			if len(list) == 0 {
				continue // all that came was refused
			}
			r.stats.TimedOut += uint64(len(list))
			r.stats.Timeouts++
			return list
		}
	}
	return nil
}

// Drain takes out any datagram and returns its frames, nil when all is empty.
// For shutting down; it counts nothing.
func (r *Reassembler) Drain() []Frag {
	for i := range r.age {
		for n := r.age[i].oldest; n != 0; n = r.age[i].oldest {
			if list := r.take(n); len(list) > 0 {
				return list
			}
		}
	}
	return nil
}

// refuse throws out the packet at hand, and with it datagram n (0: none).
func (r *Reassembler) refuse(n uint32, counter *uint64) (Result, []Frag) {
	*counter++
	if n == 0 {
		return Refused, nil
	}
	list := r.take(n)
	*counter += uint64(len(list))
	return Refused, list
}

// read gets a fragment's place from its header.
func read(p *packet.Packet) (f Frag, more bool) {
	f = Frag{Addr: p.Addr, Len: uint32(len(p.Data)), Serial: p.Serial, InPort: p.InPort}
	if p.Family == flowtable.FamilyIPv4 {
		v := binary.BigEndian.Uint16(p.Data[int(p.L3)+6:])
		f.Offset = uint32(v&0x1fff) * 8
		f.Payload = uint32(p.End) - uint32(p.L3) - uint32(p.Data[p.L3]&15)*4
		if v&0x2000 != 0 {
			f.Payload &^= 7 // what is beyond has no place, so Linux cuts it off
			return f, true
		}
		return f, false
	}
	v := binary.BigEndian.Uint16(p.Data[int(p.Frag)+2:])
	f.Offset = uint32(v &^ 7)
	f.Payload = uint32(p.End) - uint32(p.Frag) - 8
	return f, v&1 != 0
}
