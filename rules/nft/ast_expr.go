package nft

// OptionKind is the header an *Option is in.
type OptionKind uint8

const (
	OptionIPv6 OptionKind = iota // extension header of IPv6
	OptionTCP
	OptionIPv4
	OptionSCTP // a chunk
)

// Option reads a field of an option or extension header: its value, or with
// Exists whether the header is there (0 or 1).
type Option struct {
	Kind   OptionKind
	Code   uint8 // header number, option kind or chunk type
	Field  *Field
	Exists bool
	nth    int // of sack blocks and routing addresses
}

// Raw is bits of a header given by their place: `@th,16,16`.
type Raw struct {
	Base   HeaderBase
	Offset uint16
	Length uint16
}

// RTKey names what `rt` reads of the route.
type RTKey uint8

const (
	RTClassid RTKey = iota
	RTNexthop
	RTMTU
	RTIPsec
)

// RT reads the packet's route.
type RT struct {
	Key    RTKey
	Family Family // of a nexthop
}

// Flags of a fib lookup, the kernel's NFTA_FIB_F_*.
const (
	FibSaddr uint32 = 1 << iota
	FibDaddr
	FibMark
	FibIif
	FibOif
	FibPresent
)

// FibResult is what a fib lookup gives.
type FibResult uint8

const (
	FibOifIndex FibResult = iota
	FibOifName
	FibAddrType
)

// Fib looks an address up in the routes. With FibPresent the value is one bit:
// whether there is an interface.
type Fib struct {
	Flags  uint32
	Result FibResult
}

// SocketKey names what `socket` reads.
type SocketKey uint8

const (
	SocketTransparent SocketKey = iota
	SocketMark
	SocketWildcard
	SocketCgroup
)

// Socket reads the local socket a packet would go to.
type Socket struct {
	Key   SocketKey
	Level uint32
}

// OSF guesses the sender's system from a SYN.
type OSF struct {
	TTL     uint8 // 0: true, 1 loose, 2 skip
	Version bool
}

// Numgen counts (or with Random draws) numbers below Mod, plus Offset.
type Numgen struct {
	Random      bool
	Mod, Offset uint32
}

// Hash is jhash of E, or with E nil symhash, modulo Mod plus Offset.
type Hash struct {
	E           Expr
	Mod, Offset uint32
	Seed        uint32
	Seeded      bool
}

// Xfrm reads an ipsec transformation.
type Xfrm struct {
	Out    bool
	Index  uint8
	Key    string // "reqid", "spi", "saddr", "daddr"
	Family Family // of an address
}

// Binop is L Op R, one of & | ^ << >>.
type Binop struct {
	Op   string
	L, R Expr
}

// MapLookup is what a map gives for Key.
type MapLookup struct {
	Key Expr
	Set *Set
}

// Type and Bits make these expressions.

func (e *Const) Type() *Type { return e.T }

// Bits is the length of the value in whole bytes.
func (e *Const) Bits() int { return 8 * len(e.Data) }

// Type is the field's; of a test boolean.
func (e *Option) Type() *Type {
	if e.Exists {
		return TypeBoolean
	}
	return e.Field.T
}

// Bits is the field's length.
func (e *Option) Bits() int {
	if e.Exists {
		return 8
	}
	return int(e.Field.Length)
}

// Type of bits without a name is integer.
func (e *Raw) Type() *Type {
	if e.Base == BaseTransport && e.Length == 16 && (e.Offset == 0 || e.Offset == 16) {
		return TypeService
	}
	return TypeRaw
}

// Bits is the length.
func (e *Raw) Bits() int { return int(e.Length) }

// Type is the key's.
func (e *RT) Type() *Type {
	switch e.Key {
	case RTClassid:
		return TypeRealm
	case RTMTU:
		return TypeHostInteger
	case RTIPsec:
		return TypeBoolean
	}
	if e.Family == FamilyIP6 {
		return TypeIPv6
	}
	return TypeIPv4
}

// Bits is the key's length.
func (e *RT) Bits() int {
	switch e.Key {
	case RTMTU:
		return 16
	case RTIPsec:
		return 8
	}
	return e.Type().Bits
}

// Type is the result's.
func (e *Fib) Type() *Type {
	switch {
	case e.Flags&FibPresent != 0:
		return TypeBoolean
	case e.Result == FibOifIndex:
		return TypeIfindex
	case e.Result == FibOifName:
		return TypeIfname
	}
	return TypeFibAddr
}

// Bits is the result's length.
func (e *Fib) Bits() int { return e.Type().Bits }

// Type is the key's.
func (e *Socket) Type() *Type {
	switch e.Key {
	case SocketMark:
		return TypeMark
	case SocketCgroup:
		return TypeCgroup
	}
	return TypeInteger
}

// Bits is the key's length.
func (e *Socket) Bits() int {
	switch e.Key {
	case SocketMark:
		return 32
	case SocketCgroup:
		return 64
	}
	return 8
}

// Type is a string.
func (e *OSF) Type() *Type { return TypeString }

// Bits of a name are 16 bytes.
func (e *OSF) Bits() int { return 128 }

// Type is a number.
func (e *Numgen) Type() *Type { return TypeHostInteger }

// Bits of a number are 32.
func (e *Numgen) Bits() int { return 32 }

// Type is a number.
func (e *Hash) Type() *Type { return TypeHostInteger }

// Bits of a number are 32.
func (e *Hash) Bits() int { return 32 }

// Type is the key's.
func (e *Xfrm) Type() *Type {
	switch {
	case e.Key == "reqid":
		return TypeHostInteger
	case e.Key == "spi":
		return TypeInteger
	case e.Family == FamilyIP6:
		return TypeIPv6
	}
	return TypeIPv4
}

// Bits is the key's length.
func (e *Xfrm) Bits() int {
	if t := e.Type(); t.Bits > 0 {
		return t.Bits
	}
	return 32
}

// Type is the one of what is changed.
func (e *Binop) Type() *Type { return e.L.Type() }

// Bits is the length of what is changed.
func (e *Binop) Bits() int { return e.L.Bits() }

// Type is the data's, nil when there are several parts.
func (e *MapLookup) Type() *Type {
	if len(e.Set.Data) == 1 {
		return e.Set.Data[0]
	}
	return nil
}

// Bits is the data's length.
func (e *MapLookup) Bits() int {
	n := 0
	for i := range e.Set.Data {
		n += e.Set.dataBits(i)
	}
	return n
}
