package pair

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
)

// Outcome is what frames have brought about on one side.
type Outcome struct {
	Sent     []Frame // the frames
	Frames   []Frame
	Entries  []Entry
	Counters []Counter
	Stats    Stats
	Traces   []string // what was told of traced packets, a packet each
}

// Slack is how many seconds timeouts may differ, besides Judge.Late.
const Slack = 1

// Judge compares outcomes. What NAT chose by chance on both sides is matched up,
// if a rule of the script says what it may be, and holds as long as the entry.
type Judge struct {
	// Free says whether NAT may give the endpoint; nil: nothing is left to chance.
	Free func(addr netip.Addr, port uint16) bool
	// Late is how long the machine took for what both did at one time by the
	// box's clock: much, when it has other work.
	Late time.Duration
	// From is when the first packet of a comparison was sent, Took how long it was
	// until the last one's effect was read.
	From time.Time
	Took time.Duration
	// Again is set when one of both, such as sluice, which searches from the same start
	// for the same flow, has chosen what it had given before, and the other something else:
	// what an old frame means is no longer the same for both.
	Again bool
	// Edge is set when, between two readings of the clock, the time may have been up
	// for only one of both.
	Edge bool

	// Cookies says that a SYN proxy answers for servers: the numbers that its
	// cookies begin with and its timestamps are each side's own.
	Cookies bool

	now    span                     // of this comparison
	begun  map[Tuple]span           // by original tuple
	chance map[endpoint][]endpoint  // sluice's to the kernel's, one for each flow that had it
	ids    map[uint32]uint32        // of IPv6 fragments: sluice's to the kernel's, which chooses new ones
	shown  map[connection][]numbers // what the proxy has shown to clients
	sent   [][2][]byte              // frames into the kernel and into sluice, of this comparison
}

// Compare lists what differs between two outcomes, empty when nothing does.
func (j *Judge) Compare(kernel, sluice *Outcome) []string {
	j.sent = j.sent[:0]
	for i := range min(len(kernel.Sent), len(sluice.Sent)) {
		j.sent = append(j.sent, [2][]byte{kernel.Sent[i].Data, sluice.Sent[i].Data})
	}
	j.age(kernel.Entries)
	diffs := j.entries(kernel.Entries, sluice.Entries)
	frames := j.frames(kernel.Frames, sluice.Frames)
	if len(diffs) > 0 { // with what the frames have shown
		diffs = j.entries(kernel.Entries, sluice.Entries)
	}
	diffs = append(diffs, frames...)
	if len(kernel.Counters) != len(sluice.Counters) {
		diffs = append(diffs, fmt.Sprintf("kernel has %d counters, sluice %d", len(kernel.Counters), len(sluice.Counters)))
	} else {
		for i, k := range kernel.Counters {
			if s := sluice.Counters[i]; s != k {
				diffs = append(diffs, fmt.Sprintf("counter: kernel %v, sluice %v", k, s))
			}
		}
	}
	diffs = append(diffs, traces(kernel.Traces, sluice.Traces)...)
	if kernel.Stats != sluice.Stats {
		diffs = append(diffs, fmt.Sprintf("conntrack counters: kernel %+v, sluice %+v", kernel.Stats, sluice.Stats))
	}
	return diffs
}

func (j *Judge) entries(kernel, sluice []Entry) (diffs []string) {
	matched := make([]bool, len(sluice))
	for i := range kernel {
		k := &kernel[i]
		at, s := -1, Entry{}
		for n := range sluice {
			if matched[n] || sluice[n].Zone != k.Zone {
				continue
			}
			if same, ok := j.origin(k, sluice[n]); ok {
				at, s = n, same
				break
			}
		}
		if at < 0 {
			diffs = append(diffs, "only the kernel has "+k.Line())
			j.Edge = j.Edge || j.over(k)
			continue
		}
		matched[at] = true
		if err := j.matchUp(k, &s); err != "" {
			diffs = append(diffs, err)
		}
		j.Edge = j.Edge || j.edge(k, &s)
		slack := Slack + int64(j.Late/time.Second)
		switch far := int64(k.Timeout) - int64(s.Timeout); {
		case k.Text != s.Text:
			diffs = append(diffs, fmt.Sprintf("entry:\n  kernel %s\n  sluice %s", k.Text, s.Text))
		case far > slack || far < -slack:
			diffs = append(diffs, fmt.Sprintf("timeout: kernel %d, sluice %d of %s", k.Timeout, s.Timeout, k.Text))
		case k.Status&statusShown != s.Status&statusShown:
			diffs = append(diffs, fmt.Sprintf("status: kernel %#x, sluice %#x of %s", k.Status, s.Status, k.Text))
		}
	}
	for n := range sluice {
		if !matched[n] {
			diffs = append(diffs, fmt.Sprintf("only sluice has %s (timeout %d)", sluice[n].Text, sluice[n].Timeout))
			j.Edge = j.Edge || j.over(&sluice[n])
		}
	}
	return diffs
}

func (j *Judge) frames(kernel, sluice []Frame) (diffs []string) {
	var by [2][2][][]byte // by side and contender
	for _, f := range kernel {
		by[f.Side][0] = append(by[f.Side][0], f.Data)
	}
	for _, f := range sluice {
		by[f.Side][1] = append(by[f.Side][1], f.Data)
	}
	for _, side := range []Side{Lan, Wan} {
		k, s := by[side][0], by[side][1]
		for i := range max(len(k), len(s)) {
			switch {
			case i >= len(s):
				diffs = append(diffs, fmt.Sprintf("only the kernel sent to %v: %s", side, describe(k[i])))
			case i >= len(k):
				diffs = append(diffs, fmt.Sprintf("only sluice sent to %v: %s", side, describe(s[i])))
			default:
				if !j.sameFrame(k[i], s[i]) {
					diffs = append(diffs, fmt.Sprintf("frame to %v:\n  kernel %s\n         %s\n  sluice %s\n         %s",
						side, describe(k[i]), hex.EncodeToString(k[i]), describe(s[i]), hex.EncodeToString(s[i])))
				}
			}
		}
	}
	return diffs
}

// sameFrame says whether two frames agree, and notes what they show of NAT's choices.
func (j *Judge) sameFrame(k, s []byte) bool {
	if j.agree(k, s) {
		j.keep(k, s)
		return true
	}
	return false
}

func (j *Judge) agree(k, s []byte) bool {
	if bytes.Equal(k, s) {
		return true
	}
	if (frame.VerifyChecksums(k) == nil) != (frame.VerifyChecksums(s) == nil) || len(k) != len(s) {
		return false
	}
	if j.alike(k, s) {
		return true
	}
	if se, ke, ok := j.learn(k, s); ok {
		all, again := j.chance[se], j.Again
		if j.match(se, ke); j.alike(k, s) {
			return true
		}
		j.chance[se], j.Again = all, again
	}
	return j.quotes(masked(k), masked(s)) || j.passed(k, s) || j.Cookies && j.proxied(k, s)
}

// alike says whether two frames agree up to what is known of NAT's choices.
func (j *Judge) alike(k, s []byte) bool {
	k, s = masked(k), masked(s)
	if len(j.chance) > 0 {
		j.unchance(k[14:], s[14:], 0)
	}
	return j.sameFragment(k, s) && bytes.Equal(k, s)
}

// sameFragment matches up the identifications of two IPv6 fragments and gives
// sluice's the kernel's.
func (j *Judge) sameFragment(k, s []byte) bool {
	at := FragmentAt(k)
	if at == 0 || at != FragmentAt(s) {
		return true
	}
	at += 4
	ki, si := binary.BigEndian.Uint32(k[at:]), binary.BigEndian.Uint32(s[at:])
	if was, ok := j.ids[si]; ok && was != ki && s[at-1]&^1|s[at-2] != 0 { // a first one may begin another datagram
		return false
	}
	if j.ids == nil {
		j.ids = map[uint32]uint32{}
	}
	j.ids[si] = ki
	copy(s[at:at+4], k[at:at+4])
	return true
}

// FragmentAt returns where the fragment header of an IPv6 frame stands, 0: nowhere.
func FragmentAt(b []byte) int {
	if len(b) < 14+40 || b[12] != 0x86 || b[13] != 0xdd {
		return 0
	}
	kind, at := b[20], 14+40
	for len(b) >= at+8 {
		switch kind {
		case frame.FragHdr:
			return at
		case frame.HopByHop, frame.Routing, frame.DestOpts:
			kind, at = b[at], at+int(b[at+1])*8+8
		default:
			return 0
		}
	}
	return 0
}

// masked returns a frame without what may differ in what the box itself has
// made: the IPv4 identification.
func masked(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= 34 && b[12] == 8 && b[13] == 0 && b[23] == frame.ProtoICMP && own(b) {
		copy(b[18:20], []byte{0, 0})
		copy(b[24:26], []byte{0, 0})
	}
	return b
}

// own says whether the box has made an IPv4 frame: it has the precedence of
// routers' messages or, if a rule has changed that, the box's address.
func own(b []byte) bool {
	src := netip.AddrFrom4([4]byte(b[26:30]))
	return (b[15]&0xe0 == 0xc0 || src == BoxAddr(Lan, false) || src == BoxAddr(Wan, false)) &&
		([6]byte(b[6:12]) == boxMAC[Lan] || [6]byte(b[6:12]) == boxMAC[Wan])
}

func describe(b []byte) string {
	d, err := frame.Decode(b)
	text := fmt.Sprint(err)
	if d != nil && err == nil {
		text = d.String()
		if d.Flags != "" {
			text += fmt.Sprintf(" seq %d ack %d win %d", d.Seq, d.Ack, d.Window)
		}
		if err := frame.VerifyChecksums(b); err != nil {
			text += " (" + err.Error() + ")"
		}
	}
	return fmt.Sprintf("%s [%d bytes]", text, len(b))
}

// Describe is a line about a frame.
func Describe(f Frame) string { return fmt.Sprintf("%v %s", f.Side, describe(f.Data)) }
