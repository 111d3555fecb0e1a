package settings

import (
	"github.com/sluice-net/sluice/flowtable"
)

// Conntrack has the kernel's net.netfilter settings by name. Timeouts are in
// seconds.
type Conntrack struct {
	Max   int  `yaml:"nf_conntrack_max"` // 0: by the machine's memory, as the kernel does
	Acct  bool `yaml:"nf_conntrack_acct"`
	Loose bool `yaml:"nf_conntrack_tcp_loose"`

	TCPSynSent     uint32 `yaml:"nf_conntrack_tcp_timeout_syn_sent"`
	TCPSynRecv     uint32 `yaml:"nf_conntrack_tcp_timeout_syn_recv"`
	TCPEstablished uint32 `yaml:"nf_conntrack_tcp_timeout_established"`
	TCPFinWait     uint32 `yaml:"nf_conntrack_tcp_timeout_fin_wait"`
	TCPCloseWait   uint32 `yaml:"nf_conntrack_tcp_timeout_close_wait"`
	TCPLastAck     uint32 `yaml:"nf_conntrack_tcp_timeout_last_ack"`
	TCPTimeWait    uint32 `yaml:"nf_conntrack_tcp_timeout_time_wait"`
	TCPClose       uint32 `yaml:"nf_conntrack_tcp_timeout_close"`
	TCPUnacked     uint32 `yaml:"nf_conntrack_tcp_timeout_unacknowledged"`
	UDP            uint32 `yaml:"nf_conntrack_udp_timeout"`
	UDPStream      uint32 `yaml:"nf_conntrack_udp_timeout_stream"`
	ICMP           uint32 `yaml:"nf_conntrack_icmp_timeout"`
	ICMPv6         uint32 `yaml:"nf_conntrack_icmpv6_timeout"`
	GRE            uint32 `yaml:"nf_conntrack_gre_timeout"`
	GREStream      uint32 `yaml:"nf_conntrack_gre_timeout_stream"`
	Generic        uint32 `yaml:"nf_conntrack_generic_timeout"`
}

func defaultConntrack() Conntrack {
	d := flowtable.Default()
	c := Conntrack{Max: d.Max, Acct: d.Acct, Loose: d.Loose}
	for _, t := range c.timeouts(&d.Timeouts) {
		*t.mine = *t.table
	}
	return c
}

// timeout pairs a setting with its place in the table's configuration.
type timeout struct {
	name        string
	mine, table *uint32
}

func (c *Conntrack) timeouts(t *flowtable.Timeouts) []timeout {
	return []timeout{
		{"nf_conntrack_tcp_timeout_syn_sent", &c.TCPSynSent, &t.TCP[flowtable.TCPSynSent]},
		{"nf_conntrack_tcp_timeout_syn_recv", &c.TCPSynRecv, &t.TCP[flowtable.TCPSynRecv]},
		{"nf_conntrack_tcp_timeout_established", &c.TCPEstablished, &t.TCP[flowtable.TCPEstablished]},
		{"nf_conntrack_tcp_timeout_fin_wait", &c.TCPFinWait, &t.TCP[flowtable.TCPFinWait]},
		{"nf_conntrack_tcp_timeout_close_wait", &c.TCPCloseWait, &t.TCP[flowtable.TCPCloseWait]},
		{"nf_conntrack_tcp_timeout_last_ack", &c.TCPLastAck, &t.TCP[flowtable.TCPLastAck]},
		{"nf_conntrack_tcp_timeout_time_wait", &c.TCPTimeWait, &t.TCP[flowtable.TCPTimeWait]},
		{"nf_conntrack_tcp_timeout_close", &c.TCPClose, &t.TCP[flowtable.TCPClose]},
		{"nf_conntrack_tcp_timeout_unacknowledged", &c.TCPUnacked, &t.TCPUnacknowledged},
		{"nf_conntrack_udp_timeout", &c.UDP, &t.UDP},
		{"nf_conntrack_udp_timeout_stream", &c.UDPStream, &t.UDPStream},
		{"nf_conntrack_icmp_timeout", &c.ICMP, &t.ICMP},
		{"nf_conntrack_icmpv6_timeout", &c.ICMPv6, &t.ICMPv6},
		{"nf_conntrack_gre_timeout", &c.GRE, &t.GRE},
		{"nf_conntrack_gre_timeout_stream", &c.GREStream, &t.GREStream},
		{"nf_conntrack_generic_timeout", &c.Generic, &t.Generic},
	}
}

// maxTimeout is the longest timeout the flow table takes, in seconds.
const maxTimeout = 1 << 21

func (c *Conntrack) validate(bad func(path, format string, args ...any)) {
	if c.Max < 0 || c.Max > flowtable.MaxEntries {
		bad("conntrack.nf_conntrack_max", "%d: want 1 to %d, or 0 to choose by memory", c.Max, flowtable.MaxEntries)
	}
	for _, t := range c.timeouts(&flowtable.Timeouts{}) {
		if *t.mine == 0 || *t.mine > maxTimeout {
			bad("conntrack."+t.name, "%d seconds: want 1 to %d", *t.mine, maxTimeout)
		}
	}
}

// Table returns the flow table's configuration.
func (c *Conntrack) Table() flowtable.Config {
	cfg := flowtable.Default()
	cfg.Max, cfg.Acct, cfg.Loose = c.Max, c.Acct, c.Loose
	for _, t := range c.timeouts(&cfg.Timeouts) {
		*t.table = *t.mine
	}
	return cfg
}
