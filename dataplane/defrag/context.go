package defrag

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// maxChain bounds the contexts of one bucket. The hash is keyed and the buckets
// are at least as many as the contexts, so only bad luck comes near.
const maxChain = 16

// key names a datagram: addresses (an IPv4 address in the first four bytes), id,
// and in meta family, protocol (IPv4 only, since IPv6 fragments of one datagram
// need not agree on it) and the port where that counts.
type key struct {
	src, dst [16]byte
	id, meta uint32
}

func (k *key) read(p *packet.Packet) {
	p.SrcAddr(&k.src)
	p.DstAddr(&k.dst)
	k.meta = uint32(p.Family) << 24
	if p.Family == flowtable.FamilyIPv4 {
		k.id = uint32(binary.BigEndian.Uint16(p.Data[int(p.L3)+4:]))
		k.meta |= uint32(p.Proto) << 16
		return
	}
	k.id = binary.BigEndian.Uint32(p.Data[int(p.Frag)+4:])
	if scoped(&k.src) || scoped(&k.dst) {
		k.meta |= uint32(p.InPort)
	}
}

// scoped says that an IPv6 address means something on one link only.
func scoped(a *[16]byte) bool {
	return a[0] == 0xff || a[0] == 0xfe && a[1]&0xc0 == 0x80
}

func (k *key) hash(secret *[2]uint64) uint64 {
	le := binary.LittleEndian
	h := mix(le.Uint64(k.src[:8])^secret[0], le.Uint64(k.src[8:])^secret[1]|1)
	h = mix(h^le.Uint64(k.dst[:8]), le.Uint64(k.dst[8:])^secret[0]|1)
	return mix(h^uint64(k.id)<<32^uint64(k.meta), secret[1]|1)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd92)
	return hi ^ lo
}

// context is a datagram that is being gathered.
type context struct {
	key      key
	deadline uint32 // tick
	next     uint32 // in the bucket's chain, or in the free list
	older    uint32 // in the queue by age
	newer    uint32
	bucket   uint32
	first    uint32 // node of the least offset
	end      uint32 // largest end told
	bytes    uint32 // payload parked; no overlaps, so bytes == end means no gaps
	count    uint16
	last     bool // end is the datagram's end
}

// node is a parked fragment in its context's list.
type node struct {
	frag Frag
	next uint32
	run  uint32 // the same in fragments that came one behind the other
}

// queue keeps contexts of one timeout in the order of their deadlines.
type queue struct{ oldest, newest uint32 }

func ageQueue(k *key) int {
	if uint8(k.meta>>24) == flowtable.FamilyIPv4 {
		return 0
	}
	return 1
}

// find looks k up in a bucket; 0 is none. room says that the chain may grow.
func (r *Reassembler) find(bucket *uint32, k *key) (n uint32, room bool) {
	length := 0
	for n = *bucket; n != 0; n = r.contexts[n].next {
		if r.contexts[n].key == *k {
			return n, true
		}
		length++
	}
	return 0, length < maxChain
}

// open makes free context n that of k.
func (r *Reassembler) open(n uint32, bucket *uint32, k *key, now uint32) {
	c := &r.contexts[n]
	r.freeCtx = c.next
	q := ageQueue(k)
	timeout := r.cfg.TimeoutMillis
	if q == 1 {
		timeout = r.cfg.Timeout6Millis
	}
	*c = context{
		key: *k, deadline: now + timeout, next: *bucket,
		bucket: uint32(k.hash(&r.cfg.Key) & uint64(len(r.buckets)-1)),
		older:  r.age[q].newest,
	}
	*bucket = n
	if c.older != 0 {
		r.contexts[c.older].newer = n
	} else {
		r.age[q].oldest = n
	}
	r.age[q].newest = n
}

type fit uint8

const (
	fitFree fit = iota
	fitDuplicate
	fitOverlap
)

// ends takes over what a fragment says of where the datagram ends, even one that
// is refused afterwards, as Linux does. False: it contradicts what is known.
func (c *context) ends(end uint32, more bool) bool {
	if !more && (end < c.end || c.last && end != c.end) || more && c.last && end > c.end {
		return false
	}
	c.end = max(c.end, end)
	c.last = c.last || !more
	return true
}

// place finds where f goes in c's list, between nodes prev and next (0: none),
// and the run that it continues (0: a new one). As in inet_frag_queue_insert a
// fragment that continues the last one belongs to its run; one that lies within
// a run is a duplicate, and any other that meets what is there an overlap.
func (r *Reassembler) place(c *context, f *Frag) (prev, next, run uint32, how fit) {
	end := f.Offset + f.Payload
	var begun uint32 // offset of the run that prev is in
	for next = c.first; next != 0; next = r.nodes[next].next {
		g := &r.nodes[next]
		if prev == 0 || r.nodes[prev].run != g.run {
			begun = g.frag.Offset
		}
		if g.frag.Offset >= end && (prev == 0 || r.nodes[prev].run != g.run) {
			break // all of f lies in front of this run
		}
		if after := g.frag.Offset + g.frag.Payload; after > f.Offset {
			runEnd := after
			for n := g.next; n != 0 && r.nodes[n].run == g.run; n = r.nodes[n].next {
				runEnd = r.nodes[n].frag.Offset + r.nodes[n].frag.Payload
			}
			if f.Offset >= begun && end <= runEnd {
				return 0, 0, 0, fitDuplicate
			}
			return 0, 0, 0, fitOverlap
		}
		prev = next
	}
	if next == 0 && prev != 0 {
		if g := &r.nodes[prev]; g.frag.Offset+g.frag.Payload == f.Offset {
			run = g.run
		}
	}
	return prev, next, run, fitFree
}

// take empties context n into r.out and frees it.
func (r *Reassembler) take(n uint32) []Frag {
	c := &r.contexts[n]
	list := r.out[:0]
	for i := c.first; i != 0; {
		nd := &r.nodes[i]
		list = append(list, nd.frag)
		i, nd.next, r.freeNode = nd.next, r.freeNode, i
	}
	r.stats.Held -= uint64(len(list))

	at := &r.buckets[c.bucket]
	for *at != n {
		at = &r.contexts[*at].next
	}
	*at = c.next
	q := &r.age[ageQueue(&c.key)]
	if c.older != 0 {
		r.contexts[c.older].newer = c.newer
	} else {
		q.oldest = c.newer
	}
	if c.newer != 0 {
		r.contexts[c.newer].older = c.older
	} else {
		q.newest = c.older
	}
	*c = context{next: r.freeCtx}
	r.freeCtx = n
	return list
}
