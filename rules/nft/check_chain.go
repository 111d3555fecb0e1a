package nft

var hookNames = map[string]Hook{
	"prerouting": HookPrerouting, "input": HookInput, "forward": HookForward, "output": HookOutput,
	"postrouting": HookPostrouting, "ingress": HookIngress, "egress": HookEgress,
}

func hookName(h Hook) string {
	for n, v := range hookNames {
		if v == h {
			return n
		}
	}
	return "unknown"
}

// hooksOf tells whether a family's tables may have chains at a hook.
func hooksOf(f Family, h Hook) bool {
	switch f {
	case FamilyNetdev:
		return h == HookIngress || h == HookEgress
	case FamilyInet:
		return h <= HookIngress
	case FamilyARP:
		return h == HookInput || h == HookOutput
	}
	return h < HookIngress
}

// priorityNames are the standard priorities and the one hook they need, or
// none: of the families of IP, of bridge tables, and of netdev and arp tables.
type priorityName struct {
	name string
	prio int32
	hook int // -1: any
}

var (
	priorityNames = []priorityName{
		{"raw", -300, -1}, {"mangle", -150, -1}, {"dstnat", -100, int(HookPrerouting)}, {"filter", 0, -1},
		{"security", 50, -1}, {"srcnat", 100, int(HookPostrouting)},
	}
	bridgePriorities = []priorityName{
		{"dstnat", -300, int(HookPrerouting)}, {"filter", -200, -1}, {"out", 100, int(HookOutput)},
		{"srcnat", 300, int(HookPostrouting)},
	}
	netdevPriorities = []priorityName{{"filter", 0, -1}}
)

func prioritiesOf(f Family) []priorityName {
	switch f {
	case FamilyBridge:
		return bridgePriorities
	case FamilyNetdev, FamilyARP:
		return netdevPriorities
	}
	return priorityNames
}

func (c *checker) addChain(t *Table, b *chainBlock, create bool) {
	c.checkName(&b.name)
	ch := t.chain(b.name.text)
	if ch == nil && t.inner(b.name.text) != nil {
		c.failToken(&b.name, "Could not process rule: Invalid argument")
	}
	if ch != nil && create {
		c.failToken(&b.name, "Could not process rule: File exists")
	}
	unsupported := "Could not process rule: Operation not supported"
	var base *Base
	switch {
	case b.base:
		base = c.base(t, b)
	case b.policy != nil && (ch == nil || ch.Base == nil):
		c.failAt(span{b.policyPos, b.policy.end}, "%s", unsupported)
	}
	if ch != nil {
		if base != nil && (ch.Base == nil || ch.Base.Type != base.Type) {
			c.failToken(&b.name, "Could not process rule: File exists")
		}
		if base != nil && (ch.Base.Hook != base.Hook || ch.Base.Priority != base.Priority) {
			c.failWhole(&b.name, "%s", unsupported)
		}
		ch = c.ownChain(t, ch)
		if b.policy != nil {
			ch.Base.Policy = c.policy(b.policy)
		}
		c.did(Change{Verb: "add", Table: t, Chain: ch})
		return
	}
	ch = &Chain{Pos: b.name.pos, Name: b.name.text, Base: base, Handle: c.nextHandle(t)}
	ch.Comment, ch.empty = textOf(b.comment)
	c.own.fresh(ch)
	t.Chains = append(t.Chains, ch)
	c.did(Change{Verb: "add", Table: t, Chain: ch})
}

// base checks what makes a chain a base chain.
func (c *checker) base(t *Table, b *chainBlock) *Base {
	base := &Base{Policy: VerdictAccept}
	switch b.typ.text {
	case "filter":
		base.Type = TypeFilter
	case "nat":
		base.Type = TypeNAT
	case "route":
		base.Type = TypeRoute
	default:
		c.failToken(&b.typ, "unknown chain type")
	}
	h, ok := hookNames[b.hook.text]
	if !ok || h == HookEgress && t.Family != FamilyNetdev {
		c.failToken(&b.hook, "unknown chain hook")
	}
	if !hooksOf(t.Family, h) {
		c.failToken(&b.hook, "The %s family does not support this hook", familyName(t.Family))
	}
	if t.Family == FamilyARP && base.Type != TypeFilter {
		c.failToken(&b.typ, "Could not process rule: %s", noEntry)
	}
	base.Hook = h
	base.Offload = b.offload
	for _, d := range b.devices {
		base.Devices = appendNew(base.Devices, c.deviceName(d))
	}
	if h >= HookIngress && len(base.Devices) == 0 {
		c.failToken(&b.name, "Missing `device' in chain definition")
	} else if h < HookIngress && len(base.Devices) > 0 {
		c.failWhole(&b.name, "Could not process rule: Operation not supported")
	}
	base.Priority = c.priority(b.priority, t.Family, h)
	switch base.Type {
	case TypeRoute:
		ok = h == HookOutput && t.Family != FamilyNetdev && t.Family != FamilyBridge
	case TypeNAT:
		ok = h != HookForward && h < HookIngress && base.Priority > -200 && t.Family != FamilyBridge
	}
	if !ok {
		c.failWhole(&b.name, "Could not process rule: Operation not supported")
	}
	if b.policy != nil {
		base.Policy = c.policy(b.policy)
	}
	return base
}

// policy reads accept or drop.
func (c *checker) policy(p *raw) VerdictKind {
	if p.kind == rawWord || p.kind == rawString {
		switch p.text {
		case "accept":
			return VerdictAccept
		case "drop":
			return VerdictDrop
		}
	}
	c.fail(p, "syntax error, unexpected %s, expecting accept or drop", p.text)
	return 0
}

func (c *checker) priority(n *priorityNode, f Family, h Hook) int32 {
	v := n.num
	if n.named {
		found := false
		for _, p := range prioritiesOf(f) {
			// Newer versions of nft take dstnat at output too, where 1.0.6 does not.
			output := p.name == "dstnat" && h == HookOutput && f != FamilyBridge
			if p.name == n.name.text && (p.hook < 0 || p.hook == int(h) || output) {
				v += int64(p.prio)
				found = true
			}
		}
		if !found {
			c.failAt(span{n.pos, n.end}, "invalid priority expression value in this context.")
		}
	}
	return int32(v) // nft takes the low 32 bits of larger ones
}

func (c *checker) applySet(cmd *command, t *Table) {
	switch cmd.verb {
	case "add", "create":
		c.addSet(t, cmd.set, cmd.verb == "create")
	case "flush":
		s := c.findSet(t, cmd.name.text, &raw{pos: cmd.name.pos, end: cmd.name.end})
		if s.Map != (cmd.object == "map") {
			c.failToken(&cmd.name, noEntry)
		}
		s = c.ownSet(t, s)
		c.live(s)
		c.settleNamed(s)
		gone := s.Elements.List()
		if l := c.live(s); l != nil {
			gone = l.flush(s)
		}
		if len(gone) > 0 {
			c.did(Change{Verb: "delete", Table: t, Set: s, Elements: gone})
		}
		if s.Given() && s.Live != nil {
			s.Live.Flush = true
		}
		s.Elements = Elements{}
		delete(c.known, s)
	case "delete":
		s := t.set(cmd.name.text)
		if s == nil {
			c.failToken(&cmd.name, "%s", orElse(c.hintSet(cmd.name.text), "Could not process rule: "+noEntry))
		}
		if t.looksUp(s) {
			c.failToken(&cmd.name, "Could not process rule: Device or resource busy")
		}
		for i, o := range t.Sets {
			if o == s {
				t.Sets = append(t.Sets[:i], t.Sets[i+1:]...)
				c.did(Change{Verb: "delete", Table: t, Set: s})
				return
			}
		}
	}
}

// looksUp tells whether a rule of the table uses the set.
func (t *Table) looksUp(s *Set) bool {
	found := false
	for _, ch := range t.Chains {
		for _, r := range ch.Rules {
			for _, st := range r.Stmts {
				stmtSets(st, func(x *Set) { found = found || x.Name == s.Name })
			}
		}
	}
	return found
}

func (c *checker) addSet(t *Table, b *setBlock, create bool) {
	c.checkName(&b.name)
	at := &raw{pos: b.name.pos, end: b.name.end}
	s := &Set{Pos: b.name.pos, Name: b.name.text, Map: b.isMap, Flags: b.flags, Policy: b.policy}
	s.Comment, s.empty = textOf(b.comment)
	kind := "set"
	if b.isMap {
		kind = "map"
	}
	if !b.hasType {
		c.failToken(&b.whole, "set definition does not specify key") // of maps too
	}
	if b.size > 1<<32-1 {
		c.fail(at, "Value %d is too large", b.size)
	}
	s.SizeGiven = uint32(b.size)
	if b.keyExpr != nil {
		k := c.rule(t)
		k.typeof = true
		s.KeyExprs, s.Key = k.keyExprs(b.keyExpr)
	} else {
		s.Key = c.setTypes(b.key, kind, false)
	}
	s.Ranges = b.ranges
	switch {
	case b.objects:
		s.HoldsObjects, s.ObjectKind = true, b.kind
	case b.dataExpr != nil:
		k := c.rule(t)
		k.typeof = true
		s.DataExprs, s.Data = k.keyExprs(b.dataExpr)
	case b.isMap:
		s.Data = c.setTypes(b.data, kind, true)
		if s.Data[0] == TypeVerdict {
			s.Verdicts, s.Data = true, nil
		}
	}
	if registers(s.Key, s.KeyExprs) > maxRegisters || registers(s.Data, s.DataExprs) > maxRegisters {
		c.fail(at, "Could not process rule: Invalid argument")
	}
	if s.Timeout, s.GC = b.timeout, b.gc; s.Timeout > 0 {
		s.Flags |= SetTimeout
	}
	if s.Flags&SetAutoMerge != 0 && s.Flags&SetInterval == 0 {
		c.failToken(&b.whole, "auto-merge only works with interval sets")
	}
	if s.GC > 0 && s.Flags&SetTimeout == 0 {
		c.fail(at, "Could not process rule: Invalid argument")
	}
	for _, n := range b.stmts {
		k := c.rule(t)
		s.Stmts = append(s.Stmts, k.statement(n))
	}
	if len(s.Stmts) > maxStateful {
		c.fail(at, "Could not process rule: Argument list too long")
	}
	if s.Flags&(SetDynamic|SetInterval) == SetDynamic|SetInterval || s.Flags&(SetConstant|SetTimeout) == SetConstant|SetTimeout {
		c.fail(at, "Could not process rule: Operation not supported")
	}
	old := t.set(s.Name)
	if old != nil {
		if create || old.Map != s.Map || !sameTypes(old.Key, s.Key) || (old.Flags^s.Flags)&^(SetAutoMerge|SetWritten) != 0 {
			c.fail(at, "Could not process rule: File exists")
		}
		old = c.ownSet(t, old)
		if s.SizeGiven != 0 {
			old.SizeGiven = s.SizeGiven
		}
		s = old
	} else {
		c.own.fresh(s)
		s.Handle = c.nextHandle(t)
		t.Sets = append(t.Sets, s)
		c.did(Change{Verb: "add", Table: t, Set: s})
	}
	if b.elements != nil {
		c.addElements(t, s, b.elements, false)
	}
}

// maxRegisters bounds a key and what it gives, as NFT_DATA_VALUE_MAXLEN does: 64 bytes.
const maxRegisters = 16

// registers counts the kernel's registers, of four bytes, that a concatenation takes.
func registers(ts []*Type, es []Expr) (n int) {
	for i, t := range ts {
		bits := t.Bits
		if i < len(es) {
			bits = es[i].Bits()
		}
		n += (bits + 31) / 32
	}
	return n
}

func sameTypes(a, b []*Type) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (c *checker) setTypes(names []token, kind string, data bool) []*Type {
	var out []*Type
	for i := range names {
		n := &names[i]
		t := typeByName(n.text)
		if t == nil {
			if n.text == "integer" || n.text == "string" {
				c.failToken(n, "unqualified type %s specified in %s definition. Try \"typeof expression\" instead of \"type datatype\".", n.text, kind)
			}
			c.failToken(n, "unknown datatype %s", n.text)
		}
		if t == TypeVerdict && (!data || len(names) > 1) {
			c.failToken(n, "unqualified type verdict specified in %s definition. Try \"typeof expression\" instead of \"type datatype\".", kind)
		}
		out = append(out, t)
	}
	return out
}

// dataBits is the length of a part of the map's data.
func (s *Set) dataBits(i int) int {
	switch {
	case s.dataLen > 0:
		return s.dataLen
	case i < len(s.DataExprs):
		return s.DataExprs[i].Bits()
	}
	return s.Data[i].Bits
}

// keyBits is the length of each part of the set's key.
func (s *Set) keyBits() []int {
	out := make([]int, len(s.Key))
	for i, t := range s.Key {
		out[i] = t.Bits
		if i < len(s.KeyExprs) {
			out[i] = s.KeyExprs[i].Bits()
		}
	}
	return out
}

// addElements puts elements into a named set; with create none may be there
// already. Overlaps and order are settled when all commands have run, so that a
// file may add elements one by one.
func (c *checker) addElements(t *Table, s *Set, r *raw, create bool) {
	fresh := c.elements(s, r, s.keyBits(), nil)
	for _, e := range fresh {
		if e.writtenInterval() && s.Flags&SetInterval == 0 {
			kind := "range"
			if key := keyOf(e.at); key.kind == rawPrefix || e.Key[0].PrefixLen >= 0 {
				kind = "prefix"
			}
			at := *keyOf(e.at)
			c.fail(&at, "You must add 'flags interval' to your %s declaration if you want to add %s elements", map[bool]string{false: "set", true: "map"}[s.Map], kind)
		}
		if v := e.Verdict; v != nil && v.Chain != "" {
			c.checkTarget(t, v, keyOf(e.at))
		}
		if s.HoldsObjects && t.object(s.ObjectKind, e.Object) == nil {
			c.fail(keyOf(e.at), "Could not process rule: %s", noEntry)
		}
	}
	if l := c.live(s); l != nil {
		l.add(c, s, fresh, create)
	} else {
		c.note(s, fresh, create)
	}
	c.unsettled[s] = append(c.unsettled[s], fresh...)
	c.did(Change{Verb: "add", Table: t, Set: s, Elements: fresh})
}

// note remembers the keys of new elements, and with create refuses those that are
// there already. Sets that nothing is created in are not kept.
func (c *checker) note(s *Set, fresh []*Element, create bool) {
	known := c.known[s]
	if known == nil {
		if !create {
			return
		}
		known = map[string]bool{}
		c.known[s] = known
		if s.Flags&SetAutoMerge == 0 { // what merges may be there already
			for _, e := range c.unsettled[s] {
				known[e.keyText()] = true
			}
		}
	}
	if !create && s.Flags&SetAutoMerge != 0 {
		return
	}
	for _, e := range fresh {
		key := e.keyText()
		if create && (known[key] || s.Flags&SetAutoMerge == 0 && s.index(e) >= 0) {
			c.report(keyOf(e.at), "Could not process rule: File exists")
		}
		known[key] = true
	}
}

// checkTarget wants a jump's chain to be there and no base chain.
func (c *checker) checkTarget(t *Table, v *Verdict, at *raw) {
	ch := t.chain(v.Chain)
	if ch == nil {
		c.fail(at, "Could not process rule: %s", noEntry)
	}
	if ch.Base != nil {
		c.fail(at, "Could not process rule: Operation not supported")
	}
}

func (c *checker) deleteElements(t *Table, s *Set, r *raw) {
	c.live(s)
	c.settleNamed(s)
	delete(c.known, s)
	like := &Set{Name: s.Name, Key: s.Key, KeyExprs: s.KeyExprs, Flags: s.Flags, Map: s.Map, named: true}
	gone := c.elements(like, r, s.keyBits(), nil)
	out := make(map[int]bool, len(gone)) // elements of the list
	index := s.indexOfMany(len(gone))
	for _, e := range gone {
		i := index(e)
		if out[i] {
			i = -1
		}
		there := i >= 0
		if l := c.live(s); l != nil {
			there = l.remove(e)
		}
		if !there {
			s.Elements = s.Elements.without(out)
			if s.Flags&SetInterval != 0 && len(s.Key) == 1 {
				c.fail(keyOf(e.at), "element does not exist")
			}
			c.fail(keyOf(e.at), "Could not process rule: %s", noEntry)
		}
		if i >= 0 {
			if s.Given() && s.Live != nil {
				s.Live.Gone = append(s.Live.Gone, s.Elements.At(i))
			}
			out[i] = true
		}
		e.at = nil
	}
	s.Elements = s.Elements.without(out)
	c.did(Change{Verb: "delete", Table: t, Set: s, Elements: gone})
}
