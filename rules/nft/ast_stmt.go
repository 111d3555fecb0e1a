package nft

// Limit lets packets pass up to a rate; with Over those beyond it.
type Limit struct {
	Pos   Pos
	Over  bool
	Bytes bool   // Rate and Burst are bytes, else packets
	Rate  uint64 // in Unit seconds
	Unit  uint64 // 1, 60, 3600, 86400 or 604800
	Burst uint32
}

// Quota lets packets pass until so many bytes have; with Over those after it.
type Quota struct {
	Pos   Pos
	Over  bool
	Bytes uint64
	Used  uint64 // starting value
}

// ConnLimit is `ct count`: the connections whose packets come here.
type ConnLimit struct {
	Pos   Pos
	Over  bool
	Count uint32
}

// Last remembers when a packet came here last.
type Last struct {
	Pos    Pos
	Used   bool
	UsedMs uint64
}

// ObjectRef uses a named object: Object, or with Key the one its map gives.
type ObjectRef struct {
	Pos    Pos
	Kind   ObjectKind
	Object *Object
	Key    Expr // nil: Object is meant
	Set    *Set // map whose data are objects

	// Ahead: the packet has not met conntrack yet, and the flow that it begins gets
	// the helper or the timeouts. No text says so: what nft's own statement finds
	// there is no flow, and then it does nothing.
	Ahead bool
}

// Assign sets Left (a key of meta or ct, a header field, a field of an option)
// to Value. A mark made of one mark and constants is a *Mangle instead.
type Assign struct {
	Pos   Pos
	Left  Expr
	Value Expr
}

// Dup sends a copy of the packet to an address and, or in netdev tables to, a
// device. Either may be nil; each may be a *MapLookup.
type Dup struct {
	Pos    Pos
	Addr   Expr
	Device Expr
}

// Forward sends the packet itself out of a device.
type Forward struct {
	Pos    Pos
	Family Family // 0: no address
	Addr   Expr   // nil, or the neighbour's
	Device Expr
}

// Queue hands the packet to user space.
type Queue struct {
	Pos            Pos
	From, To       uint16
	Queue          Expr // nil, or what computes the number
	Bypass, Fanout bool
}

// Synproxy answers connection attempts itself; also an object's contents.
type Synproxy struct {
	Pos       Pos
	MSS       uint16
	Wscale    uint8
	hasMSS    bool
	hasWscale bool
	Timestamp bool
	SackPerm  bool
	ECN       bool // asked for by the SYNPROXY of iptables only: nft has no word for it
}

// Given says whether the segment size and the window scale were written.
func (s *Synproxy) Given() (mss, wscale bool) { return s.hasMSS, s.hasWscale }

// TProxy gives the packet to a local socket.
type TProxy struct {
	Pos    Pos
	Family Family // of the address; 0: both
	Addr   Expr   // nil: the packet's own
	Port   Expr   // nil: the packet's own

	table Family
}

// FlowOffload adds the packet's connection to a flowtable.
type FlowOffload struct {
	Pos   Pos
	Table *Flowtable
}

// SetVerb is what a *SetUpdate does.
type SetVerb uint8

const (
	SetAdd SetVerb = iota
	SetRefresh
	SetDelete
)

// SetUpdate adds, updates or deletes an element made of the packet.
type SetUpdate struct {
	Pos       Pos
	Verb      SetVerb
	Set       *Set
	Key       Expr
	Data      Expr   // nil; of a map
	TimeoutMs uint64 // 0: the set's
	expires   uint64
	Stmts     []Stmt // run for the element
	Meter     bool   // written as `meter`, which declares Set too
}

// ResetOption overwrites an option of TCP with nops.
type ResetOption struct {
	Pos    Pos
	Option Expr
}

// Extension is a match or a target of another language that no statement of this
// one stands for. Impl carries it out; what it is, is a matter of the compiler.
// Text cannot name one of its own accord: see ParseOptions.Extension.
type Extension struct {
	Pos    Pos
	Name   string // listed as `xt match "name"`
	Target bool   // `xt target "name"`
	Impl   any
}

func (s *Extension) Position() Pos   { return s.Pos }
func (s *Limit) Position() Pos       { return s.Pos }
func (s *Quota) Position() Pos       { return s.Pos }
func (s *ConnLimit) Position() Pos   { return s.Pos }
func (s *Last) Position() Pos        { return s.Pos }
func (s *ObjectRef) Position() Pos   { return s.Pos }
func (s *Assign) Position() Pos      { return s.Pos }
func (s *Dup) Position() Pos         { return s.Pos }
func (s *Forward) Position() Pos     { return s.Pos }
func (s *Queue) Position() Pos       { return s.Pos }
func (s *Synproxy) Position() Pos    { return s.Pos }
func (s *TProxy) Position() Pos      { return s.Pos }
func (s *FlowOffload) Position() Pos { return s.Pos }
func (s *SetUpdate) Position() Pos   { return s.Pos }
func (s *ResetOption) Position() Pos { return s.Pos }

// StmtName is what a statement is called: "limit", "ct helper", ...
func StmtName(s Stmt) string {
	switch s := s.(type) {
	case *Match:
		return "match"
	case *VMap:
		return "vmap"
	case *Verdict:
		return "verdict"
	case *Counter:
		return "counter"
	case *Log:
		return "log"
	case *NAT:
		return [...]string{"snat", "dnat", "masquerade", "redirect"}[s.Kind]
	case *Reject:
		return "reject"
	case *Mangle:
		return exprText(s.Left, asUsual) + " set"
	case *Notrack:
		return "notrack"
	case *Limit:
		return "limit"
	case *Quota:
		return "quota"
	case *ConnLimit:
		return "ct count"
	case *Last:
		return "last"
	case *ObjectRef:
		if s.Kind >= ObjHelper && s.Kind <= ObjExpectation {
			return s.Kind.String() + " set"
		}
		return s.Kind.String() + " name"
	case *Assign:
		return exprText(s.Left, asUsual) + " set"
	case *Dup:
		return "dup"
	case *Forward:
		return "fwd"
	case *Queue:
		return "queue"
	case *Synproxy:
		return "synproxy"
	case *TProxy:
		return "tproxy"
	case *FlowOffload:
		return "flow add"
	case *SetUpdate:
		if s.Meter {
			return "meter"
		}
		return [...]string{"add", "update", "delete"}[s.Verb] + " @" + s.Set.Name
	case *ResetOption:
		return "reset"
	case *Extension:
		return "xt " + s.Name
	}
	return "statement"
}
