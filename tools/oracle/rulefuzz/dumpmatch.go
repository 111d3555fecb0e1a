package rulefuzz

import (
	"fmt"
	"strings"
)

// ends makes one value or a range of them, with a mark between both ends.
func (g *maker) ends(k *kind, between string) string {
	if g.chance(2) {
		return decimal(g.draw(k))
	}
	lo, hi := g.span(k)
	return decimal(lo) + between + decimal(hi)
}

// protoMatch makes the match of a protocol's own header.
func (g *maker) protoMatch(proto string) string {
	switch proto {
	case "tcp":
		return "-m tcp " + g.tcpMatch()
	case "udp":
		return "-m udp " + g.portMatch()
	case "icmp", "ipv6-icmp":
		return g.icmpMatch()
	case "sctp":
		if g.chance(2) {
			return "-m sctp " + g.not() + "--chunk-types " + pick(g.dice, "all", "any", "only") + " " + pick(g.dice, "INIT", "DATA", "DATA,SACK", "SACK,HEARTBEAT,ABORT", "DATA:BE", "DATA:u", "ABORT:T", "ALL", "NONE", "ASCONF,DATA")
		}
		return "-m sctp " + g.portMatch()
	case "dccp":
		if g.chance(3) {
			return "-m dccp " + g.not() + "--dccp-types " + pick(g.dice, "REQUEST", "DATA,REQUEST", "INVALID", "RESET,CLOSE")
		}
		return "-m dccp " + g.portMatch()
	case "esp":
		return "-m esp " + g.not() + "--espspi " + g.ends(kLong, ":")
	case "ah":
		m := "-m ah " + g.not() + "--ahspi " + g.ends(kLong, ":")
		if g.six() && g.chance(2) {
			m += pick(g.dice, " --ahres", fmt.Sprintf(" %s--ahlen %d", g.not(), pick(g.dice, 8, 12, 16, 24)))
		}
		return m
	}
	return ""
}

func (g *maker) portMatch() string {
	m := g.not() + pick(g.dice, "--sport ", "--dport ", "--dport ") + g.ends(kPort, ":")
	if g.chance(4) {
		return g.not() + "--sport " + g.ends(kPort, ":") + " " + g.not() + "--dport " + g.ends(kPort, ":")
	}
	return m
}

func (g *maker) tcpMatch() string {
	flags := func() string {
		var all []string
		for _, f := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
			if g.chance(2) {
				all = append(all, f)
			}
		}
		if len(all) == 0 {
			return "SYN"
		}
		return strings.Join(all, ",")
	}
	switch g.IntN(6) {
	case 0:
		return g.not() + "--tcp-flags " + pick(g.dice, "FIN,SYN,RST,ACK", "SYN,ACK", "SYN,"+flags()) + " " + pick(g.dice, "SYN", "ACK", flags())
	case 1:
		return g.not() + "--syn"
	case 2:
		return g.not() + "--tcp-option " + pick(g.dice, "2", "3", "4", "8", "5", "1", "254")
	}
	return g.portMatch()
}

func (g *maker) icmpMatch() string {
	name, option, k := "icmp", "--icmp-type ", kICMP
	if g.six() {
		name, option, k = "icmp6", "--icmpv6-type ", kICMP6
	}
	typ := decimal(g.draw(k))
	if g.chance(3) {
		typ += "/" + decimal(g.draw(kCode))
	}
	return "-m " + name + " " + g.not() + option + typ
}

// dumpMatch makes any other match; "" if the one that chance chose does not fit.
func (g *maker) dumpMatch(proto string) string {
	ported := proto == "tcp" || proto == "udp" || proto == "sctp" || proto == "dccp" || proto == "udplite"
	not := g.not()
	switch g.IntN(33) {
	case 0, 1:
		if ported {
			var list []string
			for range 1 + g.IntN(5) {
				list = append(list, g.ends(kPort, ":"))
			}
			return "-m multiport " + not + pick(g.dice, "--sports ", "--dports ", "--ports ") + strings.Join(list, ",")
		}
	case 2:
		lo, hi := g.span(g.address())
		return "-m iprange " + not + pick(g.dice, "--src-range ", "--dst-range ") + g.address().show(lo) + "-" + g.address().show(hi)
	case 3, 4:
		return "-m length " + not + "--length " + g.ends(kLength, ":")
	case 5, 6:
		return fmt.Sprintf("-m mark %s--mark %s/0x%x", not, kMark.show(g.draw(kMark)), g.aim(kMark).lo)
	case 7:
		if g.flowing() {
			return fmt.Sprintf("-m connmark %s--mark %s/0x%x", not, kMark.show(g.draw(kMark)), g.aim(kMark).lo)
		}
	case 8, 9, 10, 11:
		if g.flowing() {
			return g.conntrack(not)
		}
	case 12:
		if g.six() {
			return "-m hl " + pick(g.dice, "--hl-lt ", "--hl-gt ", not+"--hl-eq ") + decimal(g.draw(kTTL))
		}
		return "-m ttl " + pick(g.dice, "--ttl-lt ", "--ttl-gt ", not+"--ttl-eq ") + decimal(g.draw(kTTL))
	case 13:
		return fmt.Sprintf("-m tos %s--tos 0x%02x/0x%02x", not, g.draw(kDSCP).lo<<2, pick(g.dice, 0xff, 0x3f, 0xfc))
	case 14:
		return fmt.Sprintf("-m dscp %s--dscp 0x%02x", not, g.draw(kDSCP).lo)
	case 15:
		if proto == "tcp" && g.chance(2) {
			return "-m ecn " + not + pick(g.dice, "--ecn-tcp-cwr", "--ecn-tcp-ece")
		}
		return fmt.Sprintf("-m ecn %s--ecn-ip-ect %d", not, g.draw(kECN).lo)
	case 16:
		if proto == "tcp" {
			return "-m tcpmss " + not + "--mss " + g.ends(kSize, ":")
		}
	case 17:
		n := 2 + g.IntN(4)
		return fmt.Sprintf("-m statistic --mode nth %s--every %d --packet %d", not, n, g.IntN(n))
	case 18:
		return fmt.Sprintf("-m limit --limit %d/hour --limit-burst %d", 1+g.IntN(3), 1+g.IntN(20))
	case 19, 20:
		return g.hashlimit(ported)
	case 21:
		if g.flowing() {
			what := pick(g.dice, "packets", "bytes", "avgpkt")
			return "-m connbytes " + not + "--connbytes " + g.ends(pick(g.dice, kCount, kLength), ":") + " --connbytes-mode " + what + " --connbytes-dir " + pick(g.dice, "original", "reply", "both")
		}
	case 22:
		return fmt.Sprintf("-m quota %s--quota %d", not, pick(g.dice, 1, 100, 1000, 5000))
	case 23:
		return g.content(not)
	case 24:
		return "-m u32 " + not + `--u32 "` + g.u32() + `"`
	case 25:
		if g.hook == "PREROUTING" || g.hook == "FORWARD" || g.hook == "INPUT" {
			return "-m mac " + not + "--mac-source " + strings.ToUpper(showMAC(g.draw(kMAC)))
		}
	case 26:
		return "-m pkttype " + not + "--pkt-type " + pick(g.dice, "unicast", "broadcast", "multicast")
	case 27:
		m := "-m addrtype " + not + pick(g.dice, "--src-type ", "--dst-type ") + pick(g.dice, "UNICAST", "LOCAL", "LOCAL,UNICAST", "MULTICAST", "ANYCAST")
		switch {
		case g.chance(4) && (g.hook == "PREROUTING" || g.hook == "FORWARD"):
			m += " --limit-iface-in"
		case g.chance(4) && (g.hook == "POSTROUTING" || g.hook == "FORWARD"):
			m += " --limit-iface-out"
		}
		return m
	case 28:
		if g.hook == "PREROUTING" && (g.class == "raw" || g.class == "mangle") {
			return "-m rpfilter" + pick(g.dice, "", " --loose") + pick(g.dice, "", " --validmark") + pick(g.dice, "", " --accept-local") + pick(g.dice, "", " --invert")
		}
	case 29:
		return g.hours()
	case 30:
		return g.recent(not)
	default:
		if g.six() {
			return g.headers(not)
		}
		return g.plain()
	}
	return ""
}

// flowing says whether the chain knows a packet's flow.
func (g *maker) flowing() bool { return g.class != "raw" }

func (g *maker) conntrack(not string) string {
	states := pick(g.dice, "NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "NEW,ESTABLISHED", "RELATED,ESTABLISHED", "INVALID,UNTRACKED", "SNAT", "DNAT", "NEW,DNAT")
	switch g.IntN(9) {
	case 0, 1, 2:
		return "-m conntrack " + not + "--ctstate " + states
	case 3:
		return "-m state " + not + "--state " + pick(g.dice, "NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "UNTRACKED,NEW")
	case 4:
		return "-m conntrack " + not + "--ctstatus " + pick(g.dice, "NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SEEN_REPLY,ASSURED", "EXPECTED")
	case 5:
		return "-m conntrack " + not + "--ctproto " + pick(g.dice, "6", "17", "132", "6 "+g.not()+"--ctorigdstport "+g.ends(kPort, ":"), "17 "+g.not()+"--ctreplsrcport "+g.ends(kPort, ":"), "6 "+g.not()+"--ctorigsrcport "+g.ends(kPort, ":"), "17 "+g.not()+"--ctrepldstport "+g.ends(kPort, ":"))
	case 6:
		return "-m conntrack " + not + pick(g.dice, "--ctorigsrc ", "--ctorigdst ", "--ctreplsrc ", "--ctrepldst ") + g.prefix(g.address())
	case 7:
		return "-m conntrack --ctdir " + pick(g.dice, "ORIGINAL", "REPLY")
	}
	return "-m conntrack " + not + "--ctexpire " + pick(g.dice, "0:45", "46:90", "1000:20000", "0:150", "100:4294967295")
}

func (g *maker) hashlimit(ported bool) string {
	g.lists++
	modes := []string{"srcip", "dstip", "srcip,dstip"}
	if ported {
		modes = append(modes, "dstport", "srcip,dstport", "srcip,srcport,dstip,dstport")
	}
	m := fmt.Sprintf("-m hashlimit --hashlimit-%s %d/hour --hashlimit-burst %d --hashlimit-mode %s --hashlimit-name h%d", pick(g.dice, "upto", "above"), 1+g.IntN(3), 1+g.IntN(6), pick(g.dice, modes...), g.lists)
	if g.chance(3) {
		m += fmt.Sprintf(" --hashlimit-%smask %d", pick(g.dice, "src", "dst"), pick(g.dice, 0, 8, 24, 31))
	}
	return m
}

func (g *maker) content(not string) string {
	m := "-m string " + not + pick(g.dice, `--string "abc"`, `--hex-string "|00 00|"`, `--hex-string "|01|"`, `--hex-string "a|0000|"`, `--hex-string "|4500|"`, `--hex-string "|0000000000000000|"`) + " --algo " + pick(g.dice, "bm", "kmp")
	if g.chance(2) {
		m += fmt.Sprintf(" --from %d", g.IntN(80))
		if g.chance(2) {
			m += fmt.Sprintf(" --to %d", 80+g.IntN(80))
		}
	}
	if g.chance(4) {
		m += " --icase"
	}
	return m
}

// u32 makes a program of that match.
func (g *maker) u32() string {
	var all []string
	for range 1 + g.IntN(3) {
		t := fmt.Sprintf("0x%x", g.IntN(60))
		if g.chance(3) && !g.six() {
			t = fmt.Sprintf("0x0>>0x16&0x3c@0x%x", g.IntN(24))
		}
		for range g.IntN(3) {
			t += pick(g.dice, "&0xff", "&0xffff", ">>0x10", ">>0x8", "<<0x4", "&0xf0")
		}
		v := fmt.Sprintf("0x%x", pick(g.dice, kByte, kShort, kPort, kLength).pick(g.dice).lo)
		if g.chance(2) {
			v = fmt.Sprintf("0x0:0x%x", pick(g.dice, 0x10, 0xff, 0x7fff, 0xffff, 0x7fffffff))
		}
		if g.chance(4) {
			v += fmt.Sprintf(",0x%x:0x%x", 0x1000, 0x9000)
		}
		all = append(all, t+"="+v)
	}
	return strings.Join(all, "&&")
}

func (g *maker) hours() string {
	m := "-m time"
	if g.chance(2) {
		m += fmt.Sprintf(" --timestart %02d:%d0 --timestop %02d:%d0", g.IntN(24), g.IntN(6), g.IntN(24), g.IntN(6))
	}
	if g.chance(2) {
		m += " " + g.not() + "--weekdays " + pick(g.dice, "Mon", "Mon,Tue,Wed", "Sat,Sun", "Sun,Mon", "Thu,Fri")
	}
	if g.chance(3) {
		m += " " + g.not() + "--monthdays " + pick(g.dice, "1,2,3", "20,21,22,23,24,25", "31")
	}
	if m == "-m time" {
		m += pick(g.dice, " --datestop 2038-01-19T03:14:07", " --datestart 2020-01-01T00:00:00 --datestop 2030-01-01T00:00:00", " --datestop 2001-01-01T00:00:00")
	}
	return m
}

func (g *maker) recent(not string) string {
	m := "-m recent " + not + pick(g.dice, "--set", "--rcheck", "--update", "--remove", "--set")
	if strings.Contains(m, "check") || strings.Contains(m, "update") {
		m += pick(g.dice, "", " --hitcount 2", " --hitcount 3", " --seconds 3600", " --seconds 3600 --hitcount 2", " --rttl")
	}
	return m + fmt.Sprintf(" --name r%d", g.IntN(3)) + pick(g.dice, " --rsource", " --rdest")
}

// headers makes a match of IPv6's extension headers.
func (g *maker) headers(not string) string {
	switch g.IntN(5) {
	case 0:
		return "-m frag" + pick(g.dice, " --fragfirst", " --fragmore", " --fraglast", " "+not+"--fragid "+g.ends(kLong, ":"))
	case 1:
		return "-m rt " + pick(g.dice, "--rt-type 0 --rt-0-res", "--rt-type 0 --rt-0-addrs fd77:b::2 --rt-0-not-strict", not+"--rt-type 4", not+"--rt-type 0", not+"--rt-segsleft "+g.ends(kBit, ":"), not+"--rt-len 8")
	case 2:
		return "-m hbh " + pick(g.dice, not+fmt.Sprintf("--hbh-len %d", pick(g.dice, 8, 16)), "--hbh-opts "+pick(g.dice, "1", "1:4", "5:2,1:0", "0"))
	case 3:
		return "-m dst " + pick(g.dice, not+fmt.Sprintf("--dst-len %d", pick(g.dice, 8, 16)), "--dst-opts "+pick(g.dice, "1", "1:4", "0"))
	}
	return g.plain()
}

// plain makes one of the matches that say the same of every packet here.
func (g *maker) plain() string {
	dir := "in"
	if g.hook == "OUTPUT" || g.hook == "POSTROUTING" {
		dir = "out"
	}
	return pick(g.dice, "-m physdev --physdev-is-bridged", "-m physdev ! --physdev-is-bridged", "-m cpu ! --cpu 77", "-m policy --dir "+dir+" --pol "+pick(g.dice, "none", "ipsec"))
}
