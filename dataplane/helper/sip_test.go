package helper

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

// message joins lines as SIP ends them.
func message(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

// withBody adds Content-Length, the empty line and a body.
func withBody(body string, lines ...string) string {
	return message(append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "")...) + body
}

func invite(via, from, contact, host, port string) string {
	return withBody(message("v=0", "o=al 1 1 IN IP4 "+host, "s=-", "c=IN IP4 "+host, "t=0 0", "m=audio "+port+" RTP/AVP 0", "a=rtpmap:0 PCMU/8000"),
		"INVITE sip:bob@198.51.100.1 SIP/2.0", "Via: SIP/2.0/UDP "+via+";branch=z9hG4bK1;rport",
		"From: <sip:al@"+from+">;tag=1", "To: <sip:bob@198.51.100.1>", "Call-ID: x@10.0.0.2", "CSeq: 1 INVITE",
		"Contact: <sip:al@"+contact+">")
}

func TestSIPCall(t *testing.T) {
	b := newBench(t, "sip", flowtable.ProtoUDP, false, false, 5060)
	plain := invite("10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2", "30001")
	media := "198.51.100.1:0 > 10.0.0.2:30000 class 1\n198.51.100.1:0 > 10.0.0.2:30001 class 1"
	b.keep(orig, plain, media)
	busy := message("SIP/2.0 486 Busy here", "CSeq: 1 INVITE", "Content-Length: 0", "")
	b.keep(reply, busy, "")
	b.keep(orig, plain, media)
	both := "10.0.0.2:0 > 198.51.100.1:20000 class 1\n10.0.0.2:0 > 198.51.100.1:20001 class 1\n" + media
	ok := withBody(message("v=0", "o=- 1 1 IN IP4 198.51.100.1", "c=IN IP4 198.51.100.1", "m=audio 20000 RTP/AVP 0"),
		"SIP/2.0 200 OK", "CSeq: 1 INVITE")
	b.keep(reply, ok, both)
	b.keep(orig, message("BYE sip:bob@198.51.100.1 SIP/2.0", "CSeq: 2 BYE", ""), "")
	b.demand(orig, strings.Replace(plain, "30001", "80", 1), "", "") // a port that may not be
	b.keep(orig, strings.Replace(plain, "c=IN IP4 10.0.0.2", "c=IN IP4 10.0.0.9", 1), "")
	b.demand(orig, strings.Replace(plain, "c=IN", "x=IN", 1), "", "") // no address at all
	b.demand(orig, message("INVITE sip:bob@198.51.100.1 SIP/2.0", "Via: x", ""), "", "")
	b.keep(orig, "INVITE sip:bob@198.51.100.1 SIP/2.0\r\nCSeq: 1 INVITE\r\n", "") // no end of the headers
}

func TestSIPCallTranslated(t *testing.T) {
	b := newBench(t, "sip", flowtable.ProtoUDP, true, false, 5060)
	media := "198.51.100.1:0 > 203.0.113.1:30000 class 1 becomes 198.51.100.1 > 10.0.0.2:30000\n" +
		"198.51.100.1:0 > 203.0.113.1:30001 class 1 becomes 198.51.100.1 > 10.0.0.2:30001"
	b.demand(orig, invite("10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2", "30000"),
		strings.Replace(invite("203.0.113.1:41000", "203.0.113.1:41000", "203.0.113.1:41000", "203.0.113.1", "30000"), "bob@198.51.100.1 ", "bob@198.51.100.1 ", 1), media)
	in := withBody("", "SIP/2.0 180 Ringing", "Via: SIP/2.0/UDP 203.0.113.1:41000;branch=z9hG4bK1;received=203.0.113.1;rport=41000",
		"From: <sip:al@203.0.113.1:41000>;tag=1", "To: <sip:bob@198.51.100.1>;tag=2", "CSeq: 1 INVITE")
	out := withBody("", "SIP/2.0 180 Ringing", "Via: SIP/2.0/UDP 10.0.0.2:40000;branch=z9hG4bK1;received=10.0.0.2;rport=40000",
		"From: <sip:al@10.0.0.2:40000>;tag=1", "To: <sip:bob@198.51.100.1>;tag=2", "CSeq: 1 INVITE")
	b.demand(reply, in, out, media)
}

func TestSIPRegister(t *testing.T) {
	register := func(contact, expires string) string {
		return message("REGISTER sip:198.51.100.1 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.9:40000", "CSeq: 7 REGISTER", "m: <sip:al@"+contact+">"+expires, "Expires: 600", "")
	}
	answer := func(code, contact string) string {
		return message("SIP/2.0 "+code, "CSeq: 7 REGISTER", "Contact: <sip:al@"+contact+">;expires=60", "")
	}
	b := newBench(t, "sip", flowtable.ProtoUDP, false, false, 5060)
	b.keep(orig, register("10.0.0.2:5060", ";expires=0"), "")
	b.keep(orig, register("10.0.0.9:5060", ""), "")
	b.keep(orig, register("10.0.0.2", ""), "198.51.100.1:0 > 10.0.0.2:5060 class 0 sleeping")
	b.keep(reply, answer("100 Trying", "10.0.0.2"), "198.51.100.1:0 > 10.0.0.2:5060 class 0 sleeping")
	b.keep(reply, answer("200 OK", "10.0.0.2"), "198.51.100.1:0 > 10.0.0.2:5060 class 0")
	b.keep(reply, answer("403 No", "10.0.0.2"), "")

	b = newBench(t, "sip", flowtable.ProtoUDP, true, false, 5060)
	b.demand(orig, register("10.0.0.2:40000", ""), register("203.0.113.1:41000", ""),
		"198.51.100.1:0 > 203.0.113.1:41000 class 0 sleeping becomes 198.51.100.1 > 10.0.0.2:40000")
	b.demand(reply, answer("200 OK", "203.0.113.1:41000"), answer("200 OK", "10.0.0.2:40000"),
		"198.51.100.1:0 > 203.0.113.1:41000 class 0 becomes 198.51.100.1 > 10.0.0.2:40000")
}

// TestSIPStream: over TCP several messages come in one segment.
func TestSIPStream(t *testing.T) {
	b := newBench(t, "sip", flowtable.ProtoTCP, true, false, 5060)
	one := strings.Replace(invite("10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2", "30000"), "UDP", "TCP", 1)
	two := strings.Replace(invite("203.0.113.1:41000", "203.0.113.1:41000", "203.0.113.1:41000", "203.0.113.1", "30000"), "UDP", "TCP", 1)
	bye := message("BYE sip:bob@198.51.100.1 SIP/2.0", "Via: SIP/2.0/TCP 10.0.0.2:40000", "CSeq: 2 BYE", "l: 0", "")
	b.demand(orig, one+bye, two+strings.Replace(bye, "10.0.0.2:40000", "203.0.113.1:41000", 1), "")
	b.keep(orig, one[:len(one)-1], "") // not whole
}

func TestSIPSix(t *testing.T) {
	b := newBench(t, "sip", flowtable.ProtoUDP, true, true, 5060)
	msg := func(host, port string) string {
		return withBody(message("v=0", "o=- 1 1 IN IP6 "+host, "c=IN IP6 "+host, "m=video 30000 RTP/AVP 31"),
			"INVITE sip:bob@[2001:db8::1] SIP/2.0", "v: SIP/2.0/UDP ["+host+"]:"+port, "CSeq: 1 INVITE", "m: sip:["+host+"]:"+port)
	}
	b.demand(orig, msg("fd00:a::2", "40000"), msg("fd00:b::1", "41000"),
		"2001:db8::1:0 > fd00:b::1:30000 class 2 becomes 2001:db8::1 > fd00:a::2:30000\n2001:db8::1:0 > fd00:b::1:30001 class 2 becomes 2001:db8::1 > fd00:a::2:30001")
}
