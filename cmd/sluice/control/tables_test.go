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
