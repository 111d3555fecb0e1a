package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// pptpText is a control message of PPTP: call ids at 12 and 14, a result at 16,
// or at 14 in the answer that starts the session.
func pptpText(kind, first, second uint16, result byte) string {
	size := [...]int{0, 156, 156, 16, 16, 16, 20, 168, 32, 220, 24, 28, 16, 148, 40, 24}[kind]
	b := make([]byte, size)
	binary.BigEndian.PutUint16(b, uint16(size))
	b[3] = 1
	binary.BigEndian.PutUint32(b[4:], 0x1a2b3c4d)
	binary.BigEndian.PutUint16(b[8:], kind)
	switch {
	case kind == 2:
		b[14] = result
	case size > 16:
		binary.BigEndian.PutUint16(b[14:], second)
		b[16] = result
		fallthrough
	default:
		binary.BigEndian.PutUint16(b[12:], first)
	}
	return string(b)
}

// tunnels are PPTP's control connections and what they carry.
func tunnels() []row {
	var rows []row
	for _, rules := range []string{"helper", "helper-masquerade"} {
		id, out := 5, "0" // the client's call id and address as the server knows them
		if rules == "helper-masquerade" {
			id, out = 40000, "203.0.113.1"
		}
		head := "rules " + rules + "; flow 0 dport=1723; " + tcpOpen + say(">", "PA", pptpText(1, 0, 0, 0)) + say("<", "PA", pptpText(2, 0, 0, 1))
		add := func(name, text string) { rows = append(rows, row{rules + " pptp " + name, head + text}) }
		request := say(">", "PA", pptpText(7, 5, 0, 0))
		granted := say("<", "PA", pptpText(8, 9, uint16(id), 1))
		fromClient := fmt.Sprintf("flow 1 src=0 dst=0; > gre f=1 v=1 key=9 len=20; < gre f=1 v=1 key=%d len=20; > gre f=1 v=1 key=9 len=20; < gre f=1 v=1 key=%d len=8; ", id, id)
		fromServer := fmt.Sprintf("flow 2 from=wan src=0 dst=%s; > gre f=2 v=1 key=%d len=20; < gre f=2 v=1 key=9 len=20; > gre f=2 v=1 key=%d len=20; ", out, id, id)
		add("call, the client first", request+granted+fromClient)
		add("call, the server first", request+granted+fromServer)
		add("call refused", request+say("<", "PA", pptpText(8, 9, uint16(id), 2))+fromClient)
		add("call of somebody else", request+say("<", "PA", pptpText(8, 9, 77, 1))+fromClient)
		add("other call id", request+granted+"flow 1 src=0 dst=0; > gre f=1 v=1 key=10 len=20; ")
		add("link info", request+granted+fromClient+say("<", "PA", pptpText(15, uint16(id), 0, 0))+say(">", "PA", pptpText(15, 9, 0, 0)))
		add("cleared", request+granted+say(">", "PA", pptpText(12, 5, 0, 0))+say("<", "PA", pptpText(13, 9, 0, 1))+fromClient)
		add("ended by the server", request+granted+fromClient+say("<", "PA", pptpText(13, 9, 0, 1)))
		add("ended by the server, who sent first", request+granted+fromServer+say("<", "PA", pptpText(13, 9, 0, 1))+"> gre f=2 v=1 key=9 len=20; ")
		add("ended beside another tunnel", request+granted+fromClient+"flow 3 src=1 dst=0; > gre f=3 len=8; "+say("<", "PA", pptpText(13, 9, 0, 1))+"> gre f=3 len=8; > gre f=1 v=1 key=9 len=20; ")
		add("control connection over", request+granted+fromClient+"< R; > S; ")
		add("error of the link", request+granted+say("<", "PA", pptpText(14, uint16(id), 0, 0)))
		add("call from the server", say("<", "PA", pptpText(9, 9, 0, 0))+say(">", "PA", pptpText(10, 5, 9, 1))+say("<", "PA", pptpText(11, 5, 0, 0)))
		add("request without a session", say(">", "PA", pptpText(3, 0, 0, 0))+say("<", "PA", pptpText(4, 0, 0, 1))+request)
		add("echo", say(">", "PA", pptpText(5, 0, 0, 0))+say("<", "PA", pptpText(6, 0, 0, 0)))
		add("stopped", say(">", "PA", pptpText(3, 0, 0, 0))+say("<", "PA", "\x00\x10\x00\x01\x1a\x2b\x3c\x4d\x00\x04\x00\x00\x01\x00\x00\x00")+say("<", "PA", pptpText(2, 0, 0, 1))+
			say(">", "PA", pptpText(1, 0, 0, 0))+say("<", "PA", pptpText(2, 0, 0, 1))+request+granted+fromClient)
		add("stop that nobody asked for", say("<", "PA", pptpText(4, 0, 0, 1))+request+granted+fromClient)
		add("started twice", say(">", "PA", pptpText(1, 0, 0, 0))+say("<", "PA", pptpText(2, 0, 0, 2))+request+granted)
		add("in pieces", strings.Replace(request, ";", " frag=48;", 1)+strings.Replace(granted, ";", " frag=24;", 1)+fromClient+"> PA len=1300 cuts=256-2000,32-144,0-32,144-256")
		add("short", say(">", "PA", pptpText(7, 5, 0, 0)[:100]))
		add("not a message", say(">", "PA", "hello"))
	}
	return rows
}
