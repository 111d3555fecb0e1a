package flowtable

import (
	"fmt"
	"slices"
)

// ExtensionID numbers the cold data beside entries as enum nf_ct_ext_id; those
// of Config.Extensions follow.
type ExtensionID uint8

const (
	ExtHelper ExtensionID = iota
	ExtNAT
	ExtSeqAdjust
	ExtAcct
	ExtEvents
	ExtTimestamp
	ExtTimeout
	ExtLabels
	ExtSynproxy
	builtinExtensions
)

// builtinNames are what ExtensionByName knows them by.
var builtinNames = [builtinExtensions]string{"helper", "nat", "seqadj", "acct", "ecache", "timestamp", "timeout", "labels", "synproxy"}

// MaxExtensions is how many a table may have, the built-in ones included.
const MaxExtensions = 32

// Extension is cold data beside every entry, in an array of its own that costs
// memory only where it was written. An element holds what the flow before left
// there until somebody writes it: whoever adds one clears it at Confirm or
// keeps in it whose it is (Shard.ID).
type Extension struct {
	Name  string
	Size  int // bytes; 0: it lies in the entry itself
	Align int // a power of two up to 64
}

// extension is one row of the registry, its layout computed.
type extension struct {
	Extension
	on     bool // memory was reserved at start
	stride int
}

// Timestamps of a flow, by the clock of Shard.SetClock.
type Timestamps struct{ Start, Stop int64 }

// Labels are the 128 bits of connlabels, bit i in word i/64.
type Labels [2]uint64

// SeqAdjust says by how much a helper lengthened one direction on the wire, in
// the numbers of the side that sends.
type SeqAdjust struct {
	Position      uint32 // sequence number of the last change
	Before, After int32  // offset for what comes before it, and after
}

// Synproxy is what a SYN proxy remembers of the handshake it answered.
type Synproxy struct {
	Seq, Timestamp uint32
	Offset         uint32 // of timestamps
}

// register fills the table of extensions.
func (t *Table) registerExtensions() error {
	c := &t.cfg
	t.ext = append(t.ext,
		extension{Extension{builtinNames[ExtHelper], sizeHelp, 8}, true, 0},
		extension{Extension{builtinNames[ExtNAT], sizeNAT, 64}, true, 0},
		extension{Extension{builtinNames[ExtSeqAdjust], 2 * sizeSeqAdjust, 4}, true, 0},
		extension{Extension{builtinNames[ExtAcct], 0, 1}, c.Acct, 0},
		extension{Extension{builtinNames[ExtEvents], 4, 4}, c.Events != EventsOff, 0},
		extension{Extension{builtinNames[ExtTimestamp], sizeTimestamps, 8}, c.Timestamp, 0},
		extension{Extension{builtinNames[ExtTimeout], 2, 2}, true, 0},
		extension{Extension{builtinNames[ExtLabels], sizeLabels, 8}, true, 0},
		extension{Extension{builtinNames[ExtSynproxy], sizeSynproxy, 4}, true, 0},
	)
	for _, x := range c.Extensions {
		t.ext = append(t.ext, extension{x, true, 0})
	}
	for i := range t.ext {
		x := &t.ext[i]
		x.stride = (x.Size + x.Align - 1) &^ (x.Align - 1)
	}
	return nil
}

// ExtensionByName returns the number of an extension that is on.
func (t *Table) ExtensionByName(name string) (ExtensionID, bool) {
	for i := range t.ext {
		if t.ext[i].on && t.ext[i].Name == name {
			return ExtensionID(i), true
		}
	}
	return 0, false
}

func (c *Config) checkExtensions() error {
	if n := len(c.Extensions) + int(builtinExtensions); n > MaxExtensions {
		return fmt.Errorf("%w: %d extensions, want at most %d", ErrConfig, n, MaxExtensions)
	}
	for i, x := range c.Extensions {
		if x.Name == "" || x.Size < 1 || x.Size > 4096 || x.Align < 1 || x.Align > 64 || x.Align&(x.Align-1) != 0 {
			return fmt.Errorf("%w: extension %d (%q): size %d align %d, want a name, 1..4096 and a power of two up to 64",
				ErrConfig, i, x.Name, x.Size, x.Align)
		}
		taken := func(o Extension) bool { return o.Name == x.Name }
		if slices.Contains(builtinNames[:], x.Name) || slices.ContainsFunc(c.Extensions[:i], taken) {
			return fmt.Errorf("%w: extension %d (%q): there is one of that name", ErrConfig, i, x.Name)
		}
	}
	return nil
}

// cold are the arrays beside entries that few packets touch.
type cold struct {
	help     []Help
	child    []Child
	children []uint32 // by workers of children too: see adopt
	seqadj   [][2]SeqAdjust
	events   []EventMask
	stamps   []Timestamps
	policy   []uint16
	labels   []Labels
	synproxy []Synproxy
	tally    []uint32 // first membership of the flow, see tally; 0: none
	extra    [][]byte // by ExtensionID - builtinExtensions
}

func (c *cold) reserve(b *builder, ext []extension, n int) error {
	size := func(id ExtensionID) int {
		if ext[id].on {
			return n
		}
		return 0
	}
	err := steps(
		func() error { return reserveSparse(b, "helper", &c.help, n) },
		func() error { return reserveSparse(b, "expected", &c.child, n) },
		func() error { return reserveSparse(b, "children", &c.children, n) },
		func() error { return reserveSparse(b, "seqadj", &c.seqadj, size(ExtSeqAdjust)) },
		func() error { return reserveSparse(b, "ecache", &c.events, size(ExtEvents)) },
		func() error { return reserve(b, "timestamp", &c.stamps, size(ExtTimestamp)) },
		func() error { return reserveSparse(b, "timeout", &c.policy, n) },
		func() error { return reserveSparse(b, "labels", &c.labels, size(ExtLabels)) },
		func() error { return reserveSparse(b, "memberships", &c.tally, n) },
		func() error { return reserveSparse(b, "synproxy", &c.synproxy, size(ExtSynproxy)) },
	)
	c.extra = make([][]byte, len(ext)-int(builtinExtensions))
	for i := range c.extra {
		x := &ext[int(builtinExtensions)+i]
		if err == nil {
			err = reserveSparse(b, x.Name, &c.extra[i], n*x.stride)
		}
	}
	return err
}

// Extension returns the bytes of one of Config.Extensions beside entry n.
func (s *Shard) Extension(id ExtensionID, n uint32) []byte {
	x := &s.table.ext[id]
	at := int(n) * x.stride
	return s.cold.extra[id-builtinExtensions][at : at+x.Size : at+x.Size]
}

// SeqAdjust returns the sequence offsets of entry n by direction. They hold
// for a flow with StatusSeqAdjust; whoever sets that clears them before.
func (s *Shard) SeqAdjust(n uint32) *[2]SeqAdjust { return &s.cold.seqadj[n] }

// Synproxy returns what a SYN proxy keeps beside entry n.
func (s *Shard) Synproxy(n uint32) *Synproxy { return &s.cold.synproxy[n] }

// Timestamps returns when the flow of entry n began and ended; zero when
// Config.Timestamp is off.
func (s *Shard) Timestamps(n uint32) Timestamps {
	if s.cold.stamps == nil {
		return Timestamps{}
	}
	return s.cold.stamps[n]
}

// SetClock tells the shard the time of this round, in nanoseconds since 1970.
// Timestamps and events carry it. Owner only.
func (s *Shard) SetClock(nanos int64) { s.nanos = nanos }

// Labels returns the labels of the flow of entry n.
func (s *Shard) Labels(n uint32) Labels {
	if s.entries[n].flags&flagLabels == 0 {
		return Labels{}
	}
	return s.cold.labels[n]
}

// SetLabels gives the flow of entry n, confirmed or not, other labels: those
// of value where mask has a bit, the old ones elsewhere.
func (s *Shard) SetLabels(n uint32, value, mask Labels) {
	e := &s.entries[n]
	old := s.Labels(n)
	l := Labels{old[0]&^mask[0] | value[0]&mask[0], old[1]&^mask[1] | value[1]&mask[1]}
	if l == old {
		return
	}
	s.cold.labels[n] = l
	e.flags |= flagLabels
	e.forget()
	s.noted |= EventLabel
}
