package flowtable

// Kind says what the parser made of a packet.
type Kind uint8

const (
	// KindInvalid: short, malformed, checksum wrong, or a later fragment. With a
	// Hash the tuple is known nevertheless: as the packet would begin a flow, it
	// uses up what is expected.
	KindInvalid Kind = iota
	// KindFlow: Tuple is the packet's own.
	KindFlow
	// KindError: an ICMP error; Tuple is that of the packet it complains of,
	// inverted, as if that packet's receiver had answered.
	KindError
	// KindUntracked: ND, MLD and whatever a rule exempted.
	KindUntracked
)

// Probe is all that the table reads of a packet and all it says about it.
// The parser fills the first part, Track the second.
type Probe struct {
	Tuple   Tuple
	Hash    uint64 // Table.Hash of Tuple; the same for both directions
	Hint    uint32 // entry in which to look first, as Prefetch gave it; 0 is none
	Bytes   uint32 // L3 length, IP header included
	Seq     uint32 // TCP; SCTP: verification tag
	Ack     uint32 // TCP
	Payload uint32 // TCP: bytes behind the header
	Window  uint16 // TCP: as on the wire
	Flags   uint8  // TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
	Kind    Kind
	Rest    []byte // TCP: the options; SCTP: the chunks; a view into the frame
	// Misdirected: with KindError, the outer destination is not the inner
	// packet's source. Such an error belongs to no flow.
	Misdirected bool
	Foreign     bool // in: another worker sent it here because of the directory: create if it misses
	// Template is what a rule before Track asks of the flow that this packet
	// begins, and in which zones to look for it.
	Template Template

	Dir    uint8  // Original or Reply
	Info   Info   // how the packet relates to Entry
	Reason Reason // why Info is InfoInvalid, or why Track said ActionDrop
	Owner  uint16 // with ActionForeign: the worker to hand the packet to
	Entry  uint32 // number of the entry; 0 is none
}

// Template is what `ct zone set`, `ct helper set`, `ct timeout set` and `ct
// event set` say before Track; zero is nothing.
type Template struct {
	Zone     uint16 // see SetZone
	ZoneDir  ZoneDir
	Helper   uint8     // number of a helper
	Timeouts uint16    // number of a timeout policy
	Synproxy bool      // a SYN proxy begins it
	Events   EventMask // events of interest; 0: all
	Given    bool      // by a rule whose word is the last
}

// ZoneDir says to which directions of a flow a zone applies.
type ZoneDir uint8

const (
	ZoneBoth     ZoneDir = iota
	ZoneOriginal         // packets of the reply direction have zone 0
	ZoneReply            // packets of the original direction have zone 0
)

// SetZone puts the packet into a zone, before Track. A zone of one direction
// only leaves the other direction of its flows in zone 0.
func (p *Probe) SetZone(zone uint16, dir ZoneDir) {
	p.Template.Zone, p.Template.ZoneDir = zone, dir
	p.Tuple.Zone = p.Template.zone(Original)
}

// zone is that of packets of a direction.
func (t *Template) zone(dir uint8) uint16 {
	if t.ZoneDir == ZoneBoth || t.ZoneDir == ZoneOriginal+ZoneDir(dir) {
		return t.Zone
	}
	return 0
}

// Action is what the caller does with a packet after Track.
type Action uint8

const (
	ActionDrop    Action = iota // Reason says why
	ActionAccept                // Info, Dir and Entry hold (Entry 0 with InfoInvalid and InfoUntracked)
	ActionForeign               // hand to worker Owner, which owns the flow
)
