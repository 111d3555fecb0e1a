package main

import (
	"fmt"
	"strings"
)

// sipText joins the lines of a message; the body behind an empty line gets a
// Content-Length.
func sipText(head, body string) string {
	crlf := func(s string) string {
		if s == "" {
			return ""
		}
		return strings.ReplaceAll(s, "\n", "\r\n") + "\r\n"
	}
	body = crlf(body)
	return crlf(head) + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

// sdpText is a session description of one audio stream.
func sdpText(host, port string) string {
	return fmt.Sprintf("v=0\no=al 53655765 2353687637 IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\nm=audio %s RTP/AVP 0\na=rtpmap:0 PCMU/8000", host, host, port)
}

// Ends of the calls as they name themselves: al inside, bob outside.
const (
	sipAl  = "10.77.11.2"
	sipBob = "203.0.113.2"
	sipBox = "203.0.113.1"
)

func sipInvite(via, contact, body string) string {
	return sipText("INVITE sip:bob@"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+via+";branch=z9hG4bK776\nMax-Forwards: 70\nTo: Bob <sip:bob@"+sipBob+
		">\nFrom: Al <sip:al@"+contact+">;tag=1\nCall-ID: a84b4c\nCSeq: 314159 INVITE\nContact: <sip:al@"+contact+">\nContent-Type: application/sdp", body)
}

func sipAnswer(code, via, from, body string) string {
	return sipText("SIP/2.0 "+code+"\nVia: SIP/2.0/UDP "+via+"\nTo: Bob <sip:bob@"+sipBob+">;tag=2\nFrom: Al <sip:al@"+from+
		">;tag=1\nCall-ID: a84b4c\nCSeq: 314159 INVITE\nContact: <sip:bob@"+sipBob+">", body)
}

// signalling are SIP's messages.
func signalling() []row {
	var rows []row
	for _, rules := range []string{"helper", "helper-masquerade"} {
		out := sipAl // what al is called outside
		if rules == "helper-masquerade" {
			out = sipBox
		}
		head := "rules " + rules + "; flow 0 sport=5060 dport=5060; "
		add := func(name, text string) { rows = append(rows, row{rules + " sip " + name, head + text}) }
		invite := say(">", "udp", sipInvite(sipAl, sipAl+":5060", sdpText(sipAl, "30000")))
		ok := say("<", "udp", sipAnswer("200 OK", out+";branch=z9hG4bK776;received="+out, out+":5060", sdpText(sipBob, "20000")))
		in := fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20000 dport=30000; > udp f=1 len=20; < udp f=1 len=20; > udp f=1 len=20; ", out)
		inControl := fmt.Sprintf("flow 2 from=wan src=0 dst=%s sport=20001 dport=30001; > udp f=2 len=20; < udp f=2 len=20; ", out)
		outMedia := "flow 3 src=0 dst=0 sport=30000 dport=20000; > udp f=3 len=20; < udp f=3 len=20; "
		ack := say(">", "udp", sipText("ACK sip:bob@"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+sipAl+":5060\nTo: <sip:bob@"+sipBob+">\nFrom: <sip:al@"+sipAl+":5060>\nCSeq: 314159 ACK", ""))
		bye := say(">", "udp", sipText("BYE sip:bob@"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+sipAl+":5060\nTo: <sip:bob@"+sipBob+">\nFrom: <sip:al@"+sipAl+":5060>\nCSeq: 314160 BYE", ""))
		add("error of the client", "> udp; < udp; > err 3/3")
		add("call, media from outside first", invite+ok+ack+in+inControl)
		add("call, media from inside first", invite+ok+ack+outMedia)
		add("call, early media", invite+in)
		add("call ended before media", invite+ok+bye+in)
		add("call refused", invite+say("<", "udp", sipAnswer("486 Busy Here", out+":5060", out+":5060", ""))+in)
		add("call ringing", invite+say("<", "udp", sipAnswer("180 Ringing", out+":5060;rport=5060;received="+out, out+":5060", ""))+in)
		add("ringing with rport", say(">", "udp", sipInvite(sipAl+":5060;rport", sipAl+":5060", ""))+say("<", "udp", sipAnswer("180 Ringing", out+":5060;rport=5060;received="+out, out+":5060", "")))
		for _, v := range []struct{ name, from, to string }{
			{"odd port", "audio 30000", "audio 30001"}, {"port 0", "audio 30000", "audio 0"}, {"low port", "audio 30000", "audio 1000"}, {"large port", "audio 30000", "audio 70000"},
			{"video", "m=audio", "m=video"}, {"image", "m=audio 30000 RTP/AVP 0", "m=image 30000 udptl t38"}, {"other media", "m=audio", "m=message"},
			{"another host's media", "c=IN IP4 10.77.11.2", "c=IN IP4 10.77.11.3"}, {"no address", "c=IN IP4 10.77.11.2\n", ""}, {"a name for address", "c=IN IP4 10.77.11.2", "c=IN IP4 host.example"},
			{"another owner", "o=al 53655765 2353687637 IN IP4 10.77.11.2", "o=al 1 1 IN IP4 10.77.11.3"}, {"no owner", "o=al 53655765 2353687637 IN IP4 10.77.11.2\n", ""},
			{"address of the media", "m=audio 30000 RTP/AVP 0", "m=audio 30000 RTP/AVP 0\nc=IN IP4 10.77.11.2"}, {"only address of the media", "c=IN IP4 10.77.11.2\nt=0 0\nm=audio 30000 RTP/AVP 0", "t=0 0\nm=audio 30000 RTP/AVP 0\nc=IN IP4 10.77.11.2"},
			{"two streams", "a=rtpmap:0 PCMU/8000", "m=video 30002 RTP/AVP 31"}, {"four streams", "a=rtpmap:0 PCMU/8000", "m=video 30002 RTP/AVP 31\nm=audio 30004 RTP/AVP 0\nm=audio 30006 RTP/AVP 0"},
			{"no version", "v=0\n", ""}, {"IPv6 address", "c=IN IP4 10.77.11.2", "c=IN IP6 fd77:a::2"}, {"long port", "audio 30000", "audio 0030000"},
		} {
			add("description: "+v.name, say(">", "udp", sipInvite(sipAl, sipAl+":5060", strings.Replace(sdpText(sipAl, "30000"), v.from, v.to, 1)))+in)
		}
		whole := sipInvite(sipAl, sipAl+":5060", sdpText(sipAl, "30000"))
		length := whole[strings.Index(whole, "Content-Length"):strings.Index(whole, "\r\n\r\n")]
		for _, v := range []struct{ name, to string }{
			{"none", "X: y"}, {"too large", "Content-Length: 1000"}, {"too small", "Content-Length: 10"}, {"zeros in front", "Content-Length: 000129"}, {"no number", "Content-Length: x"},
		} {
			add("length: "+v.name, say(">", "udp", strings.Replace(whole, length, v.to, 1))+in)
		}
		add("length: half a description", say(">", "udp", whole[:len(whole)-30])+in)
		for _, v := range []struct{ name, text string }{
			{"via of another port", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "UDP "+sipAl, "UDP "+sipAl+":5070", 1)},
			{"via of another host", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "UDP "+sipAl, "UDP 10.77.11.3:5060", 1)},
			{"two vias", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "Max-Forwards: 70", "Via: SIP/2.0/UDP 10.77.11.2:5060", 1)},
			{"via with maddr", sipInvite(sipAl+":5060;maddr=10.77.11.2", sipAl+":5060", "")},
			{"via with a name", sipInvite("host.example:5060", sipAl+":5060", "")},
			{"compact names", strings.NewReplacer("Via:", "v:", "To:", "t:", "From:", "f:", "Contact:", "m:", "Content-Length:", "l:").Replace(sipInvite(sipAl, sipAl+":5060", ""))},
			{"small letters", strings.NewReplacer("Via:", "via:", "To:", "to:", "From:", "from:", "Contact:", "contact:", "CSeq", "cseq").Replace(sipInvite(sipAl, sipAl+":5060", ""))},
			{"contact without a port", sipInvite(sipAl, sipAl, "")},
			{"contact of another host", sipInvite(sipAl, "10.77.11.3:5060", "")},
			{"contact of another port", sipInvite(sipAl, sipAl+":5070", "")},
			{"two contacts", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "Contact: ", "Contact: <sip:x@10.77.11.2:5060>, ", 1)},
			{"contact with a name", sipInvite(sipAl, "host.example:5060", "")},
			{"contact with parameters", sipInvite(sipAl, sipAl+":5060;transport=udp", "")},
			{"request to the box", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "INVITE sip:bob@"+sipBob, "INVITE sip:bob@"+sipAl+":5060", 1)},
			{"no sequence number", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "CSeq: 314159 INVITE\r\n", "", 1)},
			{"sequence number 0", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "CSeq: 314159 INVITE\r\n", "CSeq: 0 INVITE\r\n", 1)},
			{"a word for sequence number", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "CSeq: 314159 INVITE\r\n", "CSeq: x INVITE\r\n", 1)},
			{"options", strings.ReplaceAll(sipInvite(sipAl, sipAl+":5060", ""), "INVITE", "OPTIONS")},
			{"something else", "hello world, this is not sip"},
			{"short", "INVITE"},
			{"no end of the header", "INVITE sip:bob@203.0.113.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.11.2:5060\r\nCSeq: 1 INVITE\r\n"},
			{"line ends without carriage return", strings.ReplaceAll(sipInvite(sipAl, sipAl+":5060", ""), "\r", "")},
			{"folded header", strings.Replace(sipInvite(sipAl, sipAl+":5060", ""), "Contact: <", "Contact:\r\n <", 1)},
			{"answer with a bad code", "SIP/2.0 abc OK\r\nCSeq: 1 INVITE\r\n\r\n"},
		} {
			add("message: "+v.name, say(">", "udp", v.text)+"< udp len=4")
		}
		register := func(contact, more string) string {
			return sipText("REGISTER sip:"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+sipAl+":5060;branch=1\nTo: <sip:al@example.net>\nFrom: <sip:al@example.net>\nCSeq: 7 REGISTER\nContact: <sip:al@"+contact+">"+more, "")
		}
		registered := func(code, contact, more string) string {
			return sipText("SIP/2.0 "+code+"\nVia: SIP/2.0/UDP "+out+":5060;branch=1\nTo: <sip:al@example.net>\nFrom: <sip:al@example.net>\nCSeq: 7 REGISTER\nContact: <sip:al@"+contact+">"+more, "")
		}
		call := fmt.Sprintf("flow 4 from=wan src=0 dst=%s sport=5070 dport=5060; > udp f=4 len=30; < udp f=4 len=30; ", out)
		call5080 := fmt.Sprintf("flow 4 from=wan src=0 dst=%s sport=5070 dport=5080; > udp f=4 len=30; < udp f=4 len=30; ", out)
		add("registration", say(">", "udp", register(sipAl+":5060", "\nExpires: 600"))+say("<", "udp", registered("200 OK", out+":5060", ";expires=600"))+call)
		add("registration of another port", say(">", "udp", register(sipAl+":5080", "\nExpires: 600"))+say("<", "udp", registered("200 OK", out+":5080", ";expires=600"))+call5080)
		add("registration not yet answered", say(">", "udp", register(sipAl+":5060", "\nExpires: 600"))+call)
		add("registration refused", say(">", "udp", register(sipAl+":5060", "\nExpires: 600"))+say("<", "udp", registered("403 No", out+":5060", ";expires=600"))+call)
		add("registration ended", say(">", "udp", register(sipAl+":5060", "\nExpires: 600"))+say("<", "udp", registered("200 OK", out+":5060", ";expires=600"))+
			say(">", "udp", register(sipAl+":5060", ";expires=0"))+say("<", "udp", registered("200 OK", out+":5060", ";expires=0"))+call)
		add("registration of somebody else", say(">", "udp", register("10.77.11.3:5060", "\nExpires: 600"))+call)
		add("registration without time", say(">", "udp", register(sipAl+":5060", ""))+say("<", "udp", registered("200 OK", out+":5060", ""))+call)
	}
	return append(rows, signallingStreams()...)
}

// signallingStreams are SIP over TCP, and over IPv6.
func signallingStreams() []row {
	var rows []row
	for _, rules := range []string{"helper", "helper-masquerade"} {
		out, out6 := sipAl, "fd77:a::2"
		if rules == "helper-masquerade" {
			out, out6 = sipBox, "fd77:b::1"
		}
		tcp := func(s string) string { return strings.ReplaceAll(s, "SIP/2.0/UDP", "SIP/2.0/TCP") }
		add := func(name, text string) {
			rows = append(rows, row{rules + " sip " + name, "rules " + rules + "; " + text})
		}
		open := "flow 0 sport=5060 dport=5060; " + tcpOpen
		invite := tcp(sipInvite(sipAl, sipAl+":5060", sdpText(sipAl, "30000")))
		bye := tcp(sipText("BYE sip:bob@"+sipBob+" SIP/2.0\nVia: SIP/2.0/UDP "+sipAl+":5060\nTo: <sip:bob@"+sipBob+">\nFrom: <sip:al@"+sipAl+":5060>\nCSeq: 314160 BYE", ""))
		ringing := tcp(sipAnswer("180 Ringing", out+":5060;received="+out, out+":5060", ""))
		in := fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20000 dport=30000; > udp f=1 len=20; < udp f=1 len=20; ", out)
		add("stream", open+say(">", "PA", invite)+say("<", "PA", ringing)+in+say(">", "PA", bye)+say("<", "PA", "\r\n\r\n"))
		add("stream, two messages at once", open+say(">", "PA", invite+bye)+say("<", "PA", ringing+ringing)+in)
		add("stream, a message and a half", open+say(">", "PA", invite+bye[:40])+say(">", "PA", bye[40:])+say("<", "PA", ringing))
		add("stream, a body that is cut", open+say(">", "PA", invite[:len(invite)-10])+say(">", "PA", invite[len(invite)-10:])+in)
		add("stream without a length", open+say(">", "PA", strings.Replace(bye, "Content-Length: 0\r\n", "", 1)))
		six := func(host, port string) string {
			return sipText("INVITE sip:bob@[fd77:b::2] SIP/2.0\nVia: SIP/2.0/UDP ["+host+"]:"+port+"\nTo: <sip:bob@[fd77:b::2]>\nFrom: <sip:al@["+host+"]:"+port+
				">\nCSeq: 1 INVITE\nContact: <sip:al@["+host+"]:"+port+">", strings.ReplaceAll(sdpText(host, "30000"), "IP4", "IP6"))
		}
		long := sipInvite(sipAl, sipAl+":5060", sdpText(sipAl, "30000")+"\n"+strings.Repeat("a=fmtp:a long line of no interest\n", 60)+"a=end")
		cut := "flow 0 sport=5060 dport=5060; " + strings.Replace(say(">", "udp", long), "; ", " frag=800; ", 1)
		add("call in fragments", cut+in)
		add("call in fragments, last first", strings.Replace(cut, "frag=800", "frag=800 order=3.2.1.0", 1)+in)
		add("call v6", "v6; flow 0 sport=5060 dport=5060; "+say(">", "udp", six("fd77:a::2", "5060"))+
			fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20000 dport=30000; > udp f=1 len=20; < udp f=1 len=20", out6))
		add("call v6, long address", "v6; flow 0 sport=5060 dport=5060; "+say(">", "udp", six("fd77:000a:0:0::2", "5060"))+
			fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20000 dport=30000; > udp f=1 len=20", out6))
	}
	return rows
}
