package control

import (
	"fmt"
	"os"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// Status is the state of a box. Counts are since it started; rates are over the
// last second.
type Status struct {
	PID       int     `json:"pid"`
	Version   string  `json:"version"`
	Mode      string  `json:"mode"`
	UptimeSec float64 `json:"uptime_seconds"`
	Control   string  `json:"control"`

	Ports   []PortStatus   `json:"ports"`
	Rings   []QueueStatus  `json:"rings,omitempty"` // of the ports' queues, as they are now
	Workers []WorkerStatus `json:"workers"`
	Rules   RuleStatus     `json:"rules"`

	Plans       PlanStatus        `json:"plans"`
	Flows       int               `json:"flows"`
	MaxFlows    int               `json:"max_flows,omitempty"`
	Drops       map[string]uint64 `json:"drops"`     // packets by reason, those above 0
	Conntrack   map[string]uint64 `json:"conntrack"` // what it met besides INVALID packets, by reason, those above 0
	ICMPUnsent  ICMPUnsent        `json:"icmp_errors_not_sent"`
	LogsLost    uint64            `json:"log_records_lost"`
	TracesLost  uint64            `json:"trace_steps_lost"`
	Frames      int               `json:"frames"`
	FreeFrames  int               `json:"free_frames"`
	FramesLost  int               `json:"frames_lost"` // frames that nobody has: never anything but 0
	HugePages   bool              `json:"huge_pages"`  // the frames are on pages of the hugetlb pool
	Mirror      *MirrorStatus     `json:"mirror,omitempty"`
	Guard       GuardStatus       `json:"guard"`
	Trouble     []string          `json:"trouble,omitempty"` // what is wrong now, and what mends it
	KernelRules []string          `json:"kernel_rules,omitempty"`
}

// PortStatus is the state of a port.
type PortStatus struct {
	Name      string   `json:"name"`
	Up        bool     `json:"up"`
	Driver    string   `json:"driver"`
	Backend   string   `json:"backend"`
	XDP       string   `json:"xdp"`  // native or generic
	Mode      string   `json:"mode"` // as the kernel reports: zero-copy, copy or mixed
	Queues    int      `json:"queues"`
	Ring      int      `json:"ring"`
	MAC       string   `json:"mac"`
	MTU       int      `json:"mtu"`
	Addresses []string `json:"addresses,omitempty"`
	Untrusted bool     `json:"untrusted"`
	HostPath  bool     `json:"host_path"`

	RxPackets uint64  `json:"rx_packets"`
	TxPackets uint64  `json:"tx_packets"`
	RxRate    float64 `json:"rx_packets_per_second"`
	TxRate    float64 `json:"tx_packets_per_second"`
	// Lost is what the port lost, by reason, those above 0.
	Lost map[string]uint64 `json:"lost,omitempty"`
}

// WorkerStatus is the state of a worker.
type WorkerStatus struct {
	RxPackets    uint64  `json:"rx_packets"`
	TxPackets    uint64  `json:"tx_packets"`
	RxRate       float64 `json:"rx_packets_per_second"`
	TxRate       float64 `json:"tx_packets_per_second"`
	HandoversIn  uint64  `json:"handovers_in"`
	HandoversOut uint64  `json:"handovers_out"`
	Dropped      uint64  `json:"dropped"`
}

// RuleStatus describes the rules in force.
type RuleStatus struct {
	Generation uint64 `json:"generation"`
	File       string `json:"file"`
	Scripts    int    `json:"scripts_since"` // scripts that changed what the file said
	Tables     int    `json:"tables"`
	Chains     int    `json:"chains"`
	Rules      int    `json:"rules"`
}

// ICMPUnsent counts ICMP errors that the box owed.
type ICMPUnsent struct {
	Limited  uint64 `json:"rate_limited"`
	NoSource uint64 `json:"no_source_address"`
}

// MirrorStatus is how the kernel's tables are followed.
type MirrorStatus struct {
	Routes      int    `json:"routes"`
	Neighbours  int    `json:"neighbours"`
	Events      uint64 `json:"events"`
	Applied     uint64 `json:"applied"`
	ApplyErrors uint64 `json:"apply_errors"`
	Overflows   uint64 `json:"overflows"`
	Skipped     uint64 `json:"routes_skipped"`
	PolicyRules uint64 `json:"policy_rules_ignored"`
	Managed     bool   `json:"managed_neighbours"`
}

// PlanStatus says how many packets of established flows skipped rules and routes
// by the plan of their flow, and which rules kept others from it.
type PlanStatus struct {
	Established uint64          `json:"established"`
	Planned     uint64          `json:"planned"`
	Forbidden   []PlanForbidden `json:"forbidden,omitempty"`
}

// PlanForbidden is a rule that asks what may differ between packets of a flow,
// and how many packets had no plan because of it since rules or routes changed.
type PlanForbidden struct {
	Place   string `json:"place"`
	Rule    string `json:"rule"`
	Packets uint64 `json:"packets"`
}

// GuardStatus is the guard table's.
type GuardStatus struct {
	Installed  bool     `json:"installed"`
	Untrusted  []string `json:"untrusted,omitempty"`
	OpenOnExit bool     `json:"open_on_exit"`
}

// status completes what the appliance knows by what the box does.
func (s *Server) status() Status {
	var st Status
	if s.Status != nil {
		st = s.Status()
	}
	if s.Queues != nil {
		st.Rings = s.Queues()
	}
	st.PID, st.Version = os.Getpid(), s.Version
	origin := s.Book.Origin()
	rs := s.Box.Rules()
	st.Rules = RuleStatus{Generation: rs.Generation, File: origin.File, Scripts: origin.Scripts, Tables: len(rs.Tree.Tables)}
	for _, t := range rs.Tree.Tables {
		st.Rules.Chains += len(t.Chains)
		for _, c := range t.Chains {
			st.Rules.Rules += len(c.Rules)
		}
	}
	stats := s.Box.Stats()
	total := stats.Total()
	st.Flows, st.Frames, st.FreeFrames = stats.Flows, stats.Frames, stats.FreeFrames
	st.Plans = PlanStatus{Established: total.Established, Planned: total.Planned}
	for _, b := range s.Box.PlanBlockers() {
		if r := rs.Rule(b.Rule); r != nil {
			st.Plans.Forbidden = append(st.Plans.Forbidden, PlanForbidden{fmt.Sprint(r.Pos), r.Text, b.Packets})
		}
	}
	st.FramesLost, st.HugePages = stats.LostFrames(), stats.HugePages
	st.ICMPUnsent = ICMPUnsent{total.ICMPLimited, total.ICMPNoSource}
	st.LogsLost, st.TracesLost = total.LogsLost, total.TracesLost
	st.Drops = map[string]uint64{}
	for d := packet.DropNone + 1; d < packet.DropCount; d++ {
		if n := total.Drops[d]; n > 0 {
			st.Drops[d.String()] = n
		}
	}
	st.Conntrack = map[string]uint64{}
	for i := range stats.Conntrack {
		for r, n := range stats.Conntrack[i].Reasons {
			if reason := flowtable.Reason(r); n > 0 && !reason.Invalid() {
				st.Conntrack[reason.String()] += n
			}
		}
	}
	for i := range stats.Workers {
		w := &stats.Workers[i]
		if i >= len(st.Workers) {
			st.Workers = append(st.Workers, WorkerStatus{})
		}
		to := &st.Workers[i]
		to.RxPackets, to.TxPackets = w.RxFrames, w.TxFrames
		to.HandoversIn, to.HandoversOut = w.HandoversIn, w.HandoversOut
		to.Dropped = dropped(w)
	}
	return st
}

func dropped(w *dataplane.WorkerStats) (n uint64) {
	for d := packet.DropNone + 1; d < packet.DropCount; d++ {
		n += w.Drops[d]
	}
	return n
}
