package control

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/tools/lab"
)

// kernelTool is the conntrack tool in a network namespace of its own.
type kernelTool struct{ ns string }

// requireTool skips where the tool cannot run in a namespace of its own.
func requireTool(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIP-PRIVILEGE: network namespaces need root")
	}
	version, err := exec.Command("conntrack", "--version").Output()
	if err != nil || !strings.Contains(string(version), "v1.4.7 ") {
		t.Skipf("SKIP-PRIVILEGE: no conntrack 1.4.7: %s %v", version, err)
	}
}

func newKernelTool(t *testing.T) *kernelTool {
	t.Helper()
	requireTool(t)
	k := &kernelTool{fmt.Sprintf("sluice-tool-%d", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", k.ns).CombinedOutput(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: no network namespace: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", k.ns).CombinedOutput(); err != nil {
			t.Errorf("%s %v", out, err)
		}
	})
	// A rule that wants connections loads what tracks them.
	for _, command := range []string{
		"nft add table ip t", "nft add chain ip t c { type filter hook output priority 0 ; }", "nft add rule ip t c ct state new",
		"sysctl -q -w net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1",
	} {
		args := append([]string{"netns", "exec", k.ns}, strings.Fields(command)...)
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("SKIP-PRIVILEGE: the kernel does not track: %s", out)
		}
	}
	return k
}

// answer is what a command line gave.
type answer struct {
	out, err string
	status   int
}

func (k *kernelTool) run(t *testing.T, args []string) answer {
	t.Helper()
	return runTool(t, &lab.Cmd{Cmd: exec.Command("ip", append([]string{"netns", "exec", k.ns, "conntrack"}, args...)...)})
}

// runTool runs a program and takes all it says.
func runTool(t *testing.T, cmd *lab.Cmd) answer {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func (b *testBox) tool(args []string) answer { return b.toolWith(args, "testdata/none") }

// toolWith runs our tool with a label file.
func (b *testBox) toolWith(args []string, labels string) answer {
	var out, errs bytes.Buffer
	r := &conntrack.Runner{
		Connect: func(string) (conntrack.Box, error) { return b.Client, nil }, Stdin: strings.NewReader(""),
		Stdout: &out, Stderr: &errs, LabelFile: labels,
	}
	status := r.Run(context.Background(), args)
	return answer{out.String(), errs.String(), status}
}

var (
	maskID     = regexp.MustCompile(`(id=|<id>)\d+`)
	maskLived  = regexp.MustCompile(`(delta-time=|<deltatime>|<start>)\d+`)
	maskStart  = regexp.MustCompile(`\[(start|stop)=[^\]]*\]`)
	timeLeft   = regexp.MustCompile(`^((?: *\[[A-Z]+\] )?(?:ipv[46] +\d+ )?\w+ +\d+ |-[AUD] -t |.*<timeout>)(\d+)\b`)
	expectLeft = regexp.MustCompile(`^((?: *\[[A-Z]+\] )?)(\d+) proto=`)
)

// masked hides what cannot be the same, numbers of entries, the time they have
// lived and their order, and returns beside it the seconds that are left.
func (a answer) masked() (answer, []int) {
	type row struct {
		line string
		left int
	}
	var rows []row
	for line := range strings.Lines(a.out) {
		line = maskID.ReplaceAllString(line, "${1}N")
		line = maskLived.ReplaceAllString(line, "${1}T")
		line = maskStart.ReplaceAllString(line, "[${1}=T]")
		left := 0
		for _, form := range []*regexp.Regexp{timeLeft, expectLeft} {
			if at := form.FindStringSubmatchIndex(line); at != nil {
				left, _ = strconv.Atoi(line[at[4]:at[5]])
				line = line[:at[4]] + "T" + line[at[5]:]
			}
		}
		rows = append(rows, row{line, left})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.line, b.line), a.left-b.left) })
	a.out = ""
	times := make([]int, len(rows))
	for i, r := range rows {
		a.out += r.line
		times[i] = r.left
	}
	return a, times
}

// same compares answers that were given at about the same time.
func same(a, b answer) bool {
	x, left := a.masked()
	y, other := b.masked()
	const apart = 15 // seconds that a busy machine may lie between them
	return x == y && slices.EqualFunc(left, other, func(i, j int) bool { return max(i-j, j-i) <= apart })
}

// sameLines are run one after the other on the kernel and on a box, both empty
// at first.
var sameLines = []string{
	"-L", "-C", "-C expect", "-L expect", "-F",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 30000 -u ASSURED,SEEN_REPLY",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 30000 -u ASSURED,SEEN_REPLY",
	"-A -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 30000 -m 9",
	"-I -s 10.0.0.2 -d 10.0.0.1 -p tcp --sport 2 --dport 1 --state ESTABLISHED -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 -w 5",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 --orig-zone 7",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 --reply-zone 9",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 3 --dport 2 -t 30000 -w 5 --orig-zone 5",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 3 --dport 2 -t 30000 --orig-zone 5 --reply-zone 6",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 30000 -m 5",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 3 --icmp-code 1 -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 13 --icmp-code 0 --icmp-id 3 -t 30000",
	"-I -s 2001:db8::1 -d 2001:db8::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77 -t 30000",
	"-I -s 2001:db8::1 -d 2001:db8::2 -p tcp --sport 5 --dport 6 --state SYN_SENT -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p gre --srckey 0x1234 --dstkey 7 -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p 200 -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udplite --sport 1 --dport 2 -t 30000",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p dccp --sport 1 --dport 2 -t 30000 --state OPEN --role client",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p sctp --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 5 --reply-vtag 6 -t 30000",
	"-I -s 10.0.0.9 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 30000 -u ASSURED,SEEN_REPLY -n 192.0.2.1:777",
	"-I -s 10.0.0.8 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state TIME_WAIT -t 30000 -u ASSURED,SEEN_REPLY -n 192.0.2.1:778 -g 192.0.2.7",
	"-I -s 10.0.0.7 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 -g 192.0.2.9:53 -m 0x20",
	"-I -s 10.0.0.6 -d 10.0.0.2 -p udp --sport 6 --dport 6 -t 30000 -n",
	"-I -t 30000 -r 10.0.0.2 -q 10.0.0.1 -p udp --reply-port-src 7 --reply-port-dst 9",
	"-I -t 30000 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 7 --dport 2",
	"-I -t 30000 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 70 --dport 2 --reply-port-src 2 --reply-port-dst 70",
	"-I -t 30000 -r 10.0.0.2 -q 10.0.0.1 -p icmp --icmp-type 0 --icmp-code 0",
	"-I -s 10.0.0.4 -d 10.0.0.3 -p udp --sport 5 --dport 6 -t 5000 -u EXPECTED",
	"-I -s 10.0.0.4 -d 10.0.0.3 -p udp --sport 5 --dport 6 -t 5000 -u FIXED_TIMEOUT -m 0x10/0xff",
	"-I -s 10.0.0.4 -d 10.0.0.3 -p udp --sport 6 --dport 6 -t 5000 -u UNSET",
	"-C", "-L", "-L -o extended", "-L -o id", "-L -o save", "-L -o xml", "-L -o xml,ktimestamp", "-L -o extended,id,ktimestamp",
	"-L -p tcp", "-L -p udp", "-L -p udp --dport 2", "-L -p udp --sport 1", "-L -p udp --reply-port-src 53", "-L -p udp --reply-port-dst 1",
	"-L -p icmp", "-L -p icmp --icmp-id 3", "-L -p icmp --icmp-id 4", "-L -p icmp --icmp-type 8", "-L -p icmp --icmp-code 0", "-L -p icmpv6 --icmpv6-id 77",
	"-L -p gre --srckey 6", "-L -p 200", "-L -p dccp", "-L -p 33 --sport 0", "-L -p sctp", "-L -p sctp --state ESTABLISHED", "-L -p sctp --state CLOSED",
	"-L -s 10.0.0.1", "-L -s 10.0.0.0/29", "-L -s 10.0.0.9/31 -d 0.0.0.0/0", "-L -d 10.0.0.3", "-L -r 192.0.2.7", "-L -q 192.0.2.1", "-L -s 10.0.0.1 -q 10.0.0.1",
	"-L -s 2001:db8::/64", "-L -s 2001:db8::1", "-L -f ipv6", "-L -f ipv4", "-L -s 10.0.0.0 --mask-src 255.255.255.248",
	"-L -m 5", "-L -m 0", "-L -m 0x20/0xf0", "-L -m 1/1", "-L -c 0", "-L -u ASSURED", "-L -u SEEN_REPLY,ASSURED", "-L -u UNREPLIED", "-L -u FIXED_TIMEOUT", "-L -u EXPECTED",
	"-L -u !ASSURED", "-L -u SEEN_REPLY,!ASSURED", "-L -u ASSURED,UNREPLIED", "-L -u UNSET",
	"-L -n", "-L -g", "-L -j", "-L -n -g", "-L -n 192.0.2.1", "-L -n 192.0.2.1:777", "-L -n 192.0.2.1:9", "-L -g 192.0.2.9:53", "-L -g 192.0.2.9", "-L -j 192.0.2.1", "-L -j 192.0.2.9:53", "-L -n 192.0.2.9",
	"-L -w 5", "-L -w 0", "-L -w 7", "-L --orig-zone 7", "-L --orig-zone 0", "-L --orig-zone 5", "-L --reply-zone 9", "-L --reply-zone 7",
	"-L -p tcp --state ESTABLISHED", "-L -p tcp --state TIME_WAIT", "-L -p tcp --state CLOSE", "-L -p udp --dport 2 -o save -s 10.0.0.7", "-L -z", "-L -z -n",
	"-L dying", "-L unconfirmed", "-S expect -x",
	"-G -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2", "-G -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 -o extended,id", "-G -s 10.0.0.2 -d 10.0.0.1 -p tcp --sport 2 --dport 1",
	"-G -s 10.0.0.2 -d 192.0.2.1 -p tcp --sport 2 --dport 777", "-G -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 3", "-G -r 10.0.0.2 -q 10.0.0.1 -p tcp --reply-port-src 2 --reply-port-dst 1",
	"-G -s 10.0.0.1 -d 10.0.0.2 -p 200", "-G -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77", "-G -s 10.0.0.1 -d 10.0.0.2 -p udplite --sport 1 --dport 2 -o save",
	"-G -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 -o xml",
	"-U -p tcp -s 10.0.0.1 -m 7", "-U -p tcp -s 10.0.0.1 -m 7", "-U -s 10.0.0.1 -p udplite -m 0x100/0x100", "-U -s 10.0.0.1 -p tcp -t 100000", "-U -s 10.0.0.1 -p tcp -u FIXED_TIMEOUT",
	"-U -s 10.0.0.1 -p tcp -t 50000", "-U -s 10.0.0.1 -p tcp -u EXPECTED", "-U -s 10.0.0.9 -p tcp --state TIME_WAIT", "-U -s 10.0.0.9 -p tcp --state CLOSE -m 3 -t 9900", "-U -s 10.0.0.200 -m 1",
	"-U -s 10.0.0.9 -m 77 -o save", "-U -s 10.0.0.9 -m 78 -o xml", "-U -s 10.0.0.9 -m 79 -o extended,id", "-U -n -s 10.0.0.8 -m 8", "-U -n -s 10.0.0.1 -m 8", "-U -d 10.0.0.2 -f ipv4 -p udp --sport 70 -m 6",
	"-U -s 10.0.0.4 -p udp --sport 5 -u SEEN_REPLY", "-U -s 10.0.0.4 -p udp --sport 6 -u ASSURED -m 4", "-U -s 10.0.0.4 -u UNSET", "-U -s 10.0.0.4 -i 5 -m 9", "-U -q 192.0.2.1 -p tcp --reply-port-dst 777 -m 55", "-L",
	"-I -s 10.0.0.20 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 -u SEEN_REPLY", "-U -s 10.0.0.20 -t 0", "-U -s 10.0.0.20 -t 0", "-L -s 10.0.0.20",
	"-I -s 10.0.0.20 -d 10.0.0.2 -p udp --sport 2 --dport 2 -t 30000", "-U -s 10.0.0.20 -t 0 -m 4 -o xml", "-I -s 10.0.0.20 -d 10.0.0.2 -p udp --sport 3 --dport 2 -t 30000 -u SEEN_REPLY", "-U -s 10.0.0.20 -t 0 -u UNSET",
	"-I -s 10.0.0.20 -d 10.0.0.2 -p udp --sport 4 --dport 2 -t 30000 -u FIXED_TIMEOUT", "-U -s 10.0.0.20 -t 0 -m 5", "-L -s 10.0.0.20", "-D -s 10.0.0.20",
	"-L -p dccp --state OPEN", "-L -p dccp --state NONE", "-L -p dccp --role client", "-G -s 10.0.0.1 -d 10.0.0.2 -p dccp --sport 1 --dport 2", "-G -s 10.0.0.1 -d 10.0.0.2 -p dccp --sport 1 --dport 2 --state OPEN",
	"-D -p dccp --state OPEN", "-L -p dccp", "-U -p dccp -s 10.0.0.200 --state OPEN",
	"-U -s 10.0.0.1 -d 10.0.0.2 -p 200 -m 5", "-U -p dccp -f ipv4 --state OPEN", "-U -p dccp -s 10.0.0.1 --state REQUEST -t 20000 -m 6", "-L",
	"-D -p 200", "-D -p 200", "-D -m 5", "-D -s 10.0.0.9 -t 5", "-D -w 5", "-D --orig-zone 7", "-D -s 10.0.0.8 -o save", "-D -s 10.0.0.7 -o xml", "-D -u FIXED_TIMEOUT -p udp", "-D -n -o extended,id",
	"-D -s 2001:db8::/32 -o extended", "-D -i 77", "-L", "-F -f ipv6", "-L", "-F -f ipv4", "-C", "-D",
	"-I expect -s 10.0.0.1 -d 10.0.0.2 -p tcp -t 5 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2 --tuple-port-src 0 --tuple-port-dst 5 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535 --sport 1 --dport 2",
	"-G expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 0 --dport 10 --reply-port-src 1 --reply-port-dst 1",
	"-D expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 0 --dport 10 --reply-port-src 1 --reply-port-dst 1", "-F expect",
}

// TestSameAsTheTool runs the same command lines on the kernel and on a box. What
// the lines make is equal, so all they print must be.
func TestSameAsTheTool(t *testing.T) {
	kernel, box := newKernelTool(t), newTestBox(t)
	for _, line := range sameLines {
		args := strings.Fields(line)
		want, got := kernel.run(t, args), box.tool(args)
		if !same(got, want) {
			t.Errorf("conntrack %s: status %d, want %d\n%s%swant\n%s%s", line, got.status, want.status, got.out, got.err, want.out, want.err)
		}
	}
}

// sameEvents are followed by their events. What is not an event of the tool's
// own doing would come too late to compare.
var sameEvents = []string{
	"-I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state SYN_SENT -t 30000 -m 5",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 30000 -w 5",
	"-I -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 30000 -u ASSURED,SEEN_REPLY",
	"-I -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 5 --dport 6 -t 30000 -n",
	"-I -s 10.0.0.9 -d 10.0.0.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 30000 -n 192.0.2.1:777",
	"-U -s 10.0.0.1 -p tcp -m 6", "-U -s 10.0.0.1 -p tcp -m 0", "-U -s 10.0.0.1 -p tcp -t 9900", "-U -s 10.0.0.1 -p tcp --state ESTABLISHED", "-U -s 10.0.0.1 -p tcp -u ASSURED",
	"-U -s 10.0.0.1 -p tcp -u ASSURED", "-U -s 10.0.0.9 -u SEEN_REPLY,FIXED_TIMEOUT -m 3 -p tcp",
	"-D -p icmp", "-D -s 10.0.0.1 -p tcp", "-D -s 2001:db8::1", "-F",
}

var maskTool = regexp.MustCompile(` portid=.*`)

// TestEventsAsTheTool follows what tools do to the kernel and to a box.
func TestEventsAsTheTool(t *testing.T) {
	kernel, b := newKernelTool(t), newTestBox(t)
	for _, format := range []string{"-E", "-E -o extended,id,ktimestamp", "-E -o save", "-E -o xml", "-E -e NEW,DESTROY", "-E -p tcp", "-E -s 10.0.0.9", "-E -f ipv6", "-E -m 6"} {
		t.Run(format, func(t *testing.T) {
			args := strings.Fields(format)
			tool := exec.Command("ip", append([]string{"netns", "exec", kernel.ns, "conntrack"}, args...)...)
			var kernelOut, boxOut, errs bytes.Buffer
			tool.Stdout, tool.Stderr = &kernelOut, &errs
			if err := tool.Start(); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			status := make(chan int)
			go func() {
				r := &conntrack.Runner{
					Connect: func(string) (conntrack.Box, error) { return b.Client, nil }, Stdin: strings.NewReader(""), Stdout: &boxOut, Stderr: &bytes.Buffer{},
				}
				status <- r.Run(ctx, args)
			}()
			b.waitListening(t)
			time.Sleep(300 * time.Millisecond) // the tool says nowhere that it listens
			for _, line := range sameEvents {
				kernel.run(t, strings.Fields(line))
				b.tool(strings.Fields(line))
			}
			time.Sleep(300 * time.Millisecond)
			stop()
			_ = tool.Process.Signal(os.Interrupt)
			_ = tool.Wait() // its status is that of the interrupt, or 0
			if s := <-status; s != 0 {
				t.Errorf("status %d", s)
			}
			want, got := answer{out: maskTool.ReplaceAllString(kernelOut.String(), "")}, answer{out: maskTool.ReplaceAllString(boxOut.String(), "")}
			if !same(want, got) {
				t.Errorf("%s\nwant\n%s%s", got.out, want.out, &errs)
			}
		})
	}
}
