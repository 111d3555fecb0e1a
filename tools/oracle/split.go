package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/tools/frame"
)

// span is a piece of a datagram's payload in bytes.
type span struct {
	from, to int
	lies     bool // about being the last one
	free     bool // to be cut up again, whatever the datagram says
}

// spans cuts length bytes into pieces of size each; every piece but the first
// begins overlap bytes early.
func spans(length, size, overlap int) (all []span) {
	for at := 0; at < length; at += size {
		all = append(all, span{from: max(0, at-overlap), to: min(at+size, length)})
		if at == 0 {
			all[0].from = 0
		}
	}
	return all
}

// parseSpans reads "0-80,80-160"; "!" behind a piece turns its flag for more to
// come, "~" in front of that takes the one off that forbids IPv4 to cut it up.
func parseSpans(text string) (all []span, err error) {
	for _, w := range strings.Split(text, ",") {
		var s span
		w, s.lies = strings.CutSuffix(w, "!")
		w, s.free = strings.CutSuffix(w, "~")
		if _, err := fmt.Sscanf(w, "%d-%d", &s.from, &s.to); err != nil || s.from%8 != 0 || s.to < s.from {
			return nil, fmt.Errorf("bad piece %q of a datagram", w)
		}
		all = append(all, s)
	}
	return all, nil
}

// splitSpans makes fragments of the datagram in a frame without tags.
func splitSpans(b []byte, id uint32, pieces []span) [][]byte {
	var out [][]byte
	ip := b[14:]
	if ip[0]>>4 == 4 {
		hl := int(ip[0]&15) * 4
		payload := ip[hl:]
		for _, s := range pieces {
			s.to = min(s.to, len(payload))
			f := append([]byte(nil), b[:14+hl]...)
			f = append(f, payload[s.from:s.to]...)
			h := f[14:]
			binary.BigEndian.PutUint16(h[2:], uint16(hl+s.to-s.from))
			binary.BigEndian.PutUint16(h[4:], uint16(id))
			v := uint16(s.from/8) | uint16(h[6]&0x40)<<8
			if s.free {
				v &^= 0x4000
			}
			if s.to < len(payload) != s.lies {
				v |= 0x2000
			}
			binary.BigEndian.PutUint16(h[6:], v)
			binary.BigEndian.PutUint16(h[10:], 0)
			binary.BigEndian.PutUint16(h[10:], ^ones(h[:hl]))
			out = append(out, f)
		}
		return out
	}
	payload := ip[40:]
	for _, s := range pieces {
		s.to = min(s.to, len(payload))
		f := append([]byte(nil), b[:54]...)
		h := f[14:]
		next := h[6]
		h[6] = frame.FragHdr
		binary.BigEndian.PutUint16(h[4:], uint16(8+s.to-s.from))
		v := uint16(s.from)
		if s.to < len(payload) != s.lies {
			v |= 1
		}
		f = append(f, next, 0, byte(v>>8), byte(v))
		f = binary.BigEndian.AppendUint32(f, id)
		out = append(out, append(f, payload[s.from:s.to]...))
	}
	return out
}

// poison is a piece of the datagram in a frame for which the kernel throws away
// what it has of it: one of no bytes, or of IPv6, where that does no harm, one
// of odd length that is not the last.
func poison(b []byte, id uint32) []byte {
	if b[14]>>4 == 4 {
		return splitSpans(b, id, []span{{}})[0]
	}
	odd := append(b[:54:54], make([]byte, 9)...)
	return splitSpans(odd, id, []span{{from: 8, to: 9, lies: true}})[0]
}

// ones is the ones' complement sum of an even number of bytes.
func ones(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}
