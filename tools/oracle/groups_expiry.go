package main

import (
	"fmt"
	"strings"
)

// over is a wait after which what lives for two seconds is over, and what lives
// for forty is not: far enough from both for a machine that is busy.
const over = "wait 2.7s; "

// expiries are flows that end by time in every state, and what comes for them
// afterwards.
func expiries() []*Script {
	// some gives every other state, even or odd ones, the short time.
	some := func(protocol, names string, odd int) (settings string) {
		for i, name := range strings.Fields(names) {
			settings += fmt.Sprintf("set %s_timeout_%s=%d; ", protocol, name, map[bool]int{true: 2, false: 40}[i%2 == odd])
		}
		return settings
	}
	// each plays the stages to a flow of its own, and then the same packets to all.
	each := func(stages []string, later ...string) (text string) {
		flow := func(line string, n int) string {
			return strings.ReplaceAll(line, "; ", fmt.Sprintf(" f=%d; ", n))
		}
		for n, s := range stages {
			text += flow(s, n)
		}
		text += over
		for _, l := range later {
			for n := range stages {
				text += flow(l, n)
			}
		}
		return text
	}
	tcp := each([]string{
		"> S; ", "> S; < SA; ", tcpOpen, tcpOpen + "> FA; ", tcpOpen + "> FA; < A; ", tcpOpen + "> FA; < FA; ", tcpOpen + "> FA; < FA; > A; ", "> S; < RA; ",
	}, "> A; ", "> PA len=1; ", "< A; ", "> S; ")
	sctp := each([]string{
		"> sctp init; ", "> sctp init; < sctp initack; ", "> sctp init; < sctp initack; > sctp cookieecho; ", sctpOpen, sctpOpen + "> sctp shutdown; ", sctpOpen + "< sctp shutdown; ",
		sctpOpen + "> sctp shutdown; < sctp shutdownack; ", "> sctp heartbeat; ",
	}, "> sctp data; ", "< sctp data; ", "> sctp init; ")
	short := "set udp_timeout=2; set udp_timeout_stream=40; set icmp_timeout=2; set icmpv6_timeout=2; set generic_timeout=40; set gre_timeout=2; set gre_timeout_stream=40; set tcp_timeout_syn_sent=2; "
	ftp := "rules helper; set tcp_timeout_established=2; flow 0 dport=21; " + tcpOpen + ftpLogin + say(">", "PA", "PORT 10,77,11,2,19,136\r\n")
	child := "flow 1 from=wan src=0 dst=0 sport=20 dport=5000; "
	both := []row{{"datagrams", short + "> udp; > udp f=1; < udp f=1; > gre f=2; > gre f=3; < gre f=3; > gre f=3; > proto 200 f=4; > udp f=5; > S f=6; > icmp 8/0 f=7; > icmp 128/0 f=7; " + over +
		"< udp; < udp f=1; > udp f=1; < gre f=2; < gre f=3; < proto 200 f=4; < err 3/3 f=5; < err 1/4 f=5; < err 3/1 f=6; < err 1/3 f=6; < icmp 0/0 f=7; < icmp 129/0 f=7; > udp; > udp f=5"}}
	var four []row
	for odd, which := range []string{"even", "odd"} {
		four = append(four,
			row{which + " states of tcp", "set tcp_loose=0; " + some("tcp", "syn_sent syn_recv established fin_wait close_wait last_ack time_wait close", odd) + tcp},
			row{which + " states of sctp", some("sctp", "closed cookie_wait cookie_echoed established shutdown_sent shutdown_recd shutdown_ack_sent heartbeat_sent", odd) + sctp})
	}
	four = append(four,
		row{"a port that is free again", "rules masquerade; " + short + "flow 0 src=0 dst=0 sport=40000; flow 1 src=1 dst=0 sport=40000; > udp; < udp; " + over + "> udp f=1; < udp f=1; > udp; < udp"},
		row{"rules see a new flow", "rules mark; " + short + "> udp; < udp; " + over + "> udp; < udp; > udp"},
		row{"what was announced goes with the master", ftp + child + over + "> S f=1; > PA len=4"},
		row{"a child outlives the master", ftp + child + "> S f=1; < SA f=1; " + over + "> A f=1; < A f=1; > PA len=4"})
	return append(bothFamilies(scripts(both)), scripts(four)...)
}
