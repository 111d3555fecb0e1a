package dataplane

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/frame"
)

// helperRules masquerade towards wan, let in what is related, and give the
// ports their helpers.
const helperRules = `table inet fw {
	ct helper ftp { type "ftp" protocol tcp; }
	ct helper tftp { type "tftp" protocol udp; }
	ct helper irc { type "irc" protocol tcp; }
	ct helper pptp { type "pptp" protocol tcp; }
	ct helper sip { type "sip" protocol udp; }
	chain pre {
		type filter hook prerouting priority filter;
		tcp dport 21 ct helper set "ftp"
		udp dport 69 ct helper set "tftp"
		tcp dport 6667 ct helper set "irc"
		tcp dport 1723 ct helper set "pptp"
		udp dport 5060 ct helper set "sip"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname "wan" tcp dport 21 ct status dnat accept
		ct state established,related accept
		iifname "lan" tcp dport { 21, 1723, 6667 } accept
		iifname "lan" udp dport { 69, 5060 } accept
	}
}
table ip nat {
	chain pre {
		type nat hook prerouting priority dstnat;
		iifname "wan" ip daddr 203.0.113.1 tcp dport 21 dnat to 10.0.0.5
	}
	chain post {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
}
`

// end is one side of a TCP conversation: what it sent and got, as it counts.
type end struct {
	addr string
	port uint16
	lan  bool
	snd  uint32 // next it sends
	rcv  uint32 // next it waits for
}

// talk is a TCP conversation through the box. Each side knows the other by
// what it sees on its own side of the box.
type talk struct {
	*testing.T
	n    *testNet
	a, b *end // who opens, who answers
	seen [2]struct {
		addr string
		port uint16
	} // a as b sees it, b as a sees it
}

func ipLayer(src, dst string) frame.Layer {
	if strings.Contains(src, ":") {
		return frame.IPv6{Src: src, Dst: dst}
	}
	return frame.IPv4{Src: src, Dst: dst}
}

// inject lets a frame arrive on a side and returns what left.
func (n *testNet) inject(lan bool, layers ...frame.Layer) (wan, lanOut [][]byte) {
	if lan {
		n.lan.put(frame.Build(lanIn(layers...)...))
	} else {
		n.wan.put(frame.Build(wanIn(layers...)...))
	}
	n.box.Drain()
	return n.wan.take(), n.lan.take()
}

// pass injects a frame and demands that one leaves on the other side, right in
// every checksum.
func (n *testNet) pass(lan bool, layers ...frame.Layer) *frame.Decoded {
	n.t.Helper()
	up, down := n.inject(lan, layers...)
	if lan {
		up, down = down, up
	}
	if len(down) != 1 || len(up) != 0 {
		s := n.box.Stats().Total()
		n.t.Fatalf("%v: %d frames went through and %d back; drops %v", layers, len(down), len(up), dropNames(&s))
	}
	if err := frame.VerifyChecksums(down[0]); err != nil {
		n.t.Fatalf("%v: %v", layers, err)
	}
	d, err := frame.Decode(down[0])
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

// send sends a segment from one side. The other must get it where it waits for
// it, acknowledging all that it sent.
func (k *talk) send(fromA bool, flags, data string) string {
	k.Helper()
	from, to, peer := k.a, k.b, k.seen[1]
	if !fromA {
		from, to, peer = k.b, k.a, k.seen[0]
	}
	tcp := frame.TCP{Src: from.port, Dst: peer.port, Seq: from.snd, Flags: flags, Window: 60000}
	if flags != "S" {
		tcp.Ack = from.rcv
	}
	d := k.n.pass(from.lan, ipLayer(from.addr, peer.addr), tcp, frame.Data(data))
	from.snd += uint32(len(data))
	if strings.Contains(flags, "S") {
		from.snd++
		to.rcv = d.Seq
	}
	if flags == "S" {
		k.seen[0].addr, k.seen[0].port = d.Src.String(), d.SrcPort
	} else if d.Ack != to.snd {
		k.Fatalf("%q acknowledges %d, but %d was sent", data, d.Ack, to.snd)
	}
	if d.Seq != to.rcv {
		k.Fatalf("%q came at %d, %d was next", data, d.Seq, to.rcv)
	}
	if got := d.Dst.String(); got != to.addr || d.DstPort != to.port {
		k.Fatalf("%q came to %s port %d, not to %s port %d", data, got, d.DstPort, to.addr, to.port)
	}
	to.rcv += uint32(len(d.Payload))
	if strings.Contains(flags, "S") {
		to.rcv++
	}
	return string(d.Payload)
}

// dial opens a conversation: a reaches b under an address and port.
func dial(n *testNet, t *testing.T, a, b *end, at string, port uint16) *talk {
	t.Helper()
	k := &talk{T: t, n: n, a: a, b: b}
	a.snd, b.snd = 0xffffff00+uint32(a.port), 0xffffffe0
	k.seen[1].addr, k.seen[1].port = at, port
	k.send(true, "S", "")
	k.send(false, "SA", "")
	k.send(true, "A", "")
	return k
}

// says sends data and demands what arrives.
func (k *talk) says(fromA bool, data, want string) {
	k.Helper()
	if got := k.send(fromA, "PA", data); got != want {
		k.Errorf("%q arrived as %q, want %q", data, got, want)
	}
	k.send(!fromA, "A", "")
}

func (k *talk) login() {
	k.says(false, "220 hello\r\n", "220 hello\r\n")
	k.says(true, "USER a\r\n", "USER a\r\n")
	k.says(false, "230 in\r\n", "230 in\r\n")
}

// eachWorkers runs a test with 1, 2 and 4 workers, steered as a NIC would.
func eachWorkers(t *testing.T, f func(t *testing.T, n *testNet)) {
	for _, workers := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			n := newNet(t, helperRules, workers)
			n.lan.steer, n.wan.steer = rss, rss
			f(t, n)
			n.checkLedger()
		})
	}
}

func TestFTPThroughMasquerade(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		for i := range uint16(8) { // several, so that children land on all workers
			k := dial(n, t, &end{addr: "10.0.0.2", port: 1000 + i, lan: true}, &end{addr: "198.51.100.1", port: 21}, "198.51.100.1", 21)
			k.login()
			// Active: the payload grows by a byte, and everything behind it moves.
			port := 5000 + i
			p := fmt.Sprintf("%d,%d", port>>8, port&0xff)
			k.says(true, "PORT 10,0,0,2,"+p+"\r\n", "PORT 203,0,113,1,"+p+"\r\n")
			k.says(false, "200 ok\r\n", "200 ok\r\n")
			k.says(true, "RETR x\r\n", "RETR x\r\n")
			child := dial(n, t, &end{addr: "198.51.100.1", port: 20}, &end{addr: "10.0.0.2", port: port, lan: true}, "203.0.113.1", port)
			if s := child.seen[0]; s.addr != "198.51.100.1" || s.port != 20 {
				t.Errorf("the client sees the data come from %v", s)
			}
			child.says(true, "data", "data")
			// Passive.
			k.says(true, "PASV\r\n", "PASV\r\n")
			k.says(false, "227 (198,51,100,1,200,"+fmt.Sprint(i)+")\r\n", "227 (198,51,100,1,200,"+fmt.Sprint(i)+")\r\n")
			child = dial(n, t, &end{addr: "10.0.0.2", port: 6000 + i, lan: true}, &end{addr: "198.51.100.1", port: 200<<8 + i}, "198.51.100.1", 200<<8+i)
			if child.seen[0].addr != "203.0.113.1" {
				t.Errorf("the server sees the data come from %v", child.seen[0])
			}
			// A second one changes the lengths once more.
			k.says(true, "PORT 10,0,0,2,"+p+"\r\n", "PORT 203,0,113,1,"+p+"\r\n")
			k.says(true, "QUIT\r\n", "QUIT\r\n")
			k.says(false, "221 bye\r\n", "221 bye\r\n")
		}
		if got := n.conntrack(); len(got) != 24 {
			t.Errorf("%d connections, want 24:\n%s", len(got), strings.Join(got, "\n"))
		}
	})
}

// TestFTPRetransmission: what was translated and is sent again goes out the
// same, and acknowledgements in the middle go back right.
func TestFTPRetransmission(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		k := dial(n, t, &end{addr: "10.0.0.2", port: 1000, lan: true}, &end{addr: "198.51.100.1", port: 21}, "198.51.100.1", 21)
		k.login()
		const port = "PORT 10,0,0,2,19,136\r\n"
		first := k.send(true, "PA", port) // not acknowledged
		k.a.snd -= uint32(len(port))
		k.b.rcv -= uint32(len(first))
		if again := k.send(true, "PA", port); again != first {
			t.Errorf("%q went out again as %q", first, again)
		}
		k.send(false, "A", "")
		k.says(true, "NOOP\r\n", "NOOP\r\n")
		k.says(false, "200 ok\r\n", "200 ok\r\n")
		if s := n.box.Stats().Total(); len(dropNames(&s)) != 0 {
			t.Errorf("drops %v", dropNames(&s))
		}
	})
}

// TestFTPCutCommand: a command cut by segments is dropped and goes through in
// one piece.
func TestFTPCutCommand(t *testing.T) {
	n := newNet(t, helperRules, 1)
	k := dial(n, t, &end{addr: "10.0.0.2", port: 1000, lan: true}, &end{addr: "198.51.100.1", port: 21}, "198.51.100.1", 21)
	k.login()
	up, down := n.inject(true, ipLayer("10.0.0.2", "198.51.100.1"), frame.TCP{Src: 1000, Dst: 21, Seq: k.a.snd, Ack: k.a.rcv, Flags: "PA", Window: 60000}, frame.Data("PORT 10,0,"))
	if len(up)+len(down) != 0 {
		t.Error("half a command went out")
	}
	if s := n.box.Stats().Total(); dropNames(&s)["helper"] != 1 {
		t.Errorf("drops %v", dropNames(&s))
	}
	k.says(true, "PORT 10,0,0,2,19,136\r\n", "PORT 203,0,113,1,19,136\r\n")
}

func TestFTPToServerBehindDNAT(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		for i := range uint16(8) {
			k := dial(n, t, &end{addr: "198.51.100.7", port: 2000 + i}, &end{addr: "10.0.0.5", port: 21, lan: true}, "203.0.113.1", 21)
			k.login()
			k.says(false, "227 Passive (10,0,0,5,195,"+fmt.Sprint(i)+").\r\n", "227 Passive (203,0,113,1,195,"+fmt.Sprint(i)+").\r\n")
			child := dial(n, t, &end{addr: "198.51.100.7", port: 3000 + i}, &end{addr: "10.0.0.5", port: 195<<8 + i, lan: true}, "203.0.113.1", 195<<8+i)
			child.says(true, "data", "data")
			k.says(true, "PORT 198,51,100,7,8,"+fmt.Sprint(i)+"\r\n", "PORT 198,51,100,7,8,"+fmt.Sprint(i)+"\r\n")
			child = dial(n, t, &end{addr: "10.0.0.5", port: 20, lan: true}, &end{addr: "198.51.100.7", port: 8<<8 + i}, "198.51.100.7", 8<<8+i)
			if child.seen[0].addr != "203.0.113.1" {
				t.Errorf("the client sees the data come from %v", child.seen[0])
			}
		}
	})
}

func TestFTPSix(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		k := dial(n, t, &end{addr: "fd00:a::2", port: 1000, lan: true}, &end{addr: "2001:db8::1", port: 21}, "2001:db8::1", 21)
		k.login()
		k.says(false, "229 Extended (|||50000|)\r\n", "229 Extended (|||50000|)\r\n")
		dial(n, t, &end{addr: "fd00:a::2", port: 1001, lan: true}, &end{addr: "2001:db8::1", port: 50000}, "2001:db8::1", 50000)
		k.says(true, "EPRT |2|fd00:a::2|5000|\r\n", "EPRT |2|fd00:a::2|5000|\r\n")
		dial(n, t, &end{addr: "2001:db8::1", port: 20}, &end{addr: "fd00:a::2", port: 5000, lan: true}, "fd00:a::2", 5000)
	})
}

// TestUnannouncedIsDropped: without a helper's word nothing comes in.
func TestUnannouncedIsDropped(t *testing.T) {
	n := newNet(t, helperRules, 1)
	dial(n, t, &end{addr: "10.0.0.2", port: 1000, lan: true}, &end{addr: "198.51.100.1", port: 21}, "198.51.100.1", 21).login()
	up, down := n.inject(false, ipLayer("198.51.100.1", "203.0.113.1"), frame.TCP{Src: 20, Dst: 5000, Seq: 1, Flags: "S"})
	if len(up)+len(down) != 0 {
		t.Error("a data connection that nobody announced came in")
	}
}

func TestTFTP(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		for i := range uint16(8) {
			d := n.pass(true, ipLayer("10.0.0.2", "198.51.100.1"), frame.UDP{Src: 3000 + i, Dst: 69}, frame.Data("\x00\x01f\x00octet\x00"))
			d = n.pass(false, ipLayer("198.51.100.1", "203.0.113.1"), frame.UDP{Src: 4000 + i, Dst: d.SrcPort}, frame.Data("\x00\x03\x00\x01x"))
			if d.Dst.String() != "10.0.0.2" || d.DstPort != 3000+i {
				t.Fatalf("data came to %v", d)
			}
			d = n.pass(true, ipLayer("10.0.0.2", "198.51.100.1"), frame.UDP{Src: 3000 + i, Dst: 4000 + i}, frame.Data("\x00\x04\x00\x01"))
			if d.Src.String() != "203.0.113.1" || d.SrcPort != 3000+i {
				t.Fatalf("the acknowledgement came from %v", d)
			}
		}
	})
}

func TestIRC(t *testing.T) {
	eachWorkers(t, func(t *testing.T, n *testNet) {
		k := dial(n, t, &end{addr: "10.0.0.2", port: 1000, lan: true}, &end{addr: "198.51.100.1", port: 6667}, "198.51.100.1", 6667)
		k.says(true, "PRIVMSG bob :\x01DCC SEND f 167772162 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 3405803777 5000 9\x01\r\n")
		k.says(true, "PING x\r\n", "PING x\r\n")
		k.says(false, ":server PONG\r\n", ":server PONG\r\n")
		dial(n, t, &end{addr: "198.51.100.9", port: 7000}, &end{addr: "10.0.0.2", port: 5000, lan: true}, "203.0.113.1", 5000)
	})
}

// TestHelperAllocatesNothing: packets of flows with a helper cost no memory.
func TestHelperAllocatesNothing(t *testing.T) {
	n := newNet(t, helperRules, 1, func(c *Config) { c.Trace = false })
	k := dial(n, t, &end{addr: "10.0.0.2", port: 1000, lan: true}, &end{addr: "198.51.100.1", port: 21}, "198.51.100.1", 21)
	k.login()
	k.says(true, "PORT 10,0,0,2,19,136\r\n", "PORT 203,0,113,1,19,136\r\n")
	f := frame.Build(lanIn(ipLayer("10.0.0.2", "198.51.100.1"), frame.TCP{Src: 1000, Dst: 21, Seq: k.a.snd - 22, Ack: k.a.rcv, Flags: "PA", Window: 60000},
		frame.Data("PORT 10,0,0,2,19,136\r\n"))...)
	w := n.box.workers[0]
	n.wan.queues[0].quiet = true
	q := n.lan.queues[0]
	q.pending, q.serials = make([][]byte, 0, 200), make([]uint32, 0, 200)
	sent := w.stats.TxFrames
	allocs := testing.AllocsPerRun(50, func() {
		q.pending, q.serials = append(q.pending[:0], f), append(q.serials[:0], 1)
		w.round(true)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
	if got := w.stats.TxFrames - sent; got != 51 {
		t.Errorf("%d of 51 packets left", got)
	}
}

// TestHelpersIdle: helpers of broadcasts are taken, of IPv4 alone, in the language of
// nft and in dumps of iptables.
func TestHelpersIdle(t *testing.T) {
	n := newNet(t, helperRules, 1)
	for _, name := range []string{"netbios-ns", "snmp"} {
		use := "\n\tchain c { type filter hook prerouting priority 0; udp dport 137 ct helper set \"h\"; }\n}\n"
		if _, err := n.box.Load("x.nft", []byte("table inet t {\n\tct helper h { type \""+name+"\" protocol udp; }"+use)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := n.box.Load("x.nft", []byte("table inet t {\n\tct helper h { type \""+name+"\" protocol udp; l3proto ip6; }"+use))
		says(t, err, "x.nft:2:", "No such file or directory")
		dump := "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp --dport 137 -j CT --helper " + name + "\nCOMMIT\n"
		rs, err := iptables.Restore(nil, iptables.IPv4, "x.dump", []byte(dump), iptables.RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = iptables.Lower(rs, rs.Tables, &nft.Ruleset{}, iptables.Given{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHelpersRefused: the kernel's other helpers are refused at their place, by
// name and with what to do instead, in the language of nft and in dumps of
// iptables.
func TestHelpersRefused(t *testing.T) {
	n := newNet(t, helperRules, 1)
	for _, r := range []struct {
		name, proto, want string
		dump              bool // iptables knows it too
	}{
		{"amanda", "udp", "amanda.conf", true}, {"sane", "tcp", "data_portrange", true},
		{"RAS", "udp", "H.323", true}, {"Q.931", "tcp", "H.323", true}, {"H.245", "tcp", "H.323", true}, {"h323", "udp", "H.323", false}, {"h323", "tcp", "H.323", false},
	} {
		t.Run(r.name+" "+r.proto, func(t *testing.T) {
			want := []string{`helper type "` + r.name + `" is not supported: `, r.want}
			_, err := n.box.Load("x.nft", []byte("table ip t {\n\tct helper h { type \""+r.name+"\" protocol "+r.proto+"; }\n}\n"))
			says(t, err, append(want, "x.nft:2:")...)
			_, err = n.box.Load("x.nft", []byte("table inet t {\n\n\tct helper h { type \""+r.name+"\" protocol "+r.proto+"; l3proto ip6; }\n}\n"))
			says(t, err, append(want, "x.nft:3:")...)
			if !r.dump {
				return
			}
			dump := "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p " + r.proto + " --dport 7 -j CT --helper " + r.name + "\nCOMMIT\n"
			rs, err := iptables.Restore(nil, iptables.IPv4, "x.dump", []byte(dump), iptables.RestoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			tree := &nft.Ruleset{}
			_, err = iptables.Lower(rs, rs.Tables, tree, iptables.Given{})
			says(t, err, append(want, "x.dump:3:")...)
		})
	}
	if _, err := n.box.Load("x.nft", []byte("table ip6 t {\n\tct helper h { type \"irc\" protocol tcp; }\n}\n")); err == nil || !strings.Contains(err.Error(), "x.nft:2:12-12: Error: Could not process rule: No such file or directory") {
		t.Errorf("irc over IPv6: %v", err)
	}
}

// says demands an error with all of the texts.
func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q in it", err, text)
		}
	}
}
