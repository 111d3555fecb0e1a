package helper

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

// fuzzHelper feeds a helper two packets, one of each direction, then the first
// again. Whatever they hold: no panic, no allocation, edits that fit, and
// expectations that stay within the classes' limits.
func fuzzHelper(f *testing.F, name string, proto uint8, port uint16, seeds ...string) {
	for i, s := range seeds {
		f.Add([]byte(s), []byte(seeds[len(seeds)-1-i]), i%2 == 0)
	}
	benches := [2]*bench{newBench(f, name, proto, false, false, port), newBench(f, name, proto, true, false, port)}
	f.Fuzz(func(t *testing.T, first, second []byte, nat bool) {
		i := 0
		if nat {
			i = 1
		}
		b := benches[i]
		*b.s.Private = [8]uint32{}
		out := make([]byte, 1<<16)
		run := func(dir uint8, payload []byte) {
			s := b.s
			s.Reset()
			s.Payload, s.Dir, s.Seq = payload, dir, b.seq[dir]
			b.seq[dir] += uint32(len(payload))
			before := bytes.Clone(payload)
			if b.h.Help(s) == Accept && len(payload) < 1<<15 {
				n, ok := s.Apply(out)
				if !ok || n != len(payload)+s.Grown(0, len(payload)) {
					t.Fatalf("%d bytes of %q, %t", n, payload, ok)
				}
				if !s.Edited() && !bytes.Equal(out[:n], payload) {
					t.Fatalf("changed without an edit: %q", out[:n])
				}
				if !nat && s.Edited() {
					t.Fatalf("edited without NAT: %q", out[:n])
				}
			}
			if !bytes.Equal(before, payload) {
				t.Fatal("the helper wrote to the payload")
			}
		}
		if n := testing.AllocsPerRun(1, func() { b.s.Reset(); b.s.Payload = first; b.h.Help(b.s) }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
		*b.s.Private = [8]uint32{}
		run(orig, []byte("x\n"))
		run(reply, []byte("x\n"))
		run(orig, first)
		run(reply, second)
		run(orig, first)
		for c, class := range b.h.Classes {
			if n := b.s.Shard.ExpectCount(b.s.Entry, uint8(c)); class.Max > 0 && n > class.Max {
				t.Fatalf("%d expectations of class %s", n, class.Name)
			}
		}
	})
}

func FuzzFTP(f *testing.F) {
	fuzzHelper(f, "ftp", flowtable.ProtoTCP, 21, "PORT 10,0,0,2,4,1\r\n", "EPRT |1|10.0.0.2|1025|\r\n", "227 ok (198,51,100,1,4,1)\r\n", "229 ok (|||1025|)\r\n")
}

func FuzzTFTP(f *testing.F) {
	fuzzHelper(f, "tftp", flowtable.ProtoUDP, 69, "\x00\x01f\x00octet\x00", "\x00\x03")
}

func FuzzIRC(f *testing.F) {
	fuzzHelper(f, "irc", flowtable.ProtoTCP, 6667, "PRIVMSG bob :\x01DCC SEND f 167772162 5000 12\x01\r\n", "PRIVMSG bob :\x01DCC CHAT chat 3405803777 1\n", ":x\n")
}

func FuzzPPTP(f *testing.F) {
	seeds := []string{pptpSay(pptpStartRequest, 0, 0, 0) + pptpSay(pptpStartReply, 0, 0, 1)}
	for kind := uint16(1); kind <= 15; kind++ {
		seeds = append(seeds, pptpSay(kind, 1, 2, 1))
	}
	fuzzHelper(f, "pptp", flowtable.ProtoTCP, 1723, seeds...)
}

func FuzzSIP(f *testing.F) {
	fuzzHelper(f, "sip", flowtable.ProtoUDP, 5060, invite("10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2", "30000"),
		message("REGISTER sip:198.51.100.1 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.2:40000;maddr=10.0.0.2", "CSeq: 7 REGISTER", "m: <sip:al@10.0.0.2>, sip:x@10.0.0.2:40000", ""),
		message("SIP/2.0 200 OK", "v: SIP/2.0/UDP 203.0.113.1:41000;received=203.0.113.1;rport=41000", "CSeq: 7 REGISTER", "Contact: <sip:al@203.0.113.1>;expires=60", ""),
		withBody(message("v=0", "c=IN IP4 198.51.100.1", "m=audio 20000 RTP/AVP 0", "c=IN IP4 198.51.100.1", "m=image 20002 x"), "SIP/2.0 183 Progress", "CSeq: 1 INVITE"))
}

// FuzzSIPStream is SIP over TCP: several messages in one packet.
func FuzzSIPStream(f *testing.F) {
	m := invite("10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2:40000", "10.0.0.2", "30000")
	fuzzHelper(f, "sip", flowtable.ProtoTCP, 5060, m+m, m, message("BYE x SIP/2.0", "CSeq: 2 BYE", "l: 0", ""))
}

// FuzzScan runs the scanners alone: what they find lies inside the payload.
func FuzzScan(f *testing.F) {
	f.Add([]byte("PORT 10,0,0,2,4,1\r\n"))
	f.Add([]byte("PRIVMSG b :\x01DCC SEND f 1 2 3\n"))
	f.Add(binary.BigEndian.AppendUint32(nil, 0x1a2b3c4d))
	f.Fuzz(func(t *testing.T, b []byte) {
		inside := func(what string, off, end int) {
			if off < 0 || end < off || end > len(b) {
				t.Fatalf("%s: %d to %d of %d bytes", what, off, end, len(b))
			}
		}
		for dir := range uint8(2) {
			for _, family := range []uint8{v4, v6} {
				var e ftpEnd
				if ftpScan(b, dir, family, &e) == ftpCommand {
					inside("ftp", e.off, e.off+e.len)
				}
			}
		}
		var o ircOffer
		if ircScan(b, &o) {
			inside("irc", o.off, o.off+o.len)
		}
		var m sipMessage
		for _, stream := range []bool{false, true} {
			if sipScan(b, 0, stream, &m) {
				inside("sip", m.body, m.end)
				inside("sip length", m.length.off, m.length.end)
			}
		}
		var d sdpBody
		if sdpScan(b, 0, len(b), v4, &d) {
			for _, medium := range d.media[:d.n] {
				inside("sdp", medium.digit.off, medium.digit.end)
				inside("sdp address", medium.addr.off, medium.addr.end)
			}
		}
	})
}
