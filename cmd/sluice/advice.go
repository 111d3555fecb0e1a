package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// advise lists what is legal in a ruleset but rarely meant, one text each.
func advise(tree *nft.Ruleset) []string {
	var translates *nft.NAT
	dropsInvalid := false
	for _, table := range tree.Tables {
		for _, chain := range table.Chains {
			for _, rule := range chain.Rules {
				for _, stmt := range rule.Stmts {
					if nat, ok := stmt.(*nft.NAT); ok && translates == nil {
						translates = nat
					}
				}
				dropsInvalid = dropsInvalid || refusesInvalid(rule)
			}
		}
	}
	if translates != nil && !dropsInvalid {
		return []string{fmt.Sprintf("%v: Warning: addresses are translated, but no rule drops ct state invalid: "+
			"such packets pass untranslated", translates.Pos)}
	}
	return nil
}

// adviseAddresses says which port lacks the address that packets should have
// been translated to: one text for each port and family. dropped counts the
// packets that no translation was found for, by port in and whether they are IPv6.
func adviseAddresses(tree *nft.Ruleset, net *network, dropped [2]map[bool]int) (texts []string) {
	kinds := map[nft.NATKind]*nft.NAT{}
	for _, table := range tree.Tables {
		for _, chain := range table.Chains {
			for _, rule := range chain.Rules {
				for _, stmt := range rule.Stmts {
					if nat, ok := stmt.(*nft.NAT); ok && kinds[nat.Kind] == nil {
						kinds[nat.Kind] = nat
					}
				}
			}
		}
	}
	advise := func(nat *nft.NAT, word string, port int, six bool, n int) {
		family, example := "IPv4", "192.0.2.1/24"
		if six {
			family, example = "IPv6", "2001:db8::1/64"
		}
		if nat == nil || n == 0 || slices.ContainsFunc(net.addrs[port], func(p netip.Prefix) bool { return p.Addr().Is6() == six }) {
			return
		}
		texts = append(texts, fmt.Sprintf("%v: Warning: %s dropped as nat: %s takes an address of %s, which has no %s address: give one, as in --addr %s=%s",
			nat.Pos, amount(n, "packet"), word, net.names[port], family, net.names[port], example))
	}
	for port := range dropped {
		for _, six := range []bool{false, true} {
			advise(kinds[nft.NATMasquerade], "masquerade", 1-port, six, dropped[port][six])
			advise(kinds[nft.NATRedirect], "redirect", port, six, dropped[port][six])
		}
	}
	return texts
}

// refusesInvalid says whether a rule sends packets of ct state invalid to their
// end, or to a chain that may.
func refusesInvalid(rule *nft.Rule) bool {
	concerns := false
	for _, stmt := range rule.Stmts {
		switch s := stmt.(type) {
		case *nft.Match:
			if readsState(s.Left) && matchesInvalid(s) {
				concerns = true
			}
		case *nft.VMap:
			if readsState(s.Left) && mapsInvalid(s.Set) {
				return true
			}
		case *nft.Verdict:
			if concerns && refuses(s) {
				return true
			}
		case *nft.Reject:
			if concerns {
				return true
			}
		}
	}
	return false
}

func readsState(e nft.Expr) bool {
	ct, ok := e.(*nft.CT)
	return ok && ct.Key == nft.CTState
}

func refuses(v *nft.Verdict) bool {
	return v.Kind == nft.VerdictDrop || v.Kind == nft.VerdictJump || v.Kind == nft.VerdictGoto
}

// matchesInvalid says whether a match on ct state lets invalid packets go on.
func matchesInvalid(m *nft.Match) bool {
	named := false
	switch v := m.Right.(type) {
	case *nft.Const:
		named = holdsInvalid(v.Data)
	case *nft.SetRef:
		for el := range v.Set.Elements.All() {
			named = named || len(el.Key) > 0 && holdsInvalid(el.Key[0].Lo)
		}
	}
	return named == (m.Op != nft.OpNe)
}

func mapsInvalid(set *nft.Set) bool {
	for el := range set.Elements.All() {
		if el.Verdict != nil && len(el.Key) > 0 && holdsInvalid(el.Key[0].Lo) && refuses(el.Verdict) {
			return true
		}
	}
	return false
}

// holdsInvalid looks for the bit in a value of type ct_state, big endian.
func holdsInvalid(data []byte) bool {
	return len(data) == 4 && binary.BigEndian.Uint32(data)&flowtable.StateInvalid != 0
}
