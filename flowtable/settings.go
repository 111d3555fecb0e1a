package flowtable

import (
	"fmt"
	"slices"
)

// TimeoutSetting is one timeout of a tracker.
type TimeoutSetting struct {
	Name    string // as the kernel's sysctl: nf_conntrack_..._timeout...
	Seconds uint32
}

// places pairs the names with the fields of t.
func (t *Timeouts) places() []struct {
	name string
	sec  *uint32
} {
	return []struct {
		name string
		sec  *uint32
	}{
		{"nf_conntrack_tcp_timeout_syn_sent", &t.TCP[TCPSynSent]},
		{"nf_conntrack_tcp_timeout_syn_recv", &t.TCP[TCPSynRecv]},
		{"nf_conntrack_tcp_timeout_established", &t.TCP[TCPEstablished]},
		{"nf_conntrack_tcp_timeout_fin_wait", &t.TCP[TCPFinWait]},
		{"nf_conntrack_tcp_timeout_close_wait", &t.TCP[TCPCloseWait]},
		{"nf_conntrack_tcp_timeout_last_ack", &t.TCP[TCPLastAck]},
		{"nf_conntrack_tcp_timeout_time_wait", &t.TCP[TCPTimeWait]},
		{"nf_conntrack_tcp_timeout_close", &t.TCP[TCPClose]},
		{"nf_conntrack_tcp_timeout_max_retrans", &t.TCPMaxRetrans},
		{"nf_conntrack_tcp_timeout_unacknowledged", &t.TCPUnacknowledged},
		{"nf_conntrack_udp_timeout", &t.UDP},
		{"nf_conntrack_udp_timeout_stream", &t.UDPStream},
		{"nf_conntrack_icmp_timeout", &t.ICMP},
		{"nf_conntrack_icmpv6_timeout", &t.ICMPv6},
		{"nf_conntrack_gre_timeout", &t.GRE},
		{"nf_conntrack_gre_timeout_stream", &t.GREStream},
		{"nf_conntrack_generic_timeout", &t.Generic},
		{"nf_conntrack_sctp_timeout_closed", &t.SCTP[SCTPClosed]},
		{"nf_conntrack_sctp_timeout_cookie_wait", &t.SCTP[SCTPCookieWait]},
		{"nf_conntrack_sctp_timeout_cookie_echoed", &t.SCTP[SCTPCookieEchoed]},
		{"nf_conntrack_sctp_timeout_established", &t.SCTP[SCTPEstablished]},
		{"nf_conntrack_sctp_timeout_shutdown_sent", &t.SCTP[SCTPShutdownSent]},
		{"nf_conntrack_sctp_timeout_shutdown_recd", &t.SCTP[SCTPShutdownRecd]},
		{"nf_conntrack_sctp_timeout_shutdown_ack_sent", &t.SCTP[SCTPShutdownAckSent]},
		{"nf_conntrack_sctp_timeout_heartbeat_sent", &t.SCTP[SCTPHeartbeatSent]},
	}
}

// TimeoutSettings lists all timeouts by name, the built-in trackers' first.
// SYN_SENT2 of TCP has none: the kernel knows it by number only.
func (c *Config) TimeoutSettings() []TimeoutSetting {
	var all []TimeoutSetting
	for _, p := range c.Timeouts.places() {
		all = append(all, TimeoutSetting{p.name, *p.sec})
	}
	for i := range c.Trackers {
		all = append(all, c.Trackers[i].Timeouts...)
	}
	return all
}

// SetTimeout sets the timeout that name names, in seconds. The error wraps
// ErrConfig: no tracker has it, or the value is out of range.
func (c *Config) SetTimeout(name string, sec uint32) error {
	if err := checkTimeout(name, sec); err != nil {
		return err
	}
	for _, p := range c.Timeouts.places() {
		if p.name == name {
			*p.sec = sec
			return nil
		}
	}
	for i := range c.Trackers {
		tr := &c.Trackers[i]
		if at := slices.IndexFunc(tr.Timeouts, func(t TimeoutSetting) bool { return t.Name == name }); at >= 0 {
			tr.Timeouts = slices.Clone(tr.Timeouts) // it may be somebody's constant
			tr.Timeouts[at].Seconds = sec
			return nil
		}
	}
	return fmt.Errorf("%w: no timeout is called %q", ErrConfig, name)
}

// Timeout returns, in ticks, timeout i of the tracker that tracks p: what
// Config says now. For trackers from outside; those built in know theirs.
func (s *Shard) Timeout(p *Probe, i int) uint32 {
	return s.table.tracker(&p.Tuple).Timeouts[i].Seconds * 1000
}
