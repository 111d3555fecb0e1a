package dataplane

import (
	"bytes"
	"testing"

	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
)

// callback is a helper as a user of the package may write one: a client says
// "CALL" and two bytes of port, to which the server then connects.
var callback = helper.Helper{
	Helper: flowtable.Helper{Name: "callback", Proto: flowtable.ProtoUDP,
		Classes: []flowtable.ExpectClass{{Name: "callback", Max: 2, TimeoutSec: 60}}},
	Help: func(s *helper.Session) helper.Verdict {
		const word = "CALL"
		if s.Dir != flowtable.Original || len(s.Payload) != len(word)+2 || !bytes.HasPrefix(s.Payload, []byte(word)) {
			return helper.Accept
		}
		other := s.Other()
		port := uint16(s.Payload[4])<<8 | uint16(s.Payload[5])
		s.Want(0, flowtable.ProtoTCP, &other.Src, &other.Dst, port)
		if s.NAT {
			s.Follow(0)
		}
		if port = s.ExpectPort(0); port == 0 || !s.Replace(4, 2, append(s.Text(), byte(port>>8), byte(port))) {
			return helper.Drop
		}
		return helper.Accept
	},
}

// TestHelperFromOutside: a helper of the box's user is known to rules and does
// what it is made for.
func TestHelperFromOutside(t *testing.T) {
	const rules = `table inet fw {
	ct helper cb { type "callback" protocol udp; }
	chain pre { type filter hook prerouting priority filter; udp dport 999 ct helper set "cb"; }
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established accept
		ct helper "callback" ct state related counter accept
		iifname "lan" udp dport 999 accept
	}
}
table ip nat {
	chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
`
	for _, workers := range []int{1, 2, 4} {
		n := newNet(t, rules, workers, func(c *Config) { c.Helpers = append(helper.Default(), callback) })
		n.lan.steer, n.wan.steer = rss, rss
		d := n.pass(true, ipLayer("10.0.0.2", "198.51.100.1"), frame.UDP{Src: 3000, Dst: 999}, frame.Data("CALL\x13\x88"))
		if string(d.Payload) != "CALL\x13\x88" {
			t.Errorf("%q went out", d.Payload)
		}
		dial(n, t, &end{addr: "198.51.100.1", port: 7000}, &end{addr: "10.0.0.2", port: 5000, lan: true}, "203.0.113.1", 5000)
		n.checkLedger()
	}
	if _, err := New(Config{Helpers: []helper.Helper{callback, callback}}); err == nil {
		t.Error("two helpers of one name were taken")
	}
}
