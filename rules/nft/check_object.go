package nft

import "slices"

// object finds a named object of the table.
func (t *Table) object(kind ObjectKind, name string) *Object {
	for _, o := range t.Objects {
		if o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

func (t *Table) flowtable(name string) *Flowtable {
	for _, f := range t.Flowtables {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func (c *checker) findObject(t *Table, kind ObjectKind, r *raw) *Object {
	o := t.object(kind, r.text)
	if o == nil {
		c.fail(r, "Could not process rule: %s", noEntry)
	}
	return o
}

// helperProtocols are the helpers there are and the transport protocols of each.
var helperProtocols = map[string][]uint8{
	"ftp": {protoTCP}, "tftp": {protoUDP}, "sip": {protoTCP, protoUDP}, "pptp": {protoTCP}, "irc": {protoTCP},
	"snmp": {protoUDP}, "amanda": {protoUDP}, "netbios-ns": {protoUDP}, "sane": {protoTCP}, "RAS": {protoUDP},
	"Q.931": {protoTCP}, "H.245": {protoTCP}, "h323": {protoTCP, protoUDP},
}

// helpersOfIPv4 are those that are there for IPv4 alone, in tables of inet too.
var helpersOfIPv4 = map[string]bool{"irc": true, "pptp": true, "netbios-ns": true, "snmp": true}

// addObject checks a named object or flowtable and adds it.
func (c *checker) addObject(t *Table, b *objectBlock, create bool) {
	c.checkName(&b.name)
	if b.flow != nil {
		c.addFlowtable(t, b, create)
		return
	}
	o := b.object
	bad := func(what string) { c.failWhole(&b.name, "Could not process rule: %s", what) }
	family := func(f Family) Family {
		if f == 0 {
			return t.Family
		}
		return f
	}
	switch b.kind {
	case ObjQuota:
		if o.Quota == nil {
			o.Quota = &Quota{Pos: o.Pos}
		}
		if o.Quota.Used > o.Quota.Bytes {
			bad("Invalid argument")
		}
	case ObjLimit:
		if o.Limit == nil {
			bad("Invalid argument")
		}
	case ObjSecmark:
		if o.Secmark == "" {
			bad("Invalid argument")
		}
	case ObjHelper:
		if o.Helper.L3 = family(o.Helper.L3); t.Family != FamilyInet && o.Helper.L3 != FamilyInet && o.Helper.L3 != t.Family {
			bad("Invalid argument")
		}
		if f := o.Helper.L3; f != FamilyIP && f != FamilyIP6 && f != FamilyInet {
			bad("Address family not supported by protocol")
		}
		known := false
		for _, p := range slices.Concat(c.opt.Helpers[o.Helper.Type], helperProtocols[o.Helper.Type]) {
			known = known || p == o.Helper.Proto
		}
		if !known || helpersOfIPv4[o.Helper.Type] && o.Helper.L3 == FamilyIP6 {
			bad(noEntry)
		}
		if helpersOfIPv4[o.Helper.Type] {
			o.Helper.L3 = FamilyIP
		}
	case ObjTimeout:
		if o.Timeout.Proto == 0 {
			bad("Operation not supported")
		}
		o.Timeout.L3 = family(o.Timeout.L3)
	case ObjExpectation:
		e := o.Expectation
		for _, need := range []string{"protocol", "dport", "timeout", "size"} {
			if !b.given[need] {
				bad("Invalid argument")
			}
		}
		if e.L3 = family(e.L3); e.L3 != FamilyIP && e.L3 != FamilyIP6 {
			bad("Address family not supported by protocol")
		}
	}
	if old := t.object(b.kind, o.Name); old != nil {
		if create {
			c.failToken(&b.name, "Could not process rule: File exists")
		}
		return
	}
	o.Comment, o.empty = textOf(b.comment)
	o.Handle = c.nextHandle(t)
	t.Objects = append(t.Objects, o)
	c.did(Change{Verb: "add", Table: t, Object: o})
}

func (c *checker) addFlowtable(t *Table, b *objectBlock, create bool) {
	f := b.flow
	if old := t.flowtable(f.Name); old != nil {
		if create {
			c.failToken(&b.name, "Could not process rule: File exists")
		}
		old = c.ownFlowtable(t, old)
		for _, r := range b.devices {
			old.Devices = appendNew(old.Devices, c.deviceName(r))
		}
		c.did(Change{Verb: "add", Table: t, Flowtable: old})
		return
	}
	if b.prio == nil {
		c.failToken(&b.name, "Could not process rule: Invalid argument")
	}
	if b.hook.text != "ingress" {
		c.failToken(&b.hook, "unknown chain hook")
	}
	f.Priority = c.priority(b.prio, FamilyNetdev, HookIngress)
	for _, r := range b.devices {
		f.Devices = appendNew(f.Devices, c.deviceName(r))
	}
	f.Handle = c.nextHandle(t)
	c.own.fresh(f)
	t.Flowtables = append(t.Flowtables, f)
	c.did(Change{Verb: "add", Table: t, Flowtable: f})
}

func appendNew(list []string, name string) []string {
	for _, x := range list {
		if x == name {
			return list
		}
	}
	return append(list, name)
}

// deleteObject takes an object or flowtable away.
func (c *checker) deleteObject(cmd *command, t *Table) {
	c.settleAll() // for new elements that name it
	busy := false
	held := func(s *Set, o *Object) {
		for e := range s.Elements.All() {
			busy = busy || o != nil && s.HoldsObjects && s.ObjectKind == o.Kind && e.Object == o.Name
		}
	}
	uses := func(o *Object, f *Flowtable) {
		for _, ch := range t.Chains {
			for _, r := range ch.Rules {
				for _, st := range r.Stmts {
					switch st := st.(type) {
					case *ObjectRef:
						busy = busy || o != nil && st.Object != nil && st.Object.Kind == o.Kind && st.Object.Name == o.Name
						if st.Set != nil && st.Set.Name == "" { // a named one is the table's own
							held(st.Set, o)
						}
					case *FlowOffload:
						busy = busy || f != nil && st.Table.Name == f.Name
					}
				}
			}
		}
		for _, s := range t.Sets {
			held(s, o)
		}
	}
	fail := func(what string) { c.failToken(&cmd.name, "Could not process rule: %s", what) }
	if cmd.object == "flowtable" {
		f := t.flowtable(cmd.name.text)
		if f == nil {
			fail(noEntry)
		}
		if uses(nil, f); busy {
			fail("Device or resource busy")
		}
		t.Flowtables = without(t.Flowtables, f)
		c.did(Change{Verb: "delete", Table: t, Flowtable: f})
		return
	}
	o := t.object(cmd.kind, cmd.name.text)
	if o == nil {
		if near := c.hint("obj", cmd.name.text, objectNames); near != "" {
			c.failToken(&cmd.name, "%s", near)
		}
		fail(noEntry)
	}
	if uses(o, nil); busy {
		fail("Device or resource busy")
	}
	t.Objects = without(t.Objects, o)
	c.did(Change{Verb: "delete", Table: t, Object: o})
}

func without[T comparable](list []T, x T) []T {
	for i, y := range list {
		if y == x {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
