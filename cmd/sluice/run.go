package main

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// captured is a frame of a capture on its way into the box.
type captured struct {
	at   time.Time
	port uint8
	key  uint64 // of its flow: picks the queue
	data []byte

	number  uint32 // of the record in its file, from 1
	file    uint8  // 0: --in, 1: --in2
	refused string // why the record is no frame, which is then empty
}

// runLength says how many of the first frames may be in the box at once
// without the number of workers or the size of bursts showing in the result.
// They share port and millisecond. With one worker nothing else can change
// their order; with several, frames of different flows may overtake one
// another on their way to their owners, so a run is of one flow.
func runLength(frames []captured, workers int) int {
	first := &frames[0]
	n := 1
	for n < len(frames) && n < maxRun {
		f := &frames[n]
		if f.port != first.port || !tickOf(f.at).Equal(tickOf(first.at)) ||
			workers > 1 && f.key != first.key {
			break
		}
		n++
	}
	return n
}

// tickOf is the clock's time for packets of a moment: what shares a
// millisecond shares it, however it is divided into runs.
func tickOf(at time.Time) time.Time { return at.Truncate(time.Millisecond) }

// mayBeFragment says whether a frame could have waited for others: which run
// lets it go depends on how runs are divided, the millisecond does not.
func mayBeFragment(frame []byte) bool {
	switch ip, family := network3(frame); family {
	case 4:
		return binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
	case 6:
		return slices.Contains([]byte{0, 43, 44, 60}, ip[6]) // the fragment header, or what can stand before it
	}
	return false
}

func startOf(frames []captured) time.Time {
	if len(frames) == 0 {
		return time.Unix(0, 0).UTC()
	}
	return frames[0].at
}

// flowKey is equal for the frames of one flow in both directions, as a network
// card's hash is. What is neither TCP nor UDP, and fragments, count by address.
func flowKey(frame []byte) uint64 {
	ip, family := network3(frame)
	var proto byte
	var src, dst, rest []byte
	switch family {
	case 4:
		proto, src, dst = ip[9], ip[12:16], ip[16:20]
		if header := int(ip[0]&15) * 4; header <= len(ip) && binary.BigEndian.Uint16(ip[6:])&0x3fff == 0 {
			rest = ip[header:]
		}
	case 6:
		proto, src, dst, rest = ip[6], ip[8:24], ip[24:40], ip[40:]
	default:
		return 0
	}
	// The sum of both ends' hashes does not know which is which.
	a, b := fnv(offsetBasis, src), fnv(offsetBasis, dst)
	if (proto == 6 || proto == 17) && len(rest) >= 4 {
		a, b = fnv(a, rest[0:2]), fnv(b, rest[2:4])
	}
	return fnv(a+b, []byte{proto}) >> 8 // the low bits of FNV are its weakest
}

const offsetBasis = 0xcbf29ce484222325

func fnv(h uint64, data []byte) uint64 {
	for _, b := range data {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}

// network3 finds the IP header behind VLAN tags; family 0 if there is none or
// it is cut short.
func network3(frame []byte) (ip []byte, family int) {
	at := 12
	for at+2 <= len(frame) {
		switch binary.BigEndian.Uint16(frame[at:]) {
		case 0x8100, 0x88a8, 0x9100:
			at += 4
			continue
		case 0x0800:
			if ip = frame[at+2:]; len(ip) >= 20 {
				return ip, 4
			}
		case 0x86dd:
			if ip = frame[at+2:]; len(ip) >= 40 {
				return ip, 6
			}
		}
		break
	}
	return nil, 0
}

// addresses lists the sources and destinations of frames once each, in order.
func addresses(frames []captured) []netip.Addr {
	seen := map[netip.Addr]bool{}
	for i := range frames {
		switch ip, family := network3(frames[i].data); family {
		case 4:
			seen[netip.AddrFrom4([4]byte(ip[12:16]))] = true
			seen[netip.AddrFrom4([4]byte(ip[16:20]))] = true
		case 6:
			seen[netip.AddrFrom16([16]byte(ip[8:24]))] = true
			seen[netip.AddrFrom16([16]byte(ip[24:40]))] = true
		}
	}
	list := make([]netip.Addr, 0, len(seen))
	for a := range seen {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

func sortLines(lines []string) { slices.Sort(lines) }

func sortBy[T any, K cmp.Ordered](list []T, key func(T) K) {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}
