package main

import (
	"fmt"
	"strings"
)

// handshake opens a connection: scales 7, SACK allowed.
const handshake = "> S mss=1460 ws=7 sackok; < SA mss=1460 ws=7 sackok; > A; "

// tcpLife are whole connections.
func tcpLife() []*Script {
	return bothFamilies(scripts([]row{
		{"handshake", handshake + "reach ESTABLISHED; > PA len=10; < A; < PA len=100; > A"},
		{"close by client", "> S; < SA; > A; > FA; < A; < FA; > A; reach TIME_WAIT"},
		{"close by server", "> S; < SA; > A; < FA; > A; > FA; < A; reach TIME_WAIT"},
		{"close by both at once", "> S; < SA; > A; > FA; < FA; > A; < A; reach TIME_WAIT"},
		{"half closed", "> S; < SA; > A; > FA; < A; < PA len=100; > A; < PA len=100; > A; < FA; > A"},
		{"data with the FIN", "> S; < SA; > A; > FPA len=50; < FA; > A"},
		{"FIN again", "> S; < SA; > A; > FA; > FA seq=-1; < A; < FA; < FA seq=-1; > A; > A"},
		{"SYN again", "> S; > S seq=-1; > S seq=-1; < SA; > A"},
		{"SYN+ACK again", "> S; < SA; < SA seq=-1; > A; < SA seq=-1; > A"},
		{"data without a handshake's end", "> S; < SA; > PA len=10; < A"},
		{"data in the SYN", "> S len=20; < SA; > A; > PA len=10; < A"},
		{"SYN that only reaches part", "> S len=20; < SA ack=-20; > A"},
		{"refused", "> S; < RA; reach none"},
		{"refused without ACK", "> S; < R seq=@0; > S"},
		{"refused then open", "> S; < RA; > S seq=@100; < SA; > A ack=@1"},
		{"reset by client", "> S; < SA; > A; > R; < PA len=5"},
		{"reset by server", "> S; < SA; > A; < RA; > PA len=5"},
		{"reset before an answer", "> S; > R; reach none; > S; < SA; > A"},
		{"simultaneous open", "> S; < S; reach SYN_SENT2; > SA seq=@0; < SA seq=@0; > A; < A; reach ESTABLISHED"},
		{"simultaneous open, plain ACK", "> S; < S; > SA seq=@0; < A; reach ESTABLISHED"},
		{"reopen from TIME_WAIT", "> S; < SA; > A; > FA; < A; < FA; > A; reach TIME_WAIT; > S seq=@100000; < SA seq=@200000 ack=@100001; > A seq=@100001 ack=@200001"},
		{"reopen from TIME_WAIT below", "> S; < SA; > A; > FA; < A; < FA; > A; reach TIME_WAIT; > S seq=@-100000"},
		{"reopen by the server", "> S; < SA; > A; > FA; < A; < FA; > A; reach TIME_WAIT; < S seq=@100000; > SA seq=@70000 ack=@100001; < A seq=@100001 ack=@70001"},
		{"reopen from CLOSE by reset", "> S; < SA; > A; > R; reach CLOSE; > S seq=@100000; < SA; > A seq=@100001"},
		{"reopen from CLOSE by the other's reset", "> S; < SA; > A; < R; reach CLOSE; > S seq=@100000; < SA; > A seq=@100001"},
		{"urgent data", "> S; < SA; > A; > UA len=3 urg=1; > PUA len=3 urg=2; < A"},
		{"ECN", "> SEW; < SAE; > A; > PAE len=3; < AW"},
		{"timestamps", "> S ts mss=1460; < SA ts mss=1460; > A ts; > PA len=5 ts"},
		{"options of one side only", "> S ws=3; < SA; > A; > PA len=10 win=100; < A"},
		{"scale too large", "> S ws=20; < SA ws=15; > A; > PA len=10; < A"},
		{"options of odd lengths", "> S opt=0103030503; < SA opt=0204; > A"},
		{"option of length 0", "> S opt=0300; < SA opt=0801; > A"},
		{"challenge ACK", "> S; < SA; > A; < FA; > FA; reach LAST_ACK; > S seq=@5000; < A; > R seq=@2; reach CLOSE"},
		{"out of sync SYN+ACK", "> S; < SA; > A; reach ESTABLISHED; > S seq=@50000; < SA seq=@90000 ack=@50001; > A seq=@50001 ack=@90001; > PA seq=@50001 ack=@90001 len=5"},
		{"out of sync SYN, answered by ACK and RST", "> S; < SA; > A; > S seq=@50000; < A; > R seq=@1; reach CLOSE"},
		{"three retransmissions", "> S; < SA; > A; > PA len=10; > PA seq=-10 len=10; > PA seq=-10 len=10; > PA seq=-10 len=10; > PA seq=-10 len=10"},
		{"many pure ACKs", "> S; < SA; > A; > A; > A; > A; > A; > A"},
		{"window closes", "> S; < SA; > A; > PA len=10; < A win=0; > A; > PA len=1; < A win=8192; > PA len=10"},
		{"keepalive", "> S; < SA; > A; > A seq=-1; < A; > A seq=-1; < A"},
	}))
}

// flagSets are all combinations of the six flags: what a first segment may be,
// and what comes in an open connection in each direction.
func tcpFlags() []*Script {
	var rows []row
	for bits := range 64 {
		flags := ""
		for i, c := range "FSRPAU" {
			if bits>>i&1 != 0 {
				flags += string(c)
			}
		}
		if flags == "" {
			flags = "-"
		}
		rows = append(rows,
			row{"first " + flags, "> " + flags + " len=4; > " + flags + " len=4; < A"},
			row{"open " + flags, "> S; < SA; > A; > " + flags + " len=4; < A; < PA len=3"},
			row{"answer " + flags, "> S; < " + flags + "; > A"},
		)
	}
	return scripts(rows)
}

// ways lead to a state of the table, from nothing.
var ways = []struct{ state, text string }{
	{"none", ""},
	{"SYN_SENT", "> S; "},
	{"SYN_RECV", "> S; < SA; "},
	{"ESTABLISHED", "> S; < SA; > A; "},
	{"FIN_WAIT", "> S; < SA; > A; > FA; "},
	{"CLOSE_WAIT", "> S; < SA; > A; > FA; < A; "},
	{"LAST_ACK", "> S; < SA; > A; > FA; < A; < FA; "},
	{"TIME_WAIT", "> S; < SA; > A; > FA; < A; < FA; > A; "},
	{"CLOSE", "> S; < SA; > A; > FA; < A; < FA; > R; "},
	{"SYN_SENT2", "> S; < S; "},
	// the same with the server closing, which sets the other side's flags
	{"FIN_WAIT", "> S; < SA; > A; < FA; "},
	{"CLOSE_WAIT", "> S; < SA; > A; < FA; > A; "},
	{"LAST_ACK", "> S; < SA; > A; < FA; > FA; "},
	{"TIME_WAIT", "> S; < SA; > A; < FA; > A; > FA; < A; "},
	{"CLOSE", "> S; < SA; > A; > R; "},
	{"CLOSE", "> S; < SA; > A; < RA; "},
}

// tcpTable reaches every cell of the state table: each state, direction and
// event, and shows by a segment either way what has become of the entry.
func tcpTable() []*Script {
	var rows []row
	for i, w := range ways {
		for _, dir := range []string{">", "<"} {
			for _, event := range []string{"S", "SA", "FA", "A", "R", "RA", "-", "PA len=7"} {
				if w.state == "none" && dir == "<" {
					continue // nothing yet that it could answer
				}
				rows = append(rows, row{
					fmt.Sprintf("%d %s %s %s", i, w.state, dir, event),
					fmt.Sprintf("%sreach %s; %s %s; %s %s; < A; > A", w.text, w.state, dir, event, dir, event),
				})
			}
		}
	}
	return scripts(rows)
}

// tcpWindow puts segments at the edges of what a window allows.
func tcpWindow() []*Script {
	var rows []row
	// Both windows are 1000 bytes without scale: bytes 1 to 1000 may be sent.
	const plain = "> S win=1000; < SA win=1000; > A win=1000; "
	for _, d := range []int{-2, -1, 0, 1, 2, 200, 300, 301, 340} {
		rows = append(rows,
			row{fmt.Sprintf("seq at right edge %+d", d), fmt.Sprintf("%s> PA seq=@%d len=1 win=1000; < A win=1000; > A", plain, 1000+d)},
			row{fmt.Sprintf("end at right edge %+d", d), fmt.Sprintf("%s> PA len=%d win=1000; < A win=1000; > A", plain, 1000+d)},
			row{fmt.Sprintf("server's end at right edge %+d", d), fmt.Sprintf("%s< PA len=%d win=1000; > A win=1000; < A", plain, 1000+d)},
			row{fmt.Sprintf("ack above what was sent %+d", d), fmt.Sprintf("%s> PA len=100 win=1000; < A ack=@%d win=1000; > A", plain, 101+d)},
			row{fmt.Sprintf("end at left edge %+d", d), fmt.Sprintf("%s> PA len=900 win=1000; < A win=1000; > PA len=900 win=1000; < A win=1000; > A seq=@%d win=1000; > A win=1000", plain, 801-d)},
		)
	}
	for _, d := range []int{-1, 0, 1} {
		rows = append(rows,
			row{fmt.Sprintf("old ack at 66000 %+d", d), "> S ws=7; < SA ws=7; > A; " +
				strings.Repeat("> PA len=1300 win=1000; < A win=1000; ", 50) + fmt.Sprintf("< A ack=@%d win=1000; > PA len=10", 65001-66000+d)},
			row{fmt.Sprintf("scaled window %+d", d), fmt.Sprintf("> S ws=2 win=300; < SA ws=2 win=300; > A win=300; > PA len=%d; < A win=300; > A", 1200+d)},
			row{fmt.Sprintf("scale of one side %+d", d), fmt.Sprintf("> S ws=2 win=300; < SA win=300; > A win=300; > PA len=%d; < A win=300; > A", 300+d)},
			row{fmt.Sprintf("sack above the end %+d", d), fmt.Sprintf("> S sackok win=2000; < SA sackok win=2000; > A; > PA len=100; > PA len=100; < A ack=@1 sack=101-%d; > A", 201+d)},
			row{fmt.Sprintf("sack without permission %+d", d), fmt.Sprintf("> S win=2000; < SA win=2000; > A; > PA len=100; > PA len=100; < A ack=@1 sack=101-%d; > A", 201+d)},
			row{fmt.Sprintf("zero window %+d", d), fmt.Sprintf("%s< A win=0; > PA len=%d; < A win=0; > PA len=1", plain, 1000+d)},
			row{fmt.Sprintf("window shrinks %+d", d), fmt.Sprintf("%s< A win=500; > PA len=%d; < A", plain, 1000+d)},
			row{fmt.Sprintf("window opens %+d", d), fmt.Sprintf("%s> PA len=1000; < A win=1300; > PA len=%d; < A", plain, 1300+d)},
			row{fmt.Sprintf("small overshoot %+d", d), fmt.Sprintf("%s> PA seq=@%d len=200 win=1000; > PA seq=@1 len=10; < A", plain, 1001+d)},
			row{fmt.Sprintf("wrap of sequence numbers %+d", d), fmt.Sprintf("flow 0 iss=4294967000 riss=4294967290; %s> PA len=%d; < A win=1000; < PA len=900; > A; > PA len=10; < A", plain, 1000+d)},
			row{fmt.Sprintf("wrap exactly %+d", d), fmt.Sprintf("flow 0 iss=%d riss=%d; > S; < SA; > A; > PA len=10; < PA len=10; > A; > FA; < A", 4294967295+d, 4294967294-d)},
			row{fmt.Sprintf("wrap of the sign %+d", d), fmt.Sprintf("flow 0 iss=%d riss=%d; > S; < SA; > A; > PA len=10; < PA len=10; > A", 2147483647+d, 2147483646+d)},
			row{fmt.Sprintf("liberal %+d", d), fmt.Sprintf("set tcp_be_liberal=1; %s> PA seq=@%d len=1; < A ack=@%d; > A", plain, 3000+d, 50000+d)},
		)
	}
	rows = append(rows,
		row{"old data again", plain + "> PA len=100; < A; > PA seq=@1 len=100; < A"},
		row{"data in reverse order", plain + "> PA seq=@201 len=100; > PA seq=@101 len=100; > PA seq=@1 len=100; < A ack=@301"},
		row{"sack of two blocks", "> S sackok; < SA sackok; > A; > PA len=100; > PA len=100; > PA len=100; > PA len=100; < A ack=@1 sack=101-201,301-401; > A; < A"},
		row{"sack of four blocks", "> S sackok; < SA sackok; > A; > PA len=900; < A ack=@1 sack=101-201,301-401,501-601,701-801; > A"},
		row{"sack with timestamps", "> S sackok ts; < SA sackok ts; > A ts; > PA len=100 ts; > PA len=100 ts; < A ack=@1 sack=101-201 ts; > A"},
		row{"segment larger than a window", "> S win=10; < SA win=10; > A; > PA len=1000; < A"},
		row{"window of 0 in the SYN", "> S win=0; < SA win=0; > A; > PA len=10; < A win=0"},
	)
	return bothFamilies(scripts(rows))
}

// tcpReset are resets with every kind of sequence number.
func tcpReset() []*Script {
	var rows []row
	opens := []row{
		{"open", "> S win=1000; < SA win=1000; > A win=1000; > PA len=100; < A win=1000; < PA len=50; > A; "},
		{"half open", "> S win=1000; < SA win=1000; "},
		{"asked", "> S win=1000; "},
		{"closing", "> S win=1000; < SA win=1000; > A; > FA; "},
		{"unacknowledged", "> S win=1000; < SA win=1000; > A win=1000; > PA len=100; "},
		{"after a stray SYN", "> S win=1000; < SA win=1000; > A; > S seq=@7777; "},
		{"picked up", "> PA len=10; < PA len=10; > A; "},
	}
	for _, o := range opens {
		for _, dir := range []string{">", "<"} {
			for _, seq := range []string{"-1000", "-60", "-1", "0", "1", "50", "999", "1000", "1001", "100000"} {
				rows = append(rows, row{fmt.Sprintf("%s %s seq %s", o.name, dir, seq), fmt.Sprintf("%s%s R seq=%s; > A; < A", o.text, dir, plus(seq))})
			}
			rows = append(rows,
				row{fmt.Sprintf("%s %s seq zero", o.name, dir), fmt.Sprintf("%s%s R seq==0; > A; < A", o.text, dir)},
				row{fmt.Sprintf("%s %s with ACK of nothing", o.name, dir), fmt.Sprintf("%s%s RA ack==0; > A; < A", o.text, dir)},
				row{fmt.Sprintf("%s %s with wrong ACK", o.name, dir), fmt.Sprintf("%s%s RA ack=+5000; > A; < A", o.text, dir)},
				row{fmt.Sprintf("%s %s twice", o.name, dir), fmt.Sprintf("%s%s R; %s R; > A; < A", o.text, dir, dir)},
			)
		}
	}
	for _, seq := range []string{"-50", "0", "50"} {
		rows = append(rows, row{"invalid ones ignored, seq " + seq, "set tcp_ignore_invalid_rst=1; > S; < SA; > A; > PA len=100; < A; > R seq=" + plus(seq) + "; < A; > A"})
	}
	rows = append(rows, row{"invalid from both sides", "> S; < SA; > A; > PA len=100; < A; < PA len=100; > A; > R seq=-90; < R seq=-90; > A; < A"})
	rows = append(rows, row{"invalid FIN from both sides", "> S win=1000; < SA win=1000; > A win=1000; > PA len=100; < A win=1000; > FA seq=+90000; < FA seq=+90000; > A; < A"})
	return scripts(rows)
}

func plus(number string) string {
	if strings.HasPrefix(number, "-") {
		return number
	}
	return "+" + number
}

// tcpPickup are connections met in their middle.
func tcpPickup() []*Script {
	var rows []row
	for _, loose := range []int{0, 1} {
		set := fmt.Sprintf("set tcp_loose=%d; ", loose)
		for _, first := range []string{"A", "PA len=100", "FA", "R", "RA", "SA", "UA urg=1", "A win=0"} {
			rows = append(rows, row{
				fmt.Sprintf("%s, loose %d", first, loose),
				set + "> " + first + "; < A; < PA len=10; > A; > PA len=1300; < A; > FA; < A",
			})
		}
		rows = append(rows,
			row{fmt.Sprintf("both directions, loose %d", loose), set + "> PA len=10; > PA len=10; < A; < PA len=1000; > A; > PA len=10; < A"},
			row{fmt.Sprintf("far beyond, loose %d", loose), set + "> PA len=10; < A; > PA seq=@1000000 len=10; < A ack=@1000011; > A seq=@1000011"},
			row{fmt.Sprintf("keepalive answered, loose %d", loose), set + "> A; < A ack=+1; > A; < A"},
			row{fmt.Sprintf("SYN in the middle, loose %d", loose), set + "> PA len=10; < A; > S seq=@5000; < SA ack=@5001; > A seq=@5001"},
			row{fmt.Sprintf("reset in the middle, loose %d", loose), set + "> PA len=10; < R seq=@0; > A"},
		)
	}
	return bothFamilies(scripts(rows))
}

// tcpBroken are segments that are not what they say.
func tcpBroken() []*Script {
	var rows []row
	for _, way := range []row{{"first", ""}, {"open", "> S; < SA; > A; "}} {
		for _, kind := range []string{
			"PA len=10 sum=bad", "S sum=bad", "A sum=zero", "PA len=10 off=3", "PA len=10 off=15", "PA len=10 off=4", "PA len=40 off=15",
			"A ttl=1", "A ttl=0", "A ttl=2", "A ipsum=bad", "A ipopt", "A df", "A tos=0xb8", "PA len=1360", "PA len=1361", "PA len=1361 df", "PA len=1440", "PA len=1440 df", "PA len=3000 frag=1440", "PA len=3000 frag=400",
		} {
			rows = append(rows, row{way.name + " " + kind, way.text + "> " + kind + "; < A; > A"})
		}
		for _, n := range []int{0, 1, 3, 4, 7, 8, 13, 19} {
			rows = append(rows, row{fmt.Sprintf("%s cut to %d", way.name, n), fmt.Sprintf("%s> cut 6 len=%d; > A", way.text, n)})
		}
		rows = append(rows, row{way.name + " wrong sum unchecked", "set checksum=0; " + way.text + "> PA len=10 sum=bad; < A; > A"})
	}
	return bothFamilies(scripts(rows))
}
