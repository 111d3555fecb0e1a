package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// allKinds are kinds of flows.
var allKinds = []string{"tcp", "udp", "icmp", "sctp", "gre", "proto", "udplite", "helper"}

// dice makes random lines.
type dice struct{ *rand.Rand }

func (f *fuzzing) dice(stream uint64) dice { return dice{Rand: rand.New(rand.NewPCG(f.seed, stream))} }

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }
func (d dice) chance(of int) bool      { return d.IntN(of) == 0 }

// together is how many sequences one after the other have the same rules: the
// kernel takes longer to load rules than to play a sequence.
const together = 8

// rules chooses the ruleset of the n-th script of the seed.
func (f *fuzzing) rules(n int) string {
	d := f.dice(1<<63 | uint64(n/together))
	if f.conversations() {
		return d.one("helper", "helper-masquerade")
	}
	if d.chance(60) {
		return "features"
	}
	return d.one("observe", "observe", "drop-invalid", "masquerade", "snat", "both", "dnat", "mark", "reject", "notrack", "snat-range", "snat-random", "zones", "helper", "helper-masquerade")
}

// conversations says that nothing else is to be played.
func (f *fuzzing) conversations() bool { return len(f.kinds) == 1 && f.kinds[0] == "helper" }

// sequence makes the n-th script of the seed.
func (f *fuzzing) sequence(n int) *Script {
	d := f.dice(uint64(n))
	s := &Script{Group: "fuzz", Name: fmt.Sprintf("%d-%d", f.seed, n), Burst: []int{1, 1, 2, 5, 12}[d.IntN(5)]}
	s.Rules = f.rules(n)
	s.Six = d.chance(3)
	for _, set := range []string{"tcp_loose", "tcp_be_liberal", "tcp_ignore_invalid_rst", "checksum"} {
		if d.chance(10) {
			value := 1
			if set == "tcp_loose" || set == "checksum" {
				value = 0
			}
			s.Settings = append(s.Settings, pair.Setting{Name: set, Value: value})
		}
	}
	if strings.HasPrefix(s.Rules, "helper") && slices.Contains(f.kinds, "helper") && (f.conversations() || !d.chance(4)) {
		d.conversation(s)
		return s
	}
	flows := 1 + d.IntN(3)
	kinds, six := make([]string, flows), make([]bool, flows)
	for i := range kinds {
		for kinds[i] == "" || kinds[i] == "helper" {
			kinds[i] = f.kinds[d.IntN(len(f.kinds))]
		}
		line := d.flow(i, kinds[i], s)
		if six[i] = s.Six; d.chance(10) {
			six[i] = !s.Six
			line += map[bool]string{false: " v4", true: " v6"}[six[i]]
		}
		s.Lines = append(s.Lines, line)
	}
	if slices.Contains(kinds, "udplite") && !slices.Contains(s.Settings, unverified) {
		s.Settings = append(s.Settings, unverified) // see known.go
	}
	for i, kind := range kinds {
		if kind == "tcp" && !d.chance(4) {
			s.Lines = append(s.Lines, d.handshake(i)...)
		}
	}
	for range (5 + d.IntN(40)) * []int{1, 1, 4, 10}[d.IntN(4)] {
		i := d.IntN(flows)
		s.Lines = append(s.Lines, d.packet(i, kinds[i], six[i]))
	}
	return s
}

var unverified = pair.Setting{Name: "checksum", Value: 0}

var boxed = regexp.MustCompile(`dst=\d`)

func (d dice) flow(n int, kind string, s *Script) string {
	text := fmt.Sprintf("flow %d src=%d dst=%d sport=%d", n, d.IntN(2), d.IntN(2), 40000+d.IntN(3))
	switch {
	case s.Rules == "dnat":
		text += " from=wan"
		if kind == "tcp" || kind == "udp" {
			text = boxed.ReplaceAllString(text, "dst=box") + " dport=8080"
		}
	case s.Rules == "reject":
		text += " dport=" + d.one("80", "81", "82", "83", "84")
	case s.Rules == "notrack" || s.Rules == "zones":
		text += " dport=" + d.one("53", "80", "81")
	case s.Rules == "features":
		text += " dport=" + d.one("80", "81", "82", "83", "84", "85", "86", "5001", "5010")
	case d.chance(5):
		text += " from=wan"
	}
	if d.chance(3) {
		text += fmt.Sprintf(" iss=%d", uint32(0)-uint32(d.IntN(3000)))
	}
	if d.chance(3) {
		text += fmt.Sprintf(" riss=%d", 1<<31-uint32(d.IntN(3000)))
	}
	return text
}

func (d dice) handshake(n int) []string {
	option := func() (text string) {
		if d.chance(2) {
			text += fmt.Sprintf(" ws=%d", d.IntN(5))
		}
		if d.chance(2) {
			text += " sackok"
		}
		return text + fmt.Sprintf(" win=%d", []int{0, 10, 1000, 8192, 65535}[d.IntN(5)])
	}
	return []string{
		fmt.Sprintf("> S f=%d%s", n, option()), fmt.Sprintf("< SA f=%d%s", n, option()), fmt.Sprintf("> A f=%d win=%d", n, 1000+d.IntN(8000)),
	}
}

// packet makes a line about a flow: mostly what may come next, sometimes what
// may not.
func (d dice) packet(n int, kind string, six bool) string {
	dir := d.one(">", "<")
	if d.chance(12) {
		return d.complaint(n, dir, six)
	}
	text := dir + " "
	size := d.one("", "", " len=8", " len=100", " len=1000", " len=1300", " len=1310", " len=2500 frag=1200")
	switch kind {
	case "tcp":
		text += d.segment(size)
	case "udplite":
		text += "udplite" + size + d.one("", "", "", " sum=zero", " cov=8", " cov=7", " cov=20")
	case "udp":
		text += "udp" + size + d.one("", "", "", "", " sum=zero", " ulen=9", " ulen=7")
	case "icmp":
		types := []string{"8/0", "0/0", "8/0", "0/0", "13/0", "14/0", "3/0", "11/0", "9/0"}
		if six {
			types = []string{"128/0", "129/0", "128/0", "129/0", "135/0", "1/0", "137/0", "130/0", "139/0", "140/0"}
		}
		text += "icmp " + d.one(types...) + size + d.one("", "", fmt.Sprintf(" id=%d", d.IntN(3)))
	case "sctp":
		chunk := d.one("init", "initack", "cookieecho", "cookieack", "data", "sack", "heartbeat", "heartbeatack", "abort", "abort/t",
			"shutdown", "shutdownack", "shutdowncomplete", "shutdowncomplete/t", "error", "cookieecho data", "init data")
		text += "sctp " + chunk + d.one("", "", "", " vtag=5")
		if strings.HasPrefix(chunk, "init") {
			text += d.one("", "", "", " itag=9")
		}
	case "gre":
		text += "gre" + size + d.one("", "", "", " v=1", " v=1", " v=1 key=3", " v=1 key=3", " v=2")
	case "proto":
		text += d.one("proto 50", "proto 200", "proto 4", "proto 41", "proto 59", "dccp") + size
	}
	if d.chance(40) {
		text = dir + fmt.Sprintf(" cut %s len=%d", d.one("6", "17", "132", "47", map[bool]string{false: "1", true: "58"}[six]), d.IntN(24))
	}
	if strings.Contains(text, "cut") {
	} else if strings.Contains(text, "frag") {
		text += d.one("", "", " order=2.1.0", " order=0.0.1.2", " order=1.0", " overlap=8", " order=2.0.1", " order=0.2.2.1", " order=1.1.0.2", " overlap=16 order=2.1.0", " overlap=88")
		text += d.one("", "", "", "", " df")
	} else if d.chance(20) && (strings.Contains(text, "len=1000") || strings.Contains(text, "len=13")) {
		text += " cuts=" + d.cuts() + d.one("", "", " df")
	} else if d.chance(15) && strings.Contains(text, "len=1") {
		text += d.one(" frag=64", " frag=64 order=1.0", " frag=400 order=0")
	}
	if d.chance(25) {
		text += d.one(" ttl=1", " ttl=2", " ttl=0", " tos=4", " df", " ipsum=bad", " ipopt", " ipoptions="+ipOptions[d.IntN(len(ipOptions))].text, " dst=box", " dst=box", " src=9", " ipid=7")
	}
	if six && d.chance(20) && !strings.Contains(text, "cut ") && !strings.Contains(text, "len=13") {
		text += d.one(" ext=hop", " ext=dst", " ext=hop,dst", " ext=route", " ext=auth", " ext=dst,hop")
	}
	if d.chance(25) && !strings.Contains(text, "cut") && kind != "gre" && kind != "proto" {
		text += " sum=bad"
		text = strings.Replace(text, " sum=zero", "", 1)
	}
	return text + fmt.Sprintf(" f=%d", n)
}

func (d dice) segment(size string) string {
	flags := d.one("A", "A", "A", "PA", "PA", "FA", "S", "SA", "R", "RA", "A", "PA", d.one("SF", "-", "F", "P", "U", "UA", "SR", "FPU", "SAU", "SEW"))
	text := flags
	if flags != "R" {
		text += size
	}
	edge := func() string {
		return d.one("+1", "-1", "+0", "-2", "+1000", "-1000", "+8192", "+8193", "-8192", "+65536", "-66000", "+2000000", "@0", "@1", "@2", "=0",
			fmt.Sprintf("%+d", d.IntN(20000)-10000))
	}
	if d.chance(5) {
		text += " seq=" + edge()
	}
	if d.chance(6) {
		text += " ack=" + edge()
	}
	if d.chance(3) {
		text += fmt.Sprintf(" win=%d", []int{0, 1, 10, 1000, 8192, 65535}[d.IntN(6)])
	}
	if d.chance(12) {
		from := d.IntN(3000)
		text += fmt.Sprintf(" sack=%d-%d", from, from+d.IntN(2000))
	}
	if strings.Contains(flags, "S") && d.chance(2) {
		text += d.one(" ws=3", " sackok", " ws=14 sackok", " ws=0")
	}
	return text
}

func (d dice) complaint(n int, dir string, six bool) string {
	text := fmt.Sprintf("%s err %s f=%d", dir, d.one(errorKinds(six)...), n)
	if d.chance(4) {
		text += fmt.Sprintf(" cut=%d", d.IntN(80))
	}
	if d.chance(6) {
		text += fmt.Sprintf(" patch=%d", d.IntN(48))
	}
	if d.chance(4) {
		text += " src=5"
	}
	if d.chance(15) {
		text += " sum=bad"
	}
	return text
}

// cuts are pieces of a datagram that more or less make it up, in some order.
func (d dice) cuts() string {
	var all []string
	for at, n := 0, 2+d.IntN(4); n > 0; n-- {
		from, to := at, at+8*(1+d.IntN(24))
		if n == 1 {
			to = 2000 // the end
		}
		if d.chance(6) {
			from = max(0, from-8*d.IntN(4))
		}
		at = to
		piece := fmt.Sprintf("%d-%d", from, to)
		if d.chance(8) {
			piece += "~"
		}
		if d.chance(12) {
			piece += "!"
		}
		all = append(all, piece)
		if d.chance(8) {
			all = append(all, piece)
		}
	}
	if d.chance(2) {
		d.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return strings.Join(all, ",")
}
