package iptables

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// commandLines are carried out one after the other, by the tool in a namespace of
// its own and here. Each has to print the same and end with the same status.
const commandLines = `
-L
-nL
-S
-N users
-N users
-A FORWARD -i eth0 -p tcp --dport 22 -j users
-A users ! -s 10.0.0.0/8 -d 192.0.2.1,192.0.2.2 -j REJECT
-A users -s 10.0.0.0/8 -d 192.0.2.1,192.0.2.2 -j REJECT
-A users ! -s 10.0.0.0/8 -j REJECT
-A users -p udp -m multiport --dports 53,67:68 -m comment --comment "names -and- leases" -c 7 812345 -j ACCEPT
-I FORWARD 1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-I FORWARD 3 -j LOG --log-prefix "last: "
-I FORWARD 9 -j DROP
-I FORWARD 0 -j DROP
-D FORWARD 0
-R FORWARD 0 -j DROP
-Z FORWARD 0
-A FORWARD ! -p icmp -g users
-P FORWARD DROP
-P users DROP
-P FORWARD PERHAPS
-L
-nvL
-nvxL FORWARD --line-numbers
-vL users
-nL FORWARD 2
-t filter -vn -L users 2
-S
-vS
-S users 1
-L nobody
-S nobody
-C FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-C FORWARD -j DROP
-D FORWARD -j DROP
-D FORWARD 9
-D nobody 1
-A nobody -j ACCEPT
-R FORWARD 3 -p icmp -j ACCEPT
-R FORWARD 9 -p icmp -j ACCEPT
-X users
-X FORWARD
-X nobody
-F nobody
-Z nobody
-Z users 2
-Z users 9
-vS users
-A users -p tcp -c 3 4 -j RETURN
-nvxL users -Z
-vZ
-vF INPUT
-vS users
-E users people
-E FORWARD people
-E people FORWARD
-E nobody people
-S
-A people -j people
-A INPUT -o eth0
-A INPUT -m nothing
-A INPUT -j nothing
-A INPUT -p nothing
-A INPUT --nothing
-N LOG
-t none -L
-L -S
-A INPUT -L
-L INPUT x

-t nat -A POSTROUTING -o eth0 -j MASQUERADE
-tnat -vnL
-t nat -S POSTROUTING
-w -t nat -D POSTROUTING -o eth0 -j MASQUERADE
-t nat -S
-F people
-F FORWARD
-X
-S
`

// legacy gives a function that runs the tool of a family in a namespace of its own.
func legacy(t *testing.T) func(tool string, args ...string) (stdout, stderr string, status int) {
	if os.Getuid() != 0 {
		t.Skip("SKIP-PRIVILEGE: comparing with iptables needs root")
	}
	name := fmt.Sprintf("xtables-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: no network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	run := func(tool string, args ...string) (string, string, int) {
		cmd := exec.Command("ip", append([]string{"netns", "exec", name, tool + "-legacy"}, args...)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	if out, _, _ := run("iptables", "-V"); !strings.Contains(out, Version) {
		t.Skipf("comparing with iptables needs version %s, have %q", Version, out)
	}
	return run
}

func TestCommandLinesDoWhatTheToolDoes(t *testing.T) {
	theirs := legacy(t)
	for _, family := range []Family{IPv4, IPv6} {
		rs := &Ruleset{Family: family}
		for line := range strings.Lines(strings.Trim(commandLines, "\n") + "\n") {
			line = strings.TrimRight(line, "\n")
			if family == IPv6 {
				line = strings.NewReplacer("10.0.0.0/8", "fc00::/7", "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "icmp", "icmpv6").Replace(line)
			}
			list, err := split(line, nft.Pos{})
			if err != nil {
				t.Fatal(err)
			}
			var args []string
			for _, w := range list {
				args = append(args, w.text)
			}
			var out strings.Builder
			said, status := "", 0
			tool, err := ParseTool(family, args)
			if err == nil {
				var fresh *Ruleset
				if fresh, err = tool.Run(&out, rs); err == nil {
					rs = fresh
				}
			}
			var wrong *Error
			if errors.As(err, &wrong) {
				said, status = Complaint(family, wrong)
			} else if err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code := theirs(family.Tool(), args...)
			if out.String() != stdout || status != code || code == 1 && said != strings.TrimRight(stderr, "\n") {
				t.Errorf("%s %s: status %d, %s\n%s\nthe tool's: %d, %s\n%s", family.Tool(), line, status, said, out.String(), code, stderr, stdout)
			}
		}
	}
}
