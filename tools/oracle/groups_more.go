package main

import "fmt"

// sctpOpen is an association up to its last handshake packet.
const sctpOpen = "> sctp init; < sctp initack; > sctp cookieecho; < sctp cookieack; "

// associations are SCTP.
func associations() []*Script {
	rows := []row{
		{"whole life", sctpOpen + "> sctp data; < sctp sack; > sctp shutdown; < sctp shutdownack; > sctp shutdowncomplete"},
		{"closed by server", sctpOpen + "< sctp shutdown; > sctp shutdownack; < sctp shutdowncomplete"},
		{"cookie with data", "> sctp init; < sctp initack; > sctp cookieecho data; < sctp cookieack sack"},
		{"aborted", sctpOpen + "> sctp abort; < sctp data"},
		{"aborted by server", "> sctp init; < sctp abort; > sctp init"},
		{"init again", "> sctp init; > sctp init; < sctp initack; > sctp init"},
		{"heartbeats", sctpOpen + "> sctp heartbeat; < sctp heartbeatack; < sctp heartbeat; > sctp heartbeatack"},
		{"begins with heartbeat", "> sctp heartbeat; < sctp heartbeatack; > sctp data; < sctp sack"},
		{"begins with data", "> sctp data; < sctp sack"},
		{"begins with shutdownack", "> sctp shutdownack; < sctp shutdowncomplete"},
		{"no chunk", "> sctp empty; > sctp init"},
		{"init with tag", "> sctp init vtag=5; > sctp init"},
		{"init with own tag 0", "> sctp init itag=0; < sctp initack"},
		{"simultaneous", "> sctp init; < sctp init; > sctp initack; < sctp initack; > sctp cookieecho; < sctp cookieack"},
		{"init with company", "> sctp init data; > sctp init; < sctp initack sack"},
		{"zero length chunk", "> sctp init clen=0; > sctp init clen=3; > sctp init clen=400; > sctp init"},
		{"bad sum", "> sctp init sum=bad; > sctp init sum=zero; > sctp init; < sctp initack sum=bad; < sctp initack"},
		{"bad sum unchecked", "set checksum=0; > sctp init sum=bad; < sctp initack sum=bad"},
		{"cut", "> cut 132 len=3; > cut 132 len=4; > cut 132 len=8; > cut 132 len=11; > cut 132 len=12; > cut 132 len=15"},
		{"restart", sctpOpen + "> sctp init itag=7; < sctp initack vtag=7 itag=8; > sctp cookieecho vtag=8; < sctp cookieack vtag=7"},
	}
	stages := []row{
		{"none", ""}, {"init", "> sctp init; "}, {"initack", "> sctp init; < sctp initack; "},
		{"echo", "> sctp init; < sctp initack; > sctp cookieecho; "}, {"open", sctpOpen},
		{"shutdown", sctpOpen + "> sctp shutdown; "}, {"shutdown by server", sctpOpen + "< sctp shutdown; "},
		{"shutdownack", sctpOpen + "> sctp shutdown; < sctp shutdownack; "}, {"heartbeat", "> sctp heartbeat; "},
	}
	chunks := []string{"init", "initack", "abort", "shutdown", "shutdownack", "error", "cookieecho", "cookieack", "shutdowncomplete", "heartbeat", "heartbeatack", "data", "sack", "asconf", "ecne"}
	for _, s := range stages {
		for _, dir := range []string{">", "<"} {
			if s.text == "" && dir == "<" {
				continue
			}
			for _, c := range chunks {
				rows = append(rows, row{fmt.Sprintf("%s %s %s", s.name, dir, c), fmt.Sprintf("%s%s sctp %s; %s sctp %s; > sctp data; < sctp data", s.text, dir, c, dir, c)})
			}
			for _, c := range []string{"abort", "data", "shutdown", "shutdownack", "cookieecho", "heartbeat", "initack", "shutdowncomplete"} {
				rows = append(rows,
					row{fmt.Sprintf("%s %s %s wrong tag", s.name, dir, c), fmt.Sprintf("%s%s sctp %s vtag=99; > sctp data", s.text, dir, c)})
			}
			for _, c := range []string{"abort/t", "shutdowncomplete/t"} {
				rows = append(rows, row{fmt.Sprintf("%s %s %s", s.name, dir, c), fmt.Sprintf("%s%s sctp %s; > sctp data", s.text, dir, c)})
			}
		}
	}
	return scripts(rows)
}

// pieces are datagrams in fragments.
func pieces() []*Script {
	var rows []row
	for _, size := range []int{8, 16, 256, 1000, 1376, 1432} {
		if size < 1000 {
			rows = append(rows, row{fmt.Sprintf("small pieces of %d", size), fmt.Sprintf("> udp len=%d frag=%d; < udp; > udp", 3*size, size)})
		}
		rows = append(rows, row{fmt.Sprintf("pieces of %d", size), fmt.Sprintf("> udp len=%d frag=%d; < udp len=%d frag=%d; > udp", min(3*size, 3000)-8, max(size, 64), 500, 128)})
	}
	for _, order := range []string{"2.1.0", "1.0.2", "0.2.1", "2.0.1", "0.1", "1.2", "0.0.1.2", "0.1.1.2", "0.1.2.2", "2.2.1.0", "0", "2", "0.1.2.0", "0.1.2.1"} {
		rows = append(rows,
			row{"order " + order, fmt.Sprintf("> udp len=1000 frag=400 order=%s; > udp", order)},
			row{"answered in order " + order, fmt.Sprintf("> udp; < udp len=1000 frag=400 order=%s; > udp", order)},
			row{"tcp in order " + order, fmt.Sprintf("> S; < SA; > A; > PA len=1000 frag=400 order=%s; < A; > A", order)},
		)
	}
	for _, o := range []int{8, 16, 200, 400} {
		rows = append(rows,
			row{fmt.Sprintf("overlap %d", o), fmt.Sprintf("> udp len=1000 frag=400 overlap=%d; > udp", o)},
			row{fmt.Sprintf("overlap %d backwards", o), fmt.Sprintf("> udp len=1000 frag=400 overlap=%d order=2.1.0; > udp", o)},
		)
	}
	for _, p := range []string{"udp", "S", "proto 50", "gre", "icmp 8/0", "icmp 128/0"} {
		rows = append(rows, row{"untracked " + p, fmt.Sprintf("rules untracked; > %s len=1000 frag=400; > %s len=100 frag=64 order=1.0", p, p)})
	}
	rows = append(rows,
		row{"the end moves", "> udp len=1000 cuts=0-400,800-1008,400-800; > udp"},
		row{"beyond the end", "> udp len=1000 cuts=800-1008,400-808,0-400"},
		row{"pieces within", "> udp len=1000 cuts=0-800,400-600,800-1008"},
		row{"piece around", "> udp len=1000 cuts=400-600,0-800,800-1008"},
		row{"duplicate with another length", "> udp len=1000 cuts=0-400,0-200,400-1008"},
		row{"two ends", "> udp len=1000 cuts=0-200,400-600!,800-1008; > udp"},
		row{"two ends that agree", "> udp len=1000 cuts=800-1008,800-1008,0-800; > udp"},
		row{"behind the end", "> udp len=1000 cuts=0-200,400-600!,800-1008!,200-400; > udp"},
		row{"an end before others", "> udp len=1000 cuts=800-1008!,400-600!,0-400,600-800; > udp"},
		row{"an end that is said to go on", "> udp len=1000 cuts=800-1008,800-1008!,0-800; > udp"},
		row{"a middle that is said to be an end before the end", "> udp len=1000 cuts=800-1008,400-800,400-800!,0-400; > udp"},
		row{"within a run", "> udp len=1000 cuts=0-400,400-800,200-600,800-1008; > udp"},
		row{"within what came backwards", "> udp len=1000 cuts=400-800,0-400,200-600,800-1008; > udp"},
		row{"within the later of two", "> udp len=1000 cuts=600-800,200-400,600-704,0-200,400-600,800-1008; > udp"},
		row{"across two of a run", "> udp len=1000 cuts=0-200,200-400,400-600,96-504,600-1008; > udp"},
		row{"around a run", "> udp len=1000 cuts=200-400,400-600,200-600,0-200,600-1008; > udp"},
		row{"odd middle piece", "> udp len=1000 cuts=0-403,400-1008; > udp"},
		row{"all of it and more to come", "> udp len=1000 cuts=384-568,568-584,0-192!,192-384; > udp len=100 cuts=0-2000"},
		row{"first without a whole tcp header", "> S len=1000 cuts=0-8,8-2000; < SA; > S f=1 len=1000 cuts=0-16,16-176,176-2000; > S f=2 len=1000 cuts=0-24,24-2000"},
		row{"hop limit of a later piece that goes alone", "> udp len=1310 cuts=0-80,80-248,224-2000! ttl=1"},
		row{"empty piece", "> udp len=1000 cuts=0-400,400-400,400-1008"},
		row{"empty end", "> udp len=1000 cuts=1008-1008,0-400,400-1008!; > udp"},
		row{"empty end before the end", "> udp len=1000 cuts=0-400,400-400!,400-1008; > udp"},
		row{"a middle, again, as an end", "> udp len=1000 cuts=400-800,400-800!,800-1008,0-400; > udp"},
		row{"first without ports", "> udp len=40 cuts=0-8,8-48; < udp"},
		row{"icmp", "> icmp 8/0 len=1000 frag=400; < icmp 0/0 len=1000 frag=400 order=2.1.0"},
		row{"proto", "> proto 200 len=1000 frag=400; < proto 200 len=1000 frag=400"},
		row{"sctp", "> sctp init frag=32; < sctp initack frag=32"}, row{"chunk in two pieces", "> sctp init frag=16"},
		row{"one datagram, two ids", "> udp len=1000 frag=400 order=0 fid=9; > udp len=1000 frag=400 order=1.2 fid=10"},
		row{"one id, two protocols", unchecked + "> udp len=1000 frag=400 order=0.1 fid=11; > udplite len=1000 frag=400 order=2 fid=11; > udp len=1000 frag=400 order=2 fid=11"},
		row{"larger than the next MTU", "> udp len=1440 frag=1440; > udp len=1420 frag=1440"},
		row{"larger than the next MTU, may not be cut", "> udp len=1440 df; > S; < SA; > A; > PA len=1400 df"},
		row{"may not be cut up again", "> udp len=1000 frag=400 df; > udp len=1000 frag=400 order=2.1.0 df; > udp len=1400 frag=1300 df; > udp len=600 ipopt frag=200 df; > udp len=2800 frag=1400 df; > udp len=1300 frag=1440 df"},
		row{"one may not be cut up again", "> udp len=1000 cuts=0-400~,400-2000 df; > udp len=1000 cuts=0-400,400-2000~ df; > udp len=1000 cuts=0-504,504-2000~ df; > udp len=2000 cuts=0-1384~,1384-3000 df; > udp len=2000 cuts=0-1384,1384-3000~ df"},
		row{"may not be cut up again, half a tcp header", "> S len=1000 cuts=0-16,16-2000 df; < SA len=1000 cuts=0-16,16-2000 df; > S f=1 len=1000 cuts=0-8,8-2000~ df; > S f=2 len=1000 cuts=0-8~,8-2000 df"},
		row{"largest answer", "> udp; < udp len=1352; < udp len=1340"},
		row{"bad sum in pieces", "> udp len=1000 frag=400 sum=bad; > udp"},
		row{"ttl in pieces", "> udp len=1000 frag=400 ttl=1; > udp len=1000 frag=400 ttl=2"},
		row{"as large as can be", "> udp len=65507 frag=1200; < udp len=65507 frag=1200"},
		row{"odd piece that says there is more", "> proto 200 len=101 cuts=0-101!; > proto 200 len=101 cuts=8-101!; < proto 200"},
		row{"odd piece ends what there is", unchecked + "> udp len=1000 cuts=0-400; > udp len=1001 cuts=400-2000! fid=7; > udp len=1001 cuts=0-400,400-2000! fid=8; > udp"},
		row{"with options", "> udp len=1000 ipopt; > udp len=600 ipopt frag=200"},
	)
	all := bothFamilies(scripts(rows))
	var six []row
	for _, ext := range []string{"hop", "dst", "route", "hop,dst", "dst,hop", "route,dst", "auth"} {
		six = append(six, row{"behind " + ext, fmt.Sprintf("v6; > udp len=2000 frag=1200 ext=%s; < udp len=1000 frag=256 ext=%s order=2.3.0.1; > proto 59 frag=1200 ext=%s", ext, ext, ext)})
	}
	for _, ext := range []string{"dst", "route", "auth", "auth,dst", "dst,auth"} {
		six = append(six, row{"untracked behind " + ext, fmt.Sprintf("v6; rules untracked; > udp len=1000 frag=400 ext=%s; > proto 59 len=100 frag=64 order=1.0 ext=%s; > S len=100 cuts=0-8,16-2000 ext=%s", ext, ext, ext)})
	}
	for _, rules := range []string{"untracked", "observe"} {
		head := "v6; rules " + rules + "; "
		six = append(six,
			row{"headers that break off, " + rules, head + "> proto 60; > proto 60 len=1; > proto 60 len=2; > proto 43 len=1; > proto 43 len=4; > proto 51; > proto 51 len=1; > proto 51 len=2; > proto 44; > proto 44 len=4; > proto 44 len=7"},
			row{"headers longer than the packet, " + rules, head + "> proto 60 data=%06%05; > proto 60 data=%11%01%00%00%00%00; > proto 43 data=%C8%01%00%00; > proto 60 data=%C8%09%00; > proto 60 data=%3B%00; > proto 51 data=%11%FF; > proto 60 data=%3A%00"},
		)
	}
	six = append(six, row{"half an authentication header", "v6; > proto 200 cuts=0-8,0-8,8-2000 ext=auth; > S f=1 cuts=0-8,8-2000 ext=auth; > udp f=2 len=20 cuts=0-8,8-2000 ext=dst,auth"})
	return append(all, scripts(six)...)
}

// translated are flows through NAT.
func translated() []*Script {
	var rows []row
	for _, nat := range []string{"masquerade", "snat", "both", "snat-range", "snat-random"} {
		head := "rules " + nat + "; "
		rows = append(rows,
			row{nat + " tcp", head + handshake + "> PA len=10; < A; < PA len=20; > FA; < FA; > A"},
			row{nat + " udp", head + "> udp len=10; < udp len=20; > udp; > udp sum=zero; < udp sum=zero"},
			row{nat + " ping", head + "> icmp 8/0 len=20; < icmp 0/0 len=20; > icmp 13/0"},
			row{nat + " ping6", head + "> icmp 128/0 len=20; < icmp 129/0 len=20"},
			row{nat + " udplite", head + unchecked + "> udplite len=10; < udplite len=20; > udplite cov=8; < udplite cov=12 len=10"},
			row{nat + " sctp", head + "> sctp init; < sctp initack; > sctp cookieecho; < sctp cookieack"},
			row{nat + " gre", head + "> gre len=10; < gre len=10"},
			row{nat + " proto", head + "> proto 200 len=10; < proto 200 len=10"},
			row{nat + " dccp", head + "> dccp; < dccp"},
			row{nat + " refused", head + "> S; < RA; > S"},
			row{nat + " pieces", head + "> udp len=1000 frag=400; < udp len=1000 frag=400 order=2.0.1"},
			row{nat + " pieces that may not be cut up again", head + "> udp len=1000 frag=400 df; < udp len=1000 frag=400 order=2.0.1 df; > S f=1 cuts=0-16,16-2000 len=100 df"},
			row{nat + " error about tcp", head + "> S; < err 3/1; < err 11/0 src=5; < err 1/1; < err 3/0 src=5"},
			row{nat + " error about udp", head + "> udp len=40; < err 3/3; < err 3/4 info=576 src=5; < err 1/4; < err 2/0 info=1280 src=5"},
			row{nat + " error about ping", head + "> icmp 8/0 len=40; < err 3/1; < err 11/0 src=5"},
			row{nat + " error about an answer", head + "> udp len=40; < udp len=40; > err 3/3; > err 1/4"},
			row{nat + " error with bad sum unchecked", head + "set checksum=0; > udp len=40; < err 3/3 sum=bad; < err 1/4 sum=bad"},
			row{nat + " error about sctp", head + "> sctp init; < sctp initack; > err 3/3; > err 1/4; < err 3/3; < err 1/4"},
			row{nat + " error with bad sum", head + "> udp len=40; < err 3/3 sum=bad; < err 1/4 sum=bad"},
			row{nat + " error about a cut header", head + "> S; < SA; > err 3/1 cut=39; > err 3/1 cut=40; > err 1/4 cut=59; > err 1/4 cut=60; < err 3/1 cut=39; < err 1/4 cut=59"},
			row{nat + " error about cut extension headers", head + "> gre ext=auth len=4; < err 1/4 cut=51; < err 1/4 cut=41; < err 1/4 cut=42; > proto 50 ext=hop,dst f=1; < err 1/4 cut=54; < err 1/4 cut=49; < err 1/4 cut=50; > udp ext=dst; < err 1/4 cut=47; < err 1/4 cut=51; < err 1/4 cut=52"},
			row{nat + " error about gre", head + "> gre len=4; < gre len=4; > err 3/3 cut=27; > err 3/3; > err 1/4 cut=47; > err 1/4; < err 3/3; < err 1/4; > gre ttl=1; > gre len=4 ttl=1"},
			row{nat + " error about pptp", head + "> gre v=1 key=3; < gre v=1 key=4; > err 3/3; > err 1/4; < err 3/3; < err 1/4"},
			row{nat + " gre version 2", head + "> gre v=2 len=4; < gre v=2 len=4"},
			row{nat + " gre in the way", head + "> gre v=1 key=3; < gre v=1; > gre; > gre len=4; < gre"},
			row{nat + " sctp with bad sum unchecked", head + "set checksum=0; > sctp init sum=bad; < sctp initack sum=bad"},
			row{nat + " redirect", head + "> udp len=40; < err 5/1; > udp"},
			row{nat + " invalid passes as it is", head + "> - len=5; > S; < SA; > - len=5; < SA sum=bad"},
			row{nat + " from outside", head + "flow 0 from=wan; > S; < SA; > A; > udp f=1"},
			row{nat + " bad sum", head + "> udp len=10 sum=bad; > udp; < udp sum=bad"},
			row{nat + " too large", head + "> udp len=1440 df; > udp len=1440"},
			row{nat + " ttl", head + "> udp ttl=1; > udp ttl=2; < udp ttl=1"},
		)
	}
	for _, nat := range []string{"masquerade", "snat", "both"} {
		for _, port := range []int{40000, 80, 511, 512, 800, 1023, 1024, 65535, 1, 0} {
			rows = append(rows, row{
				fmt.Sprintf("%s clash at %d", nat, port),
				fmt.Sprintf("rules %s; flow 0 src=0 sport=%d; flow 1 src=1 dst=0 sport=%d; flow 2 src=2 dst=0 sport=%d; > udp; > udp f=1; > udp f=2; < udp f=1; < udp; < udp f=2; > S; > S f=1; > S f=2; < SA f=2; < SA f=1",
					nat, port, port, port),
			})
		}
		kept := fmt.Sprintf("rules %s; flow 1 src=1 dst=0 sport=40000; flow 2 src=1 dst=1 sport=40000; flow 3 src=1 dst=1 sport=40001; ", nat)
		rows = append(rows,
			row{nat + " source keeps its port", kept + "> udp; > udp f=1; > udp f=2; < udp f=2; < udp f=1; > udp f=3; < udp f=3; > S; > S f=1; > S f=2; < SA f=2"},
			row{nat + " source keeps its id", kept + "> icmp 8/0; > icmp 8/0 f=1; > icmp 13/0 f=1; > icmp 8/0 f=1; < icmp 14/0 f=1; > icmp 8/0 f=2; < icmp 0/0 f=2"},
			row{nat + " source keeps its id6", kept + "> icmp 128/0; > icmp 128/0 f=1; > icmp 128/0 f=2; < icmp 129/0 f=2"},
		)
		rows = append(rows, row{nat + " clash of ids", fmt.Sprintf("rules %s; flow 1 src=1 dst=0; > icmp 8/0 id=7; > icmp 8/0 id=7 f=1; < icmp 0/0; < icmp 0/0 f=1", nat)})
	}
	rows = append(rows,
		row{"range is full", "rules snat-range; flow 0 src=0 dst=0; flow 1 src=1 dst=0; flow 2 src=2 dst=0; flow 3 src=3 dst=0; flow 4 src=4 dst=0; > udp; > udp f=1; > udp f=2; > udp f=3; > udp f=4; < udp f=3"},
		row{"error of the box about what chance chose", "rules snat-range; flow 0 from=wan; < udp; > udp; < cut 6 len=12 ttl=1"},
		row{"range for another server", "rules snat-range; flow 1 src=0 sport=40000 dst=1; > udp; > udp f=1; < udp f=1; < udp"},
		row{"dnat tcp", "rules dnat; flow 0 from=wan dst=box dport=8080; " + handshake + "> PA len=10; < A; > FA; < FA"},
		row{"dnat udp", "rules dnat; flow 0 from=wan dst=box dport=8080; > udp len=10; < udp len=10; > udp"},
		row{"dnat whole address", "rules dnat; flow 0 v4 from=wan dst=203.0.113.201; flow 1 from=wan v6 dst=fd77:b::201; > udp; < udp; > icmp 8/0; < icmp 0/0; > S; < SA; > gre; < gre; > proto 200; < proto 200; > udp f=1; < udp f=1; > S f=1"},
		row{"dnat errors", "rules dnat; flow 0 from=wan dst=box dport=8080; > udp len=40; < err 3/3; < err 1/4; < udp len=40; > err 3/3; > err 1/4"},
		row{"node information twice", "rules both; v6; > icmp 128/0 src=1; > icmp 128/0; > icmp 139/0; < icmp 140/0"},
		row{"node information of two", "rules both; v6; > icmp 139/0 src=1; > icmp 139/0; < icmp 140/0"},
		row{"dnat pieces", "rules dnat; flow 0 from=wan dst=box dport=8080; > udp len=1000 frag=400; < udp len=1000 frag=400"},
		row{"hairpin", "rules hairpin; flow 0 v4 from=lan dst=203.0.113.1 dport=8080; > S via=lan; > udp f=1"},
		row{"snat and dnat", "rules both; flow 0 v4 dst=203.0.113.201; > S; < SA; > A; > PA len=10; < A; < err 3/1; flow 1 v6 dst=fd77:b::201; > udp f=1; < udp f=1"},
	)
	return bothFamilies(scripts(rows))
}

// refusals are packets that the box answers itself.
func refusals() []*Script {
	var rows []row
	for _, what := range []string{"S", "SA", "A", "PA len=10", "FA", "R", "S sum=bad", "A sum=bad"} {
		rows = append(rows,
			row{"reset for " + what, "rules reject; flow 0 dport=81; > " + what + "; > " + what},
			row{"unreachable for " + what, "rules reject; flow 0 dport=82; > " + what},
		)
	}
	rows = append(rows,
		row{"reset of what the other side began", "rules reject; flow 0 dport=81; < S; > SA; > SA; < A"},
		row{"reset of what was open", "rules reject; flow 0 from=wan sport=81; > S; < SA; > A; < PA len=5; > A"},
		row{"nine to one host", "rules reject; flow 0 dport=82; > udp; > udp; > udp; > udp; > udp; > udp; > udp; > udp; > udp"},
		row{"priority in the answer", "rules reject; flow 0 dport=82; > udp tos=0x44; > S tos=4"},
		row{"udp", "rules reject; flow 0 dport=82; > udp len=100; > udp len=1300; > udp sum=bad"},
		row{"udp admin", "rules reject; flow 0 dport=83; > udp len=100; > udp"},
		row{"udp dropped", "rules reject; flow 0 dport=84; > udp len=100; > udp"},
		row{"udp in pieces", "rules reject; flow 0 dport=82; > udp len=1000 frag=400"},
		row{"ttl", "> udp ttl=1 len=100; > S ttl=1; > icmp 8/0 ttl=1; > icmp 3/3 ttl=1 len=40; > udp ttl=1 len=1300"},
		row{"ttl of what is not answered", "> icmp 9/0 ttl=1; > icmp 10/0 ttl=1; > icmp 6/0 ttl=1; > icmp 7/0 ttl=1; > icmp 1/0 ttl=1; > icmp 2/0 ttl=1; > icmp 14/0 ttl=1; > icmp 19/0 ttl=1"},
		row{"cut headers", "rules reject; flow 0 dport=82; > cut 6 len=7; > cut 6 len=4; > cut 6 len=3; > cut 17 len=7; > cut 17 len=4"},
		row{"ttl of cut icmp", "> cut 1 len=2 ttl=1; > cut 1 len=0 ttl=1; > cut 58 len=2 ttl=1; > cut 58 len=0 ttl=1"},
		row{"icmp of zeros", "> err 30/0 f=1; < cut 1 len=10 f=1"},
		row{"too large", "> udp len=1440 df; > S; < SA; > A; > PA len=1400 df"},
	)
	return bothFamilies(scripts(rows))
}
