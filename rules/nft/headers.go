package nft

import "fmt"

// optionHeader is an option, chunk or extension header and its fields.
type optionHeader struct {
	kind   OptionKind
	name   string
	code   uint8
	fields []*Field
	exists bool // may be tested with exists and missing
}

func option(name string, off, bits uint16, t *Type) *Field {
	return &Field{Name: name, Offset: off, Length: bits, T: t}
}

func integers(list ...any) []*Field {
	var out []*Field
	for i := 0; i < len(list); i += 3 {
		out = append(out, option(list[i].(string), uint16(list[i+1].(int)), uint16(list[i+2].(int)), TypeInteger))
	}
	return out
}

// Fields that every header of a kind has.
var (
	extStart = []*Field{option("nexthdr", 0, 8, TypeProto), option("hdrlength", 8, 8, TypeInteger)}
	rtStart  = append(extStart[:2:2], integers("type", 16, 8, "seg-left", 24, 8)...)
	tcpStart = integers("kind", 0, 8, "length", 8, 8)
	ipStart  = integers("type", 0, 8, "length", 8, 8)
	srcRoute = append(ipStart[:2:2], integers("ptr", 16, 8, "addr", 24, 32)...)
	chunk    = integers("type", 0, 8, "flags", 8, 8, "length", 16, 16)
)

func with(start []*Field, list ...any) []*Field {
	return append(start[:len(start):len(start)], integers(list...)...)
}

// optionHeaders are the headers with fields that the packet may lack. Of one
// kind and code the first name is listed.
var optionHeaders = []*optionHeader{
	{OptionIPv6, "hbh", 0, extStart, true},
	{OptionIPv6, "rt", 43, rtStart, true},
	{OptionIPv6, "rt0", 43, []*Field{option("addr", 64, 128, TypeIPv6)}, false},
	{OptionIPv6, "rt2", 43, nil, false},
	{OptionIPv6, "srh", 43, append(integers("last-entry", 32, 8, "flags", 40, 8, "tag", 48, 16),
		option("sid", 64, 128, TypeIPv6)), false},
	{OptionIPv6, "frag", 44, append(extStart[:1:1], integers("reserved", 8, 8, "frag-off", 16, 13, "reserved2", 29, 2,
		"more-fragments", 31, 1, "id", 32, 32)...), true},
	{OptionIPv6, "dst", 60, extStart, true},
	{OptionIPv6, "mh", 135, append(extStart[:2:2], option("type", 16, 8, TypeMHType), option("reserved", 24, 8, TypeInteger),
		option("checksum", 32, 16, TypeInteger)), true},

	{OptionTCP, "eol", 0, nil, true},
	{OptionTCP, "nop", 1, nil, true},
	{OptionTCP, "noop", 1, nil, true},
	{OptionTCP, "maxseg", 2, with(tcpStart, "size", 16, 16), true},
	{OptionTCP, "mss", 2, with(tcpStart, "size", 16, 16), true},
	{OptionTCP, "window", 3, with(tcpStart, "count", 16, 8), true},
	{OptionTCP, "sack-perm", 4, tcpStart, true},
	{OptionTCP, "sack-permitted", 4, tcpStart, true},
	{OptionTCP, "sack", 5, with(tcpStart, "left", 16, 32, "right", 48, 32), true},
	{OptionTCP, "sack0", 5, with(tcpStart, "left", 16, 32, "right", 48, 32), true},
	{OptionTCP, "sack1", 5, with(tcpStart, "left", 80, 32, "right", 112, 32), true},
	{OptionTCP, "sack2", 5, with(tcpStart, "left", 144, 32, "right", 176, 32), true},
	{OptionTCP, "sack3", 5, with(tcpStart, "left", 208, 32, "right", 240, 32), true},
	{OptionTCP, "timestamp", 8, with(tcpStart, "tsval", 16, 32, "tsecr", 48, 32), true},
	{OptionTCP, "md5sig", 19, tcpStart, true},
	{OptionTCP, "mptcp", 30, with(tcpStart, "subtype", 16, 4), true},
	{OptionTCP, "fastopen", 34, tcpStart, true},

	{OptionIPv4, "lsrr", 131, srcRoute, true},
	{OptionIPv4, "rr", 7, srcRoute, true},
	{OptionIPv4, "ssrr", 137, srcRoute, true},
	{OptionIPv4, "ra", 148, with(ipStart, "value", 16, 16), true},

	{OptionSCTP, "data", 0, with(chunk, "tsn", 32, 32, "stream", 64, 16, "ssn", 80, 16, "ppid", 96, 32), true},
	{OptionSCTP, "init", 1, with(chunk, "init-tag", 32, 32, "a-rwnd", 64, 32, "num-outbound-streams", 96, 16,
		"num-inbound-streams", 112, 16, "initial-tsn", 128, 32), true},
	{OptionSCTP, "init-ack", 2, with(chunk, "init-tag", 32, 32, "a-rwnd", 64, 32, "num-outbound-streams", 96, 16,
		"num-inbound-streams", 112, 16, "initial-tsn", 128, 32), true},
	{OptionSCTP, "sack", 3, with(chunk, "cum-tsn-ack", 32, 32, "a-rwnd", 64, 32, "num-gap-ack-blocks", 96, 16,
		"num-dup-tsns", 112, 16), true},
	{OptionSCTP, "heartbeat", 4, chunk, true},
	{OptionSCTP, "heartbeat-ack", 5, chunk, true},
	{OptionSCTP, "abort", 6, chunk, true},
	{OptionSCTP, "shutdown", 7, with(chunk, "cum-tsn-ack", 32, 32), true},
	{OptionSCTP, "shutdown-ack", 8, chunk, true},
	{OptionSCTP, "error", 9, chunk, true},
	{OptionSCTP, "cookie-echo", 10, chunk, true},
	{OptionSCTP, "cookie-ack", 11, chunk, true},
	{OptionSCTP, "ecne", 12, with(chunk, "lowest-tsn", 32, 32), true},
	{OptionSCTP, "cwr", 13, with(chunk, "lowest-tsn", 32, 32), true},
	{OptionSCTP, "shutdown-complete", 14, chunk, true},
	{OptionSCTP, "asconf-ack", 128, with(chunk, "seqno", 32, 32), true},
	{OptionSCTP, "forward-tsn", 192, with(chunk, "new-cum-tsn", 32, 32), true},
	{OptionSCTP, "asconf", 193, with(chunk, "seqno", 32, 32), true},
}

// findOption finds a header by name; nil when there is none.
func findOption(kind OptionKind, name string) *optionHeader {
	for _, h := range optionHeaders {
		if h.kind == kind && h.name == name {
			return h
		}
	}
	return nil
}

func (h *optionHeader) field(name string) *Field {
	for _, f := range h.fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// address is the n-th of a routing header's addresses. The first is number 1: 0 is to
// nft what stands before the addresses in its table of fields.
func (h *optionHeader) address(first *Field, n int) *Field {
	if n == 0 {
		srh := findOption(OptionIPv6, "srh")
		if h == srh {
			return srh.field("tag")
		}
		return srh.field("last-entry")
	}
	f := *first
	f.Offset += 128 * uint16(n-1)
	return &f
}

// optionWords stand before the name of an option of each kind.
var optionWords = [...]string{OptionTCP: "tcp option ", OptionIPv4: "ip option ", OptionSCTP: "sctp chunk "}

// optionText shows an option as nft names it: by the last header that has the
// field.
func optionText(e *Option, opt *PrintOptions) string {
	name := ""
	for _, h := range optionHeaders {
		if h.kind != e.Kind || h.code != e.Code {
			continue
		}
		if name == "" {
			name = h.name
		}
		if e.Exists {
			break
		}
		if f := h.field(e.Field.Name); f != nil && f.Offset == e.Field.Offset && f.Length == e.Field.Length {
			name = h.name
			if e.Kind != OptionIPv6 || e.Field.Name != "addr" {
				break
			}
		}
	}
	if e.Kind == OptionIPv6 && !e.Exists && (e.Field.Name == "addr" || e.Field.Name == "sid") {
		return "srh sid[" + itoa(e.nth) + "]"
	}
	if name == "" && e.Kind == OptionTCP && !e.Exists {
		return fmt.Sprintf("tcp option @%d,%d,%d", e.Code, e.Field.Offset, e.Field.Length)
	}
	if name == "" {
		name = itoa(int(e.Code))
	}
	if e.Exists {
		if e.Kind == OptionIPv6 {
			return "exthdr " + name
		}
		return optionWords[e.Kind] + name
	}
	if e.Kind == OptionTCP && e.Field.Name == "unknown" && name == itoa(int(e.Code)) {
		return fmt.Sprintf("tcp option @%d,%d,%d", e.Code, e.Field.Offset, e.Field.Length)
	}
	return optionWords[e.Kind] + name + " " + e.Field.Name
}
