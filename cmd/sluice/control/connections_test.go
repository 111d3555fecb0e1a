package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// tracking gives the box rules that track, and as many UDP flows.
func (b *testBox) tracking(t *testing.T, flows int) {
	t.Helper()
	if err := b.Nft(t.Context(), &Request{Script: Script{Name: "s.nft", Text: counting}}, io.Discard); err != nil {
		t.Fatal(err)
	}
	for sent := 0; sent < flows; sent += 20 {
		b.send(t, min(20, flows-sent))
	}
}

func TestListing(t *testing.T) {
	b := newTestBox(t)
	b.tracking(t, 20)
	for _, row := range []struct {
		line string
		want int // rows
	}{
		{"-L", 20}, {"-L -p udp", 20}, {"-L -p 17", 20}, {"-L -p tcp", 0}, {"-L -s 10.0.0.2", 20}, {"-L -s 10.0.1.0/24", 0}, {"-L -d 10.0.1.7/24", 20},
		{"-L -s ::1", 0}, {"-L -p udp --sport 1005", 1}, {"-L -p udp --dport 53", 20}, {"-L -p udp --dport 54", 0}, {"-L -f ipv4", 20}, {"-L -f ipv6", 0},
		{"-L -o save", 20}, {"-L -o json", 20}, {"-L -o xml", 23}, {"-L expect", 0}, {"-C", 1}, {"-S", 1}, {"-S expect", 1}, {"--invalid", 1}, {"--invalid -o json", 0},
		{"-G -s 10.0.0.2 -d 10.0.1.2 -p udp --sport 1003 --dport 53", 1},
	} {
		a := b.tool(strings.Fields(row.line))
		if got := strings.Count(a.out, "\n"); a.status != 0 || got != row.want {
			t.Errorf("%s: status %d, %d rows, want %d\n%s%s", row.line, a.status, got, row.want, a.out, a.err)
		}
	}
	var one conntracktext.JSON
	if err := json.Unmarshal([]byte(b.tool(strings.Fields("-L -o json -p udp --sport 1004")).out), &one); err != nil || one.Protocol != "udp" ||
		*one.Original.Sport != 1004 || *one.Original.Packets != 1 || *one.Original.Bytes != 46 || one.ID == 0 || one.Start == nil {
		t.Errorf("%+v, %v", one, err)
	}
	const want = `^udp      17 \d+ src=10\.0\.0\.2 dst=10\.0\.1\.2 sport=1007 dport=53 packets=1 bytes=46 \[UNREPLIED\] src=10\.0\.1\.2 dst=10\.0\.0\.2 sport=53 dport=1007 packets=0 bytes=0 mark=0 delta-time=\d+ use=1\n$`
	if a := b.tool(strings.Fields("-L -p udp --sport 1007")); !regexp.MustCompile(want).MatchString(a.out) {
		t.Errorf("%q", a.out)
	}
	if a := b.tool([]string{"-L", "-z"}); strings.Count(a.out, "packets=1 ") != 20 {
		t.Errorf("%s", a.out)
	}
	if a := b.tool([]string{"-L"}); strings.Count(a.out, "packets=0 bytes=0 [UNREPLIED]") != 20 {
		t.Errorf("the counters are not zeroed:\n%s", a.out)
	}
	if a := b.tool(strings.Fields("-D -p udp --sport 1000")); a.status != 0 || strings.Count(a.out, "\n") != 1 {
		t.Errorf("%+v", a)
	}
	if a := b.tool([]string{"-F"}); a.status != 0 || !strings.HasSuffix(a.err, "connection tracking table has been emptied.\n") {
		t.Errorf("%+v", a)
	}
	if a := b.tool([]string{"-C"}); a.out != "0\n" {
		t.Errorf("%+v", a)
	}
}

// TestSaveAndLoad: what -o save prints makes the same connections with -R.
func TestSaveAndLoad(t *testing.T) {
	b := newTestBox(t)
	for _, line := range []string{
		"-I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 3000 -u ASSURED,SEEN_REPLY",
		"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 3000 -w 5",
		"-I -s 10.0.0.9 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state CLOSE -t 3000 -n 192.0.2.1:777",
		"-I -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77 -t 3000",
		"-I -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 0x1234 --dstkey 7 -t 3000",
	} {
		if a := b.tool(strings.Fields(line)); a.status != 0 {
			t.Fatalf("%s: %s", line, a.err)
		}
	}
	saved, rows := b.tool([]string{"-L", "-o", "save"}), b.tool([]string{"-L"})
	b.tool([]string{"-F"})
	var out, errs bytes.Buffer
	r := &conntrack.Runner{
		Connect: func(string) (conntrack.Box, error) { return b.Client, nil }, Stdin: strings.NewReader("# saved\n\n" + saved.out), Stdout: &out, Stderr: &errs,
	}
	if status := r.Run(context.Background(), []string{"-R", "-"}); status != 0 || out.Len() > 0 || errs.Len() > 0 {
		t.Fatalf("status %d: %s%s", status, &out, &errs)
	}
	if got := b.tool([]string{"-L"}); !same(got, rows) {
		t.Errorf("%s\nwant\n%s", got.out, rows.out)
	}
}

// TestEvents follows what tools and packets do.
func TestEvents(t *testing.T) {
	b := newTestBox(t)
	b.tracking(t, 0)
	ctx, stop := context.WithCancel(context.Background())
	lines := make(chan string, 64)
	r := &conntrack.Runner{
		Connect: func(string) (conntrack.Box, error) { return b.Client, nil }, Stdin: strings.NewReader(""), Stdout: lineWriter(lines), Stderr: lineWriter(lines),
	}
	status := make(chan int)
	go func() { status <- r.Run(ctx, []string{"-E", "-o", "extended"}) }()
	b.waitListening(t)
	b.send(t, 1)
	for _, line := range []string{
		"-I -s 10.5.0.1 -d 10.5.0.2 -p udp --sport 1 --dport 2 -t 300 -m 7", "-U -s 10.5.0.1 -m 8", "-D -s 10.5.0.1",
	} {
		if a := b.tool(strings.Fields(line)); a.status != 0 {
			t.Fatalf("%s: %s", line, a.err)
		}
	}
	for _, want := range []string{
		`^    \[NEW\] ipv4     2 udp      17 30 src=10\.0\.0\.2 dst=10\.0\.1\.2 sport=1000 dport=53 \[UNREPLIED\] src=10\.0\.1\.2 dst=10\.0\.0\.2 sport=53 dport=1000$`,
		`^    \[NEW\] ipv4     2 udp      17 300 src=10\.5\.0\.1 .* mark=7 \[USERSPACE\] portid=\d+ progname=.+$`,
		`^ \[UPDATE\] ipv4     2 udp      17 \d+ src=10\.5\.0\.1 dst=10\.5\.0\.2 sport=1 dport=2 \[UNREPLIED\] src=10\.5\.0\.2 dst=10\.5\.0\.1 sport=2 dport=1 mark=8 \[USERSPACE\] portid=`,
		`^\[DESTROY\] ipv4     2 udp      17 \d+ src=10\.5\.0\.1 .*packets=0 bytes=0 mark=8 delta-time=[01] \[USERSPACE\] portid=`,
	} {
		select {
		case got := <-lines:
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%q\nwant %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event where %s should come", want)
		}
	}
	stop()
	if s := <-status; s != 0 {
		t.Errorf("status %d", s)
	}
	if got := <-lines; got != "conntrack v1.4.7 (conntrack-tools): 4 flow events have been shown." {
		t.Errorf("%q", got)
	}
}

type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		w <- strings.TrimSuffix(line, "\n")
	}
	return len(b), nil
}

// waitListening waits until workers know that somebody follows.
func (b *testBox) waitListening(t *testing.T) { b.waitListeners(t, 1) }

func (b *testBox) waitListeners(t *testing.T, want int) {
	t.Helper()
	for range 1000 {
		b.server.events.mu.Lock()
		n := len(b.server.events.followers)
		b.server.events.mu.Unlock()
		if n >= want {
			b.box.Drain() // a round, in which they learn of it
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody listens")
}

// TestSlowFollower: who does not read in time is told, and holds nobody up.
func TestSlowFollower(t *testing.T) {
	f := &follower{pages: make(chan []flowtable.Event, 1), lost: make(chan struct{}, 1)}
	f.miss()
	f.miss()
	if len(f.lost) != 1 {
		t.Errorf("%d notes", len(f.lost))
	}
}

func TestProcFiles(t *testing.T) {
	b := newTestBox(t)
	b.tracking(t, 2)
	for _, row := range []struct{ file, want string }{
		{ProcConntrack, `^ipv4     2 udp      17 \d+ src=10\.0\.0\.2 dst=10\.0\.1\.2 sport=100[01] dport=53 packets=1 bytes=46 \[UNREPLIED\] src=10\.0\.1\.2 dst=10\.0\.0\.2 sport=53 dport=100[01] packets=0 bytes=0 mark=0 zone=0 delta-time=\d+ use=2\nipv4 .*\n$`},
		{ProcExpect, `^$`},
		{ProcStat, `^` + conntracktext.ProcStatHeader + `\n00000002  00000000 (00000000 ){10}00000000  (00000000 ){3}00000000\n$`},
	} {
		var out bytes.Buffer
		if err := b.Proc(&out, row.file); err != nil || !regexp.MustCompile(row.want).Match(out.Bytes()) {
			t.Errorf("%s: %v\n%s", row.file, err, &out)
		}
	}
	if err := b.Proc(&bytes.Buffer{}, "nf_tables"); err == nil {
		t.Error("there is no such file")
	}
}

// TestMakeExpectation: -I expect makes what -L expect lists and -D expect takes
// out, for a connection with a helper.
func TestMakeExpectation(t *testing.T) {
	b := newTestBox(t)
	rules := `table ip t {
	ct helper tftp {
		type "tftp" protocol udp
	}
	chain f {
		type filter hook forward priority filter; policy accept;
		udp sport 1000 ct helper set "tftp"
		ct state invalid drop
	}
}
`
	if err := b.Nft(t.Context(), &Request{Script: Script{Name: "s.nft", Text: rules}}, io.Discard); err != nil {
		t.Fatal(err)
	}
	b.send(t, 2)
	const tuple = " --tuple-src 10.0.0.2 --tuple-dst 10.0.1.2 --tuple-port-src 0 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535"
	const of = "-p udp -s 10.0.0.2 -d 10.0.1.2 --dport 53 "
	for _, row := range []struct {
		line, out, err string
		status         int
	}{
		{"-I expect -t 100 " + of + "--sport 1000 --tuple-port-dst 5001" + tuple, "", "", 0},
		{"-I expect -t 100 " + of + "--sport 1000 --tuple-port-dst 5001" + tuple, "", "Operation failed: File exists", 1},
		{"-I expect -t 100 " + of + "--sport 1001 --tuple-port-dst 5002" + tuple, "", "Operation failed: Operation not supported", 1},
		{"-I expect -t 100 " + of + "--sport 1077 --tuple-port-dst 5002" + tuple, "", "Operation failed: master conntrack not found", 1},
		{"-L expect", " proto=17 src=10.0.0.2 dst=10.0.1.2 sport=0 dport=5001 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 " +
			"master-src=10.0.0.2 master-dst=10.0.1.2 sport=1000 dport=53 class=0 helper=tftp\n", "1 expectations have been shown.", 0},
		{"-D expect -p udp -s 10.0.0.2 -d 10.0.1.2 -r 10.0.1.2 -q 10.0.0.2 --sport 0 --dport 5001 --reply-port-src 5001 --reply-port-dst 0", "", "", 1},
		{"-C expect", "0\n", "", 0},
	} {
		a := b.tool(strings.Fields(row.line))
		if a.status != row.status || !strings.HasSuffix(a.out, row.out) || !strings.Contains(a.err, row.err) {
			t.Errorf("%s: status %d\n%s%s", row.line, a.status, a.out, a.err)
		}
	}
}
