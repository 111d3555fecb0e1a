package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Lists of addresses (-m recent). Every rule counts, so a list's contents show in
// which of them hold.

// remembering asks lists in every way, and port numbers choose who changes them.
// The first rule that names a list decides its mask.
const remembering = `*mangle
:POSTROUTING ACCEPT
-A POSTROUTING -m recent --rcheck --name a
-A POSTROUTING -m recent --rcheck --rttl --name a
COMMIT
*filter
:FORWARD ACCEPT
:quiet -
-A FORWARD -m recent --rcheck --name a
-A FORWARD -m recent ! --rcheck --name a
-A FORWARD -m recent --rcheck --seconds 1 --name a
-A FORWARD -m recent --rcheck --hitcount 2 --name a
-A FORWARD -m recent --rcheck --hitcount 5 --name a
-A FORWARD -m recent ! --rcheck --seconds 1 --hitcount 3 --name a
-A FORWARD -m recent --rcheck --rttl --name a
-A FORWARD -m recent --rcheck --hitcount 2 --rttl --name a
-A FORWARD -m recent --rcheck --hitcount 3 --name few
-A FORWARD -m recent --rcheck --name few --rdest
-A FORWARD -m recent --rcheck --name net
-A FORWARD -m recent --rcheck --rdest
-A FORWARD -p udp -m udp --dport 81 -m recent --set --name a
-A FORWARD -p udp -m udp --dport 82 -m recent --update --name a
-A FORWARD -p udp -m udp --dport 83 -m recent --remove --name a
-A FORWARD -p udp -m udp --dport 84 -m recent --update --seconds 1 --hitcount 2 --name a
-A FORWARD -p udp -m udp --dport 85 -m recent ! --update --hitcount 3 --name a
-A FORWARD -p udp -m udp --dport 86 -m recent --update --rttl --name a
-A FORWARD -p udp -m udp --dport 87 -m recent ! --set --name few
-A FORWARD -p udp -m udp --dport 88 -m recent --update --hitcount 3 --name few -j DROP
-A FORWARD -p udp -m udp --dport 89 -m recent --rcheck --seconds 1 --reap --name a -g quiet
-A FORWARD -p udp -m udp --dport 90 -m recent --update --seconds 1 --reap --name a -g quiet
-A FORWARD -p udp -m udp --dport 91 -m recent ! --update --seconds 1 --hitcount 2 --reap --name a -g quiet
-A FORWARD -p udp -m udp --dport 92 -m recent --set --rdest
-A FORWARD -p udp -m udp --dport 93 -m recent --update --rdest
-A FORWARD -p udp -m udp --dport 94 -m recent --set --name net --mask MASK
-A FORWARD -p udp -m udp --dport 95 -m recent ! --remove --name few -j REJECT
-A FORWARD -m recent --rcheck --name a
COMMIT
*raw
:PREROUTING ACCEPT
-A PREROUTING -m recent --rcheck --name net --mask MASK
-A PREROUTING -p udp -m udp --dport 86 -m recent --set --name a
COMMIT
`

// remembers is remembering for a family.
func remembers(six bool) string {
	mask := "255.255.255.0"
	if six {
		mask = "ffff:ffff:ffff:ffff::"
	}
	return strings.ReplaceAll(remembering, "MASK", mask)
}

// recents are packets of a few hosts to the ports that change the lists, some at
// random, and more addresses than a list has room for.
func recents() []*Script {
	rows := []row{
		{"set and ask", "> udp dport=80; > udp dport=81; > udp dport=80; > udp dport=80 f=1; > udp dport=81 f=1; > udp dport=81; > udp dport=80; < udp"},
		{"remove", "> udp dport=81; > udp dport=81 f=1; > udp dport=83; > udp dport=80; > udp dport=80 f=1; > udp dport=83; > udp dport=81; > udp dport=80"},
		{"hits", "> udp dport=81; > udp dport=82; > udp dport=84; > udp dport=82; > udp dport=84; > udp dport=85; > udp dport=85; > udp dport=80; > udp dport=85 f=1; > udp dport=81 f=1; > udp dport=85 f=1; > udp dport=85 f=1; > udp dport=85 f=1"},
		{"seconds", "> udp dport=81; > udp dport=81 f=1; wait 0.6s; > udp dport=80; > udp dport=84; > udp dport=82 f=1; wait 0.6s; > udp dport=80; > udp dport=80 f=1; > udp dport=84; > udp dport=84 f=1; > udp dport=90 f=1; > udp dport=90; > udp dport=80"},
		{"reap", "> udp dport=81; > udp dport=81 f=1; > udp dport=81 f=2; wait 1.1s; > udp dport=82 f=1; > udp dport=89 f=1; > udp dport=80; > udp dport=80 f=1; > udp dport=80 f=2; > udp dport=90 f=2; > udp dport=80 f=2; > udp dport=91 f=1; > udp dport=80 f=1"},
		{"reap own", "> udp dport=81; wait 1.1s; > udp dport=89; > udp dport=80; > udp dport=81; wait 1.1s; > udp dport=90; > udp dport=80; > udp dport=81; wait 1.1s; > udp dport=91; > udp dport=80; > udp dport=91; > udp dport=91; > udp dport=91"},
		{"ttl", "> udp dport=81 ttl=40; > udp dport=80 ttl=40; > udp dport=80 ttl=41; > udp dport=86 ttl=41; > udp dport=86 ttl=41; > udp dport=80 ttl=41; > udp dport=82 ttl=7; > udp dport=80 ttl=7; > udp dport=81 ttl=255; > udp dport=80 ttl=255; > udp dport=80"},
		{"few stamps", "> udp dport=87; > udp dport=88; > udp dport=87; > udp dport=88; > udp dport=87; > udp dport=88; > udp dport=80; > udp dport=95; > udp dport=95; > udp dport=88"},
		{"destination", "> udp dport=92; > udp dport=80; < udp; > udp dport=93; > udp dport=93 f=1; > udp dport=80 f=1; > udp dport=92 f=1; > udp dport=80 f=1"},
		{"net", "> udp dport=80 f=1; > udp dport=94; > udp dport=80 f=1; < udp f=1; > udp dport=80"},
	}
	for i := range rows {
		rows[i].text = "rules recent; " + rows[i].text
	}
	// One address after the other; the eldest goes unless it was seen again.
	many := "rules recent; burst 20; "
	for i := range 104 {
		many += fmt.Sprintf("flow %d dst=198.51.100.%d dport=92; ", i, i+1)
		many += fmt.Sprintf("> udp f=%d; ", i)
		if i == 50 {
			many += "> udp f=0 dport=93; "
		}
	}
	for _, i := range []int{0, 1, 2, 3, 4, 5, 103} {
		many += fmt.Sprintf("> udp f=%d dport=80; ", i)
	}
	rows = append(rows, randomRecents()...)
	slices.SortStableFunc(rows, func(a, b row) int {
		return strings.Count(a.text, "wait") - strings.Count(b.text, "wait")
	})
	slow := slices.IndexFunc(rows, func(r row) bool { return strings.Contains(r.text, "wait") })
	all := bothFamilies(scripts(rows[:slow])) // time passes alike for both
	return append(all, scripts(append(rows[slow:], row{"more than it holds", many}))...)
}

// randomRecents draws packets, the same in every run.
func randomRecents() (rows []row) {
	r := rand.New(rand.NewPCG(7, 9))
	for n := range 12 {
		text, waits := "rules recent; ", 0
		for range 40 {
			if n%4 == 0 && waits < 2 && r.IntN(15) == 0 {
				waits++
				text += "wait 0.7s; "
			}
			text += fmt.Sprintf("> udp f=%d dport=%d ttl=%d; ", r.IntN(3), 80+r.IntN(16), 63+r.IntN(2))
		}
		rows = append(rows, row{fmt.Sprintf("random %d", n), text})
	}
	return rows
}
