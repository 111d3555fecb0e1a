package nft

// Names of values. The first name of a value is the one listed.

var etherTypes = []Symbol{{"ip", 0x0800}, {"arp", 0x0806}, {"ip6", 0x86dd}, {"8021q", 0x8100}, {"8021ad", 0x88a8}, {"vlan", 0x8100}}

var protocols = []Symbol{
	{"ip", 0}, {"hopopt", 0}, {"icmp", 1}, {"igmp", 2}, {"ggp", 3}, {"ipencap", 4}, {"st", 5}, {"tcp", 6}, {"egp", 8}, {"igp", 9},
	{"pup", 12}, {"udp", 17}, {"hmp", 20}, {"xns-idp", 22}, {"rdp", 27}, {"iso-tp4", 29}, {"dccp", 33}, {"xtp", 36},
	{"ddp", 37}, {"idpr-cmtp", 38}, {"ipv6", 41}, {"ipv6-route", 43}, {"ipv6-frag", 44}, {"idrp", 45}, {"rsvp", 46},
	{"gre", 47}, {"esp", 50}, {"ah", 51}, {"skip", 57}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"ipv6-nonxt", 59},
	{"ipv6-opts", 60}, {"rspf", 73}, {"vmtp", 81}, {"eigrp", 88}, {"ospf", 89}, {"ax.25", 93}, {"ipip", 94},
	{"etherip", 97}, {"encap", 98}, {"pim", 103}, {"ipcomp", 108}, {"comp", 108}, {"vrrp", 112}, {"l2tp", 115},
	{"isis", 124}, {"sctp", 132}, {"fc", 133}, {"mobility-header", 135}, {"udplite", 136}, {"mpls-in-ip", 137},
	{"manet", 138}, {"hip", 139}, {"shim6", 140}, {"wesp", 141}, {"rohc", 142}, {"ethernet", 143},
}

var services = []Symbol{
	{"tcpmux", 1}, {"echo", 7}, {"discard", 9}, {"systat", 11}, {"daytime", 13}, {"netstat", 15}, {"qotd", 17},
	{"chargen", 19}, {"ftp-data", 20}, {"ftp", 21}, {"fsp", 21}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25}, {"time", 37},
	{"whois", 43}, {"tacacs", 49}, {"domain", 53}, {"bootps", 67}, {"bootpc", 68}, {"tftp", 69}, {"gopher", 70},
	{"finger", 79}, {"http", 80}, {"www", 80}, {"kerberos", 88}, {"iso-tsap", 102}, {"acr-nema", 104}, {"pop3", 110},
	{"sunrpc", 111}, {"auth", 113}, {"nntp", 119}, {"ntp", 123}, {"epmap", 135}, {"netbios-ns", 137},
	{"netbios-dgm", 138}, {"netbios-ssn", 139}, {"imap2", 143}, {"imap", 143}, {"snmp", 161}, {"snmp-trap", 162},
	{"cmip-man", 163}, {"cmip-agent", 164}, {"mailq", 174}, {"xdmcp", 177}, {"bgp", 179}, {"irc", 194}, {"smux", 199},
	{"qmtp", 209}, {"z3950", 210}, {"ipx", 213}, {"ptp-event", 319}, {"ptp-general", 320}, {"pawserv", 345},
	{"zserv", 346}, {"rpc2portmap", 369}, {"codaauth2", 370}, {"clearcase", 371}, {"ldap", 389}, {"svrloc", 427},
	{"https", 443}, {"snpp", 444}, {"microsoft-ds", 445}, {"kpasswd", 464}, {"submissions", 465}, {"smtps", 465},
	{"saft", 487}, {"isakmp", 500}, {"rtsp", 554}, {"nqs", 607}, {"asf-rmcp", 623}, {"qmqp", 628}, {"ipp", 631},
	{"ldp", 646}, {"exec", 512}, {"login", 513}, {"shell", 514}, {"syslog", 514}, {"printer", 515}, {"talk", 517},
	{"ntalk", 518}, {"route", 520}, {"gdomap", 538}, {"uucp", 540}, {"klogin", 543}, {"kshell", 544},
	{"dhcpv6-client", 546}, {"dhcpv6-server", 547}, {"afpovertcp", 548}, {"nntps", 563}, {"submission", 587},
	{"ldaps", 636}, {"tinc", 655}, {"silc", 706}, {"kerberos-adm", 749}, {"domain-s", 853}, {"rsync", 873},
	{"ftps-data", 989}, {"ftps", 990}, {"telnets", 992}, {"imaps", 993}, {"pop3s", 995}, {"socks", 1080},
	{"proofd", 1093}, {"rootd", 1094}, {"openvpn", 1194}, {"rmiregistry", 1099}, {"lotusnote", 1352}, {"ms-sql-s", 1433},
	{"ms-sql-m", 1434}, {"ingreslock", 1524}, {"datametrics", 1645}, {"sa-msg-port", 1646}, {"kermit", 1649},
	{"groupwise", 1677}, {"l2f", 1701}, {"radius", 1812}, {"radius-acct", 1813}, {"cisco-sccp", 2000}, {"nfs", 2049},
	{"gnunet", 2086}, {"rtcm-sc104", 2101}, {"gsigatekeeper", 2119}, {"gris", 2135}, {"cvspserver", 2401},
	{"venus", 2430}, {"mon", 2583}, {"zebra", 2601}, {"ripd", 2602}, {"ospfd", 2604}, {"bgpd", 2605}, {"isisd", 2608},
	{"dict", 2628}, {"f5-globalsite", 2792}, {"gsiftp", 2811}, {"gpsd", 2947}, {"iscsi-target", 3260}, {"mysql", 3306},
	{"ms-wbt-server", 3389}, {"nut", 3493}, {"distcc", 3632}, {"daap", 3689}, {"svn", 3690}, {"epmd", 4369},
	{"iax", 4569}, {"radmin-port", 4899}, {"sip", 5060}, {"sip-tls", 5061}, {"xmpp-client", 5222}, {"xmpp-server", 5269},
	{"cfengine", 5308}, {"mdns", 5353}, {"postgresql", 5432}, {"freeciv", 5556}, {"amqps", 5671}, {"amqp", 5672},
	{"x11", 6000}, {"gnutella-svc", 6346}, {"redis", 6379}, {"ircd", 6667}, {"ircs-u", 6697}, {"font-service", 7100},
	{"afs3-fileserver", 7000}, {"bacula-dir", 9101}, {"bacula-fd", 9102}, {"bacula-sd", 9103}, {"http-alt", 8080},
	{"puppet", 8140}, {"git", 9418}, {"zope", 9673}, {"webmin", 10000}, {"zabbix-agent", 10050},
	{"zabbix-trapper", 10051}, {"amanda", 10080},
}

var icmpTypes = []Symbol{
	{"echo-reply", 0}, {"destination-unreachable", 3}, {"source-quench", 4}, {"redirect", 5}, {"echo-request", 8},
	{"router-advertisement", 9}, {"router-solicitation", 10}, {"time-exceeded", 11}, {"parameter-problem", 12},
	{"timestamp-request", 13}, {"timestamp-reply", 14}, {"info-request", 15}, {"info-reply", 16},
	{"address-mask-request", 17}, {"address-mask-reply", 18},
}

var icmpCodes = []Symbol{
	{"net-unreachable", 0}, {"host-unreachable", 1}, {"prot-unreachable", 2}, {"port-unreachable", 3},
	{"net-prohibited", 9}, {"host-prohibited", 10}, {"admin-prohibited", 13}, {"frag-needed", 4},
}

var icmpv6Types = []Symbol{
	{"destination-unreachable", 1}, {"packet-too-big", 2}, {"time-exceeded", 3}, {"parameter-problem", 4},
	{"echo-request", 128}, {"echo-reply", 129}, {"mld-listener-query", 130}, {"mld-listener-report", 131},
	{"mld-listener-done", 132}, {"mld-listener-reduction", 132}, {"nd-router-solicit", 133},
	{"nd-router-advert", 134}, {"nd-neighbor-solicit", 135}, {"nd-neighbor-advert", 136}, {"nd-redirect", 137},
	{"router-renumbering", 138}, {"ind-neighbor-solicit", 141}, {"ind-neighbor-advert", 142},
	{"mld2-listener-report", 143},
}

var icmpv6Codes = []Symbol{
	{"no-route", 0}, {"admin-prohibited", 1}, {"addr-unreachable", 3}, {"port-unreachable", 4}, {"policy-fail", 5},
	{"reject-route", 6},
}

var icmpxCodes = []Symbol{{"port-unreachable", 1}, {"admin-prohibited", 3}, {"no-route", 0}, {"host-unreachable", 2}}

var tcpFlags = []Symbol{
	{"fin", 0x01}, {"syn", 0x02}, {"rst", 0x04}, {"psh", 0x08}, {"ack", 0x10}, {"urg", 0x20}, {"ecn", 0x40}, {"cwr", 0x80},
}

var dscps = []Symbol{
	{"cs0", 0x00}, {"cs1", 0x08}, {"cs2", 0x10}, {"cs3", 0x18}, {"cs4", 0x20}, {"cs5", 0x28}, {"cs6", 0x30},
	{"cs7", 0x38}, {"df", 0x00}, {"be", 0x00}, {"lephb", 0x01}, {"af11", 0x0a}, {"af12", 0x0c}, {"af13", 0x0e},
	{"af21", 0x12}, {"af22", 0x14}, {"af23", 0x16}, {"af31", 0x1a}, {"af32", 0x1c}, {"af33", 0x1e}, {"af41", 0x22},
	{"af42", 0x24}, {"af43", 0x26}, {"va", 0x2c}, {"ef", 0x2e},
}

var ecns = []Symbol{{"not-ect", 0}, {"ect1", 1}, {"ect0", 2}, {"ce", 3}}

var ifaceTypes = []Symbol{
	{"ether", 1}, {"ppp", 512}, {"ipip", 768}, {"ipip6", 769}, {"loopback", 772}, {"sit", 776}, {"ipgre", 778},
}

var pktTypes = []Symbol{{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}}

var nfProtos = []Symbol{{"ipv4", 2}, {"ipv6", 10}}

var ctStates = []Symbol{{"invalid", 1}, {"new", 8}, {"established", 2}, {"related", 4}, {"untracked", 64}}

var ctStatuses = []Symbol{
	{"expected", 1}, {"seen-reply", 2}, {"assured", 4}, {"confirmed", 8}, {"snat", 16}, {"dnat", 32}, {"dying", 512},
}

var ctDirs = []Symbol{{"original", 0}, {"reply", 1}}

var ctEvents = []Symbol{
	{"new", 1}, {"related", 2}, {"destroy", 4}, {"reply", 8}, {"assured", 16}, {"protoinfo", 32}, {"helper", 64},
	{"mark", 128}, {"seqadj", 256}, {"secmark", 512}, {"label", 1024},
}

// ctReasons are flowtable.Reason's numbers and names, those that make a packet
// invalid.
var ctReasons = []Symbol{
	{"malformed", 1}, {"truncated", 2}, {"fragment", 3}, {"checksum", 4}, {"icmp-checksum", 5}, {"icmp-truncated", 6},
	{"icmp-type", 7}, {"icmp-inner", 8}, {"icmpv6-redirect", 9}, {"length", 10}, {"gre-protocol", 11},
	{"no-inverse", 12}, {"icmp-no-flow", 13}, {"icmp-misdirected", 14}, {"icmp-not-query", 15}, {"tcp-flags", 16},
	{"tcp-state", 17}, {"tcp-not-new", 18}, {"tcp-invalid-rst", 19}, {"tcp-seq-over", 20}, {"tcp-ack-over", 21},
	{"sctp-chunk", 22}, {"sctp-vtag", 23}, {"sctp-state", 24}, {"sctp-not-new", 25},
}

var booleans = []Symbol{{"exists", 1}, {"missing", 0}}

var realms = []Symbol{{"cosmos", 0}}

var devgroups = []Symbol{{"default", 0}}

var fibAddrs = []Symbol{
	{"unspec", 0}, {"unicast", 1}, {"local", 2}, {"broadcast", 3}, {"anycast", 4}, {"multicast", 5}, {"blackhole", 6},
	{"unreachable", 7}, {"prohibit", 8},
}

var days = []Symbol{
	{"Sunday", 0}, {"Monday", 1}, {"Tuesday", 2}, {"Wednesday", 3}, {"Thursday", 4}, {"Friday", 5}, {"Saturday", 6},
}

var arpOps = []Symbol{
	{"request", 1}, {"reply", 2}, {"rrequest", 3}, {"rreply", 4}, {"inrequest", 8}, {"inreply", 9}, {"nak", 10},
}

var igmpTypes = []Symbol{
	{"membership-query", 17}, {"membership-report-v1", 18}, {"membership-report-v2", 22},
	{"membership-report-v3", 34}, {"leave-group", 23},
}

var mhTypes = []Symbol{
	{"binding-refresh-request", 0}, {"home-test-init", 1}, {"careof-test-init", 2}, {"home-test", 3}, {"careof-test", 4},
	{"binding-update", 5}, {"binding-acknowledgement", 6}, {"binding-error", 7}, {"fast-binding-update", 8},
	{"fast-binding-acknowledgement", 9}, {"fast-binding-advertisement", 10}, {"experimental-mobility-header", 11},
	{"home-agent-switch-message", 12},
}

var dccpTypes = []Symbol{
	{"request", 0}, {"response", 1}, {"data", 2}, {"ack", 3}, {"dataack", 4}, {"closereq", 5}, {"close", 6},
	{"reset", 7}, {"sync", 8}, {"syncack", 9},
}
