package main

import (
	"fmt"
	"strings"
)

// optionRules ask for everything that rules can ask of IPv4 options, before the box
// has read them and behind.
const optionRules = `table inet o {
` + silent + `	chain asked {` + optionFields + `
	}
	chain first { type filter hook prerouting priority 0; policy accept; udp dport 99 reject; jump asked; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + ` udp dport 98 reject; jump asked; }
	chain last { type filter hook postrouting priority 0; policy accept; jump asked; counter; }
}
`

const optionFields = `
		ip option lsrr exists counter
		ip option lsrr type 131 counter
		ip option lsrr length 7 counter
		ip option lsrr ptr 4 counter
		ip option lsrr addr 0x0a4d0b05 counter
		ip option ssrr exists counter
		ip option ssrr type 137 counter
		ip option ssrr length != 7 counter
		ip option ssrr ptr 4-8 counter
		ip option ssrr addr { 0, 0x0a4d0b05 } counter
		ip option rr missing counter
		ip option rr type 7 counter
		ip option rr length { 7, 11 } counter
		ip option rr ptr 8 counter
		ip option rr addr 0xcb007101 counter
		ip option rr addr 0x0a4d0b01 counter
		ip option ra exists counter
		ip option ra type != 148 counter
		ip option ra length 4 counter
		ip option ra value 0 counter`

// ipOptions are the options that packets come with, in hexadecimal digits.
var ipOptions = []row{
	{"record", "07070400000000"}, {"full record", "07070801020304"}, {"record of two", "070b08010203040000000000"}, {"two records", "0707040000000007070400000000"},
	{"record without a pointer", "07020101"}, {"record, pointer in its head", "07070300000000"}, {"record, pointer askew", "07070500000000"}, {"record, room askew", "070b060000000000000000"},
	{"length 0", "07000000"}, {"longer than the header", "07440400"}, {"record behind another", "0107070400000000"}, {"bytes behind the end", "00070704"}, {"record behind the end", "0007070400000000"},
	{"alert", "94040000"}, {"alert of another value", "94040001"}, {"alert cut", "94030000"}, {"two alerts", "9404000094040000"},
	{"strict route", "89070400000000"}, {"loose route", "8307040a4d0b05"}, {"loose route at its end", "8307080a4d0b05"}, {"loose route cut", "83020000"}, {"loose route, pointer in its head", "83070300000000"}, {"two loose routes", "8303040083030400"},
	{"times, full", "440c0d0000000000000000"}, {"times, counted out", "440c0df00000000000000000"}, {"times, counted", "440c0de00000000000000000"}, {"addresses, full", "440c0d010000000000000000"},
	{"given addresses, full", "440c0d030000000000000000"}, {"given address of another", "440c0503cb00710900000000"}, {"times, pointer in their head", "440c04000000000000000000"}, {"times cut", "44030500"},
	{"times of no kind", "440c05020000000000000000"}, {"addresses without room", "4408050100000000"}, {"two of times", "4404050044040500"}, {"times without a slot", "44040500"},
	{"label", "8608000000010000"}, {"label cut", "86020000"}, {"two labels", "8602860200"}, {"security", "820b0000000000000000000000"}, {"stream", "88040001"}, {"stream cut", "8804"},
	{"unknown", "c9040000"}, {"unknown, length 1", "c9010000"}, {"unknown, no length", "010101c9"}, {"unknown, too long", "010101c908"}, {"alone", "c9"},
	{"record and times", "0707040000000044080d0000000000"}, {"route and record", "830704cb00710507070400000000"},
}

// routersOptions are packets with IPv4 options through a router: forwarded, refused,
// ended by their TTL, too long, translated, in fragments.
func routersOptions() []*Script {
	var rows []row
	for _, o := range ipOptions {
		with := " ipoptions=" + o.text
		rows = append(rows, row{o.name, strings.ReplaceAll("rules ip-options; flow 1 dport=99; flow 2 dport=98; flow 3 sport=7; > udp OPT; < udp OPT; > udp ttl=1 OPT; > udp f=1 OPT; > udp f=2 OPT; > S f=3 OPT; "+
			"> udp len=1430 df OPT; > udp len=600 frag=200 OPT; > udp dst=box OPT; > icmp 8/0 OPT; > udp OPT", " OPT", with)})
		rows = append(rows, row{o.name + ", refused", strings.ReplaceAll("rules reject; flow 0 dport=81; flow 1 dport=82; flow 2 dport=83; > S OPT; > A f=0 OPT; > S f=1 OPT; > udp f=1 OPT; > udp f=2 OPT", " OPT", with)})
		rows = append(rows, row{o.name + ", translated", strings.ReplaceAll("rules masquerade; > udp OPT; < udp OPT; < udp ttl=1 OPT; < err 3/3; > S OPT; < SA OPT; > A OPT", " OPT", with)})
	}
	return append(scripts(rows), hopByHop()...)
}

// hopOptions are what stands in hop-by-hop headers, in hexadecimal digits.
var hopOptions = []row{
	{"pads", "000000000000"}, {"a pad of 4", "010400000000"}, {"a pad with a value", "010400000100"}, {"pads of 8", "0000000000000000010400000000"}, {"a pad of 8", "0106000000000000010400000000"},
	{"skip", "1e0400000000"}, {"drop", "5e0400000000"}, {"answer", "9e0400000000"}, {"answer one", "de0400000000"}, {"answer behind others", "1e01001e0100000000009e02ffff"},
	{"jumbo", "c20400010000"}, {"small jumbo", "c20400000010"}, {"jumbo askew", "010000c20400010000000000"}, {"jumbo of 3 bytes", "c203000100000000"},
	{"alert", "050200000100"}, {"alert of 4 bytes", "050400000000"}, {"too long", "1e0900000000"}, {"no length", "01030000001e"},
	{"trace", "00003102000000000000000000"}, {"trace askew", "310200000000"}, {"label", "0708000000010000000000000000"}, {"home", "c90400000000"}, {"eight", "1e001e001e001e001e001e001e001e000000000000"}, {"nine", "1e001e001e001e001e001e001e001e001e0000000000"},
}

// pieceHeaders are IPv6 fragment headers, the datagram's rest behind them, that hardly a
// sender makes: one in the other, cut off, in front of hop-by-hop options, behind a
// routing header that is cut off. None waits for the rest of a datagram, of which the
// kernel would complain in the midst of another script.
var pieceHeaders = []row{
	{"all of a datagram, then a later one", "2c0000005b95fa50110500b84cd98b0f9c40005000000000"}, {"all of a datagram, then a first one", "2c000006d1ac143f11000001ac72c1b49c40005000080000"},
	{"all of a datagram, then the same", "2c0000009796235c110000005be3856a9c40005000080000"}, {"first, then all of a datagram, odd", "2c00000117666e2311000000dc936aaf9c4000500008000000"},
	{"hop-by-hop behind it", "000000009bddaad411009e04000000009c40005000080000"}, {"hop-by-hop that is cut off", "000000009bddaad51105"},
	{"of one byte", "3a"}, {"of three bytes", "3a0000"}, {"of four bytes", "3a000000"}, {"of seven bytes", "11000000010203"}, {"of seven bytes, first", "11000001010203"}, {"of seven bytes, later", "11000008010203"},
	{"first, ICMP beyond the end", "3c00000167ee68a43aff050200000100"}, {"all of a datagram, ICMP beyond the end", "3c00000067ee68a43aff050200000100"},
	{"a routing header's first bytes", "2b000000010203042b0204000000000000000000000000000000000000000000792a"},
}

// hopByHop are packets with hop-by-hop options through a router, in front of UDP, of an
// ICMP error and of nothing.
func hopByHop() []*Script {
	var rows []row
	for _, o := range hopOptions {
		size := (len(o.text)/2 + 2 + 7) &^ 7
		body := fmt.Sprintf("%02x%s%s", size/8-1, o.text, strings.Repeat("00", size-2-len(o.text)/2))
		text := "v6; rules observe"
		for _, behind := range []string{"11" + body + "9c40005000080000", "3a" + body + "0100000000000000", "3a" + body + "8000000000010001", "3b" + body, "fd" + body + "aabb", "00" + body + body} {
			data := escaped(behind)
			for _, with := range []string{"", " ttl=1", " dst=box"} {
				text += "; > proto 0 data=" + data + with
			}
		}
		rows = append(rows, row{"hop by hop: " + o.name, text})
	}
	for _, h := range pieceHeaders {
		packet := "> proto 44 data=" + escaped(h.text)
		for _, rules := range []string{"observe", "untracked", "masquerade"} {
			rows = append(rows, row{"pieces, " + rules + ": " + h.name, "v6; rules " + rules + "; " + packet + "; " + packet + " ttl=1"})
		}
	}
	return scripts(rows)
}

// escaped is text of hexadecimal digits as data= takes it.
func escaped(digits string) string {
	data := ""
	for i := 0; i < len(digits); i += 2 {
		data += "%" + digits[i:i+2]
	}
	return data
}
