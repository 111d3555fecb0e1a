package pair

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sluice-net/sluice/tools/frame"
)

// connection names the segments that a proxy sends to a client.
type connection struct{ server, client endpoint }

// numbers is by how much the kernel's numbers are larger than sluice's.
type numbers struct{ seq, stamp uint32 }

// Low bits of the timestamp in a SYN+ACK say what the client offered; the others
// are the time.
const stampKeeps = 0x3f

// ecn are ECE and CWR, which say nothing of what a segment is for.
const ecn = 0xc0

// segment is where the numbers of a TCP segment stand in a frame.
type segment struct {
	connection
	flags byte
	sum   []byte
	seq   []byte
	ack   []byte
	stamp []byte // the option's value and echo; nil: it has none
}

func segmentOf(b []byte) (s segment, ok bool) {
	x, ok := headerAt(b[14:], 0)
	if !ok || x.proto != frame.ProtoTCP || len(b) < 14+x.l4+20 {
		return s, false
	}
	t := b[14+x.l4:]
	s = segment{connection: connection{x.end(0), x.end(1)}, flags: t[13] &^ ecn, sum: t[16:18], seq: t[4:8], ack: t[8:12]}
	for o := t[20:min(len(t), int(t[12]>>4)*4)]; len(o) > 1 && o[0] != 0; {
		if o[0] == 1 {
			o = o[1:]
			continue
		}
		if o[0] == 8 && o[1] == 10 && len(o) >= 10 {
			s.stamp = o[2:10]
		}
		o = o[min(len(o), max(2, int(o[1]))):]
	}
	return s, true
}

// proxied says whether two frames differ in nothing but what a SYN proxy's cookie
// has begun with. The first answer to a client shows that.
//
// Known: the kernel moves the echo of its own acknowledgement to the server, which
// is the server's value already.
func (j *Judge) proxied(k, s []byte) bool {
	k, s = bytes.Clone(k), bytes.Clone(s)
	ks, ok := segmentOf(k)
	ss, also := segmentOf(s)
	if !ok || !also || ks.connection != ss.connection || (ks.stamp == nil) != (ss.stamp == nil) {
		return false
	}
	const syn, synAck, ack = 0x02, 0x12, 0x10
	number := binary.BigEndian.Uint32
	all := j.shown[ks.connection]
	switch {
	case ks.flags == synAck && !j.entered(synAck):
		shown := numbers{seq: number(ks.seq) - number(ss.seq)}
		if ks.stamp != nil {
			if shown.stamp = number(ks.stamp) - number(ss.stamp); shown.stamp&stampKeeps != 0 {
				return false
			}
		}
		if j.shown == nil {
			j.shown = map[connection][]numbers{}
		}
		all = append(all, shown)
		j.shown[ks.connection] = all
	case ks.flags == syn: // its acknowledgement, which is none, is the cookie
		for _, n := range slices.Concat(slices.Collect(maps.Values(j.shown))...) {
			if number(ks.ack)-number(ss.ack) == n.seq && (ks.stamp == nil || number(ks.stamp[4:])-number(ss.stamp[4:]) == n.stamp) {
				copy(ss.ack, ks.ack)
				if ks.stamp != nil {
					copy(ss.stamp[4:], ks.stamp[4:])
				}
				break
			}
		}
	case all == nil && ks.flags == ack && j.entered(synAck) && ks.stamp != nil:
		copy(ss.stamp[4:], ks.stamp[4:])
	}
	clear(ks.sum)
	clear(ss.sum)
	seq, stamp := number(ss.seq), uint32(0)
	if ss.stamp != nil {
		stamp = number(ss.stamp)
	}
	for _, n := range append(all, numbers{}) {
		binary.BigEndian.PutUint32(ss.seq, seq+n.seq)
		if ss.stamp != nil {
			binary.BigEndian.PutUint32(ss.stamp, stamp+n.stamp)
		}
		if bytes.Equal(k, s) {
			return true
		}
	}
	return false
}

// entered says whether a segment with just these flags was sent into the box.
func (j *Judge) entered(flags byte) bool {
	for _, sent := range j.sent {
		if x, ok := segmentOf(sent[0]); ok && x.flags == flags {
			return true
		}
	}
	return false
}
