package nft

import "fmt"

// Pos is a place in the input. Line and Col count from 1, Col in bytes.
type Pos struct {
	File string
	Line int
	Col  int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Family is a table's family (NFPROTO_*).
type Family uint8

const (
	FamilyInet   Family = 1
	FamilyIP     Family = 2
	FamilyARP    Family = 3
	FamilyNetdev Family = 5
	FamilyBridge Family = 7
	FamilyIP6    Family = 10
)

// Hook numbers are the kernel's (NF_INET_*).
type Hook uint8

const (
	HookPrerouting  Hook = 0
	HookInput       Hook = 1
	HookForward     Hook = 2
	HookOutput      Hook = 3
	HookPostrouting Hook = 4
	HookIngress     Hook = 5
	HookEgress      Hook = 6 // of netdev tables
)

// ChainType is the type of a base chain.
type ChainType uint8

const (
	TypeFilter ChainType = iota
	TypeNAT
	TypeRoute
)

// Ruleset is the state that text describes and List prints. After Check every
// name is resolved, every value has a type and its bytes.
type Ruleset struct {
	Tables []*Table
	last   uint64 // the last handle given to a table
}

// Table is one table with its sets, maps and chains in order of declaration.
type Table struct {
	Pos     Pos
	Family  Family
	Name    string
	Comment string
	empty   bool // Comment is written, but empty
	Handle  uint64
	last    uint64 // the last handle given to something of it
	Dormant bool   // its base chains see no packets

	Objects    []*Object
	Flowtables []*Flowtable
	Sets       []*Set // sets and maps in order of declaration
	Chains     []*Chain
}

// Chain is a base chain or a chain that rules jump to.
type Chain struct {
	Pos     Pos
	Name    string
	Comment string
	empty   bool // Comment is written, but empty
	Handle  uint64
	Base    *Base // nil for a user chain
	Rules   []*Rule

	// Inner: it is written in a rule, `jump { ... }`, and comes and goes with it. Its
	// Name is given to it, and no command can say it.
	Inner bool
}

// Base makes a chain a base chain.
type Base struct {
	Type     ChainType
	Hook     Hook
	Priority int32
	Policy   VerdictKind // VerdictAccept or VerdictDrop
	Count    *Counter    // of the packets that the policy decides about; nil: nobody asks. Not listed
	Devices  []string    // of an ingress or egress hook
	Offload  bool
}

// Rule is one rule: statements that run from left to right until one fails or
// gives a verdict.
type Rule struct {
	Pos, End Pos // of the first byte and of the one behind the last
	Handle   uint64
	Stmts    []Stmt
	Comment  string
	empty    bool // Comment is written, but empty
	free     bool // it leads to no chain and may stand at any hook; noted by addRule

	// Origin is the rule in the language it was written in, nil for this one. It
	// is carried along, and means nothing here.
	Origin any
}

// Stmt is one of *Match, *VMap, *Verdict, *Counter, *Log, *NAT, *Reject, *Mangle,
// *Notrack, and those of ast_stmt.go.
type Stmt interface{ Position() Pos }

// Op compares the two sides of a match.
type Op uint8

const (
	OpEq Op = iota // equal, inside the range or prefix, member of the set
	OpNe
	OpLt
	OpGt
	OpLe
	OpGe
	OpAny // bit-mask types without operator (`tcp flags syn`, `ct state new`): some bit in common
)

// Match goes on with the rule when Left Op Right holds.
type Match struct {
	Pos   Pos
	Left  Expr
	Op    Op
	Right Value

	implied   bool   // added by the checker, for a statement that needs it
	icmpTypes bool   // added by the listing, for a field of two icmp types
	fam       Family // of the table
}

// VMap looks Left up in a verdict map and takes its verdict; no hit goes on.
type VMap struct {
	Pos  Pos
	Left Expr
	Set  *Set // anonymous, or the named one
}

// VerdictKind: the zero value drops.
type VerdictKind uint8

const (
	VerdictDrop VerdictKind = iota
	VerdictAccept
	VerdictContinue
	VerdictReturn
	VerdictJump
	VerdictGoto
)

// Verdict ends a rule, or with VerdictContinue goes on behind it.
type Verdict struct {
	Pos   Pos
	Kind  VerdictKind
	Chain string // of jump and goto
	Block *Chain // the chain of that name when it is written here; nil: it has a name

	fam Family // of the table, with Block
}

// Counter counts the packets that reach it.
type Counter struct {
	Pos            Pos
	Packets, Bytes uint64 // starting values
}

// Log writes a line about the packet.
type Log struct {
	Pos      Pos
	Prefix   string
	prefixed bool   // a prefix is written, though perhaps an empty one
	Level    string // "" is warn
	Group    int    // -1: to the log
	Snaplen  uint32
	snaps    bool // Snaplen is written, though perhaps as 0
	QThresh  uint32
	LogFlags []string // as written: "tcp sequence", "tcp options", "ip options", "skuid", "ether", "all"
}

// NATKind is what a nat statement changes.
type NATKind uint8

const (
	NATSrc NATKind = iota
	NATDst
	NATMasquerade
	NATRedirect
)

// NAT flags, the kernel's NF_NAT_RANGE_*.
const (
	NATRandom      uint32 = 1 << 2
	NATPersistent  uint32 = 1 << 3
	NATFullyRandom uint32 = 1 << 4
)

// NAT is snat, dnat, masquerade or redirect. It ends the rule.
type NAT struct {
	Pos              Pos
	Kind             NATKind
	Family           Family // FamilyIP or FamilyIP6 of the addresses; in inet tables `dnat ip to`; 0 when there is no address
	FamilyGiven      bool   // written (`dnat ip to`)
	AddrMin, AddrMax []byte // nil: no address; equal: one address
	PortMin, PortMax uint16 // 0: no port
	Flags            uint32
	Addr, Port       Expr // nil, or what computes them; a map with data of two parts gives both in Addr
	Prefix           bool // the address changes within its prefix

	ranged bool // the addresses were written as a range or prefix
	inet   bool // stands in an inet table
}

// Reject drops the packet and answers its sender.
type Reject struct {
	Pos   Pos
	Reset bool  // with tcp reset
	Proto uint8 // 1 icmp, 58 icmpv6, 255 icmpx; with Reset 0
	Code  uint8 // of icmp or icmpv6; for icmpx: 0 no-route, 1 port-unreachable, 2 host-unreachable, 3 admin-prohibited
	Bare  bool  // no `with` was written

	inet bool // stands in an inet table
}

// Mangle sets Left (meta mark or ct mark) to Value.
type Mangle struct {
	Pos   Pos
	Left  Expr
	Value MangleValue
}

// MangleValue is (source & And) ^ Xor, as nft's bitwise: a constant has And 0 and Src nil.
type MangleValue struct {
	Src      Expr // nil, or *Meta mark / *CT mark
	And, Xor uint32
}

// Notrack keeps conntrack from the packet.
type Notrack struct{ Pos Pos }

func (s *Match) Position() Pos   { return s.Pos }
func (s *VMap) Position() Pos    { return s.Pos }
func (s *Verdict) Position() Pos { return s.Pos }
func (s *Counter) Position() Pos { return s.Pos }
func (s *Log) Position() Pos     { return s.Pos }
func (s *NAT) Position() Pos     { return s.Pos }
func (s *Reject) Position() Pos  { return s.Pos }
func (s *Mangle) Position() Pos  { return s.Pos }
func (s *Notrack) Position() Pos { return s.Pos }

// Expr is what a match reads from the packet: *Payload, *Meta, *CT, *Masked, *Concat,
// and those of ast_expr.go.
type Expr interface {
	Type() *Type // nil for *Concat
	Bits() int   // length of the value
}

// Payload reads header bits. Field is one of the package's table of fields.
type Payload struct{ Field *Field }

// Base of a payload load.
type HeaderBase uint8

const (
	BaseLink HeaderBase = iota
	BaseNetwork
	BaseTransport
	BaseInner // what follows the transport header
)

// Field describes one header field: `tcp dport`.
type Field struct {
	Proto  string // "ip", "tcp", ...
	Name   string
	Base   HeaderBase
	Offset uint16 // bits from the start of the header
	Length uint16 // bits
	T      *Type
	L3     Family // FamilyIP or FamilyIP6 the packet must have; 0 any
	L4     uint8  // transport protocol it must have when HasL4
	HasL4  bool
	Types  []byte // icmp: type bytes one of which the packet must have (`icmp id`); nil any
}

// MetaKey names what `meta` reads.
type MetaKey uint8

const (
	MetaIif MetaKey = iota
	MetaOif
	MetaIifname
	MetaOifname
	MetaMark
	MetaL4proto
	MetaNfproto
	MetaProtocol
	MetaLength
	MetaPkttype
	MetaIiftype
	MetaOiftype
	MetaPriority
	MetaSkuid
	MetaSkgid
	MetaNftrace
	MetaRtclassid
	MetaSecmark
	MetaIbrname
	MetaObrname
	MetaCPU
	MetaIifgroup
	MetaOifgroup
	MetaCgroup
	MetaRandom
	MetaIPsec
	MetaIifkind
	MetaOifkind
	MetaIbrpvid
	MetaIbrvproto
	MetaTime
	MetaDay
	MetaHour
	MetaSdif
	MetaSdifname
)

// Meta reads what the box knows of a packet beside its bytes.
type Meta struct{ Key MetaKey }

// CTKey names what `ct` reads.
type CTKey uint8

const (
	CTState CTKey = iota
	CTStatus
	CTMark
	CTDirection
	CTExpiration
	CTL3proto
	CTProtocol
	CTSaddr
	CTDaddr
	CTProtoSrc
	CTProtoDst
	CTHelper
	CTBytes
	CTPackets
	CTAvgpkt
	CTZone
	CTLabel
	CTEvent
	CTSecmark
	CTID
	CTReason // why a packet is invalid; sluice's own
)

// CT reads the packet's connection.
type CT struct {
	Key    CTKey
	Dir    int8   // 0 original, 1 reply, -1 not given
	Family Family // of saddr and daddr
	bare   bool   // the family was not written
}

// Masked is E & Mask.
type Masked struct {
	E    Expr
	Mask []byte
}

// Concat is E1 . E2 . ...
type Concat struct{ Es []Expr }

// Value is the right side of a match: *Const, *Range, *SetRef (named or anonymous).
type Value interface{ value() }

// Const is one value, or a prefix when PrefixLen is 0 or more (-1: none).
// Data is big endian (host-order types such as marks too), as long as the left
// side's bits rounded up to bytes; a value of 6 bits is in the low bits of its
// byte. Interface names are 16 bytes, zero padded;
// a wildcard "eth*" has PrefixLen 8*len("eth").
//
// Of iif and oif (type iface_index) a name is kept in Name and Data is zero:
// the compiler, which knows the interfaces, turns it into an index.
type Const struct {
	T         *Type
	Data      []byte
	PrefixLen int
	Name      string
}

// Range is Lo to Hi, both inside.
type Range struct {
	T      *Type
	Lo, Hi []byte
}

// SetRef names a set; Set is resolved by Check.
type SetRef struct{ Set *Set }

func (*Const) value()  {}
func (*Range) value()  {}
func (*SetRef) value() {}

// Set flags.
const (
	SetConstant uint32 = 1 << iota
	SetInterval
	SetTimeout
	SetDynamic
	SetAutoMerge
	SetWritten // a map that rules change, which nft lists as any other
)

// Set is a set or a map, named or anonymous.
type Set struct {
	Pos       Pos
	Name      string // "" is anonymous
	Comment   string
	empty     bool // Comment is written, but empty
	Handle    uint64
	Key       []*Type // one, or the parts of a concatenation
	KeyExprs  []Expr  // of `typeof`; nil with `type`
	Map       bool
	Verdicts  bool    // a map whose data is a verdict
	Data      []*Type // other map's data
	DataExprs []Expr  // of `typeof`; nil with `type`
	Flags     uint32
	SizeGiven uint32 // 0: none
	Policy    string
	Timeout   uint64 // milliseconds; 0: none
	GC        uint64 // milliseconds between collections of timed out elements; 0: none
	Stmts     []Stmt // counter, limit, quota or ct count that each element has
	Elements  Elements
	Live      *LiveEdit // what the text that made this set does to elements that packets change; nil: nothing

	HoldsObjects bool // a map whose data are objects of ObjectKind
	ObjectKind   ObjectKind
	Ranges       bool // the data are ranges
	meter        bool // declared by a meter
	named        bool // holds elements that a command names: what a map has for them does not matter
	byKey        keyOrder
	dataLen      int // bits of an anonymous map's data
}

// Given says whether the elements come from texts alone: the kernel lets no rule add
// any.
func (s *Set) Given() bool {
	return s.Flags&SetInterval != 0 || s.Verdicts || s.HoldsObjects || s.Ranges
}

// Element is one element: a range for each part of the key (Lo equals Hi for a
// plain value).
type Element struct {
	Pos     Pos
	Key     []KeyPart
	Any     bool      // the catch-all element `*`; Key is nil
	Verdict *Verdict  // of a verdict map
	Data    []KeyPart // of another map
	Object  string    // of a map of objects
	Timeout uint64    // milliseconds; 0: none
	Expires uint64    // milliseconds left at the start; 0: the timeout
	Stmts   []Stmt    // as Set.Stmts, with values of its own
	Comment string
	empty   bool // Comment is written, but empty

	at *raw // where it was written, until it is settled
}

// KeyPart is one field of an element's key: a value (Lo equals Hi) or a range.
type KeyPart struct {
	Lo, Hi    []byte
	PrefixLen int    // -1: not written as a prefix
	Name      string // of an iface_index given by name, as Const.Name
}
