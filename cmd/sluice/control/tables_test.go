package control

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// tables prints the tables of a box without comments.
func (b *testBox) tables(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	if err := b.Save(&out, false, true, ""); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func TestDumpsAreRestoredAndSaved(t *testing.T) {
	b := newTestBox(t)
	restore := func(text string, noflush bool) error {
		_, err := b.Restore(&Dump{Name: "dump", Text: text, Counters: true, NoFlush: noflush})
		return err
	}
	if err := restore("*filter\n:FORWARD DROP [1:2]\n:a+b - [0:0]\n[10:100] -A FORWARD -p udp -m udp --dport 53 -j a+b\n-A a+b -m string --string \"zz\" --algo bm\n-A a+b -s 10.0.0.0/8 -j RETURN\nCOMMIT\n", false); err != nil {
		t.Fatal(err)
	}
	b.send(t, 3)
	want := "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [4:140]\n:OUTPUT ACCEPT [0:0]\n:a+b - [0:0]\n[13:238] -A FORWARD -p udp -m udp --dport 53 -j a+b\n[0:0] -A a+b -m string --string \"zz\" --algo bm\n[3:138] -A a+b -s 10.0.0.0/8 -j RETURN\nCOMMIT\n"
	if got := b.tables(t); got != want {
		t.Errorf("saved\n%s\nwant\n%s", got, want)
	}
	var wrong *ErrScript
	if err := restore("*filter\n-A FORWARD -p tcp --dport x\nCOMMIT\n", false); !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Error(), "dump:2:27: Error: line 2 failed: ") {
		t.Errorf("got %v", err)
	}
	if err := restore("*filter\n-A FORWARD -m owner --uid-owner 0\nCOMMIT\n", false); err == nil {
		t.Error("a match of local sockets is taken")
	}
	if got := b.tables(t); got != want {
		t.Errorf("a wrong dump has changed the tables to\n%s", got)
	}
	if err := restore("*filter\n-I FORWARD -j ACCEPT\nCOMMIT\n", true); err != nil {
		t.Fatal(err)
	}
	b.send(t, 2)
	want = strings.Replace(want, "[13:238] -A", "[2:92] -A FORWARD -j ACCEPT\n[13:238] -A", 1)
	if got := b.tables(t); got != want {
		t.Errorf("--noflush: saved\n%s\nwant\n%s", got, want)
	}
}

// TestTablesGiveFlowsTimeouts: a policy is named by CT before conntrack sees the packet.
func TestTablesGiveFlowsTimeouts(t *testing.T) {
	b := newTestBox(t)
	b.nft(t, nft.PrintOptions{}, "add table ip raw\nadd ct timeout ip raw long { protocol udp; l3proto ip; policy = { unreplied : 7777 }; }\n")
	if _, err := b.Restore(&Dump{Name: "dump", Text: "*raw\n-A PREROUTING -p udp -m udp --dport 53 -j CT --timeout long\nCOMMIT\n"}); err != nil {
		t.Fatal(err)
	}
	b.send(t, 1)
	var out strings.Builder
	if err := b.Proc(&out, ProcConntrack); err != nil || !strings.Contains(out.String(), "udp      17 777") {
		t.Errorf("flows (%v):\n%s", err, out.String())
	}
}

// TestCommandsChangeTables: command lines of iptables, with the counters of packets.
func TestCommandsChangeTables(t *testing.T) {
	b := newTestBox(t)
	for _, row := range []struct {
		args, out, errs string
		status, send    int
	}{
		{args: "-A FORWARD -p udp --dport 53 -m recent --set --name seen", send: 2},
		{args: "-I FORWARD -s 10.0.0.0/8 -j ACCEPT", send: 1},
		{args: "-nvL FORWARD", out: "Chain FORWARD (policy ACCEPT 2 packets, 92 bytes)\n pkts bytes target     prot opt in     out     source               destination         \n    1    46 ACCEPT     0    --  *      *       10.0.0.0/8           0.0.0.0/0           \n    2    92            17   --  *      *       0.0.0.0/0            0.0.0.0/0            udp dpt:53 recent: SET name: seen side: source mask: 255.255.255.255\n"},
		{args: "-D FORWARD 1"},
		{args: "-C FORWARD -s 10.0.0.0/8 -j ACCEPT", errs: "iptables: Bad rule (does a matching rule exist in that chain?).\n", status: 1},
		{args: "-A FORWARD -m owner --uid-owner 0", errs: "iptables v1.8.9 (sluice): owner: ", status: 4},
		{args: "-vS FORWARD -Z", out: "-P FORWARD ACCEPT -c 2 92\n-A FORWARD -p udp -m udp --dport 53 -m recent --set --name seen --mask 255.255.255.255 --rsource -c 2 92\nZeroing chain `FORWARD'\n"},
		{args: "-vS FORWARD", out: "-P FORWARD ACCEPT -c 0 0\n-A FORWARD -p udp -m udp --dport 53 -m recent --set --name seen --mask 255.255.255.255 --rsource -c 0 0\n"},
		{args: "-t nat -S INPUT", out: "-P INPUT ACCEPT\n"},
		{args: "-6 -A FORWARD -j DROP"},
		{args: "-S FORWARD", out: "-P FORWARD ACCEPT\n-A FORWARD -p udp -m udp --dport 53 -m recent --set --name seen --mask 255.255.255.255 --rsource\n"},
	} {
		done, err := b.Command(&Command{Args: strings.Fields(row.args)})
		if err != nil || done.Out != row.out || !strings.HasPrefix(done.Err, row.errs) || row.errs == "" && done.Err != "" || done.Status != row.status {
			t.Errorf("%s: status %d (%v), %s\n%s\nwant %d, %s\n%s", row.args, done.Status, err, done.Err, done.Out, row.status, row.errs, row.out)
		}
		if row.send > 0 {
			b.send(t, row.send)
		}
	}
	var list strings.Builder
	if err := b.Recent(&list, "seen"); err != nil || !strings.HasPrefix(list.String(), "src=10.0.0.2 ttl: ") {
		t.Errorf("list %q (%v)", list.String(), err)
	}
	if err := b.EditRecent(RecentEdit{Name: "seen", Text: "/"}); err != nil {
		t.Fatal(err)
	}
	list.Reset()
	if err := b.Recent(&list, "seen"); err != nil || list.String() != "" {
		t.Errorf("list %q (%v)", list.String(), err)
	}
	b.nft(t, nft.PrintOptions{}, "add rule ip filter FORWARD accept\n")
	if done, err := b.Command(&Command{Args: []string{"-L"}}); err != nil || done.Status != 1 || !strings.Contains(done.Err, "incompatible") {
		t.Errorf("a table of nft: %+v (%v)", done, err)
	}
}
