package nft

// ObjectKind is what a named object is.
type ObjectKind uint8

const (
	ObjCounter ObjectKind = iota
	ObjQuota
	ObjLimit
	ObjHelper
	ObjTimeout
	ObjExpectation
	ObjSynproxy
	ObjSecmark
)

func (k ObjectKind) String() string {
	return [...]string{"counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "synproxy", "secmark"}[k]
}

// Object is a named object that the rules of its table use. Of the fields below
// Handle the one of its kind is set.
type Object struct {
	Pos     Pos
	Kind    ObjectKind
	Name    string
	Comment string
	empty   bool // Comment is written, but empty
	Handle  uint64

	Counter     *Counter
	Quota       *Quota
	Limit       *Limit
	Helper      *Helper
	Timeout     *Timeout
	Expectation *Expectation
	Synproxy    *Synproxy
	Secmark     string // the context
}

// Helper gives a connection the conntrack helper of a name.
type Helper struct {
	Type  string // "ftp"
	Proto uint8  // transport protocol
	L3    Family // FamilyIP, FamilyIP6 or FamilyInet
}

// Timeout gives a connection timeouts of its own.
type Timeout struct {
	Proto  uint8 // tcp or udp
	L3     Family
	Policy []StateTimeout // those that differ from nft's defaults, in nft's order
}

// StateTimeout is the timeout of one state.
type StateTimeout struct {
	State   string // "established"
	Seconds uint32
}

// Expectation makes a connection expect another one from the same peer.
type Expectation struct {
	Proto     uint8
	Port      uint16 // destination port
	TimeoutMs uint64
	Size      uint8
	L3        Family
}

// Flowtable is a set of connections that bypass the forward hook.
type Flowtable struct {
	Pos      Pos
	Name     string
	Handle   uint64
	Priority int32
	Devices  []string
	Offload  bool
	Counter  bool
}
