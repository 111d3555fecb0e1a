package main

import "fmt"

// allScripts are the scripted connections, by group.
func allScripts() []*Script {
	var all []*Script
	for _, group := range []struct {
		name    string
		scripts []*Script
	}{
		{"tcp-life", tcpLife()}, {"tcp-table", tcpTable()}, {"tcp-flags", tcpFlags()}, {"tcp-window", tcpWindow()},
		{"tcp-reset", tcpReset()}, {"tcp-pickup", tcpPickup()}, {"tcp-broken", tcpBroken()},
		{"datagram", datagrams()}, {"stream", streams()}, {"self", toThemselves()}, {"expiry", expiries()}, {"icmp", pings()}, {"icmp-error", icmpErrors()},
		{"sctp", associations()}, {"fragment", pieces()}, {"nat", translated()}, {"refusal", refusals()}, {"ip-options", routersOptions()}, {"fields", fieldRows()}, {"kinds", kindRows()},
		{"helper", helpers()}, {"rules", ruleFeatures()}, {"elements", liveElements()}, {"given", givenElements()}, {"counts", counts()}, {"priority", classes()}, {"copies", copied()}, {"egress", sentOn()}, {"hops", hops()}, {"iptables", tables()}, {"matches", matchRows()}, {"recent", recents()}, {"trace", traces()}, {"synproxy", proxies()}, {"objects", byMaps()},
	} {
		seen := map[string]bool{}
		for _, s := range group.scripts {
			s.Group = group.name
			if seen[s.Name] {
				panic(fmt.Sprintf("oracle: two scripts %s/%s", s.Group, s.Name))
			}
			seen[s.Name] = true
		}
		all = append(all, group.scripts...)
	}
	return all
}

// row is a script of a table.
type row struct{ name, text string }

// scripts makes scripts of rows.
func scripts(rows []row) (all []*Script) {
	for _, r := range rows {
		s := &Script{Name: r.name}
		for _, l := range lines(r.text) {
			if err := s.add(l); err != nil {
				panic(fmt.Sprintf("oracle: script %s: %v", r.name, err))
			}
		}
		all = append(all, s)
	}
	return all
}

// bothFamilies repeats scripts with IPv6.
func bothFamilies(four []*Script) []*Script {
	all := four
	for _, s := range four {
		six := *s
		six.Name += " v6"
		six.Six = true
		all = append(all, &six)
	}
	return all
}
