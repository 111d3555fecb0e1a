package mirror

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// part is a set of parts of the model.
type part uint8

const (
	links part = 1 << iota
	addresses
	routes4
	routes6
	neighbours
	policy
	allParts = links | addresses | routes4 | routes6 | neighbours | policy
)

// model is what was read from the kernel, less the neighbours, which keeper has.
type model struct {
	byName  map[string]Link // all interfaces
	addrs   []address       // as dumped: the kernel's order says which is primary
	routes4 []kernelRoute   // as dumped: of equal ones the first counts
	routes6 []kernelRoute
	policy  int // rules beside the usual ones

	readTook time.Duration // the last refresh that read routes
	readDone time.Time     // its end
}

func (m *model) init(ports int) { m.byName = make(map[string]Link, ports) }

// refresh reads parts anew.
func (m *Mirror) refresh(parts part) error {
	begin := time.Now()
	for _, step := range []struct {
		part part
		name string
		read func() error
	}{
		{links, "links", m.readLinks},
		{addresses, "addresses", m.readAddresses},
		{routes4, "IPv4 routes", func() error { return m.readRoutes(unix.AF_INET, &m.model.routes4) }},
		{routes6, "IPv6 routes", func() error { return m.readRoutes(unix.AF_INET6, &m.model.routes6) }},
		{neighbours, "neighbours", m.readNeighbours},
		{policy, "policy rules", m.readPolicy},
	} {
		if parts&step.part == 0 {
			continue
		}
		if err := step.read(); err != nil {
			return fmt.Errorf("mirror: read %s: %w", step.name, err)
		}
		m.count(func(s *Stats) { s.Reads++ })
	}
	if parts&(routes4|routes6) != 0 {
		m.model.readDone = time.Now()
		m.model.readTook = m.model.readDone.Sub(begin)
	}
	return nil
}

func (m *Mirror) readLinks() error {
	return m.dump.each(unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC),
		func() { m.model.byName = make(map[string]Link, len(m.ports)) },
		func(b []byte) {
			if name, l, ok := decodeLink(b); ok {
				m.model.byName[name] = l
			}
		})
}

func (m *Mirror) readAddresses() error {
	return m.dump.each(unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfInfomsg(unix.AF_UNSPEC),
		func() { m.model.addrs = nil },
		func(b []byte) {
			if a, ok := decodeAddress(b); ok {
				m.model.addrs = append(m.model.addrs, a)
			}
		})
}

func (m *Mirror) readRoutes(family uint8, to *[]kernelRoute) error {
	return m.dump.each(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}},
		func() { *to = nil },
		func(b []byte) {
			r, ok := decodeRoute(b)
			if ok && r.family == family && lookedAt(r.table, family) {
				*to = append(*to, r)
			}
		})
}

// lookedAt says whether the usual rules lead to a table.
func lookedAt(table uint32, family uint8) bool {
	switch table {
	case unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN:
		return true
	}
	return table == unix.RT_TABLE_DEFAULT && family == unix.AF_INET
}

func (m *Mirror) readNeighbours() error {
	var all map[hop]neighbour
	err := m.dump.each(unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, &ndmsg{},
		func() { all = map[hop]neighbour{} },
		func(b []byte) {
			if h, n, ok := decodeNeighbour(b); ok {
				all[h] = n
			}
		})
	if err == nil {
		m.keeper.setNeighbours(all)
	}
	return err
}

// readPolicy counts the rules that no State can express and says so once.
func (m *Mirror) readPolicy() error {
	var n int
	err := m.dump.each(unix.RTM_GETRULE, unix.RTM_NEWRULE, nl.NewIfInfomsg(unix.AF_UNSPEC),
		func() { n = 0 },
		func(b []byte) {
			if r, ok := decodeRule(b); ok && (r.family == unix.AF_INET || r.family == unix.AF_INET6) && !r.usual() {
				n++
			}
		})
	if err != nil {
		return err
	}
	if n > 0 && n != m.model.policy {
		m.log.Warn("policy routing rules (ip rule) are not followed, only the tables local, main and default", zap.Int("rules", n))
	}
	m.model.policy = n
	m.count(func(s *Stats) { s.PolicyRules = uint64(n) })
	return nil
}
