package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// talk is what control connections to a port say, and the flows that they
// announce.
type talk struct {
	proto string // tcp or udp

	login string      // lines before all else, mostly
	says  [2][]string // client and server
	flows []string    // 1 and so on, without their number
	child []string    // packets of theirs
}

// greeted are packets of TCP children, answered those of others.
var (
	greeted  = []string{"> S", "> S", "< SA", "> A", "> PA len=9", "< A", "> FA"}
	answered = []string{"> udp len=4", "< udp len=4"}
)

// talks returns the conversations by port. box is what the client is called
// outside, translated that this is another name than its own.
func talks(box netip.Addr, translated bool) map[string]talk {
	host := box.String()
	active := fmt.Sprintf("from=wan src=0 dst=%s ", host)
	t := map[string]talk{
		"21": {proto: "tcp", login: ftpLogin, child: greeted, says: [2][]string{
			{"PORT 10,77,11,2,19,136\r\n", "PORT 10,77,11,2,19,137\r\n", "port 10,77,11,2,19,136\r\n", "EPRT |1|10.77.11.2|5000|\r\n", "EPRT |2|fd77:a::2|5000|\r\n", "PASV\r\n", "EPSV\r\n", "NOOP\r\n",
				"PORT 10,77,11,3,19,136\r\n", "PORT 10,77,11,2,0,0\r\n", "PORT 10,77,11,2,19", ",136\r\n", "PORT 10,77,11,2,300,1\r\n", "PORTX 1\r\n", "EPRT |1|10.77.11.2||\r\n", "QUIT\r\n"},
			{"227 Passive (203,0,113,2,195,80).\r\n", "227 =203,0,113,2,195,81\r\n", "229 Extended (|||50000|)\r\n", "229 x (|||50001|)\r\n", "200 ok\r\n", "221 bye\r\n", "227 Passive (203,0,113,3,195,80).\r\n", "227 Passive (203,0", "226-more\r\n 226 done\r\n"},
		}, flows: []string{active + "sport=20 dport=5000", active + "sport=20 dport=5001", "src=0 dst=0 sport=41000 dport=50000", "src=0 dst=0 sport=41000 dport=50001"}},
		"6667": {proto: "tcp", child: greeted, says: [2][]string{
			{"PRIVMSG bob :\x01DCC SEND f 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC CHAT chat 172821250 5000\x01\r\n", "NOTICE x\r\nPRIVMSG bob :\x01DCC TSEND f 172821250 5001 9\x01\r\n",
				"PRIVMSG bob :\x01DCC SEND f 3405803777 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 134744072 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 172821250 0 9\x01\r\n", "PING\r\n"},
			{"PONG\r\n", "PRIVMSG bob :\x01DCC SEND f 172821250 5000 9\x01\r\n"},
		}, flows: []string{active + "sport=2000 dport=5000", active + "sport=2000 dport=5001"}},
		"69": {proto: "udp", child: answered, says: [2][]string{
			{"\x00\x01f\x00octet\x00", "\x00\x02f\x00octet\x00", "\x00\x03f\x00octet\x00", "\x00\x01", "\x00"},
			{"\x00\x04\x00\x01", "\x00\x05x\x00"},
		}, flows: []string{active + "sport=2000 dport=40000", fmt.Sprintf("from=wan src=1 dst=%s sport=2001 dport=40000", host)}},
	}
	if box.Is6() {
		return t
	}
	t["5060"] = talk{proto: "udp", child: answered, says: sipTalk(host), flows: []string{
		active + "sport=20000 dport=30000", active + "sport=20001 dport=30001", "src=0 dst=0 sport=30000 dport=20000", active + "sport=5070 dport=5060"}}
	id := uint16(5)
	if translated {
		id = 40000
	}
	t["1723"] = talk{proto: "tcp", says: pptpTalk(id, translated),
		login: say(">", "PA", pptpText(1, 0, 0, 0)) + say("<", "PA", pptpText(2, 0, 0, 1)),
		child: []string{"> gre v=1 key=9 len=20", fmt.Sprintf("< gre v=1 key=%d len=20", id), "> gre v=1 key=10 len=8", "> gre len=8"},
		flows: []string{"src=0 dst=0", active}}
	return t
}

// sipTalk are a call, a registration and what goes wrong with them.
func sipTalk(out string) [2][]string {
	describe := func(sdp string) string { return sipInvite(sipAl, sipAl+":5060", sdp) }
	invite := describe(sdpText(sipAl, "30000"))
	request := func(method string) string {
		return sipText(method+" sip:bob@"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+sipAl+":5060\nTo: <sip:bob@"+sipBob+">\nFrom: <sip:al@"+sipAl+":5060>\nCSeq: 314159 "+method, "")
	}
	register := func(first, host, more string) string {
		return sipText(first+"\nVia: SIP/2.0/UDP "+host+":5060;branch=1\nTo: <sip:al@example.net>\nFrom: <sip:al@example.net>\nCSeq: 7 REGISTER\nContact: <sip:al@"+host+":5060>"+more, "")
	}
	return [2][]string{
		{
			invite, invite, invite, request("ACK"), request("BYE"), request("CANCEL"), request("OPTIONS"),
			describe(sdpText(sipAl, "30001")), invite[:len(invite)-30], invite[:60], "\r\n\r\n",
			register("REGISTER sip:"+sipBob+" SIP/2.0", sipAl, "\nExpires: 600"), register("REGISTER sip:"+sipBob+" SIP/2.0", sipAl, ";expires=0"),
		},
		{
			sipAnswer("200 OK", out+";branch=z9hG4bK776;received="+out, out+":5060", sdpText(sipBob, "20000")),
			sipAnswer("200 OK", out+";branch=z9hG4bK776;received="+out, out+":5060", sdpText(sipBob, "20000")),
			sipAnswer("180 Ringing", out+":5060;rport=5060;received="+out, out+":5060", ""), sipAnswer("486 Busy Here", out+":5060", out+":5060", ""),
			sipAnswer("183 Progress", out+":5060", out+":5060", sdpText(sipBob, "20002")),
			register("SIP/2.0 200 OK", out, ";expires=600"), register("SIP/2.0 403 No", out, ";expires=600"), register("SIP/2.0 200 OK", out, ";expires=0"),
		},
	}
}

// pptpTalk are calls of a client whose call id the server knows as id.
func pptpTalk(id uint16, translated bool) [2][]string {
	says := [2][]string{
		{
			pptpText(7, 5, 0, 0), pptpText(7, 5, 0, 0), pptpText(1, 0, 0, 0), pptpText(15, 9, 0, 0), pptpText(12, 5, 0, 0), pptpText(3, 0, 0, 0),
			pptpText(5, 0, 0, 0), pptpText(7, 6, 0, 0), pptpText(7, 5, 0, 0)[:100], "hello",
		},
		{
			pptpText(8, 9, id, 1), pptpText(8, 9, id, 1), pptpText(8, 9, id, 2), pptpText(8, 9, 77, 1), pptpText(2, 0, 0, 1), pptpText(15, id, 0, 0),
			pptpText(14, id, 0, 0), pptpText(4, 0, 0, 1), pptpText(6, 0, 0, 0), pptpText(13, 9, 0, 1),
		},
	}
	if !translated { // see known.go
		says[0] = append(says[0], pptpText(10, 5, 9, 1))
		says[1] = append(says[1], pptpText(9, 9, 0, 0), pptpText(11, 5, 0, 0))
	}
	return says
}

// conversation fills a script with a control connection and the flows that it
// announces, some of them never.
func (d dice) conversation(s *Script) {
	port := d.one("21", "21", "21", "6667", "69", "5060", "5060", "1723")
	s.Six = s.Six && port != "5060" && port != "1723"
	translated := s.Rules == "helper-masquerade"
	box := pair.HostAddr(pair.Lan, 0, s.Six)
	if translated {
		box = pair.BoxAddr(pair.Wan, s.Six)
	}
	t := talks(box, translated)[port]
	first := "flow 0 src=0 dst=0 sport=40000 dport=" + port
	if port == "5060" {
		first = strings.Replace(first, "40000", port, 1)
	}
	s.Lines = append(s.Lines, first)
	if t.proto == "tcp" {
		s.Lines = append(s.Lines, lines(tcpOpen)...)
	}
	if !d.chance(6) {
		s.Lines = append(s.Lines, lines(t.login)...)
	}
	for i, flow := range t.flows {
		s.Lines = append(s.Lines, fmt.Sprintf("flow %d %s", i+1, flow))
	}
	for range (4 + d.IntN(25)) * (1 + d.IntN(3)) {
		switch d.IntN(6) {
		case 0, 1, 2:
			s.Lines = append(s.Lines, d.saying(&t)...)
		case 3, 4:
			s.Lines = append(s.Lines, d.one(t.child...)+fmt.Sprintf(" f=%d", 1+d.IntN(len(t.flows))))
		default:
			n := max(0, d.IntN(2*len(t.flows)+1)-len(t.flows))
			if n == 0 && port == "5060" && translated {
				continue // what goes untranslated is answered so, and messages would name ports of chance
			}
			kind := t.proto
			if n > 0 && port == "1723" {
				kind = "gre"
			}
			line := d.packet(n, kind, s.Six)
			if strings.Contains(line, " err ") || strings.Contains(line, " ttl=") {
				continue // errors may travel as the client's packets do, see known.go
			}
			s.Lines = append(s.Lines, line)
		}
	}
}

// saying are lines in which a side says something, mostly acknowledged.
func (d dice) saying(t *talk) []string {
	who := d.IntN(3) / 2
	text := t.says[who][d.IntN(len(t.says[who]))]
	arrow, back := ">", "<"
	if who == 1 {
		arrow, back = back, arrow
	}
	line := "udp"
	if t.proto == "tcp" {
		line = d.one("PA", "PA", "PA", "A")
		if d.chance(12) {
			line += fmt.Sprintf(" seq=%+d", -len(text)+d.IntN(3)-1)
		}
	}
	all := []string{fmt.Sprintf("%s %s data=%s", arrow, line, strings.ReplaceAll(url.PathEscape(text), ";", "%3B"))}
	if t.proto == "tcp" && !d.chance(5) {
		all = append(all, back+" A")
	}
	return all
}
