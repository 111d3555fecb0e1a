package main

import "strings"

// proxies are connections behind a SYN proxy.
func proxies() []*Script {
	var rows []row
	for _, rules := range []string{"synproxy", "synproxy-plain", "synproxy-masquerade", "synproxy-table", "synproxy-table-ecn", "synproxy-table-bare"} {
		add := func(name, text string) {
			rows = append(rows, row{rules + " " + name, "rules " + rules + "; set tcp_loose=0; " + text})
		}
		for _, o := range []struct{ name, client, server, later string }{
			{"no options", "", "", ""}, {"mss", " mss=1460", " mss=1400", ""}, {"all options", " mss=1460 sackok ts ws=7", " mss=1400 sackok ts ws=5", " ts"},
			{"timestamps of the client only", " mss=1460 ts", " mss=1460", ""}, {"no timestamps", " mss=1460 sackok ws=7", " mss=1400 sackok ws=5", ""},
			{"scale", " mss=536 ts ws=14", " mss=9000 ts ws=14", " ts"}, {"small mss", " mss=100", " mss=50", ""}, {"sack", " mss=1220 ts sackok", " mss=1460 ts sackok", " ts"},
		} {
			cookie := "> S" + o.client + "; > A; "
			if strings.Contains(o.client, "ts") {
				cookie = strings.Replace(cookie, "A;", "A ts;", 1)
			}
			open := cookie + "< SA" + o.server + "; "
			add("life, "+o.name, open+"> A"+o.later+"; > PA len=100"+o.later+"; < A"+o.later+"; < PA len=200"+o.later+"; > A"+o.later+"; > FA"+o.later+"; < FA"+o.later+"; > A"+o.later)
			add("the server speaks first, "+o.name, open+"< PA len=50"+o.later+"; > A"+o.later+"; < FA"+o.later+"; > A"+o.later+"; > R")
			add("refused, "+o.name, cookie+"< RA; > A"+o.later)
			add("said twice, "+o.name, "> S seq=@0"+o.client+"; "+cookie+"> A"+o.later+"; < SA"+o.server+"; < SA seq=@0"+o.server+"; > PA len=10"+o.later+"; > PA seq=@1 len=10"+o.later+"; < A"+o.later)
		}
		add("data with the cookie", "> S; > PA len=10; < SA; > PA seq=@1 len=10; < A")
		add("wrong cookie", "> S; > A ack=+1; > A ack=-1; > A ack=+0; < SA; > A")
		add("wrong number beside the cookie", "> S; > A seq=+1; > A seq=-1; > A")
		add("no SYN before", "> A; > PA len=10; > A ack=@7")
		add("bad sums", "> S sum=bad; > S; > A sum=bad; > A; < SA sum=bad; < SA; > A sum=bad; > PA len=10")
		add("reset by the client", "> S; > A; > R; < SA")
		add("reset by the server", "> S; > A; < SA; > PA len=9; < R; flow 0 iss=2000000 riss=7000000; > S; > A; < SA; > PA len=9; < A")
		add("window probes", "> S; > A; < SA win=0; > A seq=-1; < A win=100; > PA len=20; < A")
		add("scaled windows", "> S ts ws=7 mss=1460; > A ts; < SA ts ws=3 win=9000 mss=1460; > A ts; < A ts win=1; > PA len=8 ts; < A ts win=8192")
		add("again", "> S; > A; < SA; > A; > FA; < FA; > A; flow 0 iss=2000000 riss=7000000; > S; > A; < SA; > PA len=3; < PA len=4; > A")
		add("another port", "flow 1 dport=81; > S f=1; < SA f=1; > A f=1; > PA f=1 len=10; < SA f=1")
		add("strange flags", "> SF; > SR; > SU; > SEW; > SA; > A")
		add("more strange flags", "> FA; > RA; > PA; > SFA; > SEW mss=1460; > A; > FA; > R; > F; < SA; > FA")
		for _, flags := range []string{"SEW", "SE", "SW"} {
			for _, o := range []string{"", " mss=1460", " mss=1460 sackok ts ws=7"} {
				later := ""
				if strings.Contains(o, "ts") {
					later = " ts"
				}
				add("ECN, "+flags+o, "> "+flags+o+"; > A"+later+"; < SAE"+o+"; > A"+later+"; > PAE len=10"+later+"; < AE"+later+"; > FA"+later)
			}
		}
		add("two", "flow 1 src=1; > S; > S f=1; > A f=1; > A; < SA f=1; < SA; > PA len=5; > PA f=1 len=6")
		add("for the box", "flow 0 dst=box; > S mss=1460 ts sackok; > S mss=100")
		if strings.HasPrefix(rules, "synproxy-table") {
			continue // the kernel's own SYN to itself comes in again by lo, and is counted; sluice hands it to the host
		}
		add("for the box, with the cookie", "flow 0 dst=box; > S mss=1460 ts sackok; > A ts; > A ack=+9")
	}
	rows = append(rows, row{"probes before the server answers", "rules synproxy; set tcp_loose=0; > S mss=1220; > A; > A seq=-1; < SA; > A"},
		row{"v6 by ip6tables", "v6; rules synproxy-table-ecn; set tcp_loose=0; > SEW mss=1440 sackok ts ws=7; > A ts; < SAE mss=1440 sackok ts ws=5; > A ts; > PA len=10 ts; < A ts; > FA ts; < FA ts; > A ts"},
		row{"v6 by ip6tables, no options", "v6; rules synproxy-table-bare; set tcp_loose=0; > S; > A; < SA; > A; > PA len=10; < A; > SF; > FA; > R"},
		row{"v6", "v6; rules synproxy; set tcp_loose=0; > S; > A"})
	return scripts(rows)
}
