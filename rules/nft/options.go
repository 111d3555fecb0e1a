package nft

// ParseOptions says where included files are looked for and what is defined
// before the text begins.
type ParseOptions struct {
	IncludeDirs []string           // tried in order when an include is not absolute nor found beside its file
	Defines     map[string]string  // name (without $) to text, as `nft -D`
	NoInclude   bool               // refuse `include`
	Included    func(file string)  // sees the name of every file that an include reads; nil: nobody does
	Helpers     map[string][]uint8 // conntrack helpers beside the kernel's, and the transport protocols of each

	// Elements returns the elements that a set which rules change has now, nil for
	// other sets; for get, and for commands that change such sets.
	Elements func(*Set) []*Element

	// Interface finds the index of an interface a rule names by iif or oif. A
	// name it does not know is an error, as in nft. Without it every name is
	// taken and the value is left zero, for the compiler to find by Const.Name.
	Interface func(name string) (index uint32, ok bool)

	// Extension gives what `xt match "key"` and `xt target "key"` stand for, nil
	// for nothing. Without it such statements are refused.
	Extension func(key string) *Extension
}

// PrintOptions chooses what Fprint shows.
type PrintOptions struct {
	Counters  func(*Counter) (packets, bytes uint64) `json:"-"` // current values; nil: the starting ones
	Quotas    func(*Quota) (used uint64)             `json:"-"` // bytes counted so far; nil: the starting values
	Lasts     func(*Last) Last                       `json:"-"` // how long since a packet came; nil: the starting values
	Elements  func(*Set) []*Element                  `json:"-"` // of a set that rules change, as they are now; nil: those of the text
	JSON      bool                                   // as `nft -j`
	Handles   bool                                   // append `# handle N`
	Stateless bool                                   // leave counter values out, as `nft -s`
	Terse     bool                                   // leave elements of sets out, as `nft -t`
	Protocols bool                                   // transport protocols by number, as `nft -p`
	Priority  bool                                   // priorities of chains by number, as `nft -y`
	Time      bool                                   // times in seconds, as `nft -T`
	Symbols   bool                                   // all values by number; with the three above `nft -n`
	Services  bool                                   // ports by name, as `nft -S`
	written   bool                                   // sets in a rule in the order in which they were written
	Users     bool                                   // users and groups by name, as `nft -u`
}
