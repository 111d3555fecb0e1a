package iptables

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/rules/nft"
)

// Family is IPv4 or IPv6; a mask of both where extensions say whom they serve.
type Family uint8

const (
	IPv4 Family = 1 << iota
	IPv6
	both = IPv4 | IPv6
)

// Tool is the name of the program of a family.
func (f Family) Tool() string {
	if f == IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// bits is the length of an address.
func (f Family) bits() int {
	if f == IPv6 {
		return 128
	}
	return 32
}

// Error is what is wrong with a text, and where.
type Error struct {
	Pos    nft.Pos
	Msg    string
	Tool   string // what the tool itself says of what the kernel refuses; "": Msg
	Status int    // the tool's exit status; 0: that of wrong usage, or with Tool 1
}

func (e *Error) Error() string { return fmt.Sprintf("%v: Error: %s", e.Pos, e.Msg) }

func errorf(pos nft.Pos, format string, args ...any) error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// Ruleset is what one save or restore is about: the tables of one family in the
// order in which iptables-save prints them.
type Ruleset struct {
	Family Family
	Tables []*Table
}

// Table is a table with its built-in chains in hook order, then the others in
// order of name.
type Table struct {
	Pos    nft.Pos
	Name   string
	Chains []*Chain
}

// Chain is a built-in chain or one of the user.
type Chain struct {
	Pos            nft.Pos
	Name           string
	Hook           int    // nft.HookPrerouting ...; -1: of the user
	Policy         string // ACCEPT or DROP; "" of a user's chain
	Packets, Bytes uint64 // of the policy
	Rules          []*Rule
}

// Prefix is an address under a mask, which need not be contiguous. The zero
// value is any.
type Prefix struct {
	Addr, Mask netip.Addr
	Neg        bool
}

// any says whether the prefix holds for every packet.
func (p *Prefix) any() bool { return !p.Addr.IsValid() }

// Interface is a name to compare with; a trailing + stands for any rest.
type Interface struct {
	Name string // "": any
	Neg  bool
}

// Rule is one rule.
type Rule struct {
	Pos            nft.Pos
	Src, Dst       Prefix
	In, Out        Interface
	Proto          uint8 // 0: any
	NotProto       bool
	Frag, NotFrag  bool // -f, ! -f
	Matches        []*Instance
	Target         *Instance // nil: Verdict or Jump
	Verdict        string    // ACCEPT, DROP, RETURN, QUEUE, or "": none
	Jump           string    // chain, "": none
	Goto           bool
	Packets, Bytes uint64

	targetPos nft.Pos
}

// proto says whether the rule is for one transport protocol only, p.
func (r *Rule) proto(p ...uint8) bool {
	if r.Proto == 0 || r.NotProto {
		return false
	}
	for _, p := range p {
		if r.Proto == p {
			return true
		}
	}
	return false
}

// Instance is one `-m name` or `-j name` with its options.
type Instance struct {
	Pos    nft.Pos
	ext    *extension
	family Family
	vals   []value // by option of ext
	last   nft.Pos // of the option read last
}

// Name is what stands behind -m or -j.
func (x *Instance) Name() string { return x.ext.name }

// value is what was given for an option.
type value struct {
	set, neg bool
	n        [4]uint64
	s        string
	a        [2]netip.Addr
	x        any
}

// opt returns the value of an option by its name.
func (x *Instance) opt(name string) *value {
	for i := range x.ext.opts {
		if x.ext.opts[i].name == name {
			return &x.vals[i]
		}
	}
	panic("iptables: " + x.ext.name + " has no option " + name)
}

// has says whether an option was given.
func (x *Instance) has(name string) bool { return x.opt(name).set }

// count returns how many of the options were given.
func (x *Instance) count(names ...string) (n int) {
	for _, name := range names {
		if x.has(name) {
			n++
		}
	}
	return n
}
