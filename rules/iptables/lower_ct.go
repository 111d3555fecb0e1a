package iptables

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// What the CT and NOTRACK targets ask of the connection that a packet begins.

// untracked is a template for whose sake conntrack need not see packets.
type untracked struct {
	stateless
	template
}

// template is CT and NOTRACK in tables where several rules may hold for a packet:
// the first one that does is the only one (xt_ct_target).
type template struct {
	untrack  bool
	zone     uint16
	dir      flowtable.ZoneDir
	fromMark bool // the zone is the packet's mark
	events   flowtable.EventMask
}

func (t *template) Run(p *packet.Packet, env *rules.Env) rules.Action {
	switch {
	case p.Template.Given || p.Ct != nil || p.Entry != 0:
		return rules.ActNext
	case t.untrack:
		rules.Untrack(p)
	case t.fromMark:
		rules.SetZone(p, env, uint16(p.Mark), t.dir)
	case t.zone != 0:
		rules.SetZone(p, env, t.zone, t.dir)
	}
	p.Template.Given = true
	if t.events != 0 {
		p.Template.Events = t.events
	}
	return rules.ActContinue
}

// PerFlow makes it a rules.PerFlow.
func (t *template) PerFlow() {}

// several says whether some packet may meet two rules of a table of which only the
// first one may speak.
func (t *Table) several() bool {
	rules, silent := 0, 0
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if r.Target == nil {
				continue
			}
			switch r.Target.Name() {
			case "NOTRACK":
				rules++
				silent++
			case "CT":
				rules++
				if r.Target.has("notrack") {
					silent++
				}
			}
		}
	}
	return rules > 1 && silent < rules
}

func lowerNOTRACK(l *lower, x *Instance) error {
	if l.several {
		l.extend(x, true, &untracked{template: template{untrack: true}})
	} else {
		l.add("notrack")
	}
	return nil
}

func lowerCT(l *lower, x *Instance) error {
	if x.has("notrack") {
		return lowerNOTRACK(l, x)
	}
	if x.has("expevents") {
		return l.refuse(x, "expectations have no events of their own")
	}
	if l.alone && x.count("helper", "timeout") > 0 {
		return l.refuse(x, "in nft helpers and timeouts are given by objects, to packets that conntrack has seen")
	}
	t := &template{events: flowtable.EventMask(x.opt("ctevents").n[0])}
	word := "ct"
	zone := x.lastZone()
	t.zone, t.fromMark = uint16(zone.n[0]), zone.n[1] != 0
	switch orig, reply := x.has("zone-orig"), x.has("zone-reply"); {
	case orig && !reply:
		t.dir, word = flowtable.ZoneOriginal, "ct original"
	case reply && !orig:
		t.dir, word = flowtable.ZoneReply, "ct reply"
	}
	if l.several || t.fromMark || t.events&flowtable.EventMask(eventHelper) != 0 {
		l.extend(x, true, t)
	} else {
		if t.events != 0 {
			l.add("ct event set %s", strings.NewReplacer("natseqinfo", "seqadj").Replace(bitNames(ctEvents, uint64(t.events))))
		}
		if zone.set {
			l.add("%s zone set %d", word, t.zone)
		}
	}
	if v := x.opt("helper"); v.set {
		if why := helper.Refused(v.s); why != "" {
			return l.refuse(x, fmt.Sprintf("helper type %q is not supported: %s", v.s, why))
		}
		name := fmt.Sprintf("%sct_%s_%d", generated, identifier(v.s), l.rule.Proto)
		l.declare(name, fmt.Sprintf("add ct helper @TABLE %s { type \"%s\" protocol %s; l3proto %s; }", name, v.s, protocolText(l.rule.Proto), l.ip))
		l.add("ct helper set \"%s\"", name)
	}
	if v := x.opt("timeout"); v.set {
		return l.policy(x, v.s)
	}
	return nil
}

// policy gives flows the timeouts of an object of the table.
func (l *lower) policy(x *Instance, name string) error {
	o := l.timeouts(name)
	if o == nil {
		return noPolicy(x, name)
	}
	if !l.rule.proto(o.Timeout.Proto) {
		return errorf(x.Pos, "CT: timeout policy \"%s\" needs -p of its transport protocol, %s", name, protocolText(o.Timeout.Proto))
	}
	l.add("ct timeout set \"%s\"", name)
	return nil
}

// policies judges the timeout policies that rules name.
func (t *Table) policies(known func(table, name string) bool) error {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if r.Target == nil || r.Target.Name() != "CT" || r.Target.has("notrack") {
				continue
			}
			if v := r.Target.opt("timeout"); v.set && (known == nil || !known(t.Name, v.s)) {
				return noPolicy(r.Target, v.s)
			}
		}
	}
	return nil
}

func noPolicy(x *Instance, name string) error {
	ip := "ip"
	if x.family == IPv6 {
		ip = "ip6"
	}
	return errorf(x.Pos, "CT: no such timeout policy \"%s\": make it with `nft add ct timeout %s raw %s { protocol tcp; policy = { established : 3600 }; }`", name, ip, name)
}

// HasTimeout returns what RestoreOptions.Timeout asks about a tree.
func HasTimeout(tree *nft.Ruleset, family Family) func(table, name string) bool {
	nf := nft.FamilyIP
	if family == IPv6 {
		nf = nft.FamilyIP6
	}
	return func(table, name string) bool { return timeoutOf(findTable(tree, nf, table), name) != nil }
}

// timeoutOf finds a ct timeout object of a table, which may be nil.
func timeoutOf(t *nft.Table, name string) *nft.Object {
	if t != nil {
		for _, o := range t.Objects {
			if o.Kind == nft.ObjTimeout && o.Name == name {
				return o
			}
		}
	}
	return nil
}

// intend marks what statements of a rule mean that nft has no words for: those of
// CT come before conntrack, and a SYN proxy may agree on ECN.
func intend(r *nft.Rule, target *Instance) {
	for _, st := range r.Stmts {
		switch st := st.(type) {
		case *nft.ObjectRef:
			if st.Kind == nft.ObjHelper || st.Kind == nft.ObjTimeout {
				st.Ahead = true
			}
		case *nft.Synproxy:
			st.ECN = target.has("ecn")
		}
	}
}

// child is the helper match with names that nft's `ct helper` does not find.
type child struct {
	name string // "": any
	neg  bool
}

func (m child) Run(p *packet.Packet, env *rules.Env) rules.Action {
	have := rules.MasterHelper(p, env)
	// What the rule names may go on behind the name of the helper: ftp-2121.
	return holds((have != "" && (m.name == "" || strings.HasPrefix(m.name, have))) != m.neg)
}

// PerFlow makes it a rules.PerFlow.
func (m child) PerFlow() {}

func lowerHelper(l *lower, x *Instance) error {
	v := x.opt("helper")
	if l.alone && v.s == "" {
		return l.refuse(x, "a helper can only be asked for by its name")
	}
	if l.alone && len(v.s) > 15 {
		return l.refuse(x, "no helper has a name of %d bytes", len(v.s))
	}
	if l.alone || !v.neg && helperProtos[v.s] != nil {
		l.add("ct helper %s\"%s\"", op(v.neg), v.s)
		return nil
	}
	l.extend(x, false, child{v.s, v.neg})
	return nil
}
