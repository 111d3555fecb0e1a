package conntracktext

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// Fields says which parts of an Entry are there. Tuples always are.
type Fields uint32

const (
	HasTimeout   Fields = 1 << iota
	HasState            // State, of a TCP or SCTP connection
	HasCounters         // Packets, Bytes
	HasStatus           // Status
	HasMark             // Mark
	HasZone             // Zone, for both directions
	HasOrigZone         // Zone, for the original direction only
	HasReplyZone        // Zone, for the reply direction only
	HasStart            // Start, and Stop when it is not 0
	HasHelper           // Helper
	HasUse              // Use
	HasID               // ID
	HasLabels           // Labels
	HasVTags            // VTag, of an SCTP connection
)

// Entry is a connection to write.
type Entry struct {
	Set         Fields
	Orig, Reply flowtable.Tuple // the zones in them are not read: see Zone
	Timeout     uint32          // seconds
	State       uint8           // number of the protocol's state, as the kernel counts
	Status      uint32          // flowtable.Status* bits
	Mark        uint32
	Zone        uint16
	Packets     [2]uint64 // by direction
	Bytes       [2]uint64
	Start, Stop int64     // nanoseconds since 1970; Stop 0: it lives
	VTag        [2]uint32 // SCTP: verification tags by direction
	GRE         [2]uint32 // GRE: timeouts of an unanswered and of a stream, seconds
	Helper      string
	Use, ID     uint32
	Labels      [16]byte // bit n of the labels is bit n&7 of byte n>>3
}

// Fill makes e a flow as a listing tells of it, with its helper's name and
// counters if flows are counted. use is how many hold it besides its children;
// packets under way hold none here. What else depends on settings is the caller's.
func (e *Entry) Fill(f *flowtable.Flow, helper string, counted bool, use uint32) {
	*e = Entry{
		Set:  HasTimeout | HasStatus | HasMark | HasUse | HasID,
		Orig: f.Orig, Reply: f.Reply, Timeout: f.TimeoutSec, State: uint8(f.State), Status: f.Status, Mark: f.Mark,
		Packets: f.Packets, Bytes: f.Bytes, VTag: f.VTags, Use: use + uint32(f.Children), ID: f.ID,
	}
	if f.Orig.Proto == flowtable.ProtoTCP || f.Orig.Proto == flowtable.ProtoSCTP {
		e.Set |= HasState
	}
	if f.Orig.Proto == flowtable.ProtoSCTP {
		e.Set |= HasVTags
	}
	switch orig, reply := f.Orig.Zone, f.Reply.Zone; {
	case orig == reply && orig != 0:
		e.Set, e.Zone = e.Set|HasZone, orig
	case orig != 0:
		e.Set, e.Zone = e.Set|HasOrigZone, orig
	case reply != 0:
		e.Set, e.Zone = e.Set|HasReplyZone, reply
	}
	if counted {
		e.Set |= HasCounters
	}
	if f.Times.Start != 0 {
		e.Set |= HasStart
		e.Start, e.Stop = f.Times.Start, f.Times.Stop
	}
	if helper != "" {
		e.Set |= HasHelper
		e.Helper = helper
	}
	if f.Labels != (flowtable.Labels{}) {
		e.Set |= HasLabels
		binary.LittleEndian.PutUint64(e.Labels[:], f.Labels[0])
		binary.LittleEndian.PutUint64(e.Labels[8:], f.Labels[1])
	}
}

// FlowLine returns the line of `conntrack -L` for a flow without start times,
// whose helper has a name; "": it has none.
func FlowLine(f *flowtable.Flow, helper string) string {
	var e Entry
	e.Fill(f, helper, true, 1)
	e.Set &^= HasStart
	return string(AppendLine(nil, &e, &Options{}))
}

// Event is what happened to a connection or an expectation.
type Event uint8

const (
	EventNone Event = iota // a listing
	EventNew
	EventUpdate
	EventDestroy
)

// Flags of an expectation (NF_CT_EXPECT_*).
const (
	ExpectPermanent uint32 = 1 << iota
	ExpectInactive
	ExpectUserspace
)

// Expectation is an expected connection to write.
type Expectation struct {
	Timeout           uint32 // seconds
	Tuple, Mask       flowtable.Tuple
	Master            flowtable.Tuple // original direction of the connection that expects
	Zone              uint16
	Flags             uint32 // Expect* bits
	Class             uint32
	ClassName, Helper string // ClassName only stands in /proc
}

// Options of the tool's formats.
type Options struct {
	Event      Event
	Layer3     bool  // -o extended
	ID         bool  // -o id
	Timestamps bool  // -o ktimestamp
	When       bool  // XML: -o timestamp
	Now        int64 // seconds since 1970, for the time a connection has lived and for When
	Labels     *LabelMap
}
