package nft

// Type is a data type of the language (ipv4_addr, inet_service, ...).
type Type struct {
	Name    string
	Desc    string // in words, for messages
	Bits    int    // 0: taken from the expression (integer)
	Bitmask bool   // values are flags; `{left} v` means some bit in common
	Host    bool   // host byte order in nft's listing of raw values (mark, ifindex)
	Hex     bool   // listed in hexadecimal, all digits, when no symbol fits
	Hidden  bool   // symbols are read but listed as numbers (ports)
	Symbols []Symbol
}

// Symbol is a name for a value.
type Symbol struct {
	Name  string
	Value uint64
}

// Lookup finds a symbol's value.
func (t *Type) Lookup(name string) (uint64, bool) {
	for i := range t.Symbols {
		if t.Symbols[i].Name == name {
			return t.Symbols[i].Value, true
		}
	}
	return 0, false
}

// Symbol finds the first name of a value; "" when there is none.
func (t *Type) Symbol(v uint64) string {
	for i := range t.Symbols {
		if t.Symbols[i].Value == v {
			return t.Symbols[i].Name
		}
	}
	return ""
}

// The types of the language.
var (
	TypeInteger    = &Type{Name: "integer", Desc: "integer"}
	TypeIPv4       = &Type{Name: "ipv4_addr", Desc: "IPv4 address", Bits: 32}
	TypeIPv6       = &Type{Name: "ipv6_addr", Desc: "IPv6 address", Bits: 128}
	TypeEther      = &Type{Name: "ether_addr", Desc: "Ethernet address", Bits: 48}
	TypeEtherType  = &Type{Name: "ether_type", Desc: "Ethernet protocol", Bits: 16, Hex: true, Symbols: etherTypes}
	TypeProto      = &Type{Name: "inet_proto", Desc: "Internet protocol", Bits: 8, Symbols: protocols}
	TypeService    = &Type{Name: "inet_service", Desc: "internet network service", Bits: 16, Hidden: true, Symbols: services}
	TypeICMPType   = &Type{Name: "icmp_type", Desc: "ICMP type", Bits: 8, Symbols: icmpTypes}
	TypeICMPCode   = &Type{Name: "icmp_code", Desc: "icmp code", Bits: 8, Symbols: icmpCodes}
	TypeICMPv6Type = &Type{Name: "icmpv6_type", Desc: "ICMPv6 type", Bits: 8, Symbols: icmpv6Types}
	TypeICMPv6Code = &Type{Name: "icmpv6_code", Desc: "icmpv6 code", Bits: 8, Symbols: icmpv6Codes}
	TypeICMPXCode  = &Type{Name: "icmpx_code", Desc: "icmpx code", Bits: 8, Symbols: icmpxCodes}
	TypeTCPFlag    = &Type{Name: "tcp_flag", Desc: "TCP flag", Bits: 8, Bitmask: true, Hex: true, Symbols: tcpFlags}
	TypeDSCP       = &Type{Name: "dscp", Desc: "Differentiated Services Code Point", Bits: 6, Hex: true, Symbols: dscps}
	TypeECN        = &Type{Name: "ecn", Desc: "Explicit Congestion Notification", Bits: 2, Hex: true, Symbols: ecns}
	TypeMark       = &Type{Name: "mark", Desc: "packet mark", Bits: 32, Host: true, Hex: true}
	TypeIfindex    = &Type{Name: "iface_index", Desc: "network interface index", Bits: 32, Host: true}
	TypeIfname     = &Type{Name: "ifname", Desc: "network interface name", Bits: 128, Host: true}
	TypeIftype     = &Type{Name: "iface_type", Desc: "network interface type", Bits: 16, Host: true, Symbols: ifaceTypes}
	TypePkttype    = &Type{Name: "pkt_type", Desc: "packet type", Bits: 8, Symbols: pktTypes}
	TypeNfproto    = &Type{Name: "nf_proto", Desc: "netfilter protocol", Bits: 8, Symbols: nfProtos}
	TypeCTState    = &Type{Name: "ct_state", Desc: "conntrack state", Bits: 32, Bitmask: true, Host: true, Hex: true, Symbols: ctStates}
	TypeCTStatus   = &Type{Name: "ct_status", Desc: "conntrack status", Bits: 32, Bitmask: true, Host: true, Hex: true, Symbols: ctStatuses}
	TypeCTDir      = &Type{Name: "ct_dir", Desc: "conntrack direction", Bits: 8, Symbols: ctDirs}
	TypeTime       = &Type{Name: "time", Desc: "Relative time of packet reception", Bits: 32, Host: true}

	TypeHostInteger = &Type{Name: "integer", Desc: "integer", Host: true}
	TypeRaw         = &Type{Name: "integer", Desc: "integer"} // of raw payload, listed in hexadecimal
	TypeString      = &Type{Name: "string", Desc: "string", Bits: 128, Host: true}
	TypeBoolean     = &Type{Name: "boolean", Desc: "boolean type", Bits: 1, Symbols: booleans}
	TypeBitmask     = &Type{Name: "bitmask", Desc: "bitmask"}
	TypeRealm       = &Type{Name: "realm", Desc: "routing realm", Bits: 32, Host: true, Symbols: realms}
	TypeDevgroup    = &Type{Name: "devgroup", Desc: "devgroup name", Bits: 32, Host: true, Symbols: devgroups}
	TypeUID         = &Type{Name: "uid", Desc: "user ID", Bits: 32, Host: true}
	TypeGID         = &Type{Name: "gid", Desc: "group ID", Bits: 32, Host: true}
	TypeClassid     = &Type{Name: "classid", Desc: "TC classid", Bits: 32, Host: true}
	TypeFibAddr     = &Type{Name: "fib_addrtype", Desc: "fib address type", Bits: 32, Host: true, Symbols: fibAddrs}
	TypeCgroup      = &Type{Name: "cgroupsv2", Desc: "cgroupsv2 path", Bits: 64, Host: true}
	TypeDate        = &Type{Name: "time", Desc: "Relative time of packet reception", Bits: 64, Host: true}
	TypeDay         = &Type{Name: "day", Desc: "Day of week of packet reception", Bits: 8, Symbols: days}
	TypeHour        = &Type{Name: "hour", Desc: "Hour of day of packet reception", Bits: 32, Host: true}
	TypeARPOp       = &Type{Name: "arp_op", Desc: "ARP operation", Bits: 16, Symbols: arpOps}
	TypeIGMPType    = &Type{Name: "igmp_type", Desc: "IGMP type", Bits: 8, Symbols: igmpTypes}
	TypeMHType      = &Type{Name: "mh_type", Desc: "Mobility Header Type", Bits: 8, Symbols: mhTypes}
	TypeDCCPType    = &Type{Name: "dccp_pkttype", Desc: "DCCP packet type", Bits: 4, Symbols: dccpTypes}
	TypeCTLabel     = &Type{Name: "ct_label", Desc: "conntrack label", Bits: 128, Bitmask: true, Host: true}
	TypeCTEvent     = &Type{Name: "ct_event", Desc: "conntrack event bits", Bits: 32, Bitmask: true, Host: true, Hex: true, Symbols: ctEvents}

	// TypeCTReason is no type of nft: why conntrack finds a packet invalid.
	TypeCTReason = &Type{Name: "ct_reason", Desc: "reason for which a packet is invalid", Bits: 8, Symbols: ctReasons}

	TypeVerdict = &Type{Name: "verdict", Desc: "netfilter verdict"}
)

// namedTypes are the types a set's `type` may name.
var namedTypes = []*Type{
	TypeIPv4, TypeIPv6, TypeEther, TypeEtherType, TypeProto, TypeService, TypeICMPType, TypeICMPCode,
	TypeICMPv6Type, TypeICMPv6Code, TypeICMPXCode, TypeTCPFlag, TypeDSCP, TypeECN, TypeMark, TypeIfindex,
	TypeIfname, TypeIftype, TypePkttype, TypeNfproto, TypeCTState, TypeCTStatus, TypeCTDir, TypeTime, TypeVerdict,
	TypeBoolean, TypeRealm, TypeDevgroup, TypeUID, TypeGID, TypeClassid, TypeFibAddr, TypeCgroup,
	TypeARPOp, TypeIGMPType, TypeMHType, TypeDCCPType,
	TypeCTReason,
}

// typeByName finds a type a set may name; nil when there is none.
func typeByName(name string) *Type {
	for _, t := range namedTypes {
		if t.Name == name {
			return t
		}
	}
	return nil
}
