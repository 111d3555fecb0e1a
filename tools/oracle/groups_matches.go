package main

// bridgePorts has the physdev match as dumps of machines with bridges do, on a router
// that has none.
const bridgePorts = `*raw
:PREROUTING ACCEPT
-A PREROUTING -m physdev --physdev-in lan
-A PREROUTING -m physdev ! --physdev-in lan
-A PREROUTING -m physdev --physdev-in tap+ -j DROP
COMMIT
*mangle
:POSTROUTING ACCEPT
-A POSTROUTING -m physdev --physdev-out wan
-A POSTROUTING -m physdev ! --physdev-out vnet+
-A POSTROUTING -m physdev --physdev-is-bridged -j DROP
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
:ports -
-A INPUT -m physdev ! --physdev-is-in
-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT
-A FORWARD -m physdev ! --physdev-is-bridged -j ports
-A FORWARD -m physdev ! --physdev-in lan ! --physdev-is-in ! --physdev-is-out ! --physdev-out wan ! --physdev-is-bridged
-A FORWARD -m physdev --physdev-in lan ! --physdev-is-in
-A FORWARD -m physdev ! --physdev-in lan --physdev-is-in
-A FORWARD -m physdev ! --physdev-is-in ! --physdev-out wan --physdev-is-bridged -j DROP
-A FORWARD -p udp -m udp --dport 81 -m physdev ! --physdev-is-out -j DROP
-A ports -m physdev --physdev-is-in
-A ports -m physdev ! --physdev-is-in
-A ports -m physdev --physdev-is-out -j DROP
-A ports -m physdev ! --physdev-is-out -m conntrack --ctstate NEW
COMMIT
`

// matchRows are packets for the dumps of this file.
func matchRows() []*Script {
	return bothFamilies(scripts([]row{
		{"physdev tcp", "rules table-ports; flow 0 dport=80; > S; < SA; > A; > PA len=10; < A; > FA; < FA; > A"},
		{"physdev udp", "rules table-ports; flow 0 dport=80; > udp; < udp; > udp; flow 1 dport=81; > udp f=1; flow 2 from=wan dst=box dport=9; > udp f=2"},
		{"physdev icmp", "rules table-ports; > icmp 8/0; < icmp 0/0"},
	}))
}
