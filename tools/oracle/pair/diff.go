package pair

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/tools/frame"
)

// Outcome is what frames have brought about on one side.
type Outcome struct {
	Frames   []Frame
	Entries  []Entry
	Counters []Counter
	Stats    Stats
}

// Slack is how many seconds timeouts may differ.
const Slack = 1

// endpoint is where NAT may have put somebody, for somebody else.
type endpoint struct {
	proto   uint8
	addr    netip.Addr
	port    uint16
	far     netip.Addr
	farPort uint16
}

// Judge compares outcomes. What NAT chose by chance on both sides is matched up,
// if a rule of the script says what it may be, and holds as long as the entry.
type Judge struct {
	// Free says whether NAT may give the endpoint; nil: nothing is left to chance.
	Free func(addr netip.Addr, port uint16) bool

	chance map[endpoint]endpoint // sluice's to the kernel's
	ids    map[uint32]uint32     // of IPv6 fragments: sluice's to the kernel's, which chooses new ones
}

// Compare lists what differs between two outcomes, empty when nothing does.
func (j *Judge) Compare(kernel, sluice *Outcome) []string {
	var diffs []string
	diffs = append(diffs, j.entries(kernel.Entries, sluice.Entries)...)
	diffs = append(diffs, j.frames(kernel.Frames, sluice.Frames)...)
	if len(kernel.Counters) != len(sluice.Counters) {
		diffs = append(diffs, fmt.Sprintf("kernel has %d counters, sluice %d", len(kernel.Counters), len(sluice.Counters)))
	} else {
		for i, k := range kernel.Counters {
			if s := sluice.Counters[i]; s != k {
				diffs = append(diffs, fmt.Sprintf("counter: kernel %v, sluice %v", k, s))
			}
		}
	}
	if kernel.Stats != sluice.Stats {
		diffs = append(diffs, fmt.Sprintf("conntrack counters: kernel %+v, sluice %+v", kernel.Stats, sluice.Stats))
	}
	return diffs
}

func (j *Judge) entries(kernel, sluice []Entry) (diffs []string) {
	matched := make([]bool, len(sluice))
	for i := range kernel {
		k := &kernel[i]
		at := -1
		for n := range sluice {
			if !matched[n] && sluice[n].Orig == k.Orig && sluice[n].Zone == k.Zone {
				at = n
				break
			}
		}
		if at < 0 {
			diffs = append(diffs, "only the kernel has "+k.Line())
			continue
		}
		matched[at] = true
		s := sluice[at]
		if err := j.matchUp(k, &s); err != "" {
			diffs = append(diffs, err)
		}
		switch far := int64(k.Timeout) - int64(s.Timeout); {
		case k.Text != s.Text:
			diffs = append(diffs, fmt.Sprintf("entry:\n  kernel %s\n  sluice %s", k.Text, s.Text))
		case far > Slack || far < -Slack:
			diffs = append(diffs, fmt.Sprintf("timeout: kernel %d, sluice %d of %s", k.Timeout, s.Timeout, k.Text))
		case k.Status&statusShown != s.Status&statusShown:
			diffs = append(diffs, fmt.Sprintf("status: kernel %#x, sluice %#x of %s", k.Status, s.Status, k.Text))
		}
	}
	for n := range sluice {
		if !matched[n] {
			diffs = append(diffs, fmt.Sprintf("only sluice has %s (timeout %d)", sluice[n].Text, sluice[n].Timeout))
		}
	}
	return diffs
}

// matchUp gives sluice's entry the kernel's endpoint where chance has chosen.
func (j *Judge) matchUp(k, s *Entry) string {
	if j.Free == nil || k.Reply == s.Reply {
		return ""
	}
	ke := endpoint{k.Reply.Proto, k.Reply.Dst, k.Reply.DstPort, k.Reply.Src, k.Reply.SrcPort}
	se := endpoint{s.Reply.Proto, s.Reply.Dst, s.Reply.DstPort, s.Reply.Src, s.Reply.SrcPort}
	if k.Reply.Proto == 1 || k.Reply.Proto == 58 {
		kind := pairOf(k.Reply.Proto, uint8(k.Reply.DstPort>>8))
		ke.port, se.port, ke.farPort, se.farPort = k.Reply.SrcPort, s.Reply.SrcPort, kind, kind
	}
	if ke == se {
		return ""
	}
	for _, e := range []endpoint{ke, se} {
		if !j.Free(e.addr, e.port) && !(e.addr == k.Orig.Src && sameClass(e.port, k.Orig.SrcPort)) {
			return fmt.Sprintf("NAT chose %v port %d, which the rule does not allow", e.addr, e.port)
		}
	}
	if j.chance == nil {
		j.chance = map[endpoint]endpoint{}
	}
	j.chance[se] = ke
	if k.Reply.Proto == 1 || k.Reply.Proto == 58 {
		s.Reply.SrcPort = ke.port
	} else {
		s.Reply.DstPort = ke.port
	}
	s.Reply.Dst = ke.addr
	s.Text = WithoutTimeout(s.Line())
	return ""
}

// pairOf numbers an ICMP question and its answer alike.
func pairOf(proto, kind uint8) uint16 {
	switch {
	case proto == frame.ProtoICMPv6:
		return uint16(kind &^ 1) // 128 and 129
	case kind == 0:
		return 8
	case kind >= 13 && kind <= 18:
		return uint16((kind - 1) | 1) // 13 and 14, 15 and 16, 17 and 18
	}
	return uint16(kind)
}

// sameClass says whether a source port that no rule translates may become
// another one because an entry has it already.
func sameClass(a, b uint16) bool {
	class := func(p uint16) int {
		switch {
		case p < 512:
			return 0
		case p < 1024:
			return 1
		}
		return 2
	}
	return class(a) == class(b)
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

func (j *Judge) sameFrame(k, s []byte) bool {
	if bytes.Equal(k, s) {
		return true
	}
	if (frame.VerifyChecksums(k) == nil) != (frame.VerifyChecksums(s) == nil) || len(k) != len(s) {
		return false
	}
	k, s = j.masked(k, false), j.masked(s, true)
	return j.sameFragment(k, s) && bytes.Equal(k, s)
}

// sameFragment matches up the identifications of two IPv6 fragments and gives
// sluice's the kernel's.
func (j *Judge) sameFragment(k, s []byte) bool {
	const at = 14 + 40 + 4 // sluice and the kernel both put the header right behind the fixed one
	for _, b := range [][]byte{k, s} {
		if len(b) < at+4 || b[12] != 0x86 || b[13] != 0xdd || b[20] != frame.FragHdr {
			return true
		}
	}
	ki, si := binary.BigEndian.Uint32(k[at:]), binary.BigEndian.Uint32(s[at:])
	if was, ok := j.ids[si]; ok && was != ki {
		return false
	}
	if j.ids == nil {
		j.ids = map[uint32]uint32{}
	}
	j.ids[si] = ki
	copy(s[at:at+4], k[at:at+4])
	return true
}

// masked returns a frame without what may differ: the IPv4 identification of
// what the box itself has made, and endpoints that chance chose with the
// checksums over them.
func (j *Judge) masked(b []byte, sluice bool) []byte {
	b = bytes.Clone(b)
	if len(b) < 34 || [6]byte(b[6:12]) != boxMAC[Lan] && [6]byte(b[6:12]) != boxMAC[Wan] {
		return b
	}
	if b[12] == 8 && b[13] == 0 && b[15]&0xe0 == 0xc0 && b[23] == frame.ProtoICMP { // the precedence of routers' messages
		copy(b[18:20], []byte{0, 0})
		copy(b[24:26], []byte{0, 0})
	}
	if len(j.chance) > 0 {
		j.unchance(b, 14, sluice)
	}
	return b
}

// unchance replaces, in the datagram at b[at:], sluice's endpoints by the
// kernel's, and zeroes all checksums.
func (j *Judge) unchance(b []byte, at int, sluice bool) {
	h := b[at:]
	if len(h) < 28 || h[0]>>4 != 4 && h[0]>>4 != 6 {
		return
	}
	var proto uint8
	var addrs [2][]byte
	var l4 int
	if h[0]>>4 == 4 {
		proto, l4 = h[9], int(h[0]&15)*4
		addrs = [2][]byte{h[12:16], h[16:20]}
		h[10], h[11] = 0, 0
		if h[6]&0x1f|h[7] != 0 {
			return
		}
	} else {
		if len(h) < 48 {
			return
		}
		proto, l4 = h[6], 40
		addrs = [2][]byte{h[8:24], h[24:40]}
		if proto == frame.FragHdr {
			if binary.BigEndian.Uint16(h[42:])&^7 != 0 {
				return
			}
			proto, l4 = h[40], 48
		}
	}
	if len(h) < l4+8 {
		return
	}
	t := h[l4:]
	ports := [2][]byte{t[0:2], t[2:4]}
	sum := map[uint8]int{frame.ProtoTCP: 16, frame.ProtoUDP: 6, frame.ProtoUDPLite: 6, frame.ProtoICMP: 2, frame.ProtoICMPv6: 2, frame.ProtoSCTP: 8}[proto]
	if proto == frame.ProtoICMP || proto == frame.ProtoICMPv6 {
		ports = [2][]byte{t[4:6], t[4:6]}
	}
	n := 2
	if proto == frame.ProtoSCTP {
		n = 4
	}
	if sum != 0 && len(t) >= sum+n {
		clear(t[sum : sum+n])
	}
	if proto == frame.ProtoICMP || proto == frame.ProtoICMPv6 { // whatever the type says: scripts quote under any
		j.unchance(b, at+l4+8, sluice)
	}
	if !sluice {
		return
	}
	var ends [2]netip.Addr
	for i := range addrs {
		ends[i], _ = netip.AddrFromSlice(addrs[i])
	}
	number := [2]uint16{binary.BigEndian.Uint16(ports[0]), binary.BigEndian.Uint16(ports[1])}
	for i := range addrs {
		near := endpoint{proto, ends[i], number[i], ends[1-i], number[1-i]}
		if proto == frame.ProtoICMP || proto == frame.ProtoICMPv6 {
			near.farPort = pairOf(proto, t[0])
		}
		to, ok := j.chance[near]
		if !ok {
			continue
		}
		copy(addrs[i], to.addr.AsSlice())
		ports[i][0], ports[i][1] = byte(to.port>>8), byte(to.port)
		if proto == frame.ProtoICMP || proto == frame.ProtoICMPv6 {
			return // both share one identifier
		}
	}
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
