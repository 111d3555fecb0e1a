package main

import (
	"fmt"
	"strings"
)

// chunkFields are the fields of SCTP's chunks behind type, flags and length.
var chunkFields = []struct {
	name   string
	kind   uint8
	fields string
}{
	{"data", 0, "tsn stream ssn ppid"}, {"init", 1, "init-tag a-rwnd num-outbound-streams num-inbound-streams initial-tsn"},
	{"init-ack", 2, "init-tag a-rwnd num-outbound-streams num-inbound-streams initial-tsn"}, {"sack", 3, "cum-tsn-ack a-rwnd num-gap-ack-blocks num-dup-tsns"},
	{"heartbeat", 4, ""}, {"heartbeat-ack", 5, ""}, {"abort", 6, ""}, {"shutdown", 7, "cum-tsn-ack"}, {"shutdown-ack", 8, ""}, {"error", 9, ""},
	{"cookie-echo", 10, ""}, {"cookie-ack", 11, ""}, {"ecne", 12, "lowest-tsn"}, {"cwr", 13, "lowest-tsn"}, {"shutdown-complete", 14, ""},
	{"asconf-ack", 128, "seqno"}, {"forward-tsn", 192, "new-cum-tsn"}, {"asconf", 193, "seqno"},
}

// chunkRules ask for every field of every chunk. The packets hold the bytes 1, 2, 3
// and so on behind a chunk's length, which give values of their own to every field.
func chunkRules() string {
	var b strings.Builder
	for _, c := range chunkFields {
		ask := func(format string, args ...any) {
			fmt.Fprintf(&b, "\t\tsctp chunk "+c.name+format+" counter\n", args...)
		}
		ask(" exists")
		ask(" missing")
		ask(" type %d", c.kind)
		ask(" flags != 1")
		ask(" flags 2-3")
		ask(" length > 8")
		ask(" length { 4, 7, 20 }")
		for _, f := range strings.Fields(c.fields) {
			ask(" %s != 0", f)
			ask(" %s 0x0102-0x0506", f)
			ask(" %s { 0x01020304, 0x05060708, 0x090a0b0c }", f)
		}
	}
	// Values of 16 bits are too small for such a set.
	text := b.String()
	for _, f := range []string{"num-outbound-streams", "num-inbound-streams", "stream", "ssn", "num-gap-ack-blocks", "num-dup-tsns"} {
		text = strings.ReplaceAll(text, " "+f+" { 0x01020304, 0x05060708, 0x090a0b0c }", " "+f+" { 0x0506, 0x0708, 0x090a, 0x0b0c }")
	}
	return headed(text)
}

// rareFields ask for fields that few rules have.
const rareFields = `
		tcp option sack1 left 0x01020304 counter
		tcp option sack1 right != 0x01020304 counter
		tcp option sack2 left 0x01020304-0x21222324 counter
		tcp option sack2 right > 0x01020304 counter
		tcp option sack3 left { 0x01020304, 0x19191919, 0x1a1b1c1d } counter
		tcp option sack3 right != 0 counter
		tcp option sack3 right 0x1e1f2021 counter
		tcp option mptcp length 12 counter
		tcp option mptcp length < 5 counter
		tcp option mptcp subtype != 1 counter
		tcp option sack length 2-33 counter
		comp flags 2 counter
		comp flags != 0 counter
		comp cpi 0x0304-0x0506 counter
		igmp type membership-query counter
		igmp group 0xe0000005 counter
		igmp group != { 0xe0000005, 0xe0000009 } counter
		igmp mrt 100 counter
		icmpv6 max-delay 0x0102 counter
		icmpv6 max-delay != 0 counter
		frag reserved != 0 counter
		frag reserved 7 counter
		frag reserved2 != 0 counter
		frag reserved2 3 counter
		mh nexthdr 59 counter
		mh nexthdr != 59 counter
		mh hdrlength 1 counter
		mh hdrlength > 1 counter
		mh reserved 0 counter
		mh reserved != 0 counter
		mh type != 5 counter
		mh checksum 0x0607 counter
`

// headed puts rules where packets are not tracked yet and where they leave.
func headed(rules string) string {
	return "table inet o {\n" + silent + "\tchain asked {\n" + rules + "\t}\n" +
		"\tchain first { type filter hook prerouting priority -300; policy accept; jump asked; }\n" +
		"\tchain last { type filter hook postrouting priority 0; policy accept; jump asked; }\n}\n"
}

// fieldRows are packets with such fields, and with too little of them.
func fieldRows() []*Script {
	const counted = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728"
	var rows []row
	for _, c := range chunkFields {
		text := "rules chunk-fields"
		for _, size := range []int{3, 4, 5, 7, 8, 10, 12, 14, 16, 18, 20, 24} { // as the length says: a whole chunk, or one that goes on behind
			body := strings.Repeat("00", 16)
			if size > 4 {
				body = counted[:2*(size-4)]
			}
			text += fmt.Sprintf("; > sctp chunks=%02x%02x%04x%s; > sctp chunks=%02x%02x%04x%s", c.kind, size&3, size, body, c.kind, 1, size, counted)
		}
		text += fmt.Sprintf("; > sctp chunks=%02x000000%s; > sctp chunks=0e0300050100000000%02x0200140102030405060708090a0b0c0d0e0f10; > sctp chunks=%02x; > sctp chunks=%02x01; > sctp chunks=%02x0100ff; > sctp data chunks=%02x01000c0102030405060708", c.kind, counted, c.kind, c.kind, c.kind, c.kind, c.kind)
		rows = append(rows, row{"sctp " + c.name, text})
	}
	all := bothFamilies(scripts(rows))
	options := "rules rare-fields"
	for _, blocks := range []int{1, 2, 3, 4} {
		options += fmt.Sprintf("; > A opt=05%02x%s0000", 2+8*blocks, counted[:16*blocks])
	}
	options += "; > A opt=050a0102; > A opt=05220102030405060708; > A opt=1e0c10111213141516171819; > A opt=1e0401ff; > A opt=1e030000; > A opt=1eff2000; > A opt=01011e04"
	return append(all, append(bothFamilies(scripts([]row{
		{"tcp options", options},
		{"compressed", "rules rare-fields; > proto 108 data=%06%02%03%04abcd; > proto 108 data=%06%00%07%04; > proto 108 data=%06%02; > proto 108 data=%06"},
		{"groups", "rules rare-fields; > proto 2 data=%11%64%00%00%e0%00%00%05; > proto 2 data=%16%00%00%00%e0%00%00%09; > proto 2 data=%16%00%00%00%e0%00; > proto 2 data=%11"},
	})), scripts([]row{
		{"listeners", "v6; rules rare-fields; > icmp 130/0 info=16908288; > icmp 131/0; > icmp 130/0 info=1; > icmp 128/0 info=16908288; > proto 58 data=%82%00%00%00%01%02; > proto 58 data=%82%00%00%00"},
		{"mobility", "v6; rules rare-fields; > proto 135 data=%3b%01%05%00%06%07%00%00aaaaaaaa; > proto 135 data=%3a%02%06%01%06%08%00%00aaaaaaaa; > proto 135 data=%3b%01%05; > proto 135 data=%3b"},
		{"fragments", "v6; rules rare-fields; > proto 44 data=%3b%00%00%00%00%00%00%01; > proto 44 data=%3b%07%00%06%00%00%00%02abcd; > proto 44 data=%11%00%00%02%00%00%00%03abcdabcd; > proto 44 data=%3b%07; > udp len=100 frag=48"},
	})...)...)
}
