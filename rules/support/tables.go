package support

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
)

// tableRules are rules of iptables, one for each match and target: table, chain and the
// rest. ADDR stands for an address, PREFIX for a net.
var tableRules = map[string]string{
	"match addrtype": "filter FORWARD -m addrtype --dst-type LOCAL", "match ah": "filter FORWARD -p ah -m ah --ahspi 5",
	"match bpf": `filter FORWARD -m bpf --bytecode "1,6 0 0 1"`, "match cgroup": "filter OUTPUT -m cgroup --cgroup 1",
	"match cluster": "filter FORWARD -m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 5",
	"match comment": "filter FORWARD -m comment --comment a", "match connbytes": "filter FORWARD -m connbytes --connbytes 10 --connbytes-mode packets --connbytes-dir both",
	"match connlabel": "filter FORWARD -m connlabel --label 5", "match connlimit": "filter FORWARD -m connlimit --connlimit-above 3",
	"match connmark": "filter FORWARD -m connmark --mark 2", "match conntrack": "filter FORWARD -m conntrack --ctstate NEW",
	"match cpu": "filter FORWARD -m cpu --cpu 1", "match dccp": "filter FORWARD -p dccp -m dccp --dport 5", "match devgroup": "filter FORWARD -m devgroup --src-group 5",
	"match dscp": "filter FORWARD -m dscp --dscp 10", "match dst": "filter FORWARD -m dst --dst-len 16", "match ecn": "filter FORWARD -m ecn --ecn-ip-ect 3",
	"match esp": "filter FORWARD -p esp -m esp --espspi 5", "match eui64": "filter FORWARD -m eui64", "match frag": "filter FORWARD -m frag --fragid 5",
	"match geoip":     "filter FORWARD -m geoip --src-cc DE",
	"match hashlimit": "filter FORWARD -m hashlimit --hashlimit-upto 10/min --hashlimit-mode srcip --hashlimit-name h",
	"match hbh":       "filter FORWARD -m hbh --hbh-len 16", "match helper": "filter FORWARD -m helper --helper ftp", "match hl": "filter FORWARD -m hl --hl-eq 5",
	"match icmp": "filter FORWARD -p icmp -m icmp --icmp-type 8", "match icmp6": "filter FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 128",
	"match ipcomp": "filter FORWARD -p ipcomp -m ipcomp --ipcompspi 5", "match iprange": "filter FORWARD -m iprange --src-range ADDR-ADDR",
	"match ipv6header": "filter FORWARD -m ipv6header --header frag", "match ipvs": "filter FORWARD -m ipvs --ipvs", "match length": "filter FORWARD -m length --length 5:9",
	"match limit": "filter FORWARD -m limit --limit 5/min", "match mac": "filter FORWARD -m mac --mac-source 00:11:22:aa:bb:cc", "match mark": "filter FORWARD -m mark --mark 5",
	"match mh": "filter FORWARD -p mobility-header -m mh --mh-type 1", "match multiport": "filter FORWARD -p tcp -m multiport --dports 22,80:90",
	"match nfacct": "filter FORWARD -m nfacct --nfacct-name a", "match osf": "filter FORWARD -p tcp -m osf --genre Linux",
	"match owner": "filter OUTPUT -m owner --uid-owner 0", "match physdev": "filter FORWARD -m physdev --physdev-in br0",
	"match pkttype": "filter FORWARD -m pkttype --pkt-type unicast", "match policy": "filter FORWARD -m policy --dir in --pol ipsec", "match quota": "filter FORWARD -m quota --quota 1000",
	"match rateest": "filter FORWARD -m rateest --rateest a --rateest-gt", "match realm": "filter FORWARD -m realm --realm 5",
	"match recent": "filter FORWARD -m recent --update --seconds 60 --hitcount 4 --name ssh", "match rpfilter": "raw PREROUTING -m rpfilter --invert",
	"match rt": "filter FORWARD -m rt --rt-type 0", "match sctp": "filter FORWARD -p sctp -m sctp --dport 5", "match set": "filter FORWARD -m set --match-set s src",
	"match socket": "mangle PREROUTING -m socket --transparent", "match srh": "filter FORWARD -m srh --srh-next-hdr 17", "match state": "filter FORWARD -m state --state NEW",
	"match statistic": "filter FORWARD -m statistic --mode nth --every 2 --packet 0", "match string": "filter FORWARD -m string --string x --algo bm",
	"match tcp": "filter FORWARD -p tcp -m tcp --dport 4", "match tcpmss": "filter FORWARD -p tcp -m tcpmss --mss 1:100", "match time": "filter FORWARD -m time --timestart 8:00",
	"match tos": "filter FORWARD -m tos --tos 0x10", "match ttl": "filter FORWARD -m ttl --ttl-lt 5", "match u32": `filter FORWARD -m u32 --u32 "0=5"`, "match udp": "filter FORWARD -p udp -m udp --dport 53",
	"target AUDIT": "filter FORWARD -j AUDIT --type accept", "target CHECKSUM": "mangle FORWARD -j CHECKSUM --checksum-fill", "target CLASSIFY": "mangle FORWARD -j CLASSIFY --set-class 1:2",
	"target CLUSTERIP": "filter INPUT -d ADDR -j CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5e:00:00:01 --total-nodes 2 --local-node 1",
	"target CONNMARK":  "mangle FORWARD -j CONNMARK --save-mark", "target CONNSECMARK": "security FORWARD -j CONNSECMARK --save", "target CT": "raw PREROUTING -p tcp -j CT --helper ftp",
	"target DNAT": "nat PREROUTING -j DNAT --to-destination ADDR", "target DNPT": "mangle PREROUTING -j DNPT --src-pfx PREFIX --dst-pfx PREFIX", "target DSCP": "mangle FORWARD -j DSCP --set-dscp 10",
	"target ECN": "mangle FORWARD -j ECN --ecn-ip-ect 2", "target HL": "mangle FORWARD -j HL --hl-set 5", "target HMARK": "mangle FORWARD -j HMARK --hmark-tuple src --hmark-mod 2 --hmark-rnd 1",
	"target IDLETIMER": "mangle FORWARD -j IDLETIMER --timeout 5 --label x", "target LED": "filter FORWARD -j LED --led-trigger-id a", "target LOG": "filter FORWARD -j LOG --log-prefix a",
	"target MARK": "mangle FORWARD -j MARK --set-mark 5", "target MASQUERADE": "nat POSTROUTING -j MASQUERADE", "target NETMAP": "nat PREROUTING -j NETMAP --to PREFIX",
	"target NFLOG": "filter FORWARD -j NFLOG --nflog-group 5", "target NFQUEUE": "filter FORWARD -j NFQUEUE --queue-num 0", "target NOTRACK": "raw PREROUTING -j NOTRACK",
	"target RATEEST":  "mangle FORWARD -j RATEEST --rateest-name a --rateest-interval 1s --rateest-ewmalog 4s",
	"target REDIRECT": "nat PREROUTING -p tcp -j REDIRECT --to-ports 80", "target REJECT": "filter FORWARD -j REJECT", "target SECMARK": "security FORWARD -j SECMARK --selctx a",
	"target SET": "filter FORWARD -j SET --add-set d src", "target SNAT": "nat POSTROUTING -j SNAT --to-source ADDR", "target SNPT": "mangle POSTROUTING -j SNPT --src-pfx PREFIX --dst-pfx PREFIX",
	"target SYNPROXY": "filter FORWARD -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460", "target TCPMSS": "mangle FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
	"target TCPOPTSTRIP": "mangle FORWARD -p tcp -j TCPOPTSTRIP --strip-options 2,3", "target TEE": "mangle PREROUTING -j TEE --gateway ADDR", "target TOS": "mangle FORWARD -j TOS --set-tos 0x10",
	"target TPROXY": "mangle PREROUTING -p tcp -j TPROXY --on-port 5", "target TRACE": "raw PREROUTING -j TRACE", "target TTL": "mangle FORWARD -j TTL --ttl-set 5",
}

// tableSets are the sets that rules of iptables name.
const tableSets = "create s hash:ip family FAMILY\ncreate d hash:ip family FAMILY timeout 60\n"

// tableRow tries a match or target of iptables.
func tableRow(x iptables.Known) Row {
	r := Row{Kind: "iptables " + x.Kind, Name: x.Name}
	rule := tableRules[x.Kind+" "+x.Name]
	for _, family := range []iptables.Family{iptables.IPv4, iptables.IPv6} {
		if x.Families&family == 0 {
			continue
		}
		name, words := "ip", strings.NewReplacer("ADDR", "192.0.2.1", "PREFIX", "192.0.2.0/24", "FAMILY", "inet")
		if family == iptables.IPv6 {
			name, words = "ip6", strings.NewReplacer("ADDR", "2001:db8::1", "PREFIX", "2001:db8::/64", "FAMILY", "inet6")
		}
		table, rest, _ := strings.Cut(words.Replace(rule), " ")
		rs, err := iptables.Restore(nil, family, "example", []byte("*"+table+"\n-A "+rest+"\nCOMMIT\n"), iptables.RestoreOptions{})
		if err != nil {
			if r.Reason == "" {
				r.Reason = tableMessage(err)
			}
			continue
		}
		if err := tableLoads(rs, words.Replace(tableSets)); err != nil {
			r.Known = append(r.Known, name)
			r.Reason = tableMessage(err)
			continue
		}
		r.Families = append(r.Families, name)
	}
	if len(r.Families) > 0 {
		r.Reason = ""
	}
	return r
}

func tableLoads(rs *iptables.Ruleset, sets string) error {
	ipsets, err := iptables.ParseIPSets("example", []byte(sets))
	if err != nil {
		return err
	}
	tree := &nft.Ruleset{}
	s, err := iptables.Lower(rs, rs.Tables, tree, iptables.Given{Sets: ipsets, Countries: func(string) ([]byte, error) { return nil, nil }})
	if err != nil {
		return err
	}
	out, err := s.Run(tree)
	if err != nil {
		return err
	}
	_, err = rules.Compile(out.Rules, rules.Options{})
	return err
}

// tableMessage is an error without its place and without what has refused it.
func tableMessage(err error) string {
	var wrong *iptables.Error
	if !errors.As(err, &wrong) {
		return message(err)
	}
	text := wrong.Msg
	if at := strings.Index(text, " failed: "); at >= 0 {
		text = text[at+len(" failed: "):]
	}
	if _, why, ok := strings.Cut(text, "means nothing here: "); ok {
		text = why
	}
	return text
}

var extensionWord = regexp.MustCompile(`-([mj]) (\S+)`)

// TableRows are the rows that a dump of iptables uses.
func TableRows(dump string) (rows []string) {
	for _, m := range extensionWord.FindAllStringSubmatch(dump, -1) {
		kind := "match"
		if m[1] == "j" {
			kind = "target"
		}
		if row := "iptables " + kind + "\t" + m[2]; tableRules[kind+" "+m[2]] != "" && !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	return rows
}
