package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// Conntrack does a command of the conntrack tool, as conntrack.Box says.
func (s *Server) Conntrack(ctx context.Context, c *conntrack.Command, see func(line []byte) error) (conntrack.Result, error) {
	if c.Table == conntrack.TableDying || c.Table == conntrack.TableUnconfirmed {
		return conntrack.Result{}, nil
	}
	switch c.Verb {
	case conntrack.List:
		return s.list(c, see)
	case conntrack.Delete:
		return s.deleteFlows(c, see)
	case conntrack.Update:
		return s.updateFlows(c, see)
	case conntrack.Get:
		return s.getFlow(c, see)
	case conntrack.Create, conntrack.Add:
		return s.createFlow(c)
	case conntrack.Events, conntrack.EventsExpect:
		return conntrack.Result{}, s.events.follow(ctx, c, newEntries(s.Box), see)
	case conntrack.Flush:
		n, err := s.flush(c)
		s.Log.Info("connections flushed", zap.Int("flows", n))
		return conntrack.Result{}, err
	case conntrack.Count:
		return conntrack.Result{}, see(strconv.AppendInt([]byte{conntrack.LineRow}, int64(s.Box.Stats().Flows), 10))
	case conntrack.Stats, conntrack.StatsExpect:
		return s.counters(c, see)
	case conntrack.ListExpect, conntrack.GetExpect:
		return s.listExpectations(c, see)
	case conntrack.CountExpect:
		n := 0
		for _, x := range s.Box.Expectations() {
			if x.Tuple.Family == c.Family {
				n++
			}
		}
		return conntrack.Result{}, see(strconv.AppendInt([]byte{conntrack.LineRow}, int64(n), 10))
	case conntrack.DeleteExpect, conntrack.FlushExpect:
		return s.dropExpectations(c)
	case conntrack.CreateExpect:
		return s.expect(c)
	case conntrack.Invalid:
		return s.invalid(c, see)
	}
	return conntrack.Result{Errno: syscall.EOPNOTSUPP}, nil
}

// list is -L.
func (s *Server) list(c *conntrack.Command, see func([]byte) error) (r conntrack.Result, err error) {
	x := newEntries(s.Box)
	var zero func(*flowtable.Flow) bool
	if c.Has(conntrack.OptZero) { // of what stands beside it, only -f is the kernel's filter
		zero = func(f *flowtable.Flow) bool { return c.Family == 0 || f.Orig.Family == c.Family }
	}
	err = s.Box.EachFlow(zero, func(page []flowtable.Flow) error {
		now := time.Now().Unix()
		for i := range page {
			e := x.of(&page[i], 1)
			if !c.Match(e) {
				continue
			}
			r.Count++
			if err := see(x.row(c, e, conntracktext.EventNone, now)); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// counters is -S.
func (s *Server) counters(c *conntrack.Command, see func([]byte) error) (conntrack.Result, error) {
	stats := s.Box.Stats().Conntrack
	for i := range stats {
		b := []byte{conntrack.LineRow}
		if c.Verb == conntrack.StatsExpect {
			b = conntracktext.AppendExpectStats(b, i, &stats[i])
		} else {
			b = conntracktext.AppendStats(b, i, &stats[i])
		}
		if err := see(b); err != nil {
			return conntrack.Result{}, err
		}
	}
	return conntrack.Result{}, nil
}

// listExpectations is -L expect and -G expect.
func (s *Server) listExpectations(c *conntrack.Command, see func([]byte) error) (r conntrack.Result, err error) {
	x, all := newEntries(s.Box), s.Box.Expectations()
	for i := range all {
		f := &all[i]
		if f.Tuple.Family != c.Family || c.Verb == conntrack.GetExpect && !c.MeansExpectation(f) {
			continue
		}
		r.Count++
		now := time.Now()
		x.stamp = now
		if err := see(x.expectationRow(c, x.expectation(f), conntracktext.EventNone, now.Unix())); err != nil {
			return r, err
		}
		if c.Verb == conntrack.GetExpect {
			return r, nil
		}
	}
	if c.Verb == conntrack.GetExpect {
		r.Errno = syscall.ENOENT
	}
	return r, nil
}

// Invalids are how many packets were INVALID for one reason.
type Invalids struct {
	Reason  string   `json:"reason"`
	Total   uint64   `json:"total"`
	Workers []uint64 `json:"workers"`
}

// invalid is --invalid: every reason that has a count, the most frequent ones
// in the order of their numbers; as text a line each with the total, a column a
// worker and the name.
func (s *Server) invalid(c *conntrack.Command, see func([]byte) error) (conntrack.Result, error) {
	stats := s.Box.Stats().Conntrack
	header := fmt.Appendf(nil, "%c%12s", conntrack.LineRow, "total")
	for i := range stats {
		header = fmt.Appendf(header, " %11s%d", "worker", i)
	}
	asJSON := c.Output&conntrack.OutJSON != 0
	if !asJSON {
		if err := see(append(header, "  reason"...)); err != nil {
			return conntrack.Result{}, err
		}
	}
	for reason := flowtable.ReasonNone + 1; reason.Invalid(); reason++ {
		row := Invalids{Reason: reason.String(), Workers: make([]uint64, len(stats))}
		for i := range stats {
			row.Workers[i] = stats[i].Reasons[reason]
			row.Total += row.Workers[i]
		}
		if row.Total == 0 {
			continue
		}
		line := []byte{conntrack.LineRow}
		if asJSON {
			text, err := json.Marshal(row)
			if err != nil {
				return conntrack.Result{}, err
			}
			line = append(line, text...)
		} else {
			line = fmt.Appendf(line, "%12d", row.Total)
			for _, n := range row.Workers {
				line = fmt.Appendf(line, " %12d", n)
			}
			line = append(append(line, "  "...), row.Reason...)
		}
		if err := see(line); err != nil {
			return conntrack.Result{}, err
		}
	}
	return conntrack.Result{}, nil
}
