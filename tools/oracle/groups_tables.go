package main

import "fmt"

// Dumps of iptables, which the kernel gets with its own tool and sluice through
// rules/iptables. What they print with counters is compared line by line, policies
// included.

// matching has a rule without target for each match, behind what tells directions
// and states apart.
const matching = `*raw
:PREROUTING ACCEPT
-A PREROUTING -p udp -m udp --dport 85 -j NOTRACK
-A PREROUTING -p tcp -m tcp --dport 86 -j CT --notrack
COMMIT
*mangle
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
-A PREROUTING -j MARK --set-xmark 0x12/0xff
-A PREROUTING -p tcp -m tcp --dport 81 -j MARK --set-xmark 0x4/0x6
-A PREROUTING -p udp -m mark --mark 0x12 -j MARK --or-mark 0x100
-A PREROUTING -m mark ! --mark 0x2/0x2
-A PREROUTING -m mark --mark 0x100/0x100 -j CONNMARK --save-mark --nfmask 0x1f0 --ctmask 0xff0
-A PREROUTING -p tcp -m mark --mark 0x16 -j CONNMARK --set-xmark 0x3/0xffffffff
-A PREROUTING -m connmark --mark 0x110
-A PREROUTING -m connmark ! --mark 0x3
-A PREROUTING -m connmark --mark 0x3 -j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff
-A PREROUTING -m mark --mark 0x3/0xf
-A POSTROUTING -p tcp -m tcp --dport 82 -j DSCP --set-dscp 0x0a
-A POSTROUTING -p tcp -m tcp --dport 83 -j TOS --set-tos 0x08/0x0c
-A POSTROUTING -p udp -m udp --dport 83 -j TOS --set-tos 0x10/0xff
-A POSTROUTING -p tcp -m tcp --dport 84 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000
-A POSTROUTING -p tcp -m tcp --dport 85 --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A POSTROUTING -p udp -m udp --dport 82 -j CLASSIFY --set-class 0001:0010
-A POSTROUTING -p tcp -m tcp --dport 82 -j TCPOPTSTRIP --strip-options 3,4
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
:states -
:ports -
:more -
-A FORWARD -j states
-A FORWARD -p tcp -m tcp -g ports
-A FORWARD -p udp -j ports
-A FORWARD -j more
-A FORWARD -p udp -m udp --dport 81 -j DROP
-A FORWARD -p tcp -m tcp --dport 5001 -j REJECT --reject-with tcp-reset
-A FORWARD -p udp -m udp --dport 5001 -j REJECT
-A states -m conntrack --ctstate NEW
-A states -m conntrack --ctstate RELATED,ESTABLISHED
-A states -m conntrack --ctstate INVALID
-A states -m conntrack ! --ctstate NEW
-A states -m state --state UNTRACKED
-A states -m conntrack --ctstatus ASSURED
-A states -m conntrack --ctstatus SEEN_REPLY,ASSURED
-A states -m conntrack ! --ctstatus CONFIRMED
-A states -m conntrack --ctdir REPLY
-A states -m conntrack --ctproto 17
-A states -m conntrack --ctproto 6 --ctorigdstport 80:82
-A states -m conntrack --ctstate SNAT,NEW
-A states -m conntrack ! --ctstate SNAT,DNAT
-A states -m conntrack --ctexpire 0:40
-A states -m conntrack --ctexpire 100:1000
-A states -i lan -o wan -j RETURN
-A states ! -i lan
-A states ! -o lan+
-A states -o wa+
-A ports -p tcp -m tcp --sport 1024:65535 --dport 80:82
-A ports -p tcp -m tcp ! --dport 80:82
-A ports -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN
-A ports -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN
-A ports -p tcp -m tcp --tcp-flags PSH,ACK PSH,ACK
-A ports -p tcp -m tcp --tcp-option 2
-A ports -p tcp -m tcp ! --tcp-option 3
-A ports -p tcp -m tcpmss --mss 1000:1460
-A ports -p tcp -m tcpmss ! --mss 1460
-A ports -p tcp -m multiport --dports 80,82:84,5001
-A ports -p tcp -m multiport ! --dports 80,82:84
-A ports -p udp -m multiport --sports 53,80:90
-A ports -p udp -m multiport --ports 81,82
-A ports -p udp -m multiport ! --ports 81,82
-A ports -p udp -m udp --dport 82 -m comment --comment "a comment"
-A ports -p udp -m udp ! --sport 81
-A more -m length --length 40:60
-A more -m length ! --length 0:100
-A more -m pkttype --pkt-type unicast
-A more -m addrtype --dst-type UNICAST
-A more -m addrtype --src-type UNICAST --limit-iface-in
-A more -m statistic --mode nth --every 3 --packet 0
-A more -m statistic --mode nth --every 3 --packet 2
-A more -m statistic --mode nth ! --every 2 --packet 1
-A more -m statistic --mode random --probability 1.00000000000
-A more -m limit --limit 1/hour --limit-burst 2
-A more -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode dstip --hashlimit-name o1
-A more -p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode srcip,dstport --hashlimit-name o2
-A more -m connbytes --connbytes 2 --connbytes-mode packets --connbytes-dir both
-A more -m connbytes --connbytes 0:100 --connbytes-mode bytes --connbytes-dir original
-A more -m connbytes ! --connbytes 60 --connbytes-mode avgpkt --connbytes-dir both
-A more -m quota --quota 300
-A more -m string --string "abc" --algo bm
-A more -m string ! --string "ABC" --algo kmp --icase
-A more -m dscp --dscp 0x12
-A more -m dscp ! --dscp 0x00
-A more -m tos --tos 0x48/0xff
-A more -m ecn ! --ecn-ip-ect 0
-A more -m time --datestop 2038-01-19T03:14:07
-A more -m time --datestop 2001-01-01T00:00:00
-A more -m helper --helper ftp
`

const matching4 = matching + `-A more -s 10.77.11.0/24 ! -d 203.0.113.3/32
-A more -s 10.0.11.2/255.0.255.255
-A more ! -s 10.77.11.2/32
-A more -f
-A more ! -f
-A more -m iprange --src-range 10.77.11.2-10.77.11.9
-A more -m iprange ! --dst-range 203.0.113.2-203.0.113.5
-A more -m ttl --ttl-lt 64
-A more -m ttl ! --ttl-eq 63
-A more -m ttl --ttl-gt 32
-A more -p udp -m udp --dport 83 -j TEE --gateway 203.0.113.6
-A more -p tcp -m tcp --dport 83 -j TEE --gateway 10.77.11.6 --oif lan
-A more -p icmp -m icmp --icmp-type 8
-A more -p icmp -m icmp ! --icmp-type 0
-A more -p icmp -m icmp --icmp-type 8/0
-A more -p icmp -m icmp ! --icmp-type 8/0
-A more -p icmp -m icmp --icmp-type any
-A more -m u32 --u32 "0x6&0xff=0x6&&0x0>>0x16&0x3c@0x0&0xffff=0x50:0x52"
-A more -m u32 ! --u32 "0x8>>0x18=0x0:0x3f"
COMMIT
`

const matching6 = matching + `-A more -s fd77:a::/64 ! -d fd77:b::3/128
-A more ! -s fd77:a::2/128
-A more -s fd77::2/ffff::ffff
-A more -m iprange --src-range fd77:a::2-fd77:a::9
-A more -m hl --hl-lt 64
-A more -m hl ! --hl-eq 63
-A more -m hl --hl-gt 32
-A more -p udp -m udp --dport 83 -j TEE --gateway fd77:b::6
-A more -p tcp -m tcp --dport 83 -j TEE --gateway fd77:a::6 --oif lan
-A more -p ipv6-icmp -m icmp6 --icmpv6-type 128
-A more -p ipv6-icmp -m icmp6 ! --icmpv6-type 129
-A more -p ipv6-icmp -m icmp6 ! --icmpv6-type 128/0
-A more -m u32 --u32 "0x6&0xff=0x6"
COMMIT
`

// translating has the targets of nat.
const translating = `*nat
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
:coming -
-A PREROUTING -i wan -j coming
-A PREROUTING -p tcp -m tcp --dport 84 -j RETURN
-A PREROUTING -i lan -d 203.0.113.201/32 -j DNAT --to-destination 203.0.113.3
-A POSTROUTING -o wan -p udp -m udp --dport 82 -j SNAT --to-source 203.0.113.201
-A POSTROUTING -o wan -s 10.77.11.0/24 -j SNAT --to-source 203.0.113.200
-A coming -d 203.0.113.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.77.11.2:80
-A coming -d 203.0.113.1/32 -p udp -m udp --dport 8080 -j DNAT --to-destination 10.77.11.2:80
-A coming -d 203.0.113.1/32 -j ACCEPT
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate DNAT
-A FORWARD -m conntrack ! --ctstate SNAT
-A FORWARD -i lan -o wan -j ACCEPT
-A FORWARD -m conntrack --ctstatus EXPECTED,CONFIRMED
-A FORWARD -d 10.77.11.2/32 -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD -d 10.77.11.2/32 -p udp -m udp --dport 80 -j ACCEPT
COMMIT
`

// templates has the CT target with all that the kernel has here, and asks for the
// helper that announced a flow.
const templates = `*raw
:PREROUTING ACCEPT
-A PREROUTING -p udp -m udp --dport 85 -j CT
-A PREROUTING -p udp -m udp --dport 86 -j CT --zone 7
-A PREROUTING -p udp -m udp --dport 85:86 -j NOTRACK
-A PREROUTING -p udp -m udp --dport 87 -j MARK --set-xmark 0x5/0xffffffff
-A PREROUTING -p udp -m udp --dport 87 -j CT --zone mark
-A PREROUTING -p udp -m udp --dport 88 -j CT --zone 3
-A PREROUTING -p udp -m udp --dport 88 -j CT --zone 4
-A PREROUTING -p udp -m udp --sport 89 -j CT --notrack
-A PREROUTING -p udp -m udp --dport 89 -j CT --zone 2
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp
COMMIT
*mangle
:PREROUTING ACCEPT
-A PREROUTING -j MARK --set-xmark 0x35/0xffffffff
-A PREROUTING -p udp -m udp --dport 84 -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xffff --left-shift-mark 4
-A PREROUTING -m connmark --mark 0x350
-A PREROUTING -p udp -m udp --dport 84 -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xfff --right-shift-mark 3
-A PREROUTING -m mark --mark 0x5a
-A PREROUTING -p udp -m udp --sport 84 -j CONNMARK --set-xmark 0x1/0xf --right-shift-mark 2
-A PREROUTING -m connmark --mark 0xd4
COMMIT
*filter
:FORWARD DROP
-A FORWARD -m helper --helper ftp
-A FORWARD -m helper --helper ""
-A FORWARD -m helper ! --helper ftp
-A FORWARD -m helper --helper ftp-2121
-A FORWARD -m helper ! --helper ""
-A FORWARD -m helper --helper tft
-A FORWARD -m state --state UNTRACKED
-A FORWARD -m conntrack --ctstatus EXPECTED
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,UNTRACKED -j ACCEPT
-A FORWARD -m conntrack --ctstate NEW -i lan -j ACCEPT
COMMIT
`

// tables are packets at the edges of what the dumps ask.
func tables() []*Script {
	var rows, nat []row
	for _, port := range []string{"80", "81", "82", "83", "84", "85", "86", "5001"} {
		rows = append(rows,
			row{"tcp " + port, "rules tables; flow 0 dport=" + port + "; > S; < SA; > A; > PA len=10; < A; < PA len=101; > A; > FA; < FA; > A"},
			row{"options tcp " + port, "rules tables; flow 0 dport=" + port + "; > S mss=1460 sackok ws=7; < SA mss=1400; > A; > PA len=10"},
			row{"odd options tcp " + port, "rules tables; flow 0 dport=" + port + "; > S mss=500 ts; < SA mss=1460 sackok; > A; > R"},
			row{"udp " + port, "rules tables; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=100 tos=0x48; > udp ttl=33; > udp tos=1"},
			row{"udp in pieces " + port, "rules tables; flow 0 dport=" + port + "; > udp len=1000 frag=400; > udp; < udp len=1000 frag=400"},
		)
		nat = append(nat,
			row{"nat tcp " + port, "rules table-nat; flow 0 dport=" + port + "; > S; < SA; > A; > PA len=10; < FA"},
			row{"nat udp " + port, "rules table-nat; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=100"},
		)
	}
	rows = append(rows,
		row{"icmp", "rules tables; > icmp 8/0; < icmp 0/0; > icmp 8/0; > icmp 13/0"},
		row{"invalid", "rules tables; > A; < SA; > SF; < icmp 0/0; > PA len=10"},
		row{"many ports", "rules tables; > udp dport=91; > udp dport=92; > udp dport=93; > udp dport=91; > udp dport=81; > udp dport=93"},
	)
	nat = append(nat,
		row{"nat icmp", "rules table-nat; > icmp 8/0; < icmp 0/0"},
		row{"nat nothing comes", "rules table-nat; < S; < udp"},
	)
	ct := []row{
		{"ct ftp passive", "rules table-ct; flow 0 dport=21; " + tcpOpen + ftpLogin + say(">", "PA", "EPSV\r\n") + say("<", "PA", "229 Extended Passive Mode (|||50000|)\r\n") +
			"flow 1 src=0 dst=0 sport=41000 dport=50000; > S f=1; < SA f=1; > A f=1; flow 2 src=0 dst=0 sport=41000 dport=50001; > S f=2; < SA f=2"},
		{"ct tftp", "rules table-ct; flow 0 dport=69; flow 1 from=wan src=0 dst=0 sport=3000 dport=40000; > udp len=20; > udp f=1; < udp f=1"},
		{"ct other port", "rules table-ct; flow 0 dport=2121; " + tcpOpen + ftpLogin + say(">", "PA", "EPSV\r\n") + say("<", "PA", "229 Extended Passive Mode (|||50000|)\r\n") +
			"flow 1 src=0 dst=0 sport=41000 dport=50000; > S f=1"},
	}
	for port := 84; port < 90; port++ {
		ct = append(ct, row{fmt.Sprintf("ct udp %d", port), fmt.Sprintf("rules table-ct; flow 0 dport=%d; > udp len=10; < udp len=11; > udp len=100; < udp", port)})
	}
	rows = append(rows, ct...)
	return append(bothFamilies(scripts(rows)), scripts(nat)...)
}
