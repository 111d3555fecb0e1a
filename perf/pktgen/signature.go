package pktgen

import "encoding/binary"

// The signature stands at the beginning of the payload:
//
//	 0       2                               10                          18
//	+-------+----------+--------+-------------+---------------+-----------+
//	| magic | stream 10| run 6  | sequence 48 | time 40 (ns)  | check 24  |
//	+-------+----------+--------+-------------+---------------+-----------+
//
// in bits, big-endian. Time is the sender's, modulo 2^40 ns (18 minutes). Check
// is a hash of all but the magic.
const (
	signatureBytes = 18
	magic          = 0x5370

	maxStreams = 1 << 10
	maxRuns    = 1 << 6
	seqMask    = 1<<48 - 1
	timeMask   = 1<<40 - 1
)

// word returns the signature's first word.
func word(stream, run uint32, seq uint64) uint64 {
	return uint64(stream)<<54 | uint64(run)<<48 | seq&seqMask
}

// stamp returns the second one, for a first word and a time.
func stamp(a uint64, nanos int64) uint64 {
	t := uint64(nanos) & timeMask
	return t<<24 | check(a, t)
}

func check(a, t uint64) uint64 {
	h := (a*0x9e3779b97f4a7c15 ^ t) * 0xd6e8feb86659fd93
	return h >> 40
}

// putSignature writes both words.
func putSignature(b []byte, a, t uint64) {
	_ = b[signatureBytes-1]
	binary.BigEndian.PutUint64(b[2:], a)
	binary.BigEndian.PutUint64(b[10:], t)
}

// kind is what a received frame is to the measurement.
type kind uint8

const (
	foreign kind = iota // no frame of a generator
	corrupt             // one whose bytes have changed
	stray               // one of another run
	sound
)

// examine finds the signature of a received frame and checks it and the
// checksums.
func examine(b []byte, run uint32) (what kind, stream uint32, seq, t uint64) {
	what, a, t := inspect(b)
	switch {
	case what != sound:
		return what, 0, 0, 0
	case uint32(a>>48)&(maxRuns-1) != run:
		return stray, 0, 0, 0
	}
	return sound, uint32(a >> 54), a & seqMask, t
}

// signedBy returns the run of a sound frame, whichever it is.
func signedBy(b []byte) (run uint32, signed bool) {
	what, a, _ := inspect(b)
	return uint32(a>>48) & (maxRuns - 1), what == sound
}

// inspect returns the signature's first word and time of a sound frame.
func inspect(b []byte) (what kind, a, t uint64) {
	if len(b) < 14+20+8+signatureBytes {
		return foreign, 0, 0
	}
	at := 12
	ethertype := binary.BigEndian.Uint16(b[at:])
	for range 2 {
		if ethertype != 0x8100 && ethertype != 0x88a8 {
			break
		}
		at += 4
		ethertype = binary.BigEndian.Uint16(b[at:])
	}
	at += 2
	ip := b[at:]
	var l4 []byte
	var proto byte
	ok := true
	var total uint64 // of what the transport checksum covers
	switch {
	case ethertype == 0x0800:
		if ip[0] != 0x45 || len(ip) < 20 {
			return foreign, 0, 0
		}
		size := int(binary.BigEndian.Uint16(ip[2:]))
		if size < 28 || size > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return foreign, 0, 0
		}
		ok = fold(sum(ip[:20])) == 0xffff
		proto = ip[9]
		l4 = ip[20:size]
		total = sum(ip[12:20])
	case ethertype == 0x86dd && len(ip) >= 40+8+signatureBytes:
		size := int(binary.BigEndian.Uint16(ip[4:]))
		if size < 8 || 40+size > len(ip) {
			return foreign, 0, 0
		}
		proto = ip[6]
		l4 = ip[40 : 40+size]
		total = sum(ip[8:40])
	default:
		return foreign, 0, 0
	}
	total += uint64(proto) + uint64(len(l4))
	head := 8
	switch proto {
	case 17:
	case 6:
		head = 20
	case 1:
		total = 0
	case 58:
	default:
		return foreign, 0, 0
	}
	if len(l4) < head+signatureBytes {
		return foreign, 0, 0
	}
	sig := l4[head : head+signatureBytes]
	a, s := binary.BigEndian.Uint64(sig[2:]), binary.BigEndian.Uint64(sig[10:])
	marked := binary.BigEndian.Uint16(sig) == magic
	signed := s&(1<<24-1) == check(a, s>>24)
	if !marked && !signed {
		return foreign, 0, 0
	}
	if !marked || !signed || !ok || fold(total+sum(l4)) != 0xffff {
		return corrupt, 0, 0
	}
	return sound, a, s >> 24
}
