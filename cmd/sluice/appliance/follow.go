package appliance

import (
	"net"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/mirror"
)

// boxState turns what the kernel says into what the box takes. A port whose
// interface is gone keeps the address and MTU it was opened with.
func (r *running) boxState(s mirror.State) dataplane.State {
	out := dataplane.State{Routes: s.Routes, Neighbours: s.Neighbours}
	for _, port := range r.ports {
		p := dataplane.PortState{Addrs: s.Addrs[port.Name()], MAC: [6]byte(port.MAC()), MTU: port.MTU()}
		if link, ok := s.Links[port.Name()]; ok {
			p.MAC, p.MTU = link.MAC, link.MTU
		}
		out.Ports = append(out.Ports, p)
	}
	return out
}

// follow gives a new state of the kernel to the box.
func (r *running) follow(s mirror.State) error {
	if err := r.box.SetState(r.boxState(s)); err != nil {
		return err
	}
	r.lock.Lock()
	before := r.state
	r.state = s
	r.lock.Unlock()
	r.tell(before, s)
	r.log.Debug("kernel's tables followed", zap.Int("routes", len(s.Routes)), zap.Int("neighbours", len(s.Neighbours)))
	return nil
}

// tell logs what has changed about links, and passes MTUs on to host paths.
func (r *running) tell(before, now mirror.State) {
	for i, name := range r.set.PortNames() {
		was, had := before.Links[name]
		is, has := now.Links[name]
		port := zap.String("port", name)
		switch {
		case had && !has:
			r.log.Error("interface is gone", port)
			continue
		case !has:
			continue
		case was.Up && !is.Up:
			r.log.Warn("link is down", port)
		case !was.Up && is.Up:
			r.log.Info("link is up", port)
		}
		if !had {
			continue
		}
		if was.MAC != is.MAC {
			r.log.Info("MAC address has changed", port, zap.Stringer("mac", net.HardwareAddr(is.MAC[:])))
		}
		if was.MTU != is.MTU {
			r.log.Info("MTU has changed", port, zap.Int("mtu", is.MTU))
			r.ports[i].SetMTU(is.MTU)
			if path := r.paths[i]; path != nil {
				// A port whose frames are too short is told of by watch.
				if err := path.SetMTU(is.MTU); err != nil && r.ports[i].Check() == nil {
					r.log.Error("this machine's own packets keep the MTU from before: set it back, or see `sluice status` for the largest one", port, zap.Error(err))
				}
			}
		}
	}
}
