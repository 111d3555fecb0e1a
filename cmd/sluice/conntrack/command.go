package conntrack

import (
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// Verb is what a command line wants done.
type Verb uint8

// The verbs, in the order of the tool's tables.
const (
	List Verb = iota
	Create
	Update
	Delete
	Get
	Flush
	Events
	Version
	Help
	ListExpect
	CreateExpect
	DeleteExpect
	GetExpect
	FlushExpect
	EventsExpect
	Count
	CountExpect
	Stats
	StatsExpect
	Add
	None    // no verb was given
	Invalid // --invalid
	verbs   = int(Add) + 1
)

// Table is the table a verb is about.
type Table uint8

// The tables.
const (
	TableConntrack Table = iota
	TableExpect
	TableDying       // always empty: a flow that ended is gone
	TableUnconfirmed // always empty: its packet is still on its way
)

// Attr says which parts of an Object were given.
type Attr uint32

// The parts of an Object.
const (
	AttrOrigSrc Attr = 1 << iota
	AttrOrigDst
	AttrReplySrc
	AttrReplyDst
	AttrProto
	AttrOrigSport
	AttrOrigDport
	AttrReplySport
	AttrReplyDport
	AttrICMPType
	AttrICMPCode
	AttrICMPID
	AttrTimeout
	AttrStatus
	AttrMark
	AttrTCPState
	AttrSCTPState
	AttrDCCPState
	AttrOrigVTag
	AttrReplyVTag
	AttrZone
	AttrOrigZone
	AttrReplyZone
	AttrID
	AttrSNAT
	AttrDNAT
	AttrSNATPort
	AttrDNATPort
	AttrSecmark
)

// Object is what a command line says of a connection. Fields hold where Set has
// their bit. ICMP's type, code and identifier stand in the original tuple as
// everywhere.
type Object struct {
	Set                       Attr
	Family                    uint8 // of the addresses given; 0: none
	Orig, Reply               flowtable.Tuple
	SNAT, DNAT                [16]byte
	SNATPort, DNATPort        uint16
	Timeout, Status, Mark, ID uint32
	State                     uint8
	VTag                      [2]uint32
	Zone, OrigZone, ReplyZone uint16
}

// Output is what -o asks for.
type Output uint32

// The parts of -o.
const (
	OutXML Output = 1 << iota
	OutExtended
	OutTimestamp
	OutID
	OutKernelTimestamp
	OutLabels
	OutSave
	OutJSON
)

// Kinds of events (-e).
const (
	WantNew uint32 = 1 << iota
	WantUpdate
	WantDestroy
	WantAll = WantNew | WantUpdate | WantDestroy
)

// Masked is a value of which only the bits of a mask count.
type Masked struct{ Value, Mask uint32 }

// Command is a command line, understood.
type Command struct {
	Verb     Verb
	Table    Table
	Options  Option
	Family   uint8 // 0: both
	Object   Object
	ExpTuple Object // --tuple-*: what is expected
	Mask     Object // --mask-*
	Mark     Masked // -m
	Status   Masked // -u as the kernel filters
	Events   uint32 // Want* bits
	Output   Output

	Label, LabelModify [16]byte // -l; --label-add and --label-del
	AllLabels          bool     // --label-del without names
	Labels             *conntracktext.LabelMap
	PID                int // of the program that asks: events name it
}

// Has reports whether any of the options was given.
func (c *Command) Has(o Option) bool { return c.Options&o != 0 }
