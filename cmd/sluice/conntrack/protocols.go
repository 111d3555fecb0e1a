package conntrack

import (
	"bufio"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/cmd/sluice/getopt"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// protoDCCP has options in the tool, although nothing tracks it.
const protoDCCP = 33

// protocol is what the tool knows of a protocol: options that exist behind -p,
// and which verbs take them.
type protocol struct {
	name    string
	num     uint8
	long    []getopt.Option // the value is the number of the option in names, from 0
	names   []string        // as errors call the options
	rows    [verbs]string
	pairs   [2]uint32
	partial [2]string // errors when a pair is not complete
	// set takes the argument of an option.
	set func(p *parser, option int, arg string) error
}

// protocols in the order in which the tool looks for a name.
var protocols = []*protocol{
	portProtocol("tcp", flowtable.ProtoTCP, portNames("state", "tuple-port-src", "tuple-port-dst"), [verbs]string{
		List: "222200200", Create: "333300100", Update: "222200200", Delete: "222200200", Get: "333300200", Events: "222200200",
		CreateExpect: "110011011", DeleteExpect: "111100000", GetExpect: "111100000", Add: "333300100",
	}),
	portProtocol("udp", flowtable.ProtoUDP, portNames("tuple-port-src", "tuple-port-dst"), plainPorts),
	portProtocol("udplite", flowtable.ProtoUDPLite, portNames("tuple-port-src", "tuple-port-dst"), plainPorts),
	portProtocol("sctp", flowtable.ProtoSCTP, portNames("state", "tuple-port-src", "tuple-port-dst", "orig-vtag", "reply-vtag"), [verbs]string{
		List: "22220020000", Create: "33330010011", Update: "22220020022", Delete: "22220020000", Get: "33330020022", Events: "22220020000",
		CreateExpect: "11001101111", DeleteExpect: "11110000000", GetExpect: "11110000000", Add: "33330010011",
	}),
	dccp(),
	icmp("icmp", flowtable.ProtoICMP),
	icmp("icmpv6", flowtable.ProtoICMPv6),
	gre(),
}

var plainPorts = [verbs]string{
	List: "22220000", Create: "33330000", Update: "22220000", Delete: "22220000", Get: "33330000", Events: "22220000",
	CreateExpect: "11001111", DeleteExpect: "11110000", GetExpect: "11110000", Add: "33330000",
}

func portNames(more ...string) []string {
	return append([]string{"sport", "dport", "reply-port-src", "reply-port-dst", "mask-port-src", "mask-port-dst"}, more...)
}

// pairs01and23 say that options 0 and 1 go together, and 2 and 3.
var pairs01and23 = [2]uint32{3, 12}

func portProtocol(name string, num uint8, names []string, rows [verbs]string) *protocol {
	p := &protocol{
		name: name, num: num, names: names, rows: rows, pairs: pairs01and23,
		partial: [2]string{"you have to specify `--sport' and `--dport'", "you have to specify `--reply-src-port' and `--reply-dst-port'"},
	}
	p.long = append(plainLong(names), getopt.Option{Name: "orig-port-src", Arg: getopt.NeedsArg, Val: 0}, getopt.Option{Name: "orig-port-dst", Arg: getopt.NeedsArg, Val: 1})
	p.set = func(a *parser, option int, arg string) error {
		switch names[option] {
		case "state":
			return p.setState(a, arg)
		case "orig-vtag", "reply-vtag":
			a.c.Object.VTag[option-9] = bits.ReverseBytes32(uint32(parseC(arg))) // as the tool, see the package
			a.c.Object.Set |= AttrOrigVTag << (option - 9)
		default:
			a.setPort(names[option], uint16(parseDecimal(arg)))
		}
		return nil
	}
	return p
}

func plainLong(names []string) (long []getopt.Option) {
	for i, name := range names {
		long = append(long, getopt.Option{Name: name, Arg: getopt.NeedsArg, Val: i})
	}
	return long
}

func (p *protocol) setState(a *parser, arg string) error {
	names, attr, what := conntracktext.TCPStates[:], AttrTCPState, "TCP"
	if p.num == flowtable.ProtoSCTP {
		names, attr, what = conntracktext.SCTPStates[:len(conntracktext.SCTPStates)-1], AttrSCTPState, "SCTP"
	}
	state := slices.Index(names, arg)
	if arg == "LISTEN" && attr == AttrTCPState {
		state = int(flowtable.TCPSynSent2) // the number once had that name
	}
	if state < 0 {
		return usagef("unknown %s state `%s'", what, arg)
	}
	a.c.Object.State = uint8(state)
	a.c.Object.Set |= attr
	return nil
}

// setPort takes an option that is a port, or a key of GRE.
func (a *parser) setPort(name string, port uint16) {
	c := a.c
	for _, x := range []struct {
		name string
		to   *uint16
		set  *Attr
		attr Attr
	}{
		{"sport", &c.Object.Orig.SrcPort, &c.Object.Set, AttrOrigSport}, {"dport", &c.Object.Orig.DstPort, &c.Object.Set, AttrOrigDport},
		{"reply-port-src", &c.Object.Reply.SrcPort, &c.Object.Set, AttrReplySport}, {"reply-port-dst", &c.Object.Reply.DstPort, &c.Object.Set, AttrReplyDport},
		{"mask-port-src", &c.Mask.Orig.SrcPort, &c.Mask.Set, AttrOrigSport}, {"mask-port-dst", &c.Mask.Orig.DstPort, &c.Mask.Set, AttrOrigDport},
		{"tuple-port-src", &c.ExpTuple.Orig.SrcPort, &c.ExpTuple.Set, AttrOrigSport}, {"tuple-port-dst", &c.ExpTuple.Orig.DstPort, &c.ExpTuple.Set, AttrOrigDport},
	} {
		if x.name == name {
			*x.to = port
			*x.set |= x.attr
		}
	}
}

func icmp(name string, num uint8) *protocol {
	names := []string{name + "-type", name + "-code", name + "-id"}
	return &protocol{
		name: name, num: num, names: names, long: plainLong(names),
		rows: [verbs]string{
			List: "222", Create: "112", Update: "222", Delete: "222", Get: "112", Events: "222", Add: "112",
		},
		set: func(a *parser, option int, arg string) error {
			n, o := parseDecimal(arg), &a.c.Object
			switch option {
			case 0:
				o.Orig.DstPort = o.Orig.DstPort&0xff | uint16(uint8(n))<<8
				o.Set |= AttrICMPType
			case 1:
				o.Orig.DstPort = o.Orig.DstPort&0xff00 | uint16(uint8(n))
				o.Set |= AttrICMPCode
			case 2:
				o.Orig.SrcPort = uint16(n)
				o.Set |= AttrICMPID
			}
			return nil
		},
	}
}

func dccp() *protocol {
	p := portProtocol("dccp", protoDCCP, portNames("state", "tuple-port-src", "tuple-port-dst", "role"), [verbs]string{
		List: "2222002000", Create: "3333001001", Update: "2222002000", Delete: "2222002000", Get: "3333002000", Events: "2222002000",
		CreateExpect: "1100110111", DeleteExpect: "1111000000", GetExpect: "1111000000", Add: "3333001001",
	})
	p.partial[1] = "you have to specify `--reply-port-src' and `--report-port-dst'"
	ports := p.set
	p.set = func(a *parser, option int, arg string) error {
		switch {
		case p.names[option] == "state":
			if !slices.Contains([]string{"NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"}, arg) {
				return usagef("Unknown DCCP state `%s'", arg)
			}
			a.c.Object.Set |= AttrDCCPState
			return nil
		case p.names[option] == "role":
			if arg != "client" && arg != "server" {
				return usagef("Unknown DCCP role `%s'", arg)
			}
			return nil
		}
		return ports(a, option, arg)
	}
	return p
}

func gre() *protocol {
	p := &protocol{
		name: "gre", num: flowtable.ProtoGRE, pairs: pairs01and23,
		names: []string{"srckey", "dstkey", "reply-key-src", "reply-key-dst", "mask-key-src", "mask-key-dst", "tuple-key-src", "tuple-key-dst"},
		rows: [verbs]string{
			List: "22220000", Create: "33330000", Update: "22220000", Delete: "22220000", Get: "33330000", Events: "22220000",
			CreateExpect: "11111111", DeleteExpect: "11110000", GetExpect: "11110000", Add: "33330000",
		},
		partial: [2]string{"you have to specify `--srckey' and `--dstkey'", "you have to specify `--reply-src-key' and `--reply-dst-key'"},
		set: func(a *parser, option int, arg string) error {
			a.setPort(portNames("tuple-port-src", "tuple-port-dst")[option], uint16(parseC(arg)))
			return nil
		},
	}
	p.long = append(plainLong(p.names), getopt.Option{Name: "orig-key-src", Arg: getopt.NeedsArg, Val: 0}, getopt.Option{Name: "orig-key-dst", Arg: getopt.NeedsArg, Val: 1})
	return p
}

// unknownProtocol stands for every protocol that the tool has no options for.
func unknownProtocol(num uint8) *protocol {
	return &protocol{name: "unknown", num: num}
}

// protocolFile names the protocols of the Internet.
const protocolFile = "/etc/protocols"

// findProtocol returns the protocol with a name or number; nil: there is none.
func findProtocol(name string) *protocol {
	for _, p := range protocols {
		if strings.EqualFold(p.name, name) {
			return p
		}
	}
	if num, ok := protocolByName(name); ok {
		return unknownProtocol(num)
	}
	n, end := scanC(name)
	if end == 0 || end != len(name) || n > 255 {
		return nil
	}
	for _, p := range protocols {
		if p.num == uint8(n) {
			return p
		}
	}
	return unknownProtocol(uint8(n))
}

// scanProtocols calls see with every line's names, the official one first, and
// number until it says true.
func scanProtocols(see func(names []string, num uint8) bool) {
	file, err := os.Open(protocolFile)
	if err != nil {
		return // then there are no names
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		num, err := strconv.ParseUint(words[1], 10, 8)
		if err == nil && see(append(words[:1:1], words[2:]...), uint8(num)) {
			return
		}
	}
}

func protocolByName(name string) (found uint8, ok bool) {
	scanProtocols(func(names []string, num uint8) bool {
		found, ok = num, slices.Contains(names, name)
		return ok
	})
	return found, ok
}

// officialName is what help calls a protocol.
func (p *protocol) officialName() string {
	name := p.name
	if p.name == "unknown" {
		scanProtocols(func(names []string, num uint8) bool {
			if num == p.num {
				name = names[0]
			}
			return num == p.num
		})
	}
	return name
}
