package main

import "fmt"

// pings are ICMP messages that ask and answer.
func pings() []*Script {
	var four, six []row
	for kind := range 20 {
		four = append(four, row{fmt.Sprintf("type %d", kind), fmt.Sprintf("> icmp %d/0 len=8; < icmp %d/0 len=8; > icmp %d/0 len=8", kind, kind, kind)})
	}
	for _, kind := range []int{0, 1, 2, 3, 4, 5, 100, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 143, 144, 151, 200, 255} {
		six = append(six, row{fmt.Sprintf("type %d before conntrack", kind), fmt.Sprintf("rules early; > icmp %d/0 len=24; > icmp %d/0 len=24 ttl=255", kind, kind)})
		six = append(six, row{fmt.Sprintf("type %d", kind), fmt.Sprintf("> icmp %d/0 len=24; < icmp %d/0 len=24; > icmp %d/0 len=24 ttl=255", kind, kind, kind)})
	}
	pairs := func(ask, answer int) (rows []row) {
		return []row{
			{fmt.Sprintf("%d answered", ask), fmt.Sprintf("> icmp %d/0 len=8; < icmp %d/0 len=8; > icmp %d/0 iseq=2; < icmp %d/0 iseq=2", ask, answer, ask, answer)},
			{fmt.Sprintf("%d answered by an ask", ask), fmt.Sprintf("> icmp %d/0 len=8; < icmp %d/0 len=8; < icmp %d/0", ask, ask, answer)},
			{fmt.Sprintf("%d with code", ask), fmt.Sprintf("> icmp %d/3 len=8; < icmp %d/3 len=8; < icmp %d/0 len=8", ask, answer, answer)},
			{fmt.Sprintf("%d two ids", ask), fmt.Sprintf("> icmp %d/0 id=1; > icmp %d/0 id=2; < icmp %d/0 id=1; < icmp %d/0 id=2; < icmp %d/0 id=3", ask, ask, answer, answer, answer)},
			{fmt.Sprintf("%d bad sum", ask), fmt.Sprintf("> icmp %d/0 sum=bad; > icmp %d/0; < icmp %d/0 sum=bad; < icmp %d/0", ask, ask, answer, answer)},
			{fmt.Sprintf("%d bad sum unchecked", ask), fmt.Sprintf("set checksum=0; > icmp %d/0 sum=bad; < icmp %d/0 sum=bad", ask, answer)},
			{fmt.Sprintf("%d answer alone", ask), fmt.Sprintf("> icmp %d/0; > icmp %d/0", answer, ask)},
			{fmt.Sprintf("%d ttl", ask), fmt.Sprintf("> icmp %d/0 ttl=1; > icmp %d/0 ttl=2; < icmp %d/0 ttl=1", ask, ask, answer)},
		}
	}
	for _, p := range [][2]int{{8, 0}, {13, 14}, {15, 16}, {17, 18}} {
		four = append(four, pairs(p[0], p[1])...)
	}
	for _, p := range [][2]int{{128, 129}, {139, 140}} {
		six = append(six, pairs(p[0], p[1])...)
	}
	for _, n := range []int{0, 1, 3, 4, 7} {
		four = append(four, row{fmt.Sprintf("cut to %d", n), fmt.Sprintf("> cut 1 len=%d; > icmp 8/0", n)})
		six = append(six, row{fmt.Sprintf("cut to %d", n), fmt.Sprintf("> cut 58 len=%d; > icmp 128/0", n)})
	}
	for i := range six {
		six[i].name += " v6"
		six[i].text = "v6; " + six[i].text
	}
	return scripts(append(four, six...))
}

// subjects are flows that an error may be about, with the packet that came out
// last on the side of the one who complains.
var subjects = []row{
	{"tcp syn", "> S; "},
	{"tcp", "> S; < SA; > A; > PA len=100; "},
	{"udp", "> udp len=100; "},
	{"udp answered", "> udp len=100; < udp; > udp len=100; "},
	{"udplite", unchecked + "> udplite len=100; "},
	{"sctp", "> sctp init; "},
	{"gre", "> gre len=50; "},
	{"proto", "> proto 200 len=50; "},
}

// errorKinds of a family.
func errorKinds(six bool) []string {
	if six {
		return []string{"1/0", "1/1", "1/3", "1/4", "1/5", "2/0 info=1280", "3/0", "3/1", "4/0", "4/1 info=6", "5/0", "127/0", "137/0"}
	}
	return []string{"3/0", "3/1", "3/2", "3/3", "3/4 info=576", "3/9", "3/13", "3/15", "4/0", "5/0", "5/1", "11/0", "11/1", "12/0", "12/1", "6/0", "30/0"}
}

// errors are complaints of every kind about every protocol.
func icmpErrors() []*Script {
	var rows []row
	for _, six := range []bool{false, true} {
		head, tail, echo := "", "", "8/0"
		if six {
			head, tail, echo = "v6; ", " v6", "128/0"
		}
		for _, s := range append([]row{{"ping", "> icmp " + echo + " len=40; "}}, subjects...) {
			for _, kind := range errorKinds(six) {
				rows = append(rows, row{
					fmt.Sprintf("%s about %s%s", kind, s.name, tail),
					fmt.Sprintf("%s%s< err %s; < err %s src=5; > err %s", head, s.text, kind, kind, kind),
				})
			}
		}
		kind := "3/3"
		if six {
			kind = "1/4"
		}
		for _, s := range []row{{"udp", "> udp len=100; "}, {"tcp", "> S; < SA; > A; < PA len=5; > PA len=100; "}} {
			for _, cut := range []int{0, 8, 19, 20, 24, 27, 28, 39, 40, 47, 48, 60, 100} {
				rows = append(rows, row{fmt.Sprintf("cut at %d about %s%s", cut, s.name, tail), fmt.Sprintf("%s%s< err %s cut=%d; < err %s", head, s.text, kind, cut, kind)})
			}
			for _, at := range []int{0, 2, 6, 9, 10, 12, 16, 20, 22, 24, 36, 40, 42} {
				rows = append(rows, row{fmt.Sprintf("byte %d wrong about %s%s", at, s.name, tail), fmt.Sprintf("%s%s< err %s patch=%d; < err %s", head, s.text, kind, at, kind)})
			}
			rows = append(rows,
				row{"bad sum about " + s.name + tail, fmt.Sprintf("%s%s< err %s sum=bad; < err %s", head, s.text, kind, kind)},
				row{"to somebody else about " + s.name + tail, fmt.Sprintf("%s%s< err %s to=7; < err %s", head, s.text, kind, kind)},
				row{"from the wrong side about " + s.name + tail, fmt.Sprintf("%s%s< err %s via=lan; < err %s", head, s.text, kind, kind)},
				row{"ttl about " + s.name + tail, fmt.Sprintf("%s%s< err %s ttl=1; < err %s ttl=2", head, s.text, kind, kind)},
				row{"about the answer " + s.name + tail, fmt.Sprintf("%s%s< udp; > err %s; > err %s src=6", head, s.text, kind, kind)},
			)
		}
		rows = append(rows,
			row{"error about an error" + tail, fmt.Sprintf("%s> udp len=40; < err %s; > err %s; < err %s", head, kind, kind, kind)},
			row{"error about nothing" + tail, fmt.Sprintf("%s< err %s; > err %s", head, kind, kind)},
		)
	}
	return scripts(rows)
}
