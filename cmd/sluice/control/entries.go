package control

import (
	"fmt"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// entries turns flows of a box into entries, and those into text.
type entries struct {
	box     *dataplane.Box
	cfg     flowtable.Config
	entry   conntracktext.Entry
	options conntracktext.Options
	text    []byte
	stamp   time.Time // of the row, for -o timestamp
}

func newEntries(box *dataplane.Box) *entries {
	return &entries{box: box, cfg: box.ConntrackConfig()}
}

// of fills the entry with a flow, see conntracktext.Entry.Fill.
func (x *entries) of(f *flowtable.Flow, use uint32) *conntracktext.Entry {
	e := &x.entry
	e.Fill(f, x.box.HelperName(f.Helper), x.cfg.Acct, use)
	e.GRE = [2]uint32{x.cfg.Timeouts.GRE, x.cfg.Timeouts.GREStream}
	return e
}

// row is the entry in the format that a command wants. now is in seconds since
// 1970.
func (x *entries) row(c *conntrack.Command, e *conntracktext.Entry, event conntracktext.Event, now int64) []byte {
	o := &x.options
	*o = conntracktext.Options{
		Event: event, Now: now,
		Layer3: c.Output&conntrack.OutExtended != 0, ID: c.Output&conntrack.OutID != 0,
		Timestamps: c.Output&conntrack.OutKernelTimestamp != 0, Labels: c.Labels,
	}
	switch c.Verb {
	case conntrack.Delete: // the tool looks neither labels nor times up here
		o.Labels, o.Timestamps = nil, false
	case conntrack.Update:
		o.Timestamps = false
	case conntrack.Events:
		o.When = c.Output&conntrack.OutTimestamp != 0
	}
	b := append(x.text[:0], conntrack.LineRow)
	switch {
	case c.Output&conntrack.OutSave != 0:
		if c.Verb == conntrack.Delete {
			event = conntracktext.EventDestroy
		}
		b = conntracktext.AppendSave(b, e, event)
	case c.Output&conntrack.OutXML != 0:
		b = conntracktext.AppendXML(b, e, o)
	case c.Output&conntrack.OutJSON != 0:
		b = conntracktext.AppendJSON(b, e, o)
	default:
		if c.Verb == conntrack.Events && c.Output&conntrack.OutTimestamp != 0 {
			b = appendStamp(b, x.stamp)
		}
		b = conntracktext.AppendLine(b, e, o)
	}
	x.text = b
	return b
}

// expectation is an expectation as a listing tells of it.
func (x *entries) expectation(f *flowtable.Expectation) *conntracktext.Expectation {
	e := &conntracktext.Expectation{
		Timeout: f.Timeout, Tuple: f.Tuple, Master: f.Master, Zone: f.Tuple.Zone, Class: uint32(f.Class),
		Flags: uint32(f.Flags) & (conntracktext.ExpectPermanent | conntracktext.ExpectInactive | conntracktext.ExpectUserspace),
	}
	e.Mask = flowtable.Tuple{Family: f.Tuple.Family, Proto: f.Tuple.Proto, Src: f.MaskSrc, SrcPort: f.MaskPort, DstPort: 0xffff}
	bits := 16
	if f.Tuple.Family == flowtable.FamilyIPv4 {
		bits = 4
	}
	for i := range bits {
		e.Mask.Dst[i] = 0xff
	}
	if n := int(f.Helper); n > 0 && n <= len(x.cfg.Helpers) {
		h := &x.cfg.Helpers[n-1]
		e.Helper = h.Name
		if len(h.Classes) > 1 && int(f.Class) < len(h.Classes) {
			e.ClassName = h.Classes[f.Class].Name
		}
	}
	return e
}

// expectationRow is an expectation in the format that a command wants.
func (x *entries) expectationRow(c *conntrack.Command, e *conntracktext.Expectation, event conntracktext.Event, now int64) []byte {
	b := append(x.text[:0], conntrack.LineRow)
	switch {
	case c.Output&conntrack.OutXML != 0:
		b = conntracktext.AppendExpectationXML(b, e, &conntracktext.Options{Event: event, Now: now, When: c.Output&conntrack.OutTimestamp != 0})
	case c.Output&conntrack.OutJSON != 0:
		b = conntracktext.AppendExpectationJSON(b, e, event)
	default:
		if c.Output&conntrack.OutTimestamp != 0 {
			b = fmt.Appendf(b, "[%-8d.%-6d]\t", x.stamp.Unix(), x.stamp.Nanosecond()/1000) // unlike that of a flow
		}
		b = conntracktext.AppendExpectation(b, e, event)
	}
	x.text = b
	return b
}

// appendStamp is the time of a row as -o timestamp prints it.
func appendStamp(b []byte, t time.Time) []byte {
	return fmt.Appendf(b, "[%d.%06d]\t", t.Unix(), t.Nanosecond()/1000)
}
