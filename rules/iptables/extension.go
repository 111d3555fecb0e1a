package iptables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// extension is a match or a target: what it is called, what its options are,
// where it may stand, how it prints and what it means.
type extension struct {
	name   string
	alias  string // another name for it
	family Family
	opts   []option // in the order in which they print

	proto  []uint8 // the rule must be for one of these transport protocols
	tables string  // names of tables it may stand in; "": all
	hooks  uint8   // bits of hooks it may be reached from; 0: all
	one    string  // options of which one must be given, with blanks between

	final func(x *Instance, r *Rule) error // judges all options together
	place func(x *Instance, r *Rule, hooks uint8) error
	save  func(x *Instance, out *printer) // nil: the options in order
}

// option is one option of an extension.
type option struct {
	name, alias string
	kind        kind
	min, max    uint64
	inv         bool                        // ! may stand before it
	must        bool                        // it has to be given
	multi       bool                        // it may be given more than once
	not         string                      // options it excludes, with blanks between
	with        string                      // an option it needs
	full        bool                        // of a range: the whole of it prints as nothing
	port        func(string) (uint64, bool) // of ports: reads one; nil: port
	zero        bool                        // 0 prints as nothing
	loose       bool                        // of ports: a range may end before it begins
	cut         bool                        // of a string: what is too long is cut off
	tables      string                      // names of tables it may be used in; "": all
	args        int                         // words it takes; 0: as the kind says
	parse       func(x *Instance, r *Rule, v *value, s []word) error
	print       func(x *Instance, v *value) string
	hidden      bool // does not print of its own
}

// behind is a flag that has to stand behind an option.
func behind(name string) func(*Instance, *Rule, *value, []word) error {
	return func(x *Instance, _ *Rule, _ *value, _ []word) error {
		if !x.has(name) {
			return errorf(x.last, "%s: --%s is needed first", x.ext.name, name)
		}
		return nil
	}
}

// needs is how many words follow the option.
func (o *option) needs() int {
	switch {
	case o.args > 0:
		return o.args
	case o.kind == kFlag:
		return 0
	}
	return 1
}

// The extensions by name; several when families differ.
var (
	matches = map[string][]*extension{}
	targets = map[string][]*extension{}
)

func register(to map[string][]*extension, list ...extension) {
	for i := range list {
		e := &list[i]
		for _, name := range []string{e.name, e.alias} {
			if name != "" {
				to[name] = append(to[name], e)
			}
		}
	}
}

// find returns the extension of a name for a family.
func find(in map[string][]*extension, name string, f Family) *extension {
	for _, e := range in[name] {
		if e.family&f != 0 {
			return e
		}
	}
	return nil
}

// Known is a match or a target of the language.
type Known struct {
	Kind, Name string // "match" or "target"
	Families   Family
}

// Extensions returns all matches, then all targets, each in order of name.
func Extensions() (all []Known) {
	for _, list := range []struct {
		kind string
		of   map[string][]*extension
	}{{"match", matches}, {"target", targets}} {
		for _, name := range slices.Sorted(maps.Keys(list.of)) {
			k := Known{Kind: list.kind, Name: name}
			for _, e := range list.of[name] {
				if e.name == name { // not an alias
					k.Families |= e.family
				}
			}
			if k.Families != 0 {
				all = append(all, k)
			}
		}
	}
	return all
}

func newInstance(e *extension, f Family, pos nft.Pos) *Instance {
	return &Instance{Pos: pos, ext: e, family: f, vals: make([]value, len(e.opts))}
}

// set reads the words of one option.
func (x *Instance) set(o *option, r *Rule, neg bool, at nft.Pos, args []word) error {
	x.last = at
	i := 0
	for &x.ext.opts[i] != o {
		i++
	}
	v := &x.vals[i]
	if neg && !o.inv {
		return errorf(at, "%s: option \"--%s\" cannot be inverted", x.ext.name, o.name)
	}
	if v.set && !o.multi {
		return errorf(at, "%s: option \"--%s\" can only be used once", x.ext.name, o.name)
	}
	v.set, v.neg = true, neg
	for j := range x.ext.opts {
		other := &x.ext.opts[j]
		if x.vals[j].set && (slices.Contains(strings.Fields(o.not), other.name) || slices.Contains(strings.Fields(other.not), o.name)) {
			return errorf(at, "%s: option \"--%s\" cannot be used together with \"--%s\"", x.ext.name, o.name, other.name)
		}
	}
	if o.parse != nil {
		return o.parse(x, r, v, args)
	}
	if o.needs() == 0 {
		return nil
	}
	return o.value(x, r, v, args[0])
}

// complete judges the options together once the rule has been read.
func (x *Instance) complete(r *Rule) error {
	e := x.ext
	for i := range e.opts {
		o, v := &e.opts[i], &x.vals[i]
		if o.must && !v.set {
			return errorf(x.Pos, "%s: option \"--%s\" must be specified", e.name, o.name)
		}
		if v.set && o.with != "" && !x.has(o.with) {
			return errorf(x.Pos, "%s: option \"--%s\" also requires \"--%s\"", e.name, o.name, o.with)
		}
	}
	if e.one != "" && x.count(strings.Fields(e.one)...) == 0 {
		return errorf(x.Pos, "%s: one of --%s must be specified", e.name, strings.Join(strings.Fields(e.one), ", --"))
	}
	if e.final != nil {
		return e.final(x, r)
	}
	return nil
}

// allowed judges where the rule stands: as a kernel's module would.
func (x *Instance) allowed(r *Rule, table string, hooks uint8) error {
	err := x.misplaced(r, table, hooks)
	if e, ok := err.(*Error); ok && e.Status == 0 && e.Tool == "" {
		e.Status = byKernel
	}
	return err
}

// byKernel is the tool's exit status for what the kernel refuses.
const byKernel = 4

func (x *Instance) misplaced(r *Rule, table string, hooks uint8) error {
	e := x.ext
	if e.proto != nil && !r.proto(e.proto...) {
		err := &Error{Pos: x.Pos, Msg: e.name + ": needs -p of a protocol it is made for"}
		if slices.Contains([]string{"tcp", "udp", "multiport"}, e.name) {
			err.Status = 2 // the tool asks for it before the kernel does
		}
		return err
	}
	if e.tables != "" {
		if !slices.Contains(strings.Fields(e.tables), table) {
			return errorf(x.Pos, "%s: is valid only in table %s, not %s", e.name, e.tables, table)
		}
	}
	for i := range e.opts {
		if o := &e.opts[i]; x.vals[i].set && o.tables != "" && !slices.Contains(strings.Fields(o.tables), table) {
			return errorf(x.Pos, "%s: --%s is valid only in table %s, not %s", e.name, o.name, o.tables, table)
		}
	}
	if e.hooks != 0 && hooks&^e.hooks != 0 {
		return errorf(x.Pos, "%s: is not valid in chains that %s leads to", e.name, hookNames(hooks&^e.hooks))
	}
	if e.place != nil {
		return e.place(x, r, hooks)
	}
	return nil
}

var chainNames = [...]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// Bits of hooks.
const (
	hPre = 1 << iota
	hIn
	hFwd
	hOut
	hPost
)

func hookNames(hooks uint8) string {
	var names []string
	for i, name := range chainNames {
		if hooks>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// printer collects what an instance prints.
type printer struct{ strings.Builder }

// opt prints an option, with a value unless that is empty.
func (p *printer) opt(neg bool, name, val string) {
	if neg {
		p.WriteString(" !")
	}
	p.WriteString(" --")
	p.WriteString(name)
	if val != "" {
		p.WriteByte(' ')
		p.WriteString(val)
	}
}

// print writes the options behind `-m name` or `-j name`.
func (x *Instance) print(out *printer) {
	if x.ext.save != nil {
		x.ext.save(x, out)
		return
	}
	x.printOpts(out)
}

func (x *Instance) printOpts(out *printer) {
	for i := range x.ext.opts {
		o, v := &x.ext.opts[i], &x.vals[i]
		if !v.set || o.hidden || o.zero && v.n[0] == 0 || o.full && v.n[0] == 0 && v.n[1] == o.max {
			continue
		}
		text := ""
		if o.print != nil {
			text = o.print(x, v)
		} else if o.needs() > 0 {
			text = o.text(v)
		}
		out.opt(v.neg, o.name, text)
	}
}

// hex prints a number as iptables does most.
func hex(v uint64) string { return fmt.Sprintf("0x%x", v) }
