package main

import (
	"embed"
	"encoding/binary"
	"net/netip"
	"os"
	"path"
	"path/filepath"
)

//go:embed captures/*.pcap
var captureFiles embed.FS

// demoCapture is a capture of real traffic and how the demonstration uses it.
type demoCapture struct {
	name   string
	what   string
	client string // its frames arrive on lan, those of the others on wan; empty: all on wan
	nat    bool   // the others answer the router's address, as they would behind masquerading
}

// demoCaptures stand in captures/, see ATTRIBUTION there.
var demoCaptures = []demoCapture{
	{"irc.pcap", "IPv4 TCP conversation", "192.168.6.110", true},
	{"ntp.pcap", "IPv4 DNS and NTP", "192.168.50.50", true},
	{"quic.pcap", "IPv4 QUIC", "82.239.54.117", true},
	{"ftp6.pcap", "IPv6 TCP conversation", "2001:470:1f11:81f:c999:d94:aa7c:2e3e", false},
	{"dns6-fragments.pcap", "IPv6 DNS in fragments", "2001:470:1f11:81f:d138:5f55:6d4:1fe2", false},
	{"icmp6.pcap", "ICMPv6 of all kinds", "3ffe:507:0:1:200:86ff:fe05:80da", false},
	{"scan.pcap", "ARP and port scan from outside", "", false},
}

// frames reads the capture by way of folder dir and says on which port each frame arrives.
func (c *demoCapture) frames(dir string, router netip.Addr) ([]captured, error) {
	text, err := captureFiles.ReadFile(path.Join("captures", c.name))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, c.name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	all, _, err := readCapture(file, portLAN)
	if err != nil {
		return nil, err
	}
	for i := range all {
		f := &all[i]
		ip, family := network3(f.data)
		if family == 0 || c.client == "" || sourceOf(ip, family).String() != c.client {
			f.port = portWAN
			if c.nat && family == 4 {
				readdress(ip, router.As4())
			}
		}
		f.key = flowKey(f.data)
	}
	return all, nil
}

// readdress gives an IPv4 packet another destination. Checksums change by the
// difference (RFC 1624), so that one that was wrong stays wrong.
func readdress(ip []byte, to [4]byte) {
	var diff uint32
	for i := 0; i < 4; i += 2 {
		diff += uint32(^binary.BigEndian.Uint16(ip[16+i:])) + uint32(binary.BigEndian.Uint16(to[i:]))
	}
	copy(ip[16:20], to[:])
	patch := func(sum []byte) {
		s := uint32(^binary.BigEndian.Uint16(sum)) + diff
		for s > 0xffff {
			s = s>>16 + s&0xffff
		}
		binary.BigEndian.PutUint16(sum, ^uint16(s))
	}
	patch(ip[10:])
	header := int(ip[0]&15) * 4
	if binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
		return // a later fragment has no transport header
	}
	switch at := map[byte]int{6: header + 16, 17: header + 6}[ip[9]]; {
	case at == 0 || at+2 > len(ip):
	case ip[9] == 17 && ip[at] == 0 && ip[at+1] == 0: // UDP without checksum
	default:
		patch(ip[at:])
	}
}
