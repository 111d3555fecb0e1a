package main

import "strings"

const proxyObjects = `	synproxy far {
		mss 1400
		wscale 7
		timestamp sack-perm
	}
	synproxy near {
		mss 1300
		wscale 5
		timestamp sack-perm
	}
`

// Of each pair the first says in rules what the second says by maps of objects.
var (
	timeoutsByMap = strings.NewReplacer(
		`tcp dport 90 ct timeout set "quick"`, `ct timeout set tcp dport map { 90 : "quick" }`,
		`meta l4proto udp ct timeout set "quick"`, `ct timeout set meta l4proto map { udp : "quick" }`,
		`udp dport 90 ct timeout set "brief"`, `ct timeout set udp dport map { 90-91 : "brief", 95 : "quick" }`,
		`ct state new ct expectation set "back"`, `ct state new ct expectation set ip saddr . tcp dport map { 10.77.11.0/24 . 91 : "back" }`,
		`tcp dport 91 meta nfproto ipv6 ct expectation set "back6"`, `meta nfproto ipv6 ct expectation set tcp dport map { 91 : "back6" }`)
	helpersByMap = strings.NewReplacer(
		`tcp dport 21 ct helper set "ftp"`, `ct helper set tcp dport map { 21 : "ftp", 6667 : "irc", 1723 : "pptp", 5060 : "siptcp" } counter`,
		`udp dport 69 ct helper set "tftp"`, `ct helper set udp dport map { 69 : "tftp", 5060 : "sip", * : "ftp" } counter`,
		`tcp dport 6667 ct helper set "irc"`, ``, `tcp dport 1723 ct helper set "pptp"`, ``,
		`udp dport 5060 ct helper set "sip"`, ``, `tcp dport 5060 ct helper set "siptcp"`, ``)
	proxiesByName = strings.NewReplacer(
		"table inet o {\n", "table inet o {\n"+proxyObjects,
		`synproxy mss 1400 wscale 7 timestamp sack-perm`, `synproxy name "far"`,
		`synproxy mss 1300 wscale 5 timestamp sack-perm`, `synproxy name "near"`)
	proxiesByMap = strings.NewReplacer(
		"table inet o {\n", "table inet o {\n"+proxyObjects+`	map proxies { type inet_service : synproxy; flags interval; counter; elements = { 80 : "far" }
	}
`,
		`tcp dport 80 ct state invalid,untracked synproxy mss 1400 wscale 7 timestamp sack-perm`, `ct state invalid,untracked synproxy name tcp dport map @proxies`,
		`tcp dport 80 ct state invalid,untracked synproxy mss 1300 wscale 5 timestamp sack-perm`, `ct state invalid,untracked synproxy name tcp dport map { 80 : "near" }`)
)

// byMaps are connections of other groups where maps name the objects.
func byMaps() []*Script {
	var all []*Script
	for _, of := range []struct {
		rules   string
		scripts []*Script
		names   []string // what the names of those that count begin with
	}{
		{"counting", counts(), []string{"timeouts", "expectation", "child"}},
		{"helper", helpers(), []string{"helper ftp p", "helper ftp e", "helper ftp used", "helper tftp", "helper irc PRIV", "helper sip invite"}},
		{"synproxy", proxies(), []string{"synproxy life", "synproxy refused", "synproxy another", "synproxy wrong", "synproxy two", "synproxy for", "synproxy more"}},
	} {
		for _, s := range of.scripts {
			for _, name := range of.names {
				if s.Rules == of.rules && strings.HasPrefix(s.Name, name) {
					by := *s
					by.Rules += "-map"
					all = append(all, &by)
					if of.rules == "synproxy" {
						named := *s
						named.Rules, named.Name = "synproxy-named", s.Name+" by name"
						all = append(all, &named)
					}
					break
				}
			}
		}
	}
	return all
}
