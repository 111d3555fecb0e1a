package mirror

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// The kernel tells of one change in several messages, and programs make several
// changes at once: quiet is waited for, but not longer than patience.
const (
	quiet    = 4 * time.Millisecond
	patience = 30 * time.Millisecond
	// Of large tables a dump takes long; then at most a third of the time goes
	// into them.
	readShare    = 2
	readPauseMax = 2 * time.Second
	reopenPause  = 200 * time.Millisecond
)

// follow keeps the model up to date and sends states that differ from the last
// one, until ctx ends. It never waits for the receiver of states.
func (m *Mirror) follow(ctx context.Context, states chan State) {
	var last State
	var sent bool
	stale, changed := allParts, true // what has to be read; events changed usable neighbours
	var first, latest time.Time      // of the events not dealt with yet
	for ctx.Err() == nil {
		if m.events == nil && !m.reopen(ctx) {
			continue
		}
		var deadline time.Time
		if stale != 0 || changed {
			deadline = m.due(stale, first, latest)
		}
		msgs, err := m.wait(ctx, deadline)
		switch {
		case err == nil:
			p, neigh := m.take(msgs)
			m.keeper.wake()
			if p != 0 || neigh {
				latest = time.Now()
				if stale == 0 && !changed {
					first = latest
				}
				stale, changed = stale|p, changed || neigh
			}
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			if ctx.Err() != nil || (stale == 0 && !changed) || time.Now().Before(deadline) {
				continue
			}
		case errors.Is(err, unix.ENOBUFS):
			m.count(func(s *Stats) { s.Overflows++ })
			m.log.Warn("netlink events lost, everything is read anew")
			stale = allParts
			continue
		default:
			m.lost(err)
			stale, changed = allParts, true
			continue
		}
		if err := m.refresh(stale); err != nil {
			if ctx.Err() == nil {
				m.lost(err)
			}
			stale, changed = allParts, true
			continue
		}
		state := last
		if stale != 0 {
			state = m.compute()
		} else { // the rest is shared: nobody writes a State
			state.Neighbours = m.keeper.usable()
		}
		stale, changed = 0, false
		m.keeper.wake()
		if sent && last.equal(&state) {
			continue
		}
		last, sent = state, true
		select { // a state that was not taken yet is of no more use
		case <-states:
		default:
		}
		states <- state // room for one, and nobody else sends
	}
}

// due is when to read, given what is stale and when events came.
func (m *Mirror) due(stale part, first, latest time.Time) time.Time {
	t := latest.Add(quiet)
	if end := first.Add(patience); end.Before(t) {
		t = end
	}
	if stale&(routes4|routes6) != 0 {
		pause := min(readShare*m.model.readTook, readPauseMax)
		if next := m.model.readDone.Add(pause); next.After(t) {
			t = next
		}
	}
	return t
}

// wait receives until the deadline (zero: none) or the end of ctx.
func (m *Mirror) wait(ctx context.Context, deadline time.Time) ([]syscall.NetlinkMessage, error) {
	l := m.events
	if err := l.file.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	// After the line above, so that the end of ctx is not overwritten by it.
	stop := context.AfterFunc(ctx, l.wake)
	defer stop()
	return l.receive()
}

// take looks at events: neighbours go into the model, of the rest it says what
// has to be read. The kernel does not tell of every consequence (IPv4 routes
// that go with an interface or address go silently), hence the wide answers.
func (m *Mirror) take(msgs []syscall.NetlinkMessage) (stale part, neigh bool) {
	for i := range msgs {
		msg := &msgs[i]
		switch msg.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			stale |= links | addresses | routes4 | routes6
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			stale |= addresses | routes4 | routes6
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			stale |= routesOf(msg.Data)
		case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
			stale |= routes4 | routes6
		case unix.RTM_NEWRULE, unix.RTM_DELRULE:
			stale |= policy
		case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
			if h, n, ok := decodeNeighbour(msg.Data); ok {
				if m.keeper.setNeighbour(h, n, msg.Header.Type == unix.RTM_NEWNEIGH) {
					neigh = true
				}
			}
		}
	}
	m.count(func(s *Stats) { s.Events += uint64(len(msgs)) })
	return stale, neigh
}

func routesOf(b []byte) part {
	if len(b) >= unix.SizeofRtMsg {
		switch {
		case native.Uint32(b[8:])&unix.RTM_F_CLONED != 0:
			return 0
		case b[0] == unix.AF_INET:
			return routes4
		case b[0] == unix.AF_INET6:
			return routes6
		}
	}
	return 0
}

// lost gives up the event socket after an error.
func (m *Mirror) lost(err error) {
	m.count(func(s *Stats) { s.SocketErrors++ })
	m.log.Warn("netlink failed, will subscribe anew", zap.Error(err))
	if m.events != nil {
		_ = m.events.close() // it failed already
		m.events = nil
	}
	if m.dump != nil {
		m.dump.close()
		m.dump = nil
	}
}

// reopen subscribes anew after lost, or waits a little when that fails.
func (m *Mirror) reopen(ctx context.Context) bool {
	err := m.open()
	if err == nil {
		return true
	}
	m.log.Warn("netlink failed, will subscribe anew", zap.Error(err), zap.Duration("after", reopenPause))
	if m.events != nil {
		_ = m.events.close()
		m.events = nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(reopenPause):
	}
	return false
}
