package flowtable

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// sources holds what NAT of all workers made of sources, that is addresses and
// ports: Linux gives further flows of a source what it has already
// (find_appropriate_src). Flows whose source became what it would become anyway
// are left out, see KeepSource, so that a client's ports cost nothing while
// nobody else has them.
//
// A slot is two words
//
//	  63      62        55 54         16 15     0    63                        0
//	| ready | owner      | fingerprint | port    |  | address, or its lower half |
//
// in the window of 8 slots that a hash of the source names. Only its owner
// takes out a slot; while it puts one in, the slot is not ready and nobody reads
// it. When the window is full the flow is left out.
type sources struct {
	words []uint64
	mask  uint64 // of windows
}

const (
	sourceSlots = 8 // of a window: two cache lines
	sourceShift = 16
	sourceMask  = 1<<(ownerShift-sourceShift) - 1
)

func (x *sources) reserve(b *builder, n int) error {
	windows := 1 << bits.Len64(uint64(n)/sourceSlots)
	x.mask = uint64(windows - 1)
	return reserveSparse(b, "sources", &x.words, windows*sourceSlots*2)
}

// window returns the slots where the source of tu stands, and what of a first word
// it has in common with those of other workers and ports.
func (t *Table) window(tu *Tuple) (slots []uint64, print uint64) {
	w, k := words(tu), &t.keys.fp
	h := fold(w[0]^k[4], w[1]^k[2])
	h = fold(h^(uint64(tu.SrcPort)<<32|uint64(tu.Zone)<<16|uint64(tu.Proto)<<8|uint64(tu.Family)), k[0])
	at := (h & t.sources.mask) * sourceSlots * 2
	return t.sources.words[at : at+sourceSlots*2], (fold(h, k[3])&sourceMask | 1) << sourceShift
}

// MaxMappings is how many mappings Mappings finds at most.
const MaxMappings = sourceSlots

// Mappings fills out with tu as it would be if its source became what NAT made of
// that source for other flows, the latest first as a rule, and returns how many
// there are. Of an IPv6 address the upper half is that of prefix. The flows may end at any time.
func (s *Shard) Mappings(tu *Tuple, prefix *[16]byte, out *[MaxMappings]Tuple) (n int) {
	slots, print := s.table.window(tu)
	for i := len(slots) - 2; i >= 0; i -= 2 {
		word := atomic.LoadUint64(&slots[i])
		if word&(sourceMask<<sourceShift|settled) != print|settled {
			continue
		}
		addr := atomic.LoadUint64(&slots[i+1])
		if atomic.LoadUint64(&slots[i]) != word {
			continue // it went meanwhile
		}
		m := &out[n]
		*m = *tu
		m.SrcPort = uint16(word)
		at := 0
		if tu.Family == FamilyIPv6 {
			copy(m.Src[:], prefix[:8])
			at = 8
		}
		binary.LittleEndian.PutUint64(m.Src[at:], addr)
		n++
	}
	return n
}

// KeepSource lists what NAT made of the source of entry n, whose reply tuple is
// claimed, until the flow ends or ClaimReply gives it another. Without always it
// does so only if the source stands there already: then other flows of it are
// to find this one first.
func (s *Shard) KeepSource(n uint32, always bool) {
	e, nat := &s.entries[n], &s.nat[n]
	if e.flags&flagMoved == 0 || nat.kept {
		return
	}
	slots, print := s.table.window(&e.Tuple)
	for i := 0; i < len(slots) && !always; i += 2 {
		always = atomic.LoadUint64(&slots[i])&(sourceMask<<sourceShift|settled) == print|settled
	}
	if !always {
		return
	}
	word, addr := s.source(n, print)
	for i := 0; i < len(slots); i += 2 {
		if atomic.CompareAndSwapUint64(&slots[i], 0, word) {
			atomic.StoreUint64(&slots[i+1], addr)
			atomic.StoreUint64(&slots[i], word|settled)
			nat.kept = true
			return
		}
	}
}

// forgetSource takes out what KeepSource listed.
func (s *Shard) forgetSource(n uint32) {
	nat := &s.nat[n]
	if !nat.kept {
		return
	}
	nat.kept = false
	slots, print := s.table.window(&s.entries[n].Tuple)
	word, addr := s.source(n, print)
	for i := 0; i < len(slots); i += 2 {
		if atomic.LoadUint64(&slots[i]) == word|settled && atomic.LoadUint64(&slots[i+1]) == addr {
			atomic.StoreUint64(&slots[i], 0)
			return
		}
	}
}

// source returns the words for what the source of entry n became, not ready.
func (s *Shard) source(n uint32, print uint64) (word, addr uint64) {
	reply := &s.nat[n].Reply
	port, at := reply.DstPort, 0
	if reply.Proto == ProtoICMP || reply.Proto == ProtoICMPv6 {
		port = reply.SrcPort // the identifier
	}
	if reply.Family == FamilyIPv6 {
		at = 8
	}
	return uint64(s.me)<<ownerShift | print | uint64(port), binary.LittleEndian.Uint64(reply.Dst[at:])
}
