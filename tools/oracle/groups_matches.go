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

// rarely has matches that few dumps have.
const rarely = `*raw
:PREROUTING ACCEPT
-A PREROUTING -m rpfilter
-A PREROUTING -m rpfilter --loose --invert
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
:chunks -
-A FORWARD -p sctp -m sctp --dport 80:82 -j chunks
-A FORWARD -p sctp -m sctp --dport 83 --chunk-types only DATA -j DROP
-A FORWARD -p sctp -m sctp --dport 84 ! --chunk-types all INIT -j DROP
-A FORWARD -p esp -m esp --espspi 5:9
-A FORWARD -p esp -m esp ! --espspi 5
-A FORWARD -p ah -m ah --ahspi 5:9
-A FORWARD -p ah -m ah ! --ahspi 7
-A FORWARD -p dccp -m dccp --dport 80 --dccp-types REQUEST,DATA
-A FORWARD -p dccp -m dccp ! --dport 80
-A FORWARD -m mac --mac-source 02:00:00:00:00:10
-A FORWARD -m mac ! --mac-source 02:00:00:00:00:10
-A FORWARD -m cpu ! --cpu 77
-A FORWARD ! -p ah
-A FORWARD ! -p 43
-A FORWARD -p udp -m connlimit --connlimit-above 1 --connlimit-mask 8
-A FORWARD -p udp -m connlimit --connlimit-upto 2 --connlimit-daddr
-A chunks -p sctp -m sctp --chunk-types all INIT
-A chunks -p sctp -m sctp --chunk-types all DATA,SACK
-A chunks -p sctp -m sctp --chunk-types all ALL
-A chunks -p sctp -m sctp --chunk-types all NONE
-A chunks -p sctp -m sctp --chunk-types any INIT,COOKIE_ECHO
-A chunks -p sctp -m sctp --chunk-types any ABORT:T,SHUTDOWN_COMPLETE:t
-A chunks -p sctp -m sctp --chunk-types any DATA:BE
-A chunks -p sctp -m sctp --chunk-types any DATA:bU,ERROR
-A chunks -p sctp -m sctp --chunk-types any ALL
-A chunks -p sctp -m sctp --chunk-types any NONE
-A chunks -p sctp -m sctp --chunk-types only DATA,SACK
-A chunks -p sctp -m sctp --chunk-types only DATA:BE
-A chunks -p sctp -m sctp --chunk-types only ABORT:t
-A chunks -p sctp -m sctp --chunk-types only ALL
-A chunks -p sctp -m sctp --chunk-types only NONE
-A chunks -p sctp -m sctp ! --chunk-types all DATA,SACK
-A chunks -p sctp -m sctp ! --chunk-types any INIT,INIT_ACK
-A chunks -p sctp -m sctp ! --chunk-types only DATA,SACK,HEARTBEAT
-A chunks -p sctp -m sctp --chunk-types any ASCONF,I_DATA,RE_CONFIG,PAD
-A chunks -p sctp -m sctp --sport 1:65535 ! --dport 81 --chunk-types any DATA
COMMIT
`

// plainly is a dump for whose sake no fragments are joined: matches of headers see none
// in later ones.
const plainly = `*mangle
:PREROUTING ACCEPT
:FORWARD ACCEPT
:POSTROUTING ACCEPT
-A PREROUTING -p tcp -m tcp --tcp-option 1
-A PREROUTING -p tcp -m tcp ! --tcp-option 3
-A PREROUTING -p dccp -m multiport --ports 80
-A PREROUTING -m addrtype --src-type UNICAST,LOCAL
-A PREROUTING -m addrtype ! --dst-type UNICAST
-A FORWARD -p tcp -m tcp --dport 82 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400
-A FORWARD -p tcp -m tcp --dport 83 --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 400
-A POSTROUTING -p tcp -m tcp --dport 84 --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
-A FORWARD -p udp -m udp ! --dport 81
-A FORWARD -p udp -m udp --dport 1:60000
-A FORWARD -p udp -m multiport ! --sports 81
-A FORWARD -p tcp -m tcp ! --dport 81
-A FORWARD -p tcp -m tcp --tcp-flags SYN NONE
COMMIT
`

// telling asks for the ports of the flow that an error tells of, behind a zone.
const telling = `*raw
:PREROUTING ACCEPT
-A PREROUTING -j CT --zone mark
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
-A FORWARD -m conntrack --ctproto 17 --ctorigdstport 80
-A FORWARD -m conntrack --ctorigdstport 1:100
-A FORWARD -m conntrack ! --ctproto 6 ! --ctorigsrcport 80
COMMIT
`

// fields begins a dump that changes fields of headers and asks for rare ones.
const fields = `*mangle
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
-A PREROUTING -m policy --dir in --pol none
-A PREROUTING -m policy --dir in --pol ipsec
-A POSTROUTING -m policy --dir out --pol none
-A POSTROUTING -m policy --dir out --pol ipsec --strict --reqid 1
-A PREROUTING -p ipcomp -m ipcomp --ipcompspi 18
-A PREROUTING -p ipcomp -m ipcomp ! --ipcompspi 18:20
-A POSTROUTING -p udp -m udp --dport 80 -j CHECKSUM --checksum-fill
`

// matchRows are packets for the dumps of this file.
func matchRows() []*Script {
	chunks := "sctp init; < sctp initack; > sctp cookieecho data; < sctp cookieack; > sctp data sack; < sctp sack; > sctp data data; < sctp heartbeat; " +
		"> sctp heartbeatack error; < sctp asconf; > sctp auth; < sctp ecne cwr; > sctp shutdown; < sctp shutdownack; > sctp shutdowncomplete"
	rows := []row{
		{"physdev tcp", "rules table-ports; flow 0 dport=80; > S; < SA; > A; > PA len=10; < A; > FA; < FA; > A"},
		{"physdev udp", "rules table-ports; flow 0 dport=80; > udp; < udp; > udp; flow 1 dport=81; > udp f=1; flow 2 from=wan dst=box dport=9; > udp f=2"},
		{"physdev icmp", "rules table-ports; > icmp 8/0; < icmp 0/0"},
		{"protocols", "rules table-rare; > proto 50 data=%00%00%00%05abcd; < proto 50 data=%00%00%00%09abcd; > proto 50 data=%00%00%00%0aabcd; " +
			"> proto 51 data=%3b%04%00%00%00%00%00%07%00%00%00%01aaaaaaaaaaaabbbb; < proto 51 data=%3b%04%00%00%00%00%00%05%00%00%00%01aaaaaaaaaaaabbbb"},
		{"counted", "rules table-rare; flow 0 dport=80; flow 1 src=0 dst=0 sport=1 dport=81; flow 2 src=0 dst=0 sport=2 dport=81; > udp; wait 0.02s; > udp f=1; wait 0.02s; > udp f=2; wait 0.02s; < udp; wait 0.02s; > icmp 8/0; wait 0.02s; > S f=1; wait 0.02s; < udp f=2"},
		{"dccp", "rules table-rare; flow 0 dport=80; > dccp len=10; flow 1 dport=81; > dccp f=1"},
		{"abort", "rules table-rare; flow 0 dport=80; > sctp init; < sctp initack; > sctp abort/t"},
		{"abort without a flag", "rules table-rare; flow 0 dport=80; > sctp init; < sctp abort"},
		{"no chunk", "rules table-rare; flow 0 dport=80; > sctp init; < sctp initack; > sctp empty"},
		{"a chunk without a length", "rules table-rare; flow 0 dport=80; > sctp init; < sctp initack; > sctp data clen=0"},
		{"a chunk that is too long", "rules table-rare; flow 0 dport=80; > sctp init; < sctp initack; > sctp data sack clen=400"},
	}
	for _, cut := range []string{"50", "132", "33"} { // a header that is not whole
		for _, bytes := range []string{"%00%50", "%00%50%00%50%00%00%00", "%00%50%00%50%00%00%00%00%00%00%00", "%00%50%00%50%00%00%00%00%00%00%00%00"} {
			rows = append(rows, row{"cut " + cut + bytes, "rules table-rare; > proto " + cut + " data=" + bytes})
		}
	}
	for _, port := range []string{"80", "81", "83", "84", "85"} {
		rows = append(rows, row{"chunks " + port, "rules table-rare; flow 0 dport=" + port + "; > " + chunks})
	}
	for _, port := range []string{"81", "82", "83", "84"} {
		rows = append(rows,
			row{"plain: fragments " + port, "rules table-plain; flow 0 dport=" + port + "; > udp len=1000 frag=400; > PA len=1000 frag=400"},
			row{"plain: options " + port, "rules table-plain; flow 0 dport=" + port + "; > S; < SA; > S mss=1460 ws=7; > S ws=7; > S ts; < SA ws=7; > S len=10"})
	}
	rows = append(rows, row{"plain: dccp", "rules table-plain; flow 0 dport=80; > dccp len=10; < dccp len=10; flow 1 dport=81; > dccp f=1"},
		row{"told", "rules table-told; flow 0 dport=80; > udp; < icmp 3/3; flow 1 dport=81; > udp f=1 frag=400 len=1000"})
	hops := "flow 0 dport=80; flow 1 dport=81; flow 2 dport=82; flow 3 dport=83; flow 4 dport=84; > udp; > udp f=1; > udp f=2; > udp f=3; > udp f=4; < udp f=4; > udp f=4 ttl=3; > udp f=1 ttl=1"
	once := scripts([]row{
		{"cut AH", "rules table-rare; > proto 51 data=%3b; > proto 51 data=%3b%01%00%00%00%00%00%05; > proto 51 data=%3b%01%00%00%00%00%00%05%00%00%00; > proto 51 data=%3b%01%00%00%00%00%00%05%00%00%00%01"},
		{"fields: hops", "rules table-fields; " + hops},
		{"fields: ECN", "rules table-fields; flow 0 dport=85; > SEW; < SAE; > A; > PAE len=3; < AW; > PAW len=4; flow 1 dport=86; > SEW f=1"},
		{"fields: compressed", "rules table-fields; > proto 108 data=%06%00%00%12abcd; > proto 108 data=%06%00%00%13abcd; > proto 108 data=%06%00%00%15abcd"},
		{"fields6: hops", "v6; rules table-fields6; " + hops},
		{"fields6: compressed", "v6; rules table-fields6; > proto 108 data=%06%00%00%12abcd; > proto 108 data=%06%00%00%15abcd"},
		{"fields6: mobility", "v6; rules table-fields6; > proto 135 data=%3b%01%01%00%00%00%00%00aaaaaaaa; > proto 135 data=%3b%01%05%00%00%00%00%00aaaaaaaa"},
	})
	return append(bothFamilies(scripts(rows)), once...)
}
