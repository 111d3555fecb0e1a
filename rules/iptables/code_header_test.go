package iptables

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestHeadersAreAskedAsTheKernelDoes: options and addresses of extension headers, and
// headers that are cut short.
func TestHeadersAreAskedAsTheKernelDoes(t *testing.T) {
	const (
		hop    = "\x3b\x00\x05\x02\x00\x00\x01\x00" // a router alert, PadN without a byte
		second = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"
		first  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
		route  = "\x3b\x04\x00\x01\x00\x00\x00\x00" + first + second
		drop   = rules.ActDrop
		yes    = rules.ActContinue
		no     = rules.ActNext
	)
	for _, row := range []struct {
		match string
		next  uint8
		data  string
		want  rules.Action
	}{
		{"-m hbh", 0, hop, yes},
		{"-m hbh", 59, "", no},
		{"-m dst", 0, hop, no},
		{"-m hbh", 0, "\x3b", drop},
		{"-m hbh", 0, "\x3b\x01\x05\x02\x00\x00\x01\x00", no}, // longer than the packet
		{"-m hbh ! --hbh-len 16", 0, hop, yes},
		{"-m hbh ! --hbh-len 8", 0, hop, no},
		{"-m hbh --hbh-opts 5", 0, hop, yes},
		{"-m hbh --hbh-opts 5:2,1:0", 0, hop, yes},
		{"-m hbh --hbh-opts 5:2,1:0,1", 0, hop, no},
		{"-m hbh --hbh-opts 5:3", 0, hop, no},
		{"-m hbh --hbh-opts 1", 0, hop, no}, // not the first
		{"-m dst --dst-opts 0,0,1", 60, "\x3b\x00\x00\x00\x01\x02\x00\x00", yes},
		{"-m rt --rt-type 0 --rt-0-res", 43, route, yes},
		{"-m rt --rt-type 0 --rt-0-res", 43, "\x3b\x00\x00\x01\x00\x00\x00\x01", no},
		{"-m rt --rt-type 256", 43, route, no},
		{"-m rt ! --rt-segsleft 256:300 --rt-len 40", 43, route, yes},
		{"-m rt --rt-type 0 --rt-0-addrs 2001:db8::1,2001:db8::2", 43, route, yes},
		{"-m rt --rt-type 0 --rt-0-addrs 2001:db8::1", 43, route, no},
		{"-m rt --rt-type 0 --rt-0-addrs 2001:db8::2 --rt-0-not-strict", 43, route, yes},
		{"-m rt --rt-type 0 --rt-0-addrs 2001:db8::2,2001:db8::1 --rt-0-not-strict", 43, route, no},
		{"-m rt", 43, "\x3b\x00\x00", drop},
		{"-m frag", 44, "\x3b\x00\x00\x01\x00", drop},
		{"-p esp -m esp --espspi 5", 50, "\x00\x00\x00\x05", drop},
		{"-p esp -m esp --espspi 5", 50, "\x00\x00\x00\x05\x00\x00\x00\x01", yes},
		{"-p sctp -m sctp --dport 5", 132, "\x00\x05\x00\x05\x00\x00\x00\x00", drop},
	} {
		tree, _, err := load(&nft.Ruleset{}, IPv6, "*filter\n-A FORWARD "+row.match+"\nCOMMIT\n", RestoreOptions{})
		if err != nil {
			t.Errorf("%s: %v", row.match, err)
			continue
		}
		datagram := make([]byte, 40)
		datagram[6] = row.next
		datagram = append(datagram, row.data...)
		p := &packet.Packet{Family: flowtable.FamilyIPv6, Proto: row.next, L4: 40, Data: datagram, End: uint32(len(datagram))}
		ran := 0
		for _, st := range findTable(tree, nft.FamilyIP6, "filter").Chains[1].Rules[0].Stmts {
			if x, ok := st.(*nft.Extension); ok {
				ran++
				if got := x.Impl.(rules.Extension).Run(p, &rules.Env{}); got != row.want {
					t.Errorf("%s of %d %x: %d, want %d", row.match, row.next, row.data, got, row.want)
				}
			}
		}
		if ran != 1 {
			t.Errorf("%s: %d look at the header", strings.TrimSpace(row.match), ran)
		}
	}
}
