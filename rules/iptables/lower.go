package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// lower turns rules into nft text, one rule a line.
type lower struct {
	family    Family
	ip        string                            // "ip" or "ip6"
	sets      func(name string) *nft.Set        // of the table; nil: there is none
	exts      []*nft.Extension                  // what `xt match "N"` stands for
	decls     map[string]string                 // what the table needs, by name
	order     []string                          // of decls
	places    map[string]nft.Pos                // of the rules that needed them first
	countries func(file string) ([]byte, error) // see Given
	recent    map[string]*recentList            // of the tree in force, and new ones
	stamps    map[*recentList]uint32            // that rules want of an address

	timeouts func(name string) *nft.Object // ct timeout objects of the table; nil: there is none
	several  bool                          // see Table.several

	alone  bool // a rule is translated for somebody to read
	before int  // and so many sets stand before it

	rule  *Rule
	hooks uint8 // that lead to the rule's chain
	stmts []string
}

// meanings are the extensions that have one here, by name: each adds the
// statements of an instance. What is not in it is refused with the reason in
// refusals.
var meanings map[string]func(l *lower, x *Instance) error

// refusals say why an extension means nothing here.
var refusals = map[string]string{
	"owner": "packets that are forwarded have no local socket", "socket": "packets that are forwarded have no local socket",
	"cgroup": "packets that are forwarded have no local process",
	"osf":    "there is no list of fingerprints", "bpf": "programs of the kernel are not run", "cluster": "there are no clusters of boxes",
	"connlabel": "connections have no labels by number", "rateest": "there are no rate estimators", "nfacct": "there are no accounting objects",
	"ipvs": "there are no virtual servers", "eui64": "it looks at addresses of the link below IPv6", "srh": "segment routing headers are not looked into",
	"ipv6header": "chains of extension headers are not looked at as a whole", "realm": "routes have no realms",
	"TPROXY":    "there is no local socket to give the packet to",
	"IDLETIMER": "there are no idle timers", "LED": "there are no lights", "HMARK": "marks by hash are not supported",
	"RATEEST": "there are no rate estimators", "SECMARK": "there are no security contexts", "CONNSECMARK": "there are no security contexts",
	"CLUSTERIP": "addresses are not shared", "SNPT": "prefix translation of IPv6 is not supported", "DNPT": "prefix translation of IPv6 is not supported",
	"NFQUEUE": "no program in user space reads packets of forwarded flows here",
}

func (l *lower) add(format string, args ...any) {
	l.stmts = append(l.stmts, fmt.Sprintf(format, args...))
}

// never makes the rule hold for no packet.
func (l *lower) never() { l.add("meta length < 1") }

// extend adds an extension that is carried out by code.
func (l *lower) extend(x *Instance, target bool, impl any) {
	kind := "match"
	if target {
		kind = "target"
	}
	l.add("xt %s \"%d\"", kind, len(l.exts))
	l.exts = append(l.exts, &nft.Extension{Name: x.ext.name, Target: target, Impl: impl})
}

// declare adds something that the table has to have.
func (l *lower) declare(name, text string) {
	if _, ok := l.decls[name]; !ok {
		l.order = append(l.order, name)
		l.decls[name] = text
		if l.places != nil {
			l.places[name] = l.rule.Pos
		}
	}
}

// op is the operator of a comparison.
func op(neg bool) string {
	if neg {
		return "!= "
	}
	return ""
}

// span is the right side of a comparison with a range.
func span(lo, hi uint64) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d-%d", lo, hi)
}

// between compares a number of so many bits with a range.
func (l *lower) between(left string, v *value, top uint64) {
	switch {
	case v.n[0] > v.n[1] && !v.neg, v.neg && v.n[0] == 0 && v.n[1] == top:
		l.never()
	case v.n[0] > v.n[1], v.n[0] == 0 && v.n[1] == top:
		l.add("%s >= 0", left)
	default:
		l.add("%s %s%s", left, op(v.neg), span(v.n[0], v.n[1]))
	}
}

// masked compares the bits of a mask.
func (l *lower) masked(left string, v *value, top uint64) {
	if v.n[1] == top {
		l.add("%s %s0x%x", left, op(v.neg), v.n[0])
		return
	}
	cmp := "=="
	if v.neg {
		cmp = "!="
	}
	l.add("%s & 0x%x %s 0x%x", left, v.n[1], cmp, v.n[0])
}

// prefix compares an address.
func (l *lower) prefix(left string, p Prefix) {
	switch n := prefixLen(p.Mask); {
	case n == 0 && p.Neg:
		l.never()
	case n == 0:
		l.add("%s & %v == %v", left, p.Mask, p.Mask)
	case n < 0:
		cmp := "=="
		if p.Neg {
			cmp = "!="
		}
		l.add("%s & %v %s %v", left, p.Mask, cmp, p.Addr)
	default:
		l.add("%s %s%s", left, op(p.Neg), addrMask(p.Addr, p.Mask, false))
	}
}

// text returns the statements of a rule: what it matches, its counter, what it
// does.
func (l *lower) text(r *Rule, hooks uint8, chainName func(string) string) (string, error) {
	l.rule, l.hooks, l.stmts = r, hooks, nil
	if l.alone {
		l.heading(r)
	} else {
		l.addresses(r)
		l.interfaces(r)
		switch {
		case r.Proto == 0:
		case l.family == IPv6 && slices.Contains(extensionHeaders, r.Proto): // ip6tables looks behind it
			if !r.NotProto {
				l.never()
			}
		default:
			l.add("meta l4proto %s%d", op(r.NotProto), r.Proto)
		}
	}
	if r.Frag || r.NotFrag {
		cmp := "!="
		if r.NotFrag {
			cmp = "=="
		}
		l.add("ip frag-off & 0x1fff %s 0", cmp)
	}
	for _, m := range r.Matches {
		if err := l.meaning(m); err != nil {
			return "", err
		}
	}
	if l.alone {
		l.add("counter")
	} else {
		l.add("counter packets %d bytes %d", r.Packets, r.Bytes)
	}
	switch {
	case r.Target != nil:
		if err := l.meaning(r.Target); err != nil {
			return "", err
		}
	case r.Verdict == "QUEUE":
		return "", errorf(r.targetPos, "QUEUE means nothing here: %s", refusals["NFQUEUE"])
	case r.Verdict != "":
		l.add("%s", strings.ToLower(r.Verdict))
	case r.Goto:
		l.add("goto %s", chainName(r.Jump))
	case r.Jump != "":
		l.add("jump %s", chainName(r.Jump))
	}
	if l.alone {
		for i := range l.stmts {
			l.stmts[i] = toolWords(l.stmts[i])
		}
		l.tail(r)
	}
	return strings.Join(l.stmts, " "), nil
}

// extensionHeaders are protocol numbers that are no transport protocol to ip6tables. AH
// is one to iptables-nft, of which -p sees nothing behind that header; ip6tables-legacy
// looks past it.
var extensionHeaders = []uint8{43, 44, 60}

func (l *lower) addresses(r *Rule) {
	if !r.Src.any() {
		l.prefix(l.ip+" saddr", r.Src)
	}
	if !r.Dst.any() {
		l.prefix(l.ip+" daddr", r.Dst)
	}
}

func (l *lower) interfaces(r *Rule) {
	for _, i := range []struct {
		key string
		Interface
	}{{"iifname", r.In}, {"oifname", r.Out}} {
		if i.Name == "+" && i.Neg {
			l.never() // every packet has a device's name
		} else if i.Name != "" {
			l.add("%s %s\"%s\"", i.key, op(i.Neg), interfacePattern(i.Name))
		}
	}
}

func (l *lower) meaning(x *Instance) error {
	f := meanings[x.ext.name]
	if f == nil {
		return l.refuse(x, refusals[x.ext.name])
	}
	return f(l, x)
}

// refuse says why an instance cannot be carried out.
func (l *lower) refuse(x *Instance, why string, args ...any) error {
	if why == "" {
		why = "it is not supported"
	}
	return errorf(x.Pos, "%s means nothing here: %s", x.ext.name, fmt.Sprintf(why, args...))
}

// interfacePattern is a name as nft writes it: + at its end is *, and a * of its
// own is escaped.
func interfacePattern(name string) string {
	if rest, ok := strings.CutSuffix(name, "+"); ok {
		return rest + "*"
	}
	if rest, ok := strings.CutSuffix(name, "*"); ok {
		return rest + `\*`
	}
	return name
}
