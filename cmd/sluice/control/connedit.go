package control

import (
	"encoding/binary"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// toolErrors are the kernel's errors for what a tool may not have.
var toolErrors = map[flowtable.ToolResult]syscall.Errno{
	flowtable.ToolExists: syscall.EEXIST, flowtable.ToolAbsent: syscall.ENOENT, flowtable.ToolBusy: syscall.EBUSY,
	flowtable.ToolFixed: syscall.EPERM, flowtable.ToolFull: syscall.ENOMEM, flowtable.ToolInvalid: syscall.EINVAL,
}

// createFlow is -I and -A.
func (s *Server) createFlow(c *conntrack.Command) (conntrack.Result, error) {
	want, errno := c.Wanted()
	if errno != 0 {
		return conntrack.Result{Errno: errno}, nil
	}
	result, err := s.Box.MakeFlow(want, uint32(c.PID))
	switch {
	case err != nil:
		return conntrack.Result{}, err
	case result == flowtable.ToolOK:
		return conntrack.Result{Count: 1}, nil
	case result == flowtable.ToolExists && c.Verb == conntrack.Add:
		return conntrack.Result{}, nil
	}
	return conntrack.Result{Errno: toolErrors[result]}, nil
}

// getFlow is -G.
func (s *Server) getFlow(c *conntrack.Command, see func([]byte) error) (conntrack.Result, error) {
	tu, errno := c.Tuple()
	if errno != 0 {
		return conntrack.Result{Errno: errno}, nil
	}
	f, found, err := s.Box.FindFlow(&tu)
	if err != nil || !found {
		return conntrack.Result{Errno: syscall.ENOENT}, err
	}
	x := newEntries(s.Box)
	e := x.of(&f, 2)
	if !c.Match(e) { // found by its reply tuple
		return conntrack.Result{}, nil
	}
	return conntrack.Result{Count: 1}, see(x.row(c, e, conntracktext.EventNone, time.Now().Unix()))
}

// deleteFlows is -D.
func (s *Server) deleteFlows(c *conntrack.Command, see func([]byte) error) (r conntrack.Result, err error) {
	x := newEntries(s.Box)
	err = s.Box.EachFlow(nil, func(page []flowtable.Flow) error {
		n := 0
		for i := range page {
			if c.Match(x.of(&page[i], 1)) {
				page[n] = page[i]
				n++
			}
		}
		gone, err := s.Box.DeleteFlows(page[:n], uint32(c.PID))
		if err != nil {
			return err
		}
		now := time.Now().Unix()
		for i := range gone {
			r.Count++
			if err := see(x.row(c, x.of(&gone[i], 1), conntracktext.EventNone, now)); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// flush is -F. As with the tool -f makes no difference.
func (s *Server) flush(c *conntrack.Command) (flows int, err error) {
	err = s.Box.EachFlow(nil, func(page []flowtable.Flow) error {
		gone, err := s.Box.DeleteFlows(page, uint32(c.PID))
		flows += len(gone)
		return err
	})
	return flows, err
}

// updateFlows is -U. As the tool does, it says what the kernel refuses and shows
// the entry all the same.
func (s *Server) updateFlows(c *conntrack.Command, see func([]byte) error) (r conntrack.Result, err error) {
	x := newEntries(s.Box)
	err = s.Box.EachFlow(nil, func(page []flowtable.Flow) error {
		for i := range page {
			if !c.Match(x.of(&page[i], 1)) {
				continue
			}
			changes, any := changesOf(c, &page[i])
			if !any {
				continue
			}
			after, result, err := s.Box.ChangeFlow(&page[i], changes, uint32(c.PID))
			if err != nil {
				return err
			}
			switch result {
			case flowtable.ToolAbsent: // gone in between
				continue
			case flowtable.ToolOK:
			default:
				text := "Operation failed: " + conntrack.Failure(toolErrors[result], c.Verb)
				if err := see(append([]byte{conntrack.LineMessage}, text...)); err != nil {
					return err
				}
			}
			if changes.Timeout != nil && after.TimeoutSec == 0 { // the tool asks for the entry anew, which ends it
				if _, err := s.Box.DeleteFlows(page[i:i+1], 0); err != nil {
					return err
				}
				continue
			}
			r.Count++
			if err := see(x.row(c, x.of(&after, 2), conntracktext.EventNone, time.Now().Unix())); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// changesOf returns what -U changes in a flow; false: it is so already.
func changesOf(c *conntrack.Command, f *flowtable.Flow) (*flowtable.Changes, bool) {
	o, changes := &c.Object, &flowtable.Changes{}
	any := o.Set&conntrack.AttrDCCPState != 0
	if c.Has(conntrack.OptTimeout) {
		changes.Timeout, any = &o.Timeout, any || o.Timeout != f.TimeoutSec
	}
	if c.Has(conntrack.OptStatus) {
		status := f.Status | o.Status
		changes.Status, any = &status, any || status != f.Status
	}
	if c.Has(conntrack.OptMark) {
		mark := f.Mark&^c.Mark.Mask ^ c.Mark.Value
		changes.Mark, any = &mark, any || mark != f.Mark
	}
	if o.Set&conntrack.AttrTCPState != 0 && f.Orig.Proto == flowtable.ProtoTCP ||
		o.Set&conntrack.AttrSCTPState != 0 && f.Orig.Proto == flowtable.ProtoSCTP {
		state := flowtable.TCPState(o.State)
		changes.State, any = &state, any || state != f.State
	}
	if f.Orig.Proto == flowtable.ProtoSCTP {
		const both = conntrack.AttrOrigVTag | conntrack.AttrReplyVTag
		// One of them alone is refused, with or without a state.
		if o.Set&both == both || o.Set&both != 0 && changes.State == nil {
			changes.VTag = &o.VTag
		}
	}
	if c.Has(conntrack.OptAddLabel | conntrack.OptDelLabel) {
		mask := flowtable.Labels{binary.LittleEndian.Uint64(c.LabelModify[:]), binary.LittleEndian.Uint64(c.LabelModify[8:])}
		if c.AllLabels {
			mask = flowtable.Labels{^uint64(0), ^uint64(0)}
		}
		labels := mask
		if c.Has(conntrack.OptDelLabel) {
			labels = flowtable.Labels{}
		}
		changes.Labels, changes.LabelMask = &labels, mask
		any = any || f.Labels[0]&mask[0] != labels[0] || f.Labels[1]&mask[1] != labels[1]
	}
	return changes, any
}

// expect is -I expect. Its time is that of the master's helper, as in the kernel;
// unlike the tool, which forgets the protocol, it sends the one of -p.
func (s *Server) expect(c *conntrack.Command) (conntrack.Result, error) {
	tu, errno := c.Tuple()
	if errno != 0 {
		return conntrack.Result{Errno: errno}, nil
	}
	master, found, err := s.Box.FindFlow(&tu)
	switch {
	case err != nil:
		return conntrack.Result{}, err
	case !found:
		return conntrack.Result{Errno: syscall.ENOENT}, nil
	case master.Helper == 0:
		return conntrack.Result{Errno: syscall.EOPNOTSUPP}, nil
	}
	x := flowtable.Expectation{Tuple: c.ExpTuple.Orig, MaskSrc: c.Mask.Orig.Src, MaskPort: c.Mask.Orig.SrcPort}
	x.Tuple.Proto, x.Tuple.Zone = c.Object.Orig.Proto, master.Orig.Zone
	for _, other := range s.Box.Expectations() {
		if other.Tuple == x.Tuple && other.MaskSrc == x.MaskSrc && other.MaskPort == x.MaskPort {
			return conntrack.Result{Errno: syscall.EEXIST}, nil
		}
	}
	result, err := s.Box.MakeExpectation(&master, &x, uint32(c.PID))
	switch result {
	case flowtable.ExpectOK:
		return conntrack.Result{Count: 1}, err
	case flowtable.ExpectBusy, flowtable.ExpectAlready:
		errno = syscall.EBUSY
	case flowtable.ExpectFull:
		errno = syscall.EMFILE
	default:
		errno = syscall.EOPNOTSUPP
	}
	return conntrack.Result{Errno: errno}, err
}

// dropExpectations is -D expect and -F expect.
func (s *Server) dropExpectations(c *conntrack.Command) (conntrack.Result, error) {
	dropped := 0
	all := s.Box.Expectations()
	for i := range all {
		if c.Verb == conntrack.DeleteExpect && !c.MeansExpectation(&all[i]) {
			continue
		}
		if err := s.Box.DropExpectation(&all[i]); err != nil {
			return conntrack.Result{}, err
		}
		dropped++
		if c.Verb == conntrack.DeleteExpect {
			break
		}
	}
	if dropped == 0 && c.Verb == conntrack.DeleteExpect {
		return conntrack.Result{Errno: syscall.ENOENT}, nil
	}
	return conntrack.Result{}, nil // the tool counts none
}
