package nft

// ParseOptions says where included files are looked for and what is defined
// before the text begins.
type ParseOptions struct {
	IncludeDirs []string          // tried in order when an include is not absolute nor found beside its file
	Defines     map[string]string // name (without $) to text, as `nft -D`
	NoInclude   bool              // refuse `include`
}

// PrintOptions chooses what Fprint shows.
type PrintOptions struct {
	Counters  func(*Counter) (packets, bytes uint64) // current values; nil: the starting ones
	Handles   bool                                   // append `# handle N`
	Stateless bool                                   // leave counter values out, as `nft -s`
}
