package iptables

import (
	"fmt"
	"maps"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// How `iptables -L` shows matches and targets: each in words of its own, behind a
// blank. What is not in the list is shown as it is saved, behind its name.

// shower collects what a rule's extensions show.
type shower struct {
	printer
	numeric bool
}

var shown map[string]func(s *shower, x *Instance)

func init() {
	strip := func(before string) func(*shower, *Instance) {
		return func(s *shower, x *Instance) { s.WriteString(before + x.words("")) }
	}
	number := func(format, not, name string) func(*shower, *Instance) {
		return func(s *shower, x *Instance) {
			_, val := x.saved(name)
			fmt.Fprintf(s, format, sign(x.opt(name).neg, not), val)
		}
	}
	hops := func(what string) func(*shower, *Instance) {
		p := strings.ToLower(what) + "-"
		return func(s *shower, x *Instance) {
			for _, o := range [...]struct{ name, op, target string }{{"eq", "==", ""}, {"lt", "<", ""}, {"gt", ">", ""}, {"set", "", "set to"}, {"inc", "", "increment by"}, {"dec", "", "decrement by"}} {
				v := x.find(p + o.name)
				switch {
				case v == nil || !v.set:
				case o.target != "":
					fmt.Fprintf(s, " %s %s %d", what, o.target, v.n[0])
				case v.neg:
					fmt.Fprintf(s, " %s match %s != %d", what, what, v.n[0])
				default:
					fmt.Fprintf(s, " %s match %s %s %d", what, what, o.op, v.n[0])
				}
			}
		}
	}
	shown = map[string]func(*shower, *Instance){
		"tcp": showTCP, "udp": showPorts, "udplite": showPorts, "sctp": showSCTP, "icmp": showICMP, "icmp6": showICMP, "multiport": showMultiport,
		"esp": showSPI, "ah": showSPI,
		"conntrack": strip(""), "state": strip(""), "set": strip(""),
		"rpfilter": strip(" rpfilter"), "cpu": number(" cpu%s %s", " !", "cpu"), "CONNSECMARK": strip(" CONNSECMARK"),
		"mark": number(" mark match%s %s", " !", "mark"), "connmark": number(" connmark match %s %s", "!", "mark"),
		"length": number(" length %s%s", "!", "length"), "mac": number(" MAC%s %s", " !", "mac-source"),
		"dscp": number(" DSCP match %s%s", "!", "dscp"), "tos": number(" tos match%s%s", "!", "tos"), "tcpmss": number(" tcpmss match %s%s", "!", "mss"),
		"u32": number(" u32%s %s", " !", "u32"),
		"quota": func(s *shower, x *Instance) {
			fmt.Fprintf(s, " quota: %d bytes", x.opt("quota").n[0]) // the tool says nothing of a !
		},
		"pkttype": func(s *shower, x *Instance) {
			v := x.opt("pkt-type")
			fmt.Fprintf(s, " PKTTYPE %s= %s", map[bool]string{true: "!"}[v.neg], nameOf(pktTypes, v.n[0]))
		},
		"helper": func(s *shower, x *Instance) {
			fmt.Fprintf(s, " helper match%s \"%s\"", sign(x.opt("helper").neg, " !"), x.opt("helper").s)
		},
		"comment": func(s *shower, x *Instance) { fmt.Fprintf(s, " /* %s */", x.opt("comment").s) },
		"ttl":     hops("TTL"), "hl": hops("HL"), "TTL": hops("TTL"), "HL": hops("HL"),
		"limit": showLimit, "hashlimit": showHashlimit, "connlimit": showConnlimit, "connbytes": showConnbytes, "recent": showRecent,
		"iprange": showIPRange, "addrtype": showAddrType, "ecn": showECN, "statistic": showStatistic, "string": showString, "time": showTime,
		"hbh": showLength, "dst": showLength, "rt": showRouting, "frag": showFragment,
		"physdev": func(s *shower, x *Instance) { s.WriteString(" PHYSDEV match" + x.text()) },
		"geoip":   func(s *shower, x *Instance) { s.WriteString(" -m geoip" + x.text()) },
		"socket":  func(s *shower, x *Instance) { s.WriteString(" socket" + x.text()) },

		"SET": strip(""), "NFLOG": strip(""), "CT": strip(" CT"), "NOTRACK": strip(" NOTRACK"), "TRACE": func(*shower, *Instance) {},
		"NFQUEUE":  func(s *shower, x *Instance) { s.WriteString(" NFQUEUE" + x.words("queue-")) },
		"SYNPROXY": func(s *shower, x *Instance) { s.WriteString(" SYNPROXY" + x.words("") + " ") },
		"CHECKSUM": func(s *shower, x *Instance) { s.WriteString(" CHECKSUM fill") },
		"REJECT":   strip(""), "LOG": showLOG, "MARK": showMARK, "CONNMARK": showCONNMARK,
		"SNAT": showNAT, "DNAT": showNAT, "MASQUERADE": showNAT, "REDIRECT": showNAT, "NETMAP": func(s *shower, x *Instance) {
			v := x.opt("to")
			fmt.Fprintf(s, " to:%s/%d", addrText(v.a[0]), max(prefixLen(v.a[1]), 0))
		},
		"DSCP": number(" DSCP set %s%s", "", "set-dscp"),
		"TOS": func(s *shower, x *Instance) {
			v, mask := x.xtos()
			fmt.Fprintf(s, " TOS set 0x%02x/0x%02x", v, mask)
		},
		"ECN": showECNTarget, "CLASSIFY": func(s *shower, x *Instance) {
			v := x.opt("set-class")
			fmt.Fprintf(s, " CLASSIFY set %x:%x", v.n[0], v.n[1])
		},
		"TCPMSS": func(s *shower, x *Instance) {
			if v := x.opt("set-mss"); v.set {
				fmt.Fprintf(s, " TCPMSS set %d", v.n[0])
			} else {
				s.WriteString(" TCPMSS clamp to PMTU")
			}
		},
		"TCPOPTSTRIP": func(s *shower, x *Instance) {
			if _, val := x.saved("strip-options"); val != "" {
				s.WriteString(" TCPOPTSTRIP options " + val)
			}
		},
	}
	maps.Copy(shown, rare())
}

// show writes an extension.
func (s *shower) show(x *Instance) {
	if f := shown[x.ext.name]; f != nil {
		f(s, x)
		return
	}
	s.WriteString(" " + x.ext.name + x.text())
}

func sign(neg bool, text string) string {
	if neg {
		return text
	}
	return ""
}

// text is what an instance saves behind its name.
func (x *Instance) text() string {
	var out printer
	x.print(&out)
	return out.String()
}

// words is text without the dashes of options, and without what their names begin with.
func (x *Instance) words(prefix string) string {
	return strings.ReplaceAll(x.text(), " --"+prefix, " ")
}

// find is opt for an option that need not exist.
func (x *Instance) find(name string) *value {
	for i := range x.ext.opts {
		if x.ext.opts[i].name == name {
			return &x.vals[i]
		}
	}
	return nil
}

// saved returns the value of an option as it is saved.
func (x *Instance) saved(name string) (ok bool, text string) {
	for i := range x.ext.opts {
		o, v := &x.ext.opts[i], &x.vals[i]
		switch {
		case o.name != name || !v.set:
		case o.print != nil:
			return true, o.print(x, v)
		case o.needs() > 0:
			return true, o.text(v)
		}
	}
	return false, ""
}

// port is a port's number, or its service's name.
func (s *shower) port(n uint64) string {
	if name := nft.TypeService.Symbol(n); !s.numeric && name != "" {
		return name
	}
	return decimal(n)
}

func (s *shower) ports(name string, v *value) {
	switch {
	case !v.set || v.n[0] == 0 && v.n[1] == max16 && !v.neg:
	case v.n[0] == v.n[1]:
		fmt.Fprintf(s, " %s:%s%s", name, sign(v.neg, "!"), s.port(v.n[0]))
	default:
		fmt.Fprintf(s, " %ss:%s%s:%s", name, sign(v.neg, "!"), s.port(v.n[0]), s.port(v.n[1]))
	}
}

func showPorts(s *shower, x *Instance) {
	s.WriteString(" " + x.ext.name)
	s.ports("spt", x.opt("sport"))
	s.ports("dpt", x.opt("dport"))
}

func showTCP(s *shower, x *Instance) {
	showPorts(s, x)
	if o := x.opt("tcp-option"); o.set {
		fmt.Fprintf(s, " option=%s%d", sign(o.neg, "!"), o.n[0])
	}
	if f := x.tcpFlags(); f != nil && (f.n[0]|f.n[1] != 0 || f.neg) {
		if s.numeric {
			fmt.Fprintf(s, " flags:%s0x%02X/0x%02X", sign(f.neg, "!"), f.n[0], f.n[1])
		} else {
			fmt.Fprintf(s, " flags:%s%s/%s", sign(f.neg, "!"), tcpFlagText(f.n[0]), tcpFlagText(f.n[1]))
		}
	}
}

func showSCTP(s *shower, x *Instance) {
	showPorts(s, x)
	v := x.opt("chunk-types")
	if !v.set {
		return
	}
	_, text := x.saved("chunk-types")
	if m := v.x.(chunkMatch); s.numeric && !m.all && len(m.chunks) > 0 {
		how, list, _ := strings.Cut(text, " ")
		chunks := strings.Split(list, ",")
		for i, c := range chunks {
			_, flags, flagged := strings.Cut(c, ":")
			if chunks[i] = fmt.Sprintf("0x%04X", m.chunks[i].typ); flagged {
				chunks[i] += ":" + flags
			}
		}
		text = how + " " + strings.Join(chunks, ",")
	}
	s.WriteString(" " + sign(v.neg, "! ") + text)
}

func showICMP(s *shower, x *Instance) {
	name, typ := "icmp", nft.TypeICMPType
	if x.family == IPv6 {
		name, typ = "ipv6-icmp", nft.TypeICMPv6Type
	}
	v := x.opt(strings.Replace(name, "ipv6-icmp", "icmpv6", 1) + "-type")
	s.WriteString(" " + name)
	if symbol := typ.Symbol(v.n[0]); !s.numeric && symbol != "" && v.n[1] == 0 && v.n[2] == 255 {
		s.WriteString(" " + sign(v.neg, "!") + symbol)
		return
	}
	fmt.Fprintf(s, "%stype %d", sign(v.neg, " !"), v.n[0])
	switch {
	case v.n[1] == v.n[2]:
		fmt.Fprintf(s, " code %d", v.n[1])
	case v.n[1] != 0 || v.n[2] != 255:
		fmt.Fprintf(s, " codes %d-%d", v.n[1], v.n[2])
	}
}

func showMultiport(s *shower, x *Instance) {
	for _, name := range [...]string{"sports", "dports", "ports"} {
		v := x.opt(name)
		if !v.set {
			continue
		}
		var list []string
		for _, p := range v.x.([]portRange) {
			text := s.port(p.lo)
			if p.lo != p.hi {
				text += ":" + s.port(p.hi)
			}
			list = append(list, text)
		}
		fmt.Fprintf(s, " multiport %s %s%s", name, sign(v.neg, " !"), strings.Join(list, ","))
	}
}

func showSPI(s *shower, x *Instance) {
	v := x.opt(x.ext.name + "spi")
	s.WriteString(" " + x.ext.name)
	switch {
	case !v.set || v.n[0] == 0 && v.n[1] == max32 && !v.neg:
		s.WriteString(sign(x.ext.name == "ah", " "))
	case v.n[0] == v.n[1]:
		fmt.Fprintf(s, " spi:%s%d", sign(v.neg, "!"), v.n[0])
	default:
		fmt.Fprintf(s, " spis:%s%d:%d", sign(v.neg, "!"), v.n[0], v.n[1])
	}
	if l := x.find("ahlen"); l != nil && l.set && (l.n[0] != 0 || l.neg) {
		fmt.Fprintf(s, "length:%s%d", sign(l.neg, "!"), l.n[0])
	}
	if r := x.find("ahres"); r != nil && r.set {
		s.WriteString(" reserved")
	}
}

// colons is what an extension header's match saves, with name:value for options that
// compare numbers.
func (x *Instance) colons(names ...string) string {
	text := x.text()
	for i := 0; i < len(names); i += 2 {
		text = strings.Replace(text, " ! --"+names[i]+" ", " "+names[i+1]+":!", 1)
		text = strings.Replace(text, " --"+names[i]+" ", " "+names[i+1]+":", 1)
	}
	return text
}

func showLength(s *shower, x *Instance) {
	name := x.ext.name
	s.WriteString(" " + name + strings.Replace(x.colons(name+"-len", "length"), " --"+name+"-opts", " opts", 1))
}

// several is the name of a range that is more than one number.
func (v *value) several(name string) string {
	if v.n[0] != v.n[1] {
		return name + "s"
	}
	return name
}

func showRouting(s *shower, x *Instance) {
	text := x.colons("rt-type", "type", "rt-segsleft", x.opt("rt-segsleft").several("segsleft"), "rt-len", "length")
	s.WriteString(" rt" + strings.NewReplacer(" --rt-0-res", " reserved", " --rt-", " ").Replace(text))
}

func showFragment(s *shower, x *Instance) {
	s.WriteString(" frag ")
	s.span("id", x.opt("fragid"), max32)
	if v := x.opt("fraglen"); v.set {
		fmt.Fprintf(s, " length:%s%d", sign(v.neg, "!"), v.n[0])
	}
	for _, o := range [...][2]string{{"fragres", "reserved"}, {"fragfirst", "first"}, {"fragmore", "more"}, {"fraglast", "last"}} {
		s.WriteString(sign(x.has(o[0]), " "+o[1]))
	}
}

func showLimit(s *shower, x *Instance) {
	period, burst := x.limit()
	fmt.Fprintf(s, " limit: avg %s burst %d", rateText(period, limitScale), burst)
}

func showHashlimit(s *shower, x *Instance) {
	words := strings.Fields(x.words("hashlimit-"))
	s.WriteString(" limit:")
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "upto":
			s.WriteString(" up to")
		case "name":
			i++
		case "mode":
			i++
			s.WriteString(" mode " + strings.ReplaceAll(words[i], ",", "-"))
		case "rate-match":
			s.WriteString(" rate-match")
		default:
			s.WriteString(" " + words[i])
			if words[i] != "above" {
				i++
				s.WriteString(" " + words[i])
			}
		}
		if words[i] == "upto" || words[i] == "above" {
			i++
			s.WriteString(" " + words[i])
		}
	}
}

func showConnlimit(s *shower, x *Instance) {
	above, n, bits, daddr := x.connlimit()
	side, op := "src", "<="
	if daddr {
		side = "dst"
	}
	if above {
		op = ">"
	}
	fmt.Fprintf(s, " #conn %s/%d %s %d", side, bits, op, n)
}

func showConnbytes(s *shower, x *Instance) {
	_, text := x.saved("connbytes")
	fmt.Fprintf(s, "%s connbytes %s connbytes mode %s connbytes direction %s", sign(x.opt("connbytes").neg, " !"), text, x.opt("connbytes-mode").s, x.opt("connbytes-dir").s)
}

func showRecent(s *shower, x *Instance) {
	verbs := map[string]string{"set": "SET", "rcheck": "CHECK", "update": "UPDATE", "remove": "REMOVE"}
	words := strings.Fields(x.words(""))
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case i == 0 && word == "!":
			s.WriteString(" !")
		case verbs[word] != "":
			s.WriteString(" recent: " + verbs[word])
		case word == "hitcount":
			s.WriteString(" hit_count:")
		case word == "rttl":
			s.WriteString(" TTL-Match")
		case word == "rsource":
		case word == "rdest":
		case word == "mask":
			side := "source"
			if x.has("rdest") {
				side = "dest"
			}
			s.WriteString(" side: " + side + " mask:")
		case word == "name" || word == "seconds":
			s.WriteString(" " + word + ":")
		default:
			s.WriteString(" " + word)
		}
	}
}

func showIPRange(s *shower, x *Instance) {
	for _, side := range [2][2]string{{"src-range", "source"}, {"dst-range", "destination"}} {
		if v := x.opt(side[0]); v.set {
			fmt.Fprintf(s, " %s IP range%s %v-%v", side[1], sign(v.neg, " !"), v.a[0], v.a[1])
		}
	}
}

func showAddrType(s *shower, x *Instance) {
	s.WriteString(" ADDRTYPE match")
	for _, name := range [2]string{"src-type", "dst-type"} {
		if v := x.opt(name); v.set {
			_, text := x.saved(name)
			fmt.Fprintf(s, " %s %s%s", name, sign(v.neg, "!"), text)
		}
	}
	s.WriteString(sign(x.has("limit-iface-in"), " limit-in") + sign(x.has("limit-iface-out"), " limit-out"))
}

func showECN(s *shower, x *Instance) {
	s.WriteString(" ECN match")
	for _, o := range [...][2]string{{"ecn-tcp-ece", "ECE"}, {"ecn-tcp-cwr", "CWR"}, {"ecn-ip-ect", "ECT="}} {
		if v := x.opt(o[0]); v.set {
			s.WriteString(" " + sign(v.neg, "!") + o[1])
			if o[0] == "ecn-ip-ect" {
				s.WriteString(decimal(v.n[0]))
			}
		}
	}
}

func showStatistic(s *shower, x *Instance) {
	s.WriteString(" statistic" + strings.TrimSuffix(x.words(""), " packet 0"))
}

func showString(s *shower, x *Instance) {
	for _, name := range [2]string{"string", "hex-string"} {
		if v := x.opt(name); v.set {
			fmt.Fprintf(s, " STRING match %s", sign(v.neg, "!"))
		}
	}
	text := strings.TrimPrefix(x.text(), " !")
	_, text, _ = strings.Cut(text, " --") // behind it the option's name and its value
	_, text, _ = strings.Cut(text, " ")
	s.WriteString(" " + strings.NewReplacer(" --algo ", " ALGO name ", " --from ", " FROM ", " --to ", " TO ", " --icase", " ICASE").Replace(text))
}

func showLOG(s *shower, x *Instance) {
	level := uint64(4)
	if v := x.opt("log-level"); v.set {
		level = v.n[0]
	}
	flags := 0
	names := ""
	for i, o := range [...][2]string{{"log-tcp-sequence", "tcp-sequence"}, {"log-tcp-options", "tcp-options"}, {"log-ip-options", "ip-options"}, {"log-uid", "uid"}, {}, {"log-macdecode", "macdecode"}} {
		if o[0] != "" && x.has(o[0]) {
			flags |= 1 << i
			names += " " + o[1]
		}
	}
	if s.numeric {
		fmt.Fprintf(s, " LOG flags %d level %d", flags, level)
	} else {
		level := [...]string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}[level]
		fmt.Fprintf(s, " LOG level %s%s", level, names)
	}
	if v := x.opt("log-prefix"); v.s != "" {
		fmt.Fprintf(s, " prefix \"%s\"", v.s)
	}
}

// change shows what becomes of a mark.
func (s *shower) change(v, mask uint64) {
	switch {
	case v == 0:
		s.WriteString(" and " + hex(max32&^mask))
	case v == mask:
		s.WriteString(" or " + hex(v))
	case mask == 0:
		s.WriteString(" xor " + hex(v))
	case mask == max32:
		s.WriteString(" set " + hex(v))
	default:
		s.WriteString(" xset " + hex(v) + "/" + hex(mask))
	}
}

func showMARK(s *shower, x *Instance) {
	s.WriteString(" MARK")
	s.change(x.xmark())
}

func showCONNMARK(s *shower, x *Instance) {
	nf, ct := x.ctMasks()
	s.WriteString(" CONNMARK")
	switch save := x.has("save-mark"); {
	case !save && !x.has("restore-mark"):
		s.change(x.connxmark())
	case save:
		s.WriteString(" save")
		if nf == ct && nf != max32 {
			s.WriteString(" mask " + hex(nf))
		} else if nf != ct {
			s.WriteString(" nfmask " + hex(nf) + " ctmask ~" + hex(ct))
		}
	default:
		s.WriteString(" restore")
		if nf == ct && nf != max32 {
			s.WriteString(" mask " + hex(ct))
		} else if nf != ct {
			s.WriteString(" ctmask " + hex(ct) + " nfmask ~" + hex(nf))
		}
	}
	for _, name := range []string{"left-shift-mark", "right-shift-mark"} {
		if v := x.opt(name); v.n[0] != 0 {
			s.WriteString(" " + name + " " + decimal(v.n[0]))
		}
	}
}

func showNAT(s *shower, x *Instance) {
	s.WriteString(strings.NewReplacer(" --to-source ", " to:", " --to-destination ", " to:", " --to-ports ",
		map[string]string{"MASQUERADE": " masq ports: ", "REDIRECT": " redir ports "}[x.ext.name], " --", " ").Replace(x.text()))
}

func showECNTarget(s *shower, x *Instance) {
	s.WriteString(" ECN")
	if x.has("ecn-tcp-remove") {
		s.WriteString(" TCP remove")
	}
	for _, o := range [...][2]string{{"ecn-tcp-ece", "ECE="}, {"ecn-tcp-cwr", "CWR="}, {"ecn-ip-ect", "ECT codepoint="}} {
		if v := x.opt(o[0]); v.set {
			s.WriteString(" " + o[1] + decimal(v.n[0]))
		}
	}
}

func showTime(s *shower, x *Instance) {
	s.WriteString(" TIME")
	words := strings.Fields(x.words(""))
	zone, days, end := " UTC", "", ""
	for i := 0; i < len(words); i++ {
		val := ""
		if i+1 < len(words) {
			val = words[i+1]
		}
		switch words[i] {
		case "timestart":
			s.WriteString(" from " + val)
		case "timestop":
			s.WriteString(" to " + val)
		case "weekdays":
			s.WriteString(" on " + val)
		case "monthdays":
			list := strings.Split(val, ",")
			for i, d := range list {
				ending := map[byte]string{'1': "st", '2': "nd", '3': "rd"}[d[len(d)-1]]
				if ending == "" {
					ending = "th"
				}
				list[i] += ending
			}
			days = " on " + strings.Join(list, ",")
		case "datestart":
			end += " starting from " + strings.Replace(val, "T", " ", 1)
		case "datestop":
			if val != "2038-01-19T03:14:07" { // the end of time
				end += " until date " + strings.Replace(val, "T", " ", 1)
			}
		case "kerneltz":
			zone = ""
		case "contiguous":
			zone += " contiguous"
		}
	}
	s.WriteString(days + end + zone)
}
