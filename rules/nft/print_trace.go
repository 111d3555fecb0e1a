package nft

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Trace is a step of a traced packet's way, as `nft monitor trace` shows it.
type Trace struct {
	ID     uint32 // of the packet
	Family Family // of the table
	Table  string
	Chain  string

	Packet  *TracedPacket // the packet, shown once a base chain; nil: it was shown
	Rule    *Rule         // that held; nil: a policy, or nothing but the packet
	Verdict string        // of the rule or policy in nft's words: "continue", "jump sub", ...; "": nothing but the packet
	Mark    uint32        // of the packet, shown with a policy
}

// TracedPacket is what is shown of a packet: its interfaces ("": none) and the
// beginnings of its headers.
type TracedPacket struct {
	In, Out                  string
	Link, Network, Transport []byte
}

// FprintTrace writes a step as nft does: a line for the packet if there is one, and
// one for the rule or policy. nft has no JSON for it.
func FprintTrace(w io.Writer, t *Trace, opt PrintOptions) error {
	b := bufio.NewWriter(w)
	head := fmt.Sprintf("trace id %08x %s %s %s ", t.ID, familyName(t.Family), t.Table, t.Chain)
	if t.Packet != nil {
		b.WriteString(head + "packet: ")
		t.Packet.print(b, t.Family, &opt)
		b.WriteByte('\n')
	}
	switch {
	case t.Rule != nil:
		fmt.Fprintf(b, "%srule %s%s (verdict %s)\n", head, ruleText(t.Family, t.Rule, &opt), opt.handle(t.Rule.Handle), t.Verdict)
	case t.Verdict != "":
		b.WriteString(head + "policy " + t.Verdict + " ")
		if t.Mark != 0 {
			data := binary.BigEndian.AppendUint32(nil, t.Mark)
			b.WriteString(matchText(equal(&Meta{Key: MetaMark}, data), &opt) + " ")
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

// shownHeader is what nft shows of a header: some of its fields, in its order,
// and the bits behind those that it knows.
type shownHeader struct {
	proto  string
	fields []*Field
	known  int // bits
}

func shown(proto string, known int, names ...string) *shownHeader {
	h := &shownHeader{proto: proto, known: known}
	for _, n := range names {
		h.fields = append(h.fields, LookupField(proto, n))
	}
	return h
}

var (
	shownEther = shown("ether", 112, "saddr", "daddr", "type")
	shownVLAN  = shown("vlan", 144, "pcp", "dei", "id", "type")
	shownRaw   = shown("", 0)

	shownNetwork = map[uint16]*shownHeader{
		0x0800: shown("ip", 160, "saddr", "daddr", "dscp", "ecn", "ttl", "id", "protocol", "length"),
		0x86dd: shown("ip6", 320, "saddr", "daddr", "dscp", "ecn", "hoplimit", "flowlabel", "nexthdr", "length"),
		0x0806: shown("arp", 320, "operation"),
	}
	shownTransport = map[uint8]*shownHeader{
		protoICMP:    shown("icmp", 64, "type", "code", "id", "sequence"),
		protoICMPv6:  shown("icmpv6", 64, "type", "code", "parameter-problem"),
		protoIGMP:    shown("igmp", 16, "type", "mrt"),
		protoTCP:     shown("tcp", 160, "sport", "dport", "flags", "window"),
		protoUDP:     shown("udp", 64, "sport", "dport", "length"),
		protoUDPLite: shown("udplite", 64, "sport", "dport", "csumcov", "checksum"),
		protoDCCP:    shown("dccp", 32, "sport", "dport"),
		protoSCTP:    shown("sctp", 96, "sport", "dport", "vtag"),
		protoESP:     shown("esp", 64, "spi", "sequence"),
		protoAH:      shown("ah", 96, "nexthdr", "hdrlength", "reserved", "spi", "sequence"),
		protoComp:    shown("comp", 32, "nexthdr", "flags", "cpi"),
	}
)

// print writes the packet's fields. What a header says of the one behind it is left
// out where the fields of that one say it.
func (p *TracedPacket) print(w *bufio.Writer, family Family, opt *PrintOptions) {
	for _, port := range []struct{ word, name string }{{"iif", p.In}, {"oif", p.Out}} {
		if port.name != "" {
			fmt.Fprintf(w, "%s \"%s\" ", port.word, port.name)
		}
	}
	typ, tagged := uint16(0), false
	switch {
	case len(p.Link) >= 14:
		typ = binary.BigEndian.Uint16(p.Link[12:])
		tagged = isVLAN(uint64(typ)) && len(p.Link) >= 18
	case len(p.Network) > 0 && p.Network[0]>>4 == 6:
		typ = 0x86dd
	default:
		typ = 0x0800
	}
	outer := typ
	if tagged {
		typ = binary.BigEndian.Uint16(p.Link[16:])
	}
	network := shownNetwork[typ]
	said := network != nil && len(p.Network) > 0 // that there is such a header
	if len(p.Link) >= 14 {
		hidden := said
		if tagged {
			hidden = outer == 0x8100
		}
		shownEther.print(w, BaseLink, p.Link, "type", hidden, opt)
		if tagged {
			shownVLAN.print(w, BaseLink, p.Link, "type", said, opt)
		}
	}
	if network == nil {
		network = shownRaw
	}
	transport, next := shownRaw, ""
	if said {
		at := 6
		if next = "nexthdr"; network.proto == "ip" {
			at, next = 9, "protocol"
		}
		if at < len(p.Network) && network.proto != "arp" {
			if h := shownTransport[p.Network[at]]; h != nil {
				transport = h
			}
		}
	}
	own := family == FamilyIP || family == FamilyIP6
	network.print(w, BaseNetwork, p.Network, next, own && transport != shownRaw && len(p.Transport) > 0, opt)
	transport.print(w, BaseTransport, p.Transport, "nexthdr", own && transport.proto == "comp" && len(p.Transport) > 1, opt)
}

// print writes the fields of a header of which b is the beginning, one of them only
// unless hidden, and the bits behind those known.
func (h *shownHeader) print(w *bufio.Writer, base HeaderBase, b []byte, name string, hidden bool, opt *PrintOptions) {
	size := 8 * len(b)
	for _, f := range h.fields {
		if f.Name == name && hidden || int(f.Offset) >= size {
			continue
		}
		cut := *f
		cut.Length = uint16(min(int(f.Length), size-int(f.Offset)))
		w.WriteString(matchText(equal(&Payload{Field: &cut}, bitsOf(b, f.Offset, cut.Length)), opt) + " ")
	}
	if size > h.known && base != BaseLink {
		rest := &Raw{Base: base, Offset: uint16(h.known), Length: uint16(size - h.known)}
		fmt.Fprintf(w, "%s %s ", exprText(rest, opt), bigHex(b[h.known/8:]))
	}
}

// equal is the comparison of an expression with a value of its type.
func equal(e Expr, data []byte) *Match {
	return &Match{Left: e, Op: OpEq, Right: &Const{T: e.Type(), Data: data, PrefixLen: -1}}
}

// bitsOf returns bits of b as a number of whole bytes, in network order.
func bitsOf(b []byte, offset, length uint16) []byte {
	out := make([]byte, (length+7)/8)
	for i := range int(length) {
		from, to := int(offset)+i, 8*len(out)-int(length)+i
		out[to/8] |= b[from/8] >> (7 - from%8) & 1 << (7 - to%8)
	}
	return out
}
