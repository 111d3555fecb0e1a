package iptables

import (
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// command is one line of commands: -A chain and a rule, -N chain, ...
type command struct {
	verb    byte // A I D R C N X P F Z E
	pos     nft.Pos
	chain   word
	arg     word // new name of E, policy of P, number of I, D, R, Z
	rules   []*Rule
	skip    bool // for the other family
	counted bool // -c was given
}

// base are the long options that every rule has, and the letters they stand for.
var base = []struct {
	name   string
	letter byte
}{
	{"append", 'A'}, {"insert", 'I'}, {"delete", 'D'}, {"replace", 'R'}, {"check", 'C'}, {"new-chain", 'N'}, {"delete-chain", 'X'},
	{"policy", 'P'}, {"flush", 'F'}, {"zero", 'Z'}, {"rename-chain", 'E'}, {"source", 's'}, {"src", 's'}, {"destination", 'd'}, {"dst", 'd'},
	{"in-interface", 'i'}, {"out-interface", 'o'}, {"protocol", 'p'}, {"fragments", 'f'}, {"jump", 'j'}, {"goto", 'g'},
	{"match", 'm'}, {"set-counters", 'c'}, {"ipv4", '4'}, {"ipv6", '6'}, {"numeric", 'n'}, {"verbose", 'v'}, {"wait", 'w'}, {"table", 't'},
	{"list", 'L'}, {"list-rules", 'S'}, {"exact", 'x'}, {"wait-interval", 'W'}, {"version", 'V'}, {"help", 'h'}, {"line-numbers", '0'}, {"modprobe", 'M'},
}

// takesWord are the letters behind which a word stands.
const takesWord = "AIDRCPNEsdiopjgmctM"

// parser reads the words of one command.
type parser struct {
	family Family
	words  []word
	at     int
	end    nft.Pos // behind the last word
	neg    bool
	negPos nft.Pos

	cmd      command
	rule     *Rule
	src, dst []Prefix
	given    [256]bool
	order    []*Instance // matches and the target, the last one first
	byProto  bool        // the protocol's own match was looked for
}

func parseCommand(family Family, words []word, end nft.Pos) (*command, error) {
	p := &parser{family: family, words: words, end: end, rule: &Rule{}}
	if len(words) > 0 {
		p.rule.Pos, p.cmd.pos = words[0].pos, words[0].pos
	}
	for p.at < len(p.words) {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	if p.neg {
		return nil, errorf(p.negPos, "nothing follows the !")
	}
	return &p.cmd, p.finish()
}

// next reads one option and its words.
func (p *parser) next() error {
	w := p.words[p.at]
	p.at++
	switch {
	case w.text == "!" && !w.quoted:
		if p.neg {
			return errorf(w.pos, "multiple consecutive ! not allowed")
		}
		p.neg, p.negPos = true, w.pos
		return nil
	case strings.HasPrefix(w.text, "--") && len(w.text) > 2:
		return p.long(w)
	case len(w.text) == 2 && w.text[0] == '-' && w.text[1] != '-':
		return p.short(w, w.text[1], nil)
	}
	return errorf(w.pos, "Bad argument `%s'", w.text)
}

// take returns the word behind an option.
func (p *parser) take(opt word) (word, error) {
	if p.at == len(p.words) {
		return word{}, errorf(opt.pos, "option %q requires an argument", opt.text)
	}
	p.at++
	return p.words[p.at-1], nil
}

// found is an option that a name may stand for.
type found struct {
	letter byte
	x      *Instance
	o      *option
}

// lookup finds the option of a name or of an unambiguous beginning of one.
func (p *parser) lookup(name string) (f found, n int) {
	add := func(c found) {
		if n == 0 || c != f {
			f = c
			n++
		}
	}
	for _, exact := range []bool{true, false} {
		for _, b := range base {
			if b.name == name || !exact && strings.HasPrefix(b.name, name) {
				add(found{letter: b.letter})
			}
		}
		for i, x := range p.order {
			shadowed := false
			for _, newer := range p.order[:i] {
				shadowed = shadowed || newer.ext == x.ext
			}
			if shadowed || exact && n > 0 {
				continue
			}
			for j := range x.ext.opts {
				o := &x.ext.opts[j]
				for _, s := range []string{o.name, o.alias} {
					if s == name || !exact && s != "" && strings.HasPrefix(s, name) {
						add(found{x: x, o: o})
					}
				}
			}
		}
		if n > 0 {
			return f, n
		}
	}
	return f, 0
}

// ownMatch is the name of a protocol's own match.
func ownMatch(r *Rule) string {
	switch r.Proto {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 33:
		return "dccp"
	case 50:
		return "esp"
	case 51:
		return "ah"
	case 58:
		return "icmp6"
	case 108:
		return "ipcomp"
	case 132:
		return "sctp"
	case 135:
		return "mh"
	}
	return ""
}

func (p *parser) long(w word) error {
	name, val, hasVal := strings.Cut(w.text[2:], "=")
	f, n := p.lookup(name)
	if n == 0 && !p.byProto {
		if e := find(matches, ownMatch(p.rule), p.family); e != nil && !p.loaded(e) {
			x := p.load(e, w.pos)
			if f, n = p.lookup(name); n == 0 {
				p.rule.Matches = p.rule.Matches[:len(p.rule.Matches)-1]
				p.order = p.order[1:]
			} else {
				p.byProto = true
				_ = x
			}
		}
	}
	switch {
	case n == 0:
		return errorf(w.pos, "unknown option \"%s\"", w.text)
	case n > 1:
		return errorf(w.pos, "option \"%s\" is ambiguous", w.text)
	}
	var args []word
	if hasVal {
		args = append(args, word{text: val, pos: shift(w.pos, 3+len(name))})
	}
	if f.letter != 0 {
		if hasVal && strings.IndexByte(takesWord, f.letter) < 0 {
			return errorf(w.pos, "option \"--%s\" takes no argument", name)
		}
		if hasVal {
			return p.short(w, f.letter, &args[0])
		}
		return p.short(w, f.letter, nil)
	}
	if f.o.needs() == 0 && hasVal {
		return errorf(w.pos, "option \"--%s\" takes no argument", name)
	}
	for len(args) < f.o.needs() {
		arg, err := p.take(w)
		if err != nil {
			return err
		}
		args = append(args, arg)
	}
	neg := p.neg
	p.neg = false
	return f.x.set(f.o, p.rule, neg, w.pos, args)
}

func shift(pos nft.Pos, n int) nft.Pos {
	pos.Col += n
	return pos
}

// loaded says whether the rule has a match of an extension.
func (p *parser) loaded(e *extension) bool {
	for _, x := range p.rule.Matches {
		if x.ext == e {
			return true
		}
	}
	return false
}

func (p *parser) load(e *extension, pos nft.Pos) *Instance {
	x := newInstance(e, p.family, pos)
	p.rule.Matches = append(p.rule.Matches, x)
	p.order = append([]*Instance{x}, p.order...)
	return x
}

// short carries out an option that has a letter.
func (p *parser) short(w word, letter byte, arg *word) error {
	neg := p.neg
	p.neg = false
	var a word
	if arg != nil {
		a = *arg
	} else if strings.IndexByte(takesWord, letter) >= 0 {
		var err error
		if a, err = p.take(w); err != nil {
			return err
		}
	}
	if neg && strings.IndexByte("sdiopf", letter) < 0 {
		return errorf(w.pos, "option \"%s\" cannot be inverted", w.text)
	}
	if strings.IndexByte("sdiopfjgt", letter) >= 0 {
		key := letter
		if key == 'g' {
			key = 'j'
		}
		if p.given[key] {
			return errorf(w.pos, "multiple -%c flags not allowed", letter)
		}
		p.given[key] = true
	}
	r := p.rule
	switch letter {
	case 'A', 'I', 'D', 'R', 'C', 'N', 'X', 'P', 'F', 'Z', 'E':
		return p.verb(w, letter, a)
	case 's', 'd':
		return p.address(letter, a, neg)
	case 'i', 'o':
		return p.iface(letter, a, neg)
	case 'p':
		proto, ok := protocol(a.text)
		if !ok {
			return errorf(a.pos, "unknown protocol \"%s\" specified", a.text)
		}
		if proto == 0 && neg {
			return errorf(a.pos, "rule would never match protocol")
		}
		r.Proto, r.NotProto = proto, neg
	case 'f':
		if p.family == IPv6 {
			return errorf(w.pos, "`-f' is not supported in IPv6, use -m frag instead")
		}
		r.Frag, r.NotFrag = !neg, neg
	case 'm':
		name := a.text
		if name == "ipv6-icmp" {
			name = "icmp6"
		}
		e := find(matches, name, p.family)
		if e == nil {
			return errorf(a.pos, "Couldn't load match `%s':No such file or directory", a.text)
		}
		p.load(e, a.pos)
	case 'j', 'g':
		return p.jump(letter, a)
	case 'c':
		b, err := p.take(w)
		if err != nil {
			return err
		}
		var ok, ok2 bool
		r.Packets, ok = number(a.text, max64)
		r.Bytes, ok2 = number(b.text, max64)
		if !ok || !ok2 {
			return errorf(a.pos, "-c takes two numbers, of packets and bytes")
		}
		p.cmd.counted = true
	case '4', '6':
		p.cmd.skip = p.cmd.skip || (letter == '4') != (p.family == IPv4)
	case 'v', 'M':
	case 't':
		return errorf(w.pos, "The -t option cannot be used here: the line is in a table")
	case 'n', 'x', '0':
		return errorf(w.pos, "%s is for lists only", w.text)
	case 'w', 'W':
		return errorf(w.pos, "You cannot use `-%c' from iptables-restore", letter)
	case 'h', 'V':
		return errorf(w.pos, "%s is no command on tables", w.text)
	default:
		return errorf(w.pos, "unknown option \"-%c\"", letter)
	}
	return nil
}

// verb is a command and the words behind its chain.
func (p *parser) verb(w word, letter byte, chain word) error {
	if p.cmd.verb != 0 {
		return errorf(w.pos, "Cannot use -%c with -%c", letter, p.cmd.verb)
	}
	p.cmd.verb = letter
	plain := func() (word, bool) { // a word that is no option
		if p.at < len(p.words) && !strings.HasPrefix(p.words[p.at].text, "-") && p.words[p.at].text != "!" {
			p.at++
			return p.words[p.at-1], true
		}
		return word{}, false
	}
	digits := func() bool {
		_, ok := number(p.words[p.at].text, max32)
		return ok
	}
	switch letter {
	case 'X', 'F', 'Z':
		p.cmd.chain, _ = plain()
		if letter == 'Z' && p.cmd.chain.text != "" {
			p.cmd.arg, _ = plain()
		}
		return nil
	case 'P', 'E':
		p.cmd.chain = chain
		var ok bool
		if p.cmd.arg, ok = plain(); !ok {
			return errorf(w.pos, "-%c requires a chain and a second word", letter)
		}
	case 'I', 'D':
		p.cmd.chain = chain
		if p.at < len(p.words) && digits() {
			p.cmd.arg, _ = plain()
		}
	case 'R':
		p.cmd.chain = chain
		var ok bool
		if p.cmd.arg, ok = plain(); !ok {
			return errorf(w.pos, "-R requires a rule number")
		}
	default:
		p.cmd.chain = chain
	}
	return checkChainName(p.cmd.chain)
}

func checkChainName(w word) error {
	switch {
	case w.text == "" || w.text[0] == '-' || w.text[0] == '!':
		return errorf(w.pos, "chain name %q not allowed to start with `-' or `!', nor to be empty", w.text)
	case len(w.text) > 28:
		return errorf(w.pos, "chain name `%s' too long (must be under 29 chars)", w.text)
	case strings.ContainsAny(w.text, " \t\n"):
		return errorf(w.pos, "Invalid chain name `%s'", w.text)
	}
	return nil
}

func (p *parser) address(letter byte, a word, neg bool) error {
	list, ok := parsePrefix(a.text, p.family, false)
	if !ok {
		return errorf(a.pos, "host/network `%s' not found: an address[/mask] is needed, host names are not looked up", a.text)
	}
	for i := range list {
		list[i].Neg = neg
		if prefixLen(list[i].Mask) == 0 && !neg {
			list[i] = Prefix{}
		}
	}
	if letter == 's' {
		p.src = list
	} else {
		p.dst = list
	}
	return nil
}

func (p *parser) iface(letter byte, a word, neg bool) error {
	switch {
	case a.text == "":
		return errorf(a.pos, "Empty interface is likely to be undesired")
	case len(a.text) > 15:
		return errorf(a.pos, "interface name `%s' must be shorter than IFNAMSIZ (15)", a.text)
	}
	to := &p.rule.In
	if letter == 'o' {
		to = &p.rule.Out
	}
	*to = Interface{a.text, neg}
	return nil
}

func (p *parser) jump(letter byte, a word) error {
	r := p.rule
	r.targetPos = a.pos
	if letter == 'g' {
		r.Jump, r.Goto = a.text, true
		return checkChainName(a)
	}
	switch a.text {
	case "ACCEPT", "DROP", "RETURN", "QUEUE":
		r.Verdict = a.text
		return nil
	}
	if e := find(targets, a.text, p.family); e != nil {
		r.Target = newInstance(e, p.family, a.pos)
		p.order = append([]*Instance{r.Target}, p.order...)
		return nil
	}
	r.Jump = a.text
	return checkChainName(a)
}

// finish judges the rule as a whole and makes one for each pair of addresses.
func (p *parser) finish() error {
	r := p.rule
	if p.cmd.verb == 0 {
		return errorf(p.cmd.pos, "no command specified")
	}
	switch p.cmd.verb {
	case 'A', 'I', 'D', 'R', 'C':
	default:
		if r.Matches != nil || r.Target != nil || r.Verdict+r.Jump != "" || p.given != [256]bool{} {
			return errorf(p.cmd.pos, "-%c takes no rule", p.cmd.verb)
		}
		return nil
	}
	for _, x := range append(append([]*Instance{}, r.Matches...), r.Target) {
		if x != nil {
			if err := x.complete(r); err != nil {
				return err
			}
		}
	}
	chain := p.cmd.chain.text
	if r.Out.Name != "" && (chain == "PREROUTING" || chain == "INPUT") {
		return errorf(p.cmd.pos, "Can't use -o with %s", chain)
	}
	if r.In.Name != "" && (chain == "POSTROUTING" || chain == "OUTPUT") {
		return errorf(p.cmd.pos, "Can't use -i with %s", chain)
	}
	if r.In == (Interface{Name: "+"}) { // any; with ! it is none
		r.In = Interface{}
	}
	if r.Out == (Interface{Name: "+"}) {
		r.Out = Interface{}
	}
	if p.src == nil {
		p.src = []Prefix{{}}
	}
	if p.dst == nil {
		p.dst = []Prefix{{}}
	}
	if len(p.src)*len(p.dst) > 1 && (p.src[0].Neg || p.dst[0].Neg) {
		return errorf(p.cmd.pos, "! not allowed with multiple source or destination IP addresses")
	}
	if len(p.src)*len(p.dst) > 1 && p.cmd.verb == 'R' {
		return errorf(p.cmd.pos, "Replacement rule does not specify a unique address")
	}
	for _, src := range p.src {
		for _, dst := range p.dst {
			one := *r
			one.Src, one.Dst = src, dst
			p.cmd.rules = append(p.cmd.rules, &one)
		}
	}
	return nil
}
