package appliance

import (
	"maps"
	"net"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/dataplane/guard"
)

// status is the appliance's share of what the control socket tells.
func (r *running) status() control.Status {
	r.lock.Lock()
	seen, state := r.seen, r.state
	r.lock.Unlock()
	s := control.Status{
		Mode: r.set.Mode, UptimeSec: time.Since(r.began).Seconds(), Control: r.socket.Path(),
		MaxFlows: r.set.Conntrack.Max, KernelRules: r.foreign,
	}
	for i, name := range r.set.PortNames() {
		info := &seen.ports[i]
		p := control.PortStatus{
			Name: name, Driver: info.Driver, Backend: info.Backend.String(), XDP: "native", Mode: modeOf(*info),
			Queues: len(info.Queues), Ring: info.Ring, Untrusted: r.set.Ports[i].Untrusted, HostPath: r.paths[i] != nil,
			RxRate: seen.portRates[i][0], TxRate: seen.portRates[i][1], Lost: lost(info),
		}
		if info.Generic {
			p.XDP = "generic"
		}
		t := portTotal(info)
		p.RxPackets, p.TxPackets = t.RxFrames, t.TxFrames
		if link, ok := state.Links[name]; ok {
			p.Up, p.MTU, p.MAC = link.Up, link.MTU, net.HardwareAddr(link.MAC[:]).String()
		}
		for _, a := range state.Addrs[name] {
			p.Addresses = append(p.Addresses, a.String())
		}
		s.Ports = append(s.Ports, p)
		if err := seen.trouble[i]; err != nil {
			s.Trouble = append(s.Trouble, err.Error())
		}
	}
	for _, rate := range seen.workerRates {
		s.Workers = append(s.Workers, control.WorkerStatus{RxRate: rate[0], TxRate: rate[1]})
	}
	m := r.mirror.Stats()
	s.Mirror = &control.MirrorStatus{
		Routes: len(state.Routes), Neighbours: len(state.Neighbours), Events: m.Events, Applied: m.Applied,
		ApplyErrors: m.ApplyErrors, Overflows: m.Overflows, Skipped: m.Skipped, PolicyRules: m.PolicyRules, Managed: m.Managed,
	}
	s.Guard = control.GuardStatus{Untrusted: r.set.Guard().Untrusted, OpenOnExit: r.set.OpenOnExit}
	installed, err := r.guardInstalled()
	s.Guard.Installed = installed
	switch {
	case err != nil:
		s.Trouble = append(s.Trouble, err.Error())
	case !installed:
		s.Trouble = append(s.Trouble, "the guard table inet "+guard.Table+" is gone: should the box be killed, the kernel would forward; restart to put it back")
	}
	return s
}

// loggedMode is modeOf in the words of the setting xdp-mode, which has one more.
func loggedMode(info afxdp.Info) string {
	if info.Generic {
		return "generic"
	}
	return modeOf(info)
}

// modeOf is what the kernel reports for a port's sockets.
func modeOf(info afxdp.Info) string {
	var zero, all int
	for _, q := range info.Queues {
		if q.Open {
			all++
			if q.ZeroCopy {
				zero++
			}
		}
	}
	switch {
	case all == 0:
		return "closed"
	case zero == 0:
		return "copy"
	case zero == all:
		return "zero-copy"
	}
	return "mixed"
}

// queues looks at the ports' queues.
func (r *running) queues() (all []control.QueueStatus) {
	for _, port := range r.ports {
		info := port.Info()
		for n := range info.Queues {
			q := &info.Queues[n]
			all = append(all, control.QueueStatus{
				Port: info.Name, Queue: n, Rings: q.Rings, RxPackets: q.Stats.RxFrames, TxPackets: q.Stats.TxFrames,
				Lost: some(lostByQueue(q)),
			})
		}
	}
	return all
}

// lost is what a port lost by reason.
func lost(info *afxdp.Info) map[string]uint64 {
	all := map[string]uint64{"no-socket": info.Program.NoSocket, "malformed": info.Program.Malformed}
	for i := range info.Queues {
		for reason, n := range lostByQueue(&info.Queues[i]) {
			all[reason] += n
		}
	}
	return some(all)
}

// lostByQueue is what was lost at a queue: in the kernel no-frame-or-too-long,
// rx-ring-full and bad-descriptors, in the box the others.
func lostByQueue(q *afxdp.QueueInfo) map[string]uint64 {
	return map[string]uint64{
		"no-frame-or-too-long": q.Stats.RxNoFrame, "rx-ring-full": q.Stats.RxFull, "bad-descriptors": q.Kernel.RxInvalid + q.Kernel.TxInvalid,
		"tx-ring-full": q.Stats.TxFull, "too-long": q.Stats.TxTooLong,
	}
}

// some leaves out reasons that never were; nil when none was.
func some(all map[string]uint64) map[string]uint64 {
	maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
	if len(all) == 0 {
		return nil
	}
	return all
}
