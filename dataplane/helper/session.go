package helper

import "github.com/sluice-net/sluice/flowtable"

// Limits of one packet's edits.
const (
	maxEdits = 48
	textSize = 2048
)

// How a child is translated, values of flowtable.Expectation.Follow.
const (
	FollowNone   uint16 = iota // as the rules say
	FollowMaster               // Session.follow
	FollowMedia                // to SavedAddr and SavedPort, the source only where Translate says so
	FollowTunnel               // a GRE tunnel; SavedPort is the client's call id on the other side of the box
)

// Session is one packet of a flow with a helper. The caller fills it.
type Session struct {
	Payload []byte             // behind the transport header; to be read only
	Seq     uint32             // TCP: of Payload's first byte, as its sender counts
	Dir     uint8              // flowtable.Original or flowtable.Reply
	Tuples  [2]flowtable.Tuple // of the master by direction, as on the wire
	NAT     bool               // the master is translated: the payload has to be, too
	Replied bool               // packets went in both directions
	Private *[8]uint32         // the flow's own; zero at first

	Number uint8            // of the helper, as the flow table knows it
	Child  bool             // the flow was itself expected
	Shard  *flowtable.Shard // where expectations go
	Entry  uint32           // the master
	Now    uint32           // tick

	// Wants is room for expectations to be made: they go through pointers, so
	// as local variables they would be allocated.
	Wants [4]flowtable.Expectation

	edits  [maxEdits]edit // by offset
	nedits int
	text   [textSize]byte // what edits write
	ntext  int

	contact int     // sip: offset of a contact that is translated already; -1: none
	body    sdpBody // sip: the session description of this packet
}

// edit replaces Payload[off:off+old] by text[at:at+now].
type edit struct{ off, old, at, now uint16 }

// Reset prepares the session for another packet: no edits. The caller then
// sets the fields.
func (s *Session) Reset() { s.nedits, s.ntext, s.contact = 0, 0, -1 }

// Me is the tuple of the packet's own direction.
func (s *Session) Me() *flowtable.Tuple { return &s.Tuples[s.Dir] }

// Other is the tuple that answers to this packet have on the wire.
func (s *Session) Other() *flowtable.Tuple { return &s.Tuples[s.Dir^1] }

// Want prepares expectation i: a child of protocol proto to the address to and
// port, from an address (nil: any) and any port.
func (s *Session) Want(i int, proto uint8, from, to *[16]byte, port uint16) *flowtable.Expectation {
	x := &s.Wants[i]
	t := &s.Tuples[flowtable.Original]
	*x = flowtable.Expectation{Tuple: flowtable.Tuple{Dst: *to, DstPort: port, Proto: proto, Family: t.Family, Zone: t.Zone}}
	if from != nil {
		x.Tuple.Src = *from
		size := 4
		if t.Family == flowtable.FamilyIPv6 {
			size = 16
		}
		for k := range x.MaskSrc[:size] {
			x.MaskSrc[k] = 0xff
		}
	}
	return x
}

// Expect enters expectation i into the table that all workers read.
func (s *Session) Expect(i int) flowtable.ExpectResult {
	return s.Shard.Expect(s.Entry, &s.Wants[i], s.Now)
}

// portTries is how many ports a helper tries for a child.
const portTries = 128

// ExpectPort is Expect with the destination port that expectation i has and,
// while that one is busy, with one of the next; 0: none can be had.
func (s *Session) ExpectPort(i int) uint16 {
	x := &s.Wants[i]
	for range portTries {
		switch s.Expect(i) {
		case flowtable.ExpectOK:
			return x.Tuple.DstPort
		case flowtable.ExpectBusy:
		default:
			return 0
		}
		if x.Tuple.DstPort++; x.Tuple.DstPort == 0 {
			return 0
		}
	}
	return 0
}

// Follow has the child of expectation i, of a translated master, translated as
// the master is: it comes to the sender of this packet, at the port that the
// expectation has now, from where that sender sees the other side
// (nf_nat_follow_master).
func (s *Session) Follow(i int) {
	x := &s.Wants[i]
	x.Follow, x.Dir = FollowMaster, s.Dir
	x.SavedAddr, x.SavedPort = s.Me().Src, x.Tuple.DstPort
}

// Text returns an empty slice to append the text of one edit to, for Replace.
func (s *Session) Text() []byte { return s.text[s.ntext:s.ntext] }

// Replace has Payload[off:off+old] replaced by text, which was appended to
// what Text returned. False: it overlaps another edit or there is no room; the
// packet must then not leave as it is.
func (s *Session) Replace(off, old int, text []byte) bool {
	end := off + old
	if off < 0 || old < 0 || end > len(s.Payload) || len(s.Payload) > 0xffff || s.nedits == maxEdits || s.ntext+len(text) > textSize {
		return false // text that outgrew its room lies elsewhere and is longer than the room
	}
	i := s.nedits
	for i > 0 && int(s.edits[i-1].off) >= end {
		i--
	}
	if i > 0 && int(s.edits[i-1].off)+int(s.edits[i-1].old) > off {
		return false
	}
	copy(s.edits[i+1:s.nedits+1], s.edits[i:s.nedits])
	s.edits[i] = edit{uint16(off), uint16(old), uint16(s.ntext), uint16(len(text))}
	s.nedits++
	s.ntext += len(text)
	return true
}

// Edited says whether the payload is to be changed.
func (s *Session) Edited() bool { return s.nedits > 0 }

// Grown is by how many bytes the edits so far lengthen Payload[from:to].
func (s *Session) Grown(from, to int) int {
	n := 0
	for i := range s.edits[:s.nedits] {
		if e := &s.edits[i]; int(e.off) >= from && int(e.off)+int(e.old) <= to {
			n += int(e.now) - int(e.old)
		}
	}
	return n
}

// Apply writes the payload with its edits to out and returns its length;
// false: it does not fit.
func (s *Session) Apply(out []byte) (n int, ok bool) {
	if len(s.Payload)+s.Grown(0, len(s.Payload)) > len(out) {
		return 0, false
	}
	from := 0
	for i := range s.edits[:s.nedits] {
		e := &s.edits[i]
		n += copy(out[n:], s.Payload[from:e.off])
		n += copy(out[n:], s.text[e.at:e.at+e.now])
		from = int(e.off) + int(e.old)
	}
	n += copy(out[n:], s.Payload[from:])
	return n, true
}

// Half is one half of a tuple that a translation sets; the port with HasPort.
type Half struct {
	Set     bool
	HasPort bool
	Port    uint16
	Addr    [16]byte
}

// Translate says how the child that met expectation x is translated when its
// master is. False: as the rules say.
func Translate(x *flowtable.Expectation, child *flowtable.Tuple, src, dst *Half) bool {
	// The packet that named the child went in direction x.Dir of the master: the
	// child goes to its sender, from whom that sender sees.
	me, other := &x.Master, &x.MasterReply
	if x.Dir == flowtable.Reply {
		me, other = other, me
	}
	*src = Half{Set: true, Addr: me.Dst}
	*dst = Half{Set: true, HasPort: true, Port: x.SavedPort, Addr: x.SavedAddr}
	switch x.Follow {
	case FollowMaster:
	case FollowMedia:
		// Media may come from somewhere else than the signalling; only what comes
		// from the other side of the master looks as that side does.
		src.Set = child.Src == other.Src
	case FollowTunnel:
		// The other way round: the child goes in direction x.Dir.
		*src = Half{Set: true, Addr: other.Dst}
		*dst = Half{Set: true, Addr: other.Src}
		if x.Dir == flowtable.Original {
			src.HasPort, src.Port = true, x.SavedPort
		} else {
			dst.HasPort, dst.Port = true, x.SavedPort
		}
	default:
		return false
	}
	return true
}
