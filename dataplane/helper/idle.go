package helper

import "github.com/sluice-net/sluice/flowtable"

// netbiosHelper and snmpHelper are there because rules name them. What they do in
// Linux is for sockets of the machine itself: they expect answers to its broadcasts,
// and leave packets that it forwards as they are. So here they do nothing; an answer to
// a broadcast of the box's own host is a new connection to it.
var (
	netbiosHelper = idle("netbios-ns")
	snmpHelper    = idle("snmp")
)

// idle is a helper for datagrams that expects nothing.
func idle(name string) Helper {
	return Helper{
		Helper: flowtable.Helper{Name: name, Family: flowtable.FamilyIPv4, Proto: flowtable.ProtoUDP,
			Classes: []flowtable.ExpectClass{{Name: name, Max: 1, TimeoutSec: 30}}},
		Help: func(*Session) Verdict { return Accept },
	}
}
