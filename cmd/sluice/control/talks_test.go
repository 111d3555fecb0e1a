package control

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// talkRules give connections marks, labels, zones, a helper and translations, by
// their ports.
const talkRules = `table inet o {
	ct helper ftp {
		type "ftp" protocol tcp
	}
	chain early {
		type filter hook prerouting priority raw; policy accept;
		udp dport 80 ct zone set 3
		udp sport 80 ct zone set 3
		udp dport 81 ct original zone set 4
		udp dport 82 notrack
	}
	chain first {
		type filter hook prerouting priority mangle; policy accept;
		tcp dport 22 ct mark set 0x16
		udp dport 53 ct mark set 0x35
		udp dport 5353 ct label set 7
		udp dport 5354 ct label set 70
		tcp dport 21 ct helper set "ftp"
	}
	chain coming {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan" ip daddr 203.0.113.1 udp dport 8080 dnat ip to 10.77.11.2:80
		iifname "wan" ip6 daddr fd77:b::1 tcp dport 8080 dnat ip6 to [fd77:a::2]:80
		iifname "lan" ip daddr 203.0.113.201 dnat ip to 203.0.113.3
	}
	chain leaving {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" tcp dport 443 meta nfproto ipv4 snat ip to 203.0.113.200
		oifname "wan" udp dport 443 meta nfproto ipv6 snat ip6 to fd77:b::200
		oifname "wan" ip daddr 203.0.113.3 udp dport 7 snat ip to 203.0.113.200:7777
	}
	chain mine {
		type filter hook input priority filter; policy drop;
	}
	chain forwarded {
		type filter hook forward priority filter; policy accept;
		ct state invalid drop
		udp dport 9 drop
	}
}
`

// labelNames are what the label file calls them.
const labelNames = "# bits\n7 seven\n70 seventy\n71 other\n"

// patient are settings with which nothing ends by time while the test runs.
var patient = []pair.Setting{
	{Name: "timestamp", Value: 1},
	{Name: "udp_timeout", Value: 90000}, {Name: "udp_timeout_stream", Value: 100000}, {Name: "icmp_timeout", Value: 80000}, {Name: "icmpv6_timeout", Value: 70000},
	{Name: "tcp_timeout_close", Value: 60000}, {Name: "tcp_timeout_syn_sent", Value: 65000}, {Name: "tcp_timeout_fin_wait", Value: 62000}, {Name: "tcp_timeout_time_wait", Value: 63000},
	{Name: "tcp_timeout_unacknowledged", Value: 64000}, {Name: "tcp_timeout_max_retrans", Value: 64000}, {Name: "gre_timeout", Value: 66600}, {Name: "generic_timeout", Value: 61000}, {Name: "sctp_timeout_established", Value: 21000},
}

// side is one end of a talk.
type side struct {
	at   pair.Side
	addr netip.Addr
}

func lanHost(n int, six bool) side { return side{pair.Lan, pair.HostAddr(pair.Lan, n, six)} }
func wanHost(n int, six bool) side { return side{pair.Wan, pair.HostAddr(pair.Wan, n, six)} }

// to is a frame from one side to an address.
func (s side) to(dst netip.Addr, layers ...frame.Layer) pair.Frame {
	ether := frame.Ether{Src: frame.MAC(pair.HostMAC(s.at)), Dst: frame.MAC(pair.BoxMAC(s.at))}
	var ip frame.Layer = frame.IPv4{Src: s.addr.String(), Dst: dst.String()}
	if s.addr.Is6() {
		ip = frame.IPv6{Src: s.addr.String(), Dst: dst.String()}
	}
	return pair.Frame{Side: s.at, Data: frame.Build(append([]frame.Layer{ether, ip}, layers...)...)}
}

// talk is a connection: what a sends to the address it knows, and what b, which
// it ends at, sends to the address that it sees.
type talk struct {
	a, b         side
	known, seen  netip.Addr // zero: those of the two
	aPort, bPort uint16     // as each of them uses it
	knownPort    uint16     // 0: bPort
	seenPort     uint16     // 0: aPort
}

func (k talk) there(layers ...frame.Layer) pair.Frame {
	if !k.known.IsValid() {
		k.known = k.b.addr
	}
	return k.a.to(k.known, layers...)
}

func (k talk) back(layers ...frame.Layer) pair.Frame {
	if !k.seen.IsValid() {
		k.seen = k.a.addr
	}
	return k.b.to(k.seen, layers...)
}

func or(port, otherwise uint16) uint16 {
	if port == 0 {
		return otherwise
	}
	return port
}

func (k talk) udp(there, back int) (all []pair.Frame) {
	for range there {
		all = append(all, k.there(frame.UDP{Src: k.aPort, Dst: or(k.knownPort, k.bPort)}, frame.Zeros(10)))
	}
	for range back {
		all = append(all, k.back(frame.UDP{Src: k.bPort, Dst: or(k.seenPort, k.aPort)}, frame.Zeros(20)))
	}
	return all
}

// tcp is segments, a word each: < or > and flags, with data behind a colon.
func (k talk) tcp(segments string, data ...string) (all []pair.Frame) {
	next := [2]uint32{1000, 5000}
	for _, w := range strings.Fields(segments) {
		dir, flags := strings.IndexByte("><", w[0]), w[1:]
		text := ""
		if strings.HasSuffix(flags, ":") {
			flags, text, data = flags[:len(flags)-1], data[0], data[1:]
		}
		ack := next[1-dir]
		if !strings.Contains(flags, "A") {
			ack = 0
		}
		h := frame.TCP{Seq: next[dir], Ack: ack, Flags: flags}
		if dir == 0 {
			h.Src, h.Dst = k.aPort, or(k.knownPort, k.bPort)
			all = append(all, k.there(h, frame.Data(text)))
		} else {
			h.Src, h.Dst = k.bPort, or(k.seenPort, k.aPort)
			all = append(all, k.back(h, frame.Data(text)))
		}
		next[dir] += uint32(len(text) + strings.Count(flags, "S") + strings.Count(flags, "F"))
	}
	return all
}

const opening = ">S <SA >A "

// sctp is an association up to its COOKIE ACK.
func (k talk) sctp() []pair.Frame {
	there := func(tag uint32, c frame.Data) pair.Frame {
		return k.there(frame.SCTP{Src: k.aPort, Dst: k.bPort, Tag: tag}, c)
	}
	back := func(tag uint32, c frame.Data) pair.Frame {
		return k.back(frame.SCTP{Src: k.bPort, Dst: k.aPort, Tag: tag}, c)
	}
	return []pair.Frame{there(0, chunk(1, 20, 0, 0, 0, 11, 0, 1, 0, 0, 0, 1, 0, 1)), back(11, chunk(2, 20, 0, 0, 0, 22, 0, 1, 0, 0, 0, 1, 0, 1)), there(22, chunk(10, 8)), back(11, chunk(11, 4))}
}

// talks are all that both sides hear, in order.
func talks() (all []pair.Frame) {
	add := func(frames ...pair.Frame) { all = append(all, frames...) }
	for _, six := range []bool{false, true} {
		k := func(a, b uint16) talk { return talk{a: lanHost(0, six), b: wanHost(0, six), aPort: a, bPort: b} }
		add(k(1001, 80).tcp(opening+">PA: <A <PA: >A", "question", "and an answer")...)
		add(k(1002, 80).tcp(">S")...)
		add(k(1003, 80).tcp(opening + ">FA <FA >A")...)
		add(k(1004, 80).tcp(">S <RA")...)
		add(k(1005, 22).tcp(opening)...)
		add(k(1006, 80).tcp(opening + ">FA")...)
		add(k(1010, 53).udp(1, 0)...)
		add(k(1011, 54).udp(2, 1)...)
		add(k(1012, 80).udp(1, 1)...)
		add(k(1013, 81).udp(1, 1)...)
		add(k(1014, 5353).udp(1, 1)...)
		add(k(1015, 5354).udp(1, 0)...)
		add(k(1016, 82).udp(1, 0)...)
		add(k(1017, 9).udp(1, 0)...)
		add(k(1020, 132).sctp()...)
		add(k(0, 0).there(frame.GRE{}, frame.Zeros(4)), k(0, 0).there(frame.Proto(200), frame.Zeros(4)), k(0, 0).back(frame.Proto(200), frame.Zeros(4)))
		add(k(0, 0).there(frame.DCCP{Src: 1031, Dst: 31}))
		add(k(1040, 21).tcp(opening+"<PA: >A >PA: <A <PA: >A >PA: <A", "220 hello\r\n", "USER x\r\n", "230 in\r\n", []string{"PORT 10,77,11,2,19,136\r\n", "EPRT |2|fd77:a::2|5000|\r\n"}[index(six)])...)
	}
	l4, l6, w4, w6 := lanHost(0, false), lanHost(0, true), wanHost(0, false), wanHost(0, true)
	add(talk{a: l4, b: w4}.there(frame.ICMP{Type: 8, ID: 77}), talk{a: l4, b: w4}.back(frame.ICMP{Type: 0, ID: 77}), talk{a: l4, b: w4}.there(frame.ICMP{Type: 13, ID: 78}, frame.Zeros(12)))
	add(talk{a: l6, b: w6}.there(frame.ICMPv6{Type: 128, ID: 77}), talk{a: l6, b: w6}.back(frame.ICMPv6{Type: 129, ID: 77}))
	add(talk{a: lanHost(1, false), b: w4, aPort: 2001, bPort: 443, seen: pair.Spare(0, false)}.tcp(opening+">PA:", "hi")...)
	add(talk{a: lanHost(1, true), b: w6, aPort: 2001, bPort: 443, seen: pair.Spare(0, true)}.udp(1, 1)...)
	add(talk{a: w4, b: l4, aPort: 3001, bPort: 80, known: pair.BoxAddr(pair.Wan, false), knownPort: 8080}.udp(1, 1)...)
	add(talk{a: w6, b: l6, aPort: 3001, bPort: 80, known: pair.BoxAddr(pair.Wan, true), knownPort: 8080}.tcp(opening)...)
	add(talk{a: lanHost(2, false), b: wanHost(1, false), aPort: 4001, bPort: 7, known: pair.Spare(1, false), seen: pair.Spare(0, false), seenPort: 7777}.udp(1, 1)...)
	// A wrong checksum, a segment out of nowhere, an error about nothing.
	add(talk{a: l4, b: w4}.there(frame.UDP{Src: 5000, Dst: 1, Sum: frame.SumWrong}, frame.Zeros(4)), talk{a: l4, b: w4}.there(frame.TCP{Src: 5001, Dst: 1, Flags: "SF"}))
	add(talk{a: l4, b: w4}.there(frame.ICMP{Type: 3, Code: 1}, frame.Cut(28), frame.IPv4{Src: "203.0.113.9", Dst: l4.addr.String()}, frame.UDP{Src: 9, Dst: 9}))
	return all
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// two are the kernel and a box that have the same rules and hear the same.
type two struct {
	*testBox
	kernel *pair.Kernel
	sluice *pair.Sluice
	etc    string // a folder that stands for /etc where labels have names
}

// withTwo calls f with a kernel and a box, on the thread that both are for.
func withTwo(t *testing.T, f func(*two)) {
	t.Helper()
	requireTool(t)
	etc := t.TempDir()
	if err := os.Mkdir(filepath.Join(etc, "xtables"), 0o700); err != nil {
		t.Fatal(err)
	}
	protocols, err := os.ReadFile("/etc/protocols")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"protocols": string(protocols), "xtables/connlabel.conf": labelNames}
	maps.Copy(files, loadFiles)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var box *pair.Sluice
	defer func() {
		if box != nil {
			t.Cleanup(func() { _ = box.Close() })
		}
	}()
	err = pair.Run(func(k *pair.Kernel) (err error) {
		c := &pair.Case{Rules: talkRules, Settings: patient}
		if err := k.Begin(c); err != nil {
			return err
		}
		if box, err = pair.NewSluice(1, k.Index(), c); err != nil {
			return err
		}
		b := &testBox{box: box.Box()}
		b.serve(t)
		f(&two{testBox: b, kernel: k, sluice: box, etc: etc})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// hear lets both get frames, and compares what comes out.
func (w *two) hear(t *testing.T, frames ...pair.Frame) {
	t.Helper()
	for i, f := range frames {
		want, err := w.kernel.Send(f)
		if err != nil {
			t.Fatal(err)
		}
		w.sluice.Now(time.Now())
		got, err := w.sluice.Send(f)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("frame %d, %s: out came\n%v\nwant\n%v", i, pair.Describe(f), got, want)
		}
	}
}

// kernelTool and boxTool run the tool on either side; labels: with the label file.
func (w *two) kernelTool(t *testing.T, args []string, labels bool) answer {
	t.Helper()
	if !labels {
		return runTool(t, w.kernel.Command("conntrack", args...))
	}
	script := `mount --bind "$0" /etc && exec conntrack "$@"`
	return runTool(t, w.kernel.Command("unshare", append([]string{"--mount", "sh", "-c", script, w.etc}, args...)...))
}

func (w *two) boxTool(args []string, labels bool) answer {
	w.sluice.Now(time.Now())
	w.box.Drain() // what has no time left goes
	file := "testdata/none"
	if labels {
		file = filepath.Join(w.etc, "xtables", "connlabel.conf")
	}
	return w.toolWith(args, file)
}

// compare runs a command line on both, @ being the number of the UDP flow from
// port 1011, @etc the folder of files.
func (w *two) compare(t *testing.T, line string, labels bool) {
	t.Helper()
	args := strings.Fields(line)
	with := func(number func() string) []string {
		own := append([]string(nil), args...)
		for i, a := range own {
			if own[i] = strings.ReplaceAll(a, "@etc", w.etc); a == "@" {
				own[i] = number()
			}
		}
		return own
	}
	find := strings.Fields("-L -p udp -f ipv4 --sport 1011 -o id")
	want := w.kernelTool(t, with(func() string { return numberIn(w.kernelTool(t, find, false).out) }), labels)
	got := w.boxTool(with(func() string { return numberIn(w.boxTool(find, false).out) }), labels)
	reason, meant := meantLines[line]
	switch equal := same(got, want); {
	case !equal && !meant:
		t.Errorf("conntrack %s: status %d, want %d\n%s", line, got.status, want.status, unlike(got, want))
	case equal && meant:
		t.Errorf("conntrack %s: no longer differs (%s)", line, reason)
	}
}

// unlike shows the lines that only one of two answers has.
func unlike(got, want answer) string {
	var b strings.Builder
	only := func(name string, a, other answer) {
		masked, _ := other.masked()
		for line := range strings.Lines(a.out + a.err) {
			one, _ := (answer{out: line}).masked()
			if !strings.Contains(masked.out+masked.err, one.out) {
				fmt.Fprintf(&b, "%s %s", name, line)
			}
		}
	}
	only("only sluice:", got, want)
	only("only kernel:", want, got)
	if b.Len() == 0 {
		return got.out + got.err + "want\n" + want.out + want.err // in number, or in the seconds left
	}
	return b.String()
}

func numberIn(line string) string {
	_, after, _ := strings.Cut(line, " id=")
	number, _, _ := strings.Cut(after, " ")
	return strings.TrimSpace(number)
}
