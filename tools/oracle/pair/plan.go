package pair

import (
	"fmt"
	"net/netip"
	"strings"
)

// Side is the side of the box that a frame enters or leaves by.
type Side uint8

// The two sides.
const (
	Lan Side = iota
	Wan
)

func (s Side) String() string { return [...]string{"lan", "wan"}[s] }

// Other returns the side across the box.
func (s Side) Other() Side { return 1 - s }

// Frame is a frame and the side it enters or has left by.
type Frame struct {
	Side Side
	Data []byte
}

// The network, the same for both contenders. Interfaces are called as their
// sides; behind each stand Hosts hosts on the link, and everything else is
// behind the first host of the WAN side.
const Hosts = 32

// MTU of the LAN's interface in bytes.
const MTU = 1500

// Case is what contenders are set up with.
type Case struct {
	Rules    string // nft, or a dump of iptables, which begins with *
	Six      bool   // the dump is one of ip6tables
	Settings []Setting
	Routes   []Route
	Wire     bool // the box is a wire, as the kernel of RunWire is
	WanMTU   int  // of the WAN's interface in bytes; 0: 1400, so that packets can be too long
}

// expects says whether the rules make flows expect others.
func (c *Case) expects() bool {
	return strings.Contains(c.Rules, "ct helper") || strings.Contains(c.Rules, "ct expectation") || strings.Contains(c.Rules, " --helper ")
}

// mtu of a side's interface.
func (c *Case) mtu(s Side) int {
	switch {
	case s == Lan:
		return MTU
	case c.WanMTU == 0:
		return 1400
	}
	return c.WanMTU
}

var (
	boxMAC  = [2][6]byte{{2, 0, 0, 0, 0, 0x01}, {2, 0, 0, 0, 0, 0x02}}
	hostMAC = [2][6]byte{{2, 0, 0, 0, 0, 0x10}, {2, 0, 0, 0, 0, 0x20}}
	boxNet  = [2][2]netip.Prefix{
		{netip.MustParsePrefix("10.77.11.1/24"), netip.MustParsePrefix("fd77:a::1/64")},
		{netip.MustParsePrefix("203.0.113.1/24"), netip.MustParsePrefix("fd77:b::1/64")},
	}
)

// BoxMAC is the box's Ethernet address on a side.
func BoxMAC(s Side) [6]byte { return boxMAC[s] }

// HostMAC is the Ethernet address of all hosts of a side.
func HostMAC(s Side) [6]byte { return hostMAC[s] }

// BoxAddr is the box's address on a side.
func BoxAddr(s Side, six bool) netip.Addr { return boxNet[s][family(six)].Addr() }

// HostAddr is the address of host n of a side, 0 to Hosts-1.
func HostAddr(s Side, n int, six bool) netip.Addr {
	if n < 0 || n >= Hosts {
		panic(fmt.Sprintf("pair: host %d of %d", n, Hosts))
	}
	a := boxNet[s][family(six)].Addr()
	for range n + 1 {
		a = a.Next()
	}
	return a
}

// Spare are two more addresses of the WAN side's link, for NAT to use.
func Spare(n int, six bool) netip.Addr {
	return [2][2]netip.Addr{
		{netip.MustParseAddr("203.0.113.200"), netip.MustParseAddr("203.0.113.201")},
		{netip.MustParseAddr("fd77:b::200"), netip.MustParseAddr("fd77:b::201")},
	}[family(six)][n]
}

// neighbours are all addresses of a side that answer to HostMAC.
func neighbours(s Side) (all []netip.Addr) {
	for _, six := range []bool{false, true} {
		for n := range Hosts {
			all = append(all, HostAddr(s, n, six))
		}
		if s == Wan {
			all = append(all, Spare(0, six), Spare(1, six))
		}
	}
	return all
}

func family(six bool) int {
	if six {
		return 1
	}
	return 0
}

// Route is one more route of both contenders: the prefix is behind the first
// host of a side.
type Route struct {
	Prefix netip.Prefix
	Side   Side
}

// Setting is a value of net.netfilter.nf_conntrack_<Name>, such as tcp_loose.
type Setting struct {
	Name  string
	Value int
}
