package main

import "path"

// knownDifferences are scripts that differ on purpose, each with its reason. A
// row whose scripts agree makes the run fail, so that the list stays short.
var knownDifferences = []struct{ pattern, reason string }{
	{"datagram/checked udplite*", "the kernel verifies UDPLite with UDP's protocol number and finds every right checksum wrong; sluice goes by RFC 3828"},
	{"pcap/zeek_http-qinq-0.pcap", "this kernel has no VLANs and takes the inner packet of a frame with two tags for its own"},
	{"pcap/zeek_communityid_icmp6.pcap", "the box of the comparison has no link-local addresses: Linux forwards between such hosts by the default route, up to the point where it finds the scope wrong"},
	{"pcap/zeek_ipv6_zero_len_ah.pcap", "the box of the comparison has no link-local addresses: Linux knows no way back to the sender of what it refuses"},
	{"helper/helper-masquerade sip message: via of another port", "for Cisco phones that send from one port and listen on another, the kernel writes the Via's port also into other addresses; sluice does not know such phones"},
	{"helper/helper-masquerade ftp error of the client", "the kernel takes an ICMP error that travels as the client's packets do for TCP and adjusts what stands in place of its sequence numbers, which breaks the packet that it quotes; sluice leaves it whole"},
	{"synproxy/v6", "the statement of this kernel, as nft writes it, drops every IPv6 segment of a client; sluice answers them as those of IPv4"},
	{"synproxy/probes before the server answers", "the kernel checks the cookie of such a probe with a number one too low and finds another MSS in it, or none; sluice finds the client's"},
	{"synproxy/synproxy-masquerade reset by the server", "when a closed connection is opened anew the kernel forgets the numbers of the wrong direction, and finds its own acknowledgement to the server INVALID; sluice forgets those of the server's"},
	{"matches/protocols v6", "ip6tables-legacy, which is the kernel's side, looks past AH for -p; sluice finds AH there, as iptables-nft"},
	{"helper/helper-masquerade pptp call from the server", "of a call that the server makes to a translated client, the kernel writes 0 as the client's call id; sluice leaves it"},
}

// known returns why a script is expected to differ, "" if it is not.
func known(s *Script) string {
	for _, d := range knownDifferences {
		if ok, err := path.Match(d.pattern, s.Group+"/"+s.Name); err == nil && ok {
			return d.reason
		}
	}
	return ""
}
