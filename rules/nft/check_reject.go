package nft

// reject checks a reject statement and finds the answer's protocol.
func (k *ruleCheck) reject(n *rejectNode) Stmt {
	st := &Reject{Pos: n.pos, Bare: n.with == "", Proto: 255, Code: 1}
	if k.table.Family == FamilyARP {
		k.failReject(n, "cannot use reject with arp")
	}
	one := k.table.Family == FamilyIP || k.table.Family == FamilyIP6
	st.inet = !one
	var asked Family
	switch n.with {
	case "tcp reset":
		k.resettable(n)
		st.Proto, st.Code, st.Reset = 0, 0, true
	case "icmp":
		asked, st.Proto, st.Code = FamilyIP, protoICMP, k.rejectCode(n, TypeICMPCode)
	case "icmpv6":
		asked, st.Proto, st.Code = FamilyIP6, protoICMPv6, k.rejectCode(n, TypeICMPv6Code)
	case "icmpx":
		st.Code = k.rejectCode(n, TypeICMPXCode)
		if one {
			k.errorf(n.code.pos, n.code.end, "abstracted ICMP unreachable not supported")
			k.also(n.word.pos, n.word.end)
			panic(bail{})
		}
	}
	fam := k.table.Family
	if !one {
		fam = k.rejectFamily(n)
	}
	if asked != 0 && fam != 0 && asked != fam {
		k.errorf(n.code.pos, n.code.end, "conflicting protocols specified: ip vs ip6")
		if one {
			k.also(n.word.pos, n.word.end)
		} else {
			k.alsoRejected(n, BaseNetwork)
		}
		panic(bail{})
	}
	switch {
	case st.Reset:
		k.rejectTransport(n)
	case asked != 0 && fam == 0:
		k.rejectNetwork(n, asked)
	case n.with == "" && fam == FamilyIP:
		st.Proto, st.Code = protoICMP, 3
	case n.with == "" && fam == FamilyIP6:
		st.Proto, st.Code = protoICMPv6, 4
	}
	return st
}

// rejectFamily is the family of what a table of several rejects; 0: not known.
func (k *ruleCheck) rejectFamily(n *rejectNode) Family {
	inet := k.table.Family == FamilyInet
	link, net := k.layers.link(), k.layers.at[BaseNetwork].proto
	if !inet && (link == unknownProto || link == "inet") {
		k.failReject(n, "cannot reject from this link layer protocol")
	}
	if fam := k.layers.addresses(); net == "" || fam != 0 && carries(link, net) {
		return fam
	}
	switch {
	case !inet:
		k.errorf(n.pos, n.wordEnd(), "cannot reject this network family")
		k.alsoRejected(n, BaseNetwork)
		panic(bail{})
	case n.with != "icmpx" && n.with != "tcp reset":
		k.failReject(n, "cannot infer ICMP reject variant to use: explicit value required.\n")
	}
	return 0
}

// wordEnd is where the word reject ends.
func (n *rejectNode) wordEnd() Pos {
	end := n.pos
	end.Col += len("reject")
	return end
}

func (k *ruleCheck) failReject(n *rejectNode, format string, args ...any) {
	k.errorf(n.pos, n.wordEnd(), format, args...)
	panic(bail{})
}

// alsoRejected marks the match that said a layer's protocol.
func (k *ruleCheck) alsoRejected(n *rejectNode, b HeaderBase) {
	if at := k.layers.at[b].where; at.pos.Line == n.pos.Line {
		k.also(at.pos, at.end)
	}
}

// resettable wants a transport protocol that is named to be TCP.
func (k *ruleCheck) resettable(n *rejectNode) {
	net, have := k.layers.at[BaseNetwork].proto, k.layers.transport()
	if have == "" || have == "tcp" && (net == "" || carries(net, have)) {
		return
	}
	k.errorf(n.word.pos, n.word.end, "you cannot use tcp reset with this protocol")
	k.alsoRejected(n, BaseTransport)
	panic(bail{})
}

// rejectTransport sees to it that what is reset is TCP.
func (k *ruleCheck) rejectTransport(n *rejectNode) {
	if k.layers.transport() != "" {
		return
	}
	if net := k.layers.at[BaseNetwork].proto; net != "" && !carries(net, "tcp") {
		k.failReject(n, "conflicting protocols specified: %s vs. tcp", net)
	}
	k.imply(n.pos, MetaL4proto, TypeProto, protoTCP)
}

// rejectNetwork sees to it that the packet has the network protocol of the answer.
func (k *ruleCheck) rejectNetwork(n *rejectNode, f Family) {
	if link := k.layers.link(); !carries(link, familyName(f)) {
		k.failReject(n, "conflicting protocols specified: %s vs. %s", link, familyName(f))
	}
	k.implyNetwork(n.pos, f)
}

// implyNetwork adds the match on the network protocol a statement needs.
func (k *ruleCheck) implyNetwork(pos Pos, f Family) {
	onEther := k.table.Family == FamilyBridge || k.layers.link() == "ether"
	if k.table.Family == FamilyInet && !onEther {
		k.imply(pos, MetaNfproto, TypeNfproto, uint64(f))
		return
	}
	k.imply(pos, MetaProtocol, TypeEtherType, etherType(f))
	if onEther {
		k.implied[len(k.implied)-1].(*Match).Left = &Payload{Field: LookupField("ether", "type")}
	}
}

// imply adds the match a statement needs and that was not written.
func (k *ruleCheck) imply(pos Pos, key MetaKey, t *Type, v uint64) {
	k.implied = append(k.implied, &Match{
		Pos: pos, Left: &Meta{Key: key}, Right: &Const{T: t, Data: putUint(v, sizeOf(t.Bits)), PrefixLen: -1},
		implied: true, fam: k.table.Family,
	})
}

func (k *ruleCheck) rejectCode(n *rejectNode, t *Type) uint8 {
	if n.code.kind == rawWord || n.code.kind == rawString {
		if v, ok := t.Lookup(n.code.text); ok {
			return uint8(v)
		}
		k.fail(n.code, "Could not parse %s", t.Desc)
	}
	if v, ok := parseBig(n.code.text); ok && n.code.kind == rawNumber && v.BitLen() > 8 {
		return uint8(v.Uint64() & 0xff) // nft cuts it to its size
	}
	v := getUint(k.constant(n.code, t, 8).Lo)
	if t == TypeICMPCode && v >= 254 && k.table.Family != FamilyIP { // which nft has for codes that are not there
		k.failReject(n, "missing icmp error type")
	}
	if t == TypeICMPXCode && v > 3 {
		k.fail(n.code, "Could not parse %s", t.Desc)
	}
	return uint8(v)
}
