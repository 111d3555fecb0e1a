package settings

import (
	"github.com/sluice-net/sluice/flowtable"
)

// Conntrack has the kernel's net.netfilter settings by name. Timeouts are in
// seconds.
type Conntrack struct {
	Buckets    int   `yaml:"nf_conntrack_buckets"`    // 0: by the machine's memory, as the kernel does
	Max        int   `yaml:"nf_conntrack_max"`        // 0: by the buckets, as the kernel does
	ExpectMax  int   `yaml:"nf_conntrack_expect_max"` // 0: by the buckets
	Checksum   bool  `yaml:"nf_conntrack_checksum"`
	LogInvalid uint8 `yaml:"nf_conntrack_log_invalid"` // 0: none, 255: all, else of that protocol
	Acct       bool  `yaml:"nf_conntrack_acct"`
	Timestamp  bool  `yaml:"nf_conntrack_timestamp"`
	Events     uint8 `yaml:"nf_conntrack_events"` // 0: never, 1: always, 2: while somebody listens

	Loose            bool  `yaml:"nf_conntrack_tcp_loose"`
	BeLiberal        bool  `yaml:"nf_conntrack_tcp_be_liberal"`
	MaxRetrans       uint8 `yaml:"nf_conntrack_tcp_max_retrans"`
	IgnoreInvalidRST bool  `yaml:"nf_conntrack_tcp_ignore_invalid_rst"`

	TCPSynSent          uint32 `yaml:"nf_conntrack_tcp_timeout_syn_sent"`
	TCPSynRecv          uint32 `yaml:"nf_conntrack_tcp_timeout_syn_recv"`
	TCPEstablished      uint32 `yaml:"nf_conntrack_tcp_timeout_established"`
	TCPFinWait          uint32 `yaml:"nf_conntrack_tcp_timeout_fin_wait"`
	TCPCloseWait        uint32 `yaml:"nf_conntrack_tcp_timeout_close_wait"`
	TCPLastAck          uint32 `yaml:"nf_conntrack_tcp_timeout_last_ack"`
	TCPTimeWait         uint32 `yaml:"nf_conntrack_tcp_timeout_time_wait"`
	TCPClose            uint32 `yaml:"nf_conntrack_tcp_timeout_close"`
	TCPMaxRetrans       uint32 `yaml:"nf_conntrack_tcp_timeout_max_retrans"`
	TCPUnacked          uint32 `yaml:"nf_conntrack_tcp_timeout_unacknowledged"`
	UDP                 uint32 `yaml:"nf_conntrack_udp_timeout"`
	UDPStream           uint32 `yaml:"nf_conntrack_udp_timeout_stream"`
	ICMP                uint32 `yaml:"nf_conntrack_icmp_timeout"`
	ICMPv6              uint32 `yaml:"nf_conntrack_icmpv6_timeout"`
	GRE                 uint32 `yaml:"nf_conntrack_gre_timeout"`
	GREStream           uint32 `yaml:"nf_conntrack_gre_timeout_stream"`
	Generic             uint32 `yaml:"nf_conntrack_generic_timeout"`
	SCTPClosed          uint32 `yaml:"nf_conntrack_sctp_timeout_closed"`
	SCTPCookieWait      uint32 `yaml:"nf_conntrack_sctp_timeout_cookie_wait"`
	SCTPCookieEchoed    uint32 `yaml:"nf_conntrack_sctp_timeout_cookie_echoed"`
	SCTPEstablished     uint32 `yaml:"nf_conntrack_sctp_timeout_established"`
	SCTPShutdownSent    uint32 `yaml:"nf_conntrack_sctp_timeout_shutdown_sent"`
	SCTPShutdownRecd    uint32 `yaml:"nf_conntrack_sctp_timeout_shutdown_recd"`
	SCTPShutdownAckSent uint32 `yaml:"nf_conntrack_sctp_timeout_shutdown_ack_sent"`
	SCTPHeartbeatSent   uint32 `yaml:"nf_conntrack_sctp_timeout_heartbeat_sent"`
}

func defaultConntrack() Conntrack {
	d := flowtable.Default()
	c := Conntrack{
		Buckets: d.Buckets, Max: d.Max, ExpectMax: d.ExpectMax, Checksum: true, Acct: d.Acct, Timestamp: d.Timestamp, Events: uint8(d.Events),
		Loose: d.Loose, BeLiberal: d.TCPBeLiberal, MaxRetrans: d.TCPMaxRetrans, IgnoreInvalidRST: d.TCPIgnoreInvalidRST,
	}
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
		{"nf_conntrack_tcp_timeout_max_retrans", &c.TCPMaxRetrans, &t.TCPMaxRetrans},
		{"nf_conntrack_tcp_timeout_unacknowledged", &c.TCPUnacked, &t.TCPUnacknowledged},
		{"nf_conntrack_udp_timeout", &c.UDP, &t.UDP},
		{"nf_conntrack_udp_timeout_stream", &c.UDPStream, &t.UDPStream},
		{"nf_conntrack_icmp_timeout", &c.ICMP, &t.ICMP},
		{"nf_conntrack_icmpv6_timeout", &c.ICMPv6, &t.ICMPv6},
		{"nf_conntrack_gre_timeout", &c.GRE, &t.GRE},
		{"nf_conntrack_gre_timeout_stream", &c.GREStream, &t.GREStream},
		{"nf_conntrack_generic_timeout", &c.Generic, &t.Generic},
		{"nf_conntrack_sctp_timeout_closed", &c.SCTPClosed, &t.SCTP[flowtable.SCTPClosed]},
		{"nf_conntrack_sctp_timeout_cookie_wait", &c.SCTPCookieWait, &t.SCTP[flowtable.SCTPCookieWait]},
		{"nf_conntrack_sctp_timeout_cookie_echoed", &c.SCTPCookieEchoed, &t.SCTP[flowtable.SCTPCookieEchoed]},
		{"nf_conntrack_sctp_timeout_established", &c.SCTPEstablished, &t.SCTP[flowtable.SCTPEstablished]},
		{"nf_conntrack_sctp_timeout_shutdown_sent", &c.SCTPShutdownSent, &t.SCTP[flowtable.SCTPShutdownSent]},
		{"nf_conntrack_sctp_timeout_shutdown_recd", &c.SCTPShutdownRecd, &t.SCTP[flowtable.SCTPShutdownRecd]},
		{"nf_conntrack_sctp_timeout_shutdown_ack_sent", &c.SCTPShutdownAckSent, &t.SCTP[flowtable.SCTPShutdownAckSent]},
		{"nf_conntrack_sctp_timeout_heartbeat_sent", &c.SCTPHeartbeatSent, &t.SCTP[flowtable.SCTPHeartbeatSent]},
	}
}

const (
	// maxTimeout is the longest timeout the flow table takes, in seconds.
	maxTimeout = 1 << 21
	// maxExpect is the most expectations it takes.
	maxExpect = 1 << 20
)

func (c *Conntrack) validate(bad func(path, format string, args ...any)) {
	for _, x := range []struct {
		name  string
		value int
		most  int
		by    string
	}{
		{"nf_conntrack_buckets", c.Buckets, flowtable.MaxEntries, "memory"},
		{"nf_conntrack_max", c.Max, flowtable.MaxEntries, "the buckets"},
		{"nf_conntrack_expect_max", c.ExpectMax, maxExpect, "the buckets"},
	} {
		if x.value < 0 || x.value > x.most {
			bad("conntrack."+x.name, "%d: want 1 to %d, or 0 to choose by %s", x.value, x.most, x.by)
		}
	}
	if c.Events > uint8(flowtable.EventsAuto) {
		bad("conntrack.nf_conntrack_events", "%d: want 0 (never), 1 (always) or 2 (while somebody listens)", c.Events)
	}
	if c.MaxRetrans == 0 {
		bad("conntrack.nf_conntrack_tcp_max_retrans", "0: want 1 to 255")
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
	cfg.Buckets, cfg.Max, cfg.ExpectMax = c.Buckets, c.Max, c.ExpectMax
	cfg.Acct, cfg.Timestamp, cfg.Events = c.Acct, c.Timestamp, flowtable.EventsMode(c.Events)
	cfg.Loose, cfg.TCPBeLiberal, cfg.TCPMaxRetrans, cfg.TCPIgnoreInvalidRST = c.Loose, c.BeLiberal, c.MaxRetrans, c.IgnoreInvalidRST
	for _, t := range c.timeouts(&cfg.Timeouts) {
		*t.table = *t.mine
	}
	return cfg
}
