package flowtable

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// keys are the secrets of the two hashes. Someone who cannot read them cannot
// choose which bucket or worker a flow lands on.
type keys struct {
	end0, end1, end2 uint64 // one end of a flow
	meta, last       uint64 // both ends together
	fp               [6]uint64
}

func newKeys(seed [2]uint64) keys {
	if seed == [2]uint64{} {
		var b [16]byte
		rand.Read(b[:]) // never fails: the runtime aborts instead
		seed = [2]uint64{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
	}
	// A counter keyed by both halves, mixed until each bit depends on all.
	x := seed[0]
	next := func() uint64 {
		x += 0x9e3779b97f4a7c15
		z := fold(x^seed[1], 0xd6e8feb86659fd93)
		return fold(z^x, 0xa0761d6478bd642f|1)
	}
	var k keys
	k.end0, k.end1, k.end2, k.meta, k.last = next(), next()|1, next(), next(), next()|1
	for i := range k.fp {
		k.fp[i] = next() | 1
	}
	return k
}

// fold multiplies to 128 bits and folds the halves together.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Hash returns the keyed hash of a flow, the same for both of its directions.
// ICMP type and code, GRE keys and the zone are no part of it. IPv4 costs three
// multiplications. Any goroutine may call it.
//
//	63          48 47      32 31                0
//	| owner ...      | tag     | bucket         |
func (t *Table) Hash(tu *Tuple) uint64 {
	sport, dport := tu.SrcPort, tu.DstPort
	if tu.Proto == ProtoICMP || tu.Proto == ProtoICMPv6 {
		dport = sport // the identifier stands for both ends
	} else if tu.Proto == ProtoGRE {
		sport, dport = 0, 0 // of two PPTP keys one may not be known yet
	}
	k := &t.keys
	w := words(tu)
	var both uint64
	if tu.Family == FamilyIPv4 {
		// Address and port of an end fit one word.
		src := uint64(sport)<<32 | uint64(binary.LittleEndian.Uint32(tu.Src[:4]))
		dst := uint64(dport)<<32 | uint64(binary.LittleEndian.Uint32(tu.Dst[:4]))
		both = fold(src^k.end0, k.end1) + fold(dst^k.end0, k.end1)
	} else {
		both = fold(fold(w[0]^k.end0, w[1]^k.end2)^uint64(sport), k.end1) +
			fold(fold(w[2]^k.end0, w[3]^k.end2)^uint64(dport), k.end1)
	}
	return fold(both^k.meta^(uint64(tu.Proto)<<8|uint64(tu.Family)), k.last)
}

// Owner returns the worker that owns flows whose original wire tuple has this
// hash. Any goroutine may call it.
func (t *Table) Owner(hash uint64) int {
	return int((hash >> 32) * uint64(len(t.shards)) >> 32)
}

// fingerprint is a second keyed hash, of one direction, zone included: 55 bits,
// never 0.
func (t *Table) fingerprint(tu *Tuple) uint64 {
	w, k := words(tu), &t.keys.fp
	h := fold(w[0]^k[0], w[1]^k[1])
	h = fold(h^w[2]^k[2], w[3]^k[3])
	h = fold(h^w[4]^k[4], k[5])
	return max(h>>9, 1)
}

// spread takes apart flows that Hash alone cannot: those that differ only in
// zone, in ICMP code or in GRE keys. Without it a sender could fill two buckets at will.
func spread(tu *Tuple, hash uint64) uint64 {
	extra := uint64(tu.Zone) << 8
	if tu.Proto == ProtoICMP || tu.Proto == ProtoICMPv6 {
		extra |= uint64(tu.DstPort & 0xff)
	} else if tu.Proto == ProtoGRE {
		extra += (uint64(tu.SrcPort) + uint64(tu.DstPort)) << 24
	}
	return hash ^ extra*0x9e3779b97f4a7c15
}
