package conntrack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// emptyBox answers as an empty table does.
type emptyBox struct{}

func (emptyBox) Conntrack(_ context.Context, c *Command, see func([]byte) error) (Result, error) {
	switch c.Verb {
	case Create, Add:
		return Result{Count: 1}, nil
	case Get, GetExpect, DeleteExpect:
		return Result{Errno: syscall.ENOENT}, nil
	case CreateExpect:
		return Result{Errno: syscall.EOPNOTSUPP}, nil
	case Count, CountExpect:
		return Result{}, see([]byte(" 0"))
	}
	return Result{}, nil
}

// runEmpty runs a command line on an empty table of ours.
func runEmpty(args []string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	r := &Runner{
		Connect: func(string) (Box, error) { return emptyBox{}, nil },
		Stdin:   strings.NewReader(""), Stdout: &out, Stderr: &errs, LabelFile: "testdata/none",
	}
	status = r.Run(context.Background(), args)
	return out.String(), errs.String(), status
}

// commandLines are tried on our reading of them and on the tool, where tables
// are empty. Words are separated by spaces; ” stands for an empty one.
var commandLines = []string{
	"-s 1.2.3.4", "-L -L", "-X", "-zk", "-kz", "foo -kz", "-L foo", "-Lexpect", "-L expect", "-L e", "-L c", "-L d", "-L u", "-D unconfirmed",
	"-U expect", "-A expect", "-L -p nope", "-L -p tcp --state NOPE", "-L -p tcp --state LISTEN", "-L --sport 5", "-L -p tcp --sport",
	"-L -s", "-L -s 1.2.3.4/40", "-L -s 1.2.3.4/x", "-L -s 1.2.3.4/", "-L -s 1.2.3.4/-1", "-L -s nope", "-L -r 1.2.3.0/24", "-L -q 1.2.3.0/24",
	"-L -s 1.2.3.4 -d 2001:db8::1", "-L -f ipx", "-L -f ipv6 -s 1.2.3.4", "-L -u NOPE", "-L -u SRC_NAT", "-L -u dst", "-L -u a", "-L -u UNSET",
	"-L -u UNREPLIED", "-L -u !ASSURED", "-L -u ASSURED,", "-L -u ,ASSURED", "-L -u ASSURED,!SEEN_REPLY", "-L -u !", "-L -u !,ASSURED", "-L -u ”",
	"-L -o nope", "-L -o save,id", "-L -o id,save", "-L -o xml -o save", "-L -o ,", "-L -o ”", "-L -o x,k,t,l", "-L -o i,i", "-L -t 5", "-L -m x", "-L -m 5/",
	"-L -w 99999", "-L -n -j", "-I", "-I -s 1.2.3.4 -p tcp -t 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p tcp -t 5",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p tcp -t 5 --sport 5 --dport 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p udp -t 5 --sport 5",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p udp -t 5 --dport 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p udp -t 5 --reply-port-src 5", "-I -r 1.2.3.4 -p udp -t 5",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p icmp -t 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p icmp -t 5 --icmp-type 8",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p icmp -t 5 --icmp-type 8 --icmp-code 0", "-I -s 1.2.3.4 -d 1.2.3.5 -p udp --sport 5 --dport 6 -t 7 -c 5",
	"-G -s 1.2.3.4 -d 1.2.3.5 -p tcp --sport 5 --dport 6", "-G -s 1.2.3.4 -d 1.2.3.5 -p tcp", "-G -s 1.2.3.4 -p tcp", "-G -s 1.2.3.4 -d 1.2.3.5",
	"-D -s 1.2.3.4", "-U -s 1.2.3.4 -m 5", "-F -s 1", "-F -s 1.2.3.4", "-C -s 1.2.3.4", "-S -s 1.2.3.4", "-C expect", "-F expect", "-C", "-F", "-F -f ipv4",
	"-L --mask-src 255.255.255.0", "-D --mask-dst 255.255.255.0", "-L --mask-src 255.255.255.0 -s 10.0.0.0", "-L --mask-src 255.255.255.0/8 -s 10.0.0.0",
	"-L -z -s 1.2.3.4", "-L -z", "-L --z", "-L --s 1.2.3.4", "-L --src=", "-L --zero=5", "-L --src", "-L -l foo", "-L -o labels", "-L -i 5", "-D -i 5", "-L -a 5",
	"-U --label-add foo", "-U --label-del", "-U --label-add a --label-del b", "-R /nonexistent", "-L -- -p", "-L -b 5", "-E -z", "-L -g 1.2.3.4:x",
	"-L -g 1.2.3.4:", "-L -g 1.2.3.4:99999", "-L -g 1.2.3.4:-1", "-L -g [::1]:5", "-L -g [::1", "-L -g []", "-L -g 2001:db8::1", "-L -g 1.2.3.4/8", "-L -g nope",
	"-L -n 1.2.3.4 -g 2001:db8::1", "-L -j 1.2.3.4:5", "-L -c x", "-L dying", "-L unconfirmed", "-L -p 6 --sport 7", "-L -p TCP", "-L -p 256", "-L -p esp",
	"-L -p ESP", "-L -p 0x6 --sport 1", "-L -p 06x", "-I -s 1.2.3.4 -d 1.2.3.5 -p gre -t 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p gre -t 5 --srckey 5",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p gre -t 5 --reply-key-src 5", "-I -s 1.2.3.4 -d 1.2.3.5 -p sctp -t 5 --sport 5 --dport 6",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p sctp -t 5 --sport 5 --dport 6 --state ESTABLISHED", "-I -s 1.2.3.4 -d 1.2.3.5 -p sctp -t 5 --sport 5",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p dccp -t 5 --sport 5 --dport 6", "-I -s 1.2.3.4 -d 1.2.3.5 -p dccp -t 5 --sport 5 --dport 6 --state OPEN",
	"-L -p dccp --state X", "-L -p dccp --role X", "-I -s 1.2.3.4 -d 1.2.3.5 -p dccp -t 5 --reply-port-src 5 --state OPEN --role client",
	"-I -s 1.2.3.4 -d 1.2.3.5 -p udplite -t 5 --reply-port-dst 5", "-L -p sctp --orig-vtag 5", "-D -p tcp --sport 5", "-L --version", "-V", "-V -L", "--version",
	"-G expect", "-D expect", "-I expect", "-L expect -s 1.2.3.4", "-L -p tcp --tuple-port-src 5", "-E -e NOPE", "-E -e ,", "-G -s 1.2.3.4 -d 1.2.3.5 -p 99",
	"-D -p 99", "-U -s 99.99.99.99 -t 5", "-L -pudp -f ipv6", "-Lpudp", "-L --proto udp --family=ipv4", "-L --outpu=id --pro=udp --orig-s 1.1.1.1",
	"--dump --protonum=udp", "--dump expect", "--dump=expect", "-L -- foo", "-L foo -p udp", "-p udp -L conntrack x y z", "-L !x", "x y -L z", "x -L conntrack y -p",
	"x -L conntrack y -p tcp z --nope", "-L - -p", "-L -- x -p", "-U -p udp", "-U -w 3 -m 1", "-G -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 10 --dport 6 -w 5",
	"-L -e ALL", "-E expect -e NEW", "-C expect -f ipv4", "-L expect -f ipv6", "-S expect -x", "-L -p tcp -p udp --sport 5", "-L -p icmp --icmp-type", "-L -p icmpv6 --icmp-type 5",
	"-L -p tcp --stat ESTABLISHED", "-L -p tcp --s 5", "-L -p tcp --orig-port-s 5", "-L -s 10.1", "-L -s 0x0a000001", "-L -s 010.0.0.1", "-L -s 1.2.3.4.5", "-L -s 256.1.1.1",
	"-L -s 1.2.3.4x", "-L -s ::ffff:1.2.3.4", "-L -s fe80::1%lo", "-A", "-A -s 1.1.1.1 -d 2.2.2.2 -p udp -t 5 --sport 5 --dport 6",
	"-G expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 0 --dport 10 --reply-port-src 1 --reply-port-dst 1",
	"-D expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 0 --dport 10 --reply-port-src 1 --reply-port-dst 1", "-G expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 0 --dport 10",
	"-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5 --sport 1 --dport 10", "-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2 --mask-src 1.1.1.1",
}

func words(line string) (args []string) {
	for _, w := range strings.Fields(line) {
		if w == "”" {
			w = ""
		}
		args = append(args, w)
	}
	return args
}

// TestCommandLinesOfTheTool has the tool itself say what every line means.
func TestCommandLinesOfTheTool(t *testing.T) {
	requireTool(t)
	for _, line := range commandLines {
		t.Run(line, func(t *testing.T) {
			args := words(line)
			tool := exec.Command("unshare", append([]string{"--net", "conntrack"}, args...)...)
			var out, errs bytes.Buffer
			tool.Stdout, tool.Stderr = &out, &errs
			err := tool.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			gotOut, gotErr, gotStatus := runEmpty(args)
			if want := tool.ProcessState.ExitCode(); gotOut != out.String() || gotErr != errs.String() || gotStatus != want {
				t.Errorf("status %d, want %d\n%s%swant\n%s%s", gotStatus, want, gotOut, gotErr, out.String(), errs.String())
			}
		})
	}
}

// requireTool skips where the tool cannot run in a namespace of its own.
func requireTool(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIP-PRIVILEGE: network namespaces need root")
	}
	version, err := exec.Command("conntrack", "--version").Output()
	if err != nil {
		t.Skipf("SKIP-PRIVILEGE: no conntrack: %v", err)
	}
	if !strings.Contains(string(version), "v"+toolVersion+" ") {
		t.Skipf("SKIP-PRIVILEGE: another conntrack: %s", version)
	}
}
