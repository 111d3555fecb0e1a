package flowtable

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// Expectation announces a flow that belongs to another one, its master: the
// data connection of an FTP session, the media of a call. The first packet
// that matches it makes a child, which is RELATED.
//
// A helper fills the first part and hands it to Shard.Expect, which fills the
// second. It has no padding and no pointers.
type Expectation struct {
	Tuple     Tuple    // of the child's first packet, its zone included
	MaskSrc   [16]byte // bits of Tuple.Src that count; destination, protocol and zone always do
	SavedAddr [16]byte // NAT: what the master's peer really named
	MaskPort  uint16   // bits of Tuple.SrcPort that count
	SavedPort uint16   // NAT: as SavedAddr
	Class     uint8    // of the helper's classes
	Assign    uint8    // helper for the child; 0 none
	Dir       uint8    // NAT: direction of the master's packet that named it
	_         uint8
	Follow    uint16 // NAT: which function sets up the child, numbers of the caller; 0 none
	Cookie    uint16 // the helper's own
	Timeout   uint32 // seconds; 0: the one of the class
	Flags     uint8  // Expect* bits; one word with Expires: both change together

	Helper      uint8  // that created it; 0: none
	Serial      uint16 // of the master's count of children
	Expires     uint32 // tick
	Mark        uint32 // the master's, kept up to date
	Worker      uint32 // the master's
	MasterEntry uint32
	MasterID    uint32
	Master      Tuple // the master's original tuple
	MasterReply Tuple
}

// Flags of an Expectation, as NF_CT_EXPECT_*.
const (
	ExpectPermanent  uint8 = 1 << 0 // a match does not use it up
	ExpectInactive   uint8 = 1 << 1 // matches nothing until ActivateExpect
	ExpectUserspace  uint8 = 1 << 2 // made by a tool
	ExpectSkipMaster uint8 = 1 << 7 // to Expect only: an equal one of any master is ExpectAlready
)

// ExpectResult is what became of a wish to expect.
type ExpectResult uint8

const (
	ExpectRefused ExpectResult = iota // the master has ended, or Class is not one of its helper's (ESHUTDOWN, EINVAL)
	ExpectOK                          // other workers see it already
	ExpectBusy                        // overlaps with another one (EBUSY)
	ExpectAlready                     // there in another class or, with ExpectSkipMaster, of another master (EALREADY)
	ExpectFull                        // expect_max is reached, the class admits none, or its window is full (EMFILE)
)

func (r ExpectResult) String() string {
	return [...]string{"refused", "ok", "busy", "already", "full"}[r%5]
}

// matches reports whether a first packet with tuple tu is what x announces.
func (x *Expectation) matches(tu *Tuple) bool {
	return x.sameEnd(tu) && maskedEqual(&x.Tuple, tu, &x.MaskSrc, x.MaskPort)
}

// sameEnd compares all that no mask covers.
func (x *Expectation) sameEnd(tu *Tuple) bool {
	a := &x.Tuple
	return a.Dst == tu.Dst && a.DstPort == tu.DstPort && a.Proto == tu.Proto && a.Family == tu.Family && a.Zone == tu.Zone
}

// overlaps reports whether some packet could match both.
func (x *Expectation) overlaps(o *Expectation) bool {
	mask := x.MaskSrc
	for i := range mask {
		mask[i] &= o.MaskSrc[i]
	}
	return x.sameEnd(&o.Tuple) && maskedEqual(&x.Tuple, &o.Tuple, &mask, x.MaskPort&o.MaskPort)
}

func maskedEqual(a, b *Tuple, mask *[16]byte, port uint16) bool {
	if (a.SrcPort^b.SrcPort)&port != 0 {
		return false
	}
	for i := 0; i < 16; i += 8 {
		m := binary.NativeEndian.Uint64(mask[i:])
		if (binary.NativeEndian.Uint64(a.Src[i:])^binary.NativeEndian.Uint64(b.Src[i:]))&m != 0 {
			return false
		}
	}
	return true
}

// expectations is the table of all workers. Slot i is a word, read to find
// it, and a record behind it, read and written with atomic words only: a reader
// copies the record and trusts the copy if the word is the same afterwards. What
// the owner changes in a record that holds lies within one word.
//
//	63         40 39       16 15      8 7     0
//	| fingerprint | version  | owner   | phase |
//
// The owner is the worker of the master. It alone takes a free slot, gives one
// back and changes a record; another worker may only step the word from armed
// to spent (its packet used it up) or from tried to spent (it took a claim out).
// The window of a destination is 16 words, as in the directory.
type expectations struct {
	words   []uint64
	records []record
	links   []uint32 // beside records, of their owner: the next one of the same master, slot + 1
	mask    uint64
	key     [4]uint64
	max     int64

	_     [64]byte
	count atomic.Int64 // expectations that hold; read for every new flow
	_     [56]byte
}

type record [recordWords]uint64

const (
	recordWords = 24
	wordFlags   = 11 // Flags, Helper and Expires
	wordMark    = 12 // Mark and Worker
)

// Phases of a slot.
const (
	expectFree    uint64 = iota
	expectWriting        // the owner fills it
	expectTried          // written, not yet known to overlap with no other
	expectDormant        // holds, but the master is not confirmed
	expectArmed          // holds
	expectSpent          // used up, or taken out while it was tried; the owner frees it

	phaseMask    = 0xff
	expectOwner  = 8
	expectSerial = 16
	serialMask   = 1<<24 - 1
	expectPrint  = 40
)

func holds(word uint64) bool {
	return word&phaseMask == expectArmed || word&phaseMask == expectDormant
}

func (t *Table) reserveExpectations() error {
	x, k := &t.expect, &t.keys.fp
	n := 1 << bits.Len64(uint64(4*max(t.cfg.ExpectMax, window)-1)) // a window seldom fills at one quarter
	x.max, x.mask = int64(t.cfg.ExpectMax), uint64(n/slots-1)
	x.key = [4]uint64{k[1], k[3], k[5], t.keys.last}
	return steps(
		func() error { return reserve(&t.build, "expectation words", &x.words, n) },
		func() error { return reserveSparse(&t.build, "expectations", &x.records, n) },
		func() error { return reserveSparse(&t.build, "expectation links", &x.links, n) },
	)
}

// place returns where the window of a destination lies and what stands in its words.
func (x *expectations) place(tu *Tuple) (lines [2]uint64, print uint64) {
	w := words(tu)
	h := fold(w[2]^x.key[0], w[3]^x.key[1])
	h = fold(h^(uint64(tu.Zone)<<32|uint64(tu.DstPort)<<16|uint64(tu.Proto)<<8|uint64(tu.Family)), x.key[2])
	h = fold(h, x.key[3])
	a := h & x.mask
	return [2]uint64{a * slots, (a ^ (h>>24|1)&x.mask) * slots}, h >> expectPrint
}

// load copies the record of slot i. The copy holds if the word is still what
// it was before.
func (x *expectations) load(i uint64, out *Expectation) {
	w := recordOf(out)
	for k := range w {
		w[k] = atomic.LoadUint64(&x.records[i][k])
	}
}

func (x *expectations) store(i uint64, in *Expectation) {
	for k, v := range recordOf(in) {
		atomic.StoreUint64(&x.records[i][k], v)
	}
}

// read copies slot i if word is what stands there, before and after.
func (x *expectations) read(i, word uint64, out *Expectation) bool {
	x.load(i, out)
	return atomic.LoadUint64(&x.words[i]) == word
}

// step changes the phase of slot i, if word still stands there.
func (x *expectations) step(i, word, phase uint64) bool {
	return atomic.CompareAndSwapUint64(&x.words[i], word, word&^phaseMask|phase)
}

// match finds the active expectation for a packet, and uses it up unless it is
// permanent. Any worker.
func (x *expectations) match(tu *Tuple, now uint32, out *Expectation) (used, ok bool) {
	lines, print := x.place(tu)
	for _, at := range lines {
		for i := at; i < at+slots; i++ {
			word := atomic.LoadUint64(&x.words[i])
			for word>>expectPrint == print && word&phaseMask == expectArmed {
				x.load(i, out)
				again := atomic.LoadUint64(&x.words[i])
				if again != word {
					word = again
					continue // it changed under our eyes: its owner made progress
				}
				if out.Flags&ExpectInactive != 0 || int32(out.Expires-now) <= 0 || !out.matches(tu) {
					break
				}
				if out.Flags&ExpectPermanent != 0 {
					return false, true
				}
				if x.step(i, word, expectSpent) {
					x.count.Add(-1)
					return true, true
				}
				word = atomic.LoadUint64(&x.words[i])
			}
		}
	}
	return false, false
}

// find copies an expectation that holds, equal to or covering tu.
func (x *expectations) find(tu *Tuple, out *Expectation) bool {
	lines, print := x.place(tu)
	for _, at := range lines {
		for i := at; i < at+slots; i++ {
			word := atomic.LoadUint64(&x.words[i])
			if word>>expectPrint == print && holds(word) && x.read(i, word, out) && out.matches(tu) {
				return true
			}
		}
	}
	return false
}

// Expectations copies up to len(out) expectations that hold, from slot number
// from on (0 begins), and returns the number to go on with, 0 at the end. Any
// goroutine may call it.
func (t *Table) Expectations(from int, now uint32, out []Expectation) (next, n int) {
	x := &t.expect
	for i := from; i < len(x.words); i++ {
		if n == len(out) {
			return i, n
		}
		word := atomic.LoadUint64(&x.words[i])
		if holds(word) && x.read(uint64(i), word, &out[n]) && int32(out[n].Expires-now) > 0 {
			n++
		}
	}
	return 0, n
}

// ExpectCount returns how many expectations hold. Any goroutine.
func (t *Table) ExpectCount() int { return int(t.expect.count.Load()) }

// ExpectMax returns the limit (nf_conntrack_expect_max).
func (t *Table) ExpectMax() int { return int(t.expect.max) }
