package pktgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// Stream is a series of frames from one port to another.
type Stream struct {
	Name     string
	From, To string // names of ports; To may be empty: nobody expects the frames
	Queue    int    // of the port From
	Headers  Headers
	Vary     []Variation
	Sizes    Sizes
	Rate     Rate
	Burst    int    // frames sent at once, at the same mean rate; 0: 1
	Count    uint64 // frames in all, 0: until the run's end
	// Unsigned leaves the signature out: frames may then be shorter, and nothing
	// is known of them but how many were sent.
	Unsigned bool
	Replay   *Replay // frames of a capture, instead of Headers, Vary and Sizes
}

// measured says whether a port receives the stream and knows its frames.
func (s *Stream) measured() bool { return s.To != "" && !s.Unsigned && s.Replay == nil }

// total returns how many frames the stream has, 0: it goes on until the run's end.
func (s *Stream) total() uint64 {
	if s.Replay == nil || s.Replay.Loops == 0 {
		return s.Count
	}
	all := uint64(s.Replay.Loops) * uint64(len(s.Replay.frames))
	if s.Count > 0 {
		all = min(all, s.Count)
	}
	return all
}

// variant is a stream's frame of one size, ready but for what varies.
type variant struct {
	frame        []byte
	ipSum, l4Sum uint64
}

// sender makes the frames of a stream and says when. Its worker owns it.
type sender struct {
	name     string
	id       uint32
	queue    int
	signed   bool
	run      uint32
	seq      uint64
	fields   []counter
	variants []variant // in the order of Sizes.List
	turn     int
	draw     bool // sizes at random
	random   random
	ipAt     int // of the header checksum, 0: none
	l4At     int // of the transport checksum
	payload  int
	udp      bool
	replay   *playback

	pace pace

	sent, bytes uint64 // taken by the port
	total       uint64 // frames in all, 0: until the run's end
	ended       int64  // when the port took the last of them; 0: it has not
	shown       struct{ frames, bytes perf.Counter }
}

// newSender checks a stream and makes its frames. most is the longest frame
// that the port takes, with FCS; speed its bit/s.
func newSender(s *Stream, id, run uint32, seed uint64, most int, speed float64) (*sender, error) {
	n := &sender{name: s.Name, id: id, run: run, queue: s.Queue, signed: !s.Unsigned, random: random{seed ^ uint64(id+1)*0x9e3779b97f4a7c15}, total: s.total()}
	if s.Replay != nil {
		n.signed = false
		var err error
		if n.replay, err = s.Replay.playback(most); err != nil {
			return nil, err
		}
		if s.Rate.Unit == Top && s.Replay.Speed > 0 {
			n.pace.limit = s.Count
			return n, nil
		}
		return n, n.setPace(s, n.replay.mean(), speed)
	}
	h := s.Headers
	if err := h.complete(); err != nil {
		return nil, err
	}
	least := h.Payload() + FCS
	if n.signed {
		least += signatureBytes
	}
	if err := s.Sizes.validate(least, most); err != nil {
		return nil, err
	}
	made := map[int]variant{}
	for _, size := range s.Sizes.List {
		v, ok := made[size]
		if !ok {
			v.frame = make([]byte, size-FCS)
			n.fill(v.frame[h.Payload():])
			v.ipSum, v.l4Sum = h.build(v.frame)
			made[size] = v
		}
		n.variants = append(n.variants, v)
	}
	n.draw = s.Sizes.Random && len(n.variants) > 1
	n.l4At, n.payload, n.udp = h.checksumAt(), h.Payload(), h.Proto == UDP
	if h.Src.Is4() {
		n.ipAt = h.l3() + 10
	}
	taken := map[Field]bool{}
	for _, v := range s.Vary {
		if v.Field < fields && taken[v.Field] {
			return nil, fmt.Errorf("%v: varies twice", v.Field)
		}
		taken[v.Field] = true
		c, err := h.counter(v, n.variants[0].frame)
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, c)
	}
	for i := range n.variants { // whatever next sets must not be in the sums already
		n.variants[i] = n.without(n.variants[i], made)
	}
	return n, n.setPace(s, s.Sizes.mean(), speed)
}

// fill writes the payload pattern, with room for the signature in front.
func (n *sender) fill(b []byte) {
	for i := range b {
		b[i] = byte(i)
	}
	if n.signed {
		clear(b[:signatureBytes])
		binary.BigEndian.PutUint16(b, magic)
	}
}

// without takes the varying fields out of a variant's sums. Equal sizes share
// one variant, so it is done once for each.
func (n *sender) without(v variant, made map[int]variant) variant {
	size := len(v.frame) + FCS
	if done, ok := made[-size]; ok {
		return done
	}
	for _, c := range n.fields {
		b := v.frame[c.at:]
		x := uint64(binary.BigEndian.Uint16(b))
		if c.wide {
			x = uint64(binary.BigEndian.Uint32(b))
		}
		// Taking away is adding the complement: 2^32-1 stands for zero.
		v.ipSum += (math.MaxUint32 - x) & c.inIP
		v.l4Sum += (math.MaxUint32 - x) & c.inL4
	}
	made[-size] = v
	return v
}

func (n *sender) setPace(s *Stream, size, speed float64) error {
	rate, err := s.Rate.packets(size, speed)
	if err != nil {
		return err
	}
	if s.Burst < 0 || s.Burst > 1<<20 {
		return errors.New("burst: want 1 to 1048576 frames")
	}
	n.pace = pace{rate: rate, perNano: rate / 1e9, burst: uint64(max(s.Burst, 1)), limit: s.Count}
	return nil
}

// build writes the next frame into b, which holds the longest one, and returns
// its length.
func (n *sender) build(b []byte, now int64) int {
	if n.replay != nil {
		return n.replay.build(b)
	}
	i := n.turn
	if n.draw {
		i = int((n.random.next() >> 32) * uint64(len(n.variants)) >> 32)
	} else if n.turn++; n.turn == len(n.variants) {
		n.turn = 0
	}
	v := &n.variants[i]
	size := len(v.frame)
	if b = b[:size]; size == 60 { // as large as most that are sent at top speed: without a call
		*(*[60]byte)(b) = *(*[60]byte)(v.frame)
	} else {
		copy(b, v.frame)
	}
	ipSum, l4Sum := v.ipSum, v.l4Sum
	carry := true
	for i := range n.fields {
		c := &n.fields[i]
		x := c.value
		if c.order != Sequential || carry {
			x, carry = c.next(&n.random, carry)
		}
		if c.wide {
			binary.BigEndian.PutUint32(b[c.at:], x)
		} else {
			binary.BigEndian.PutUint16(b[c.at:], uint16(x))
		}
		ipSum += uint64(x) & c.inIP
		l4Sum += uint64(x) & c.inL4
	}
	if n.signed {
		a := word(n.id, n.run, n.seq)
		t := stamp(a, now)
		putSignature(b[n.payload:], a, t)
		l4Sum += a>>32 + a&0xffffffff + t>>32 + t&0xffffffff
	}
	n.seq++
	if n.ipAt != 0 {
		binary.BigEndian.PutUint16(b[n.ipAt:], ^fold(ipSum))
	}
	sum := ^fold(l4Sum)
	if sum == 0 && n.udp {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[n.l4At:], sum)
	return size
}

// took returns for how long the stream was being sent, of a run that sent for so
// long: in a stream that ended by its count, until its last frame and the pause
// that belongs to it.
func (n *sender) took(run time.Duration) time.Duration {
	if n.ended == 0 {
		return run
	}
	own := time.Duration(n.ended - n.pace.start)
	if n.pace.rate > 0 {
		own += time.Duration(float64(n.pace.burst) / n.pace.perNano)
	}
	if own <= 0 {
		return run
	}
	return own
}

// publish lets readers see the counts.
func (n *sender) publish() {
	n.shown.frames.Add(n.sent - n.shown.frames.Load())
	n.shown.bytes.Add(n.bytes - n.shown.bytes.Load())
}
