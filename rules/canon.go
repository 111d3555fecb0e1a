package rules

import (
	"encoding/binary"
	"hash"

	"github.com/sluice-net/sluice/rules/nft"
)

// canon writes a tree as bytes, unambiguously and without what an image does not
// depend on: positions, handles, comments, counters' starting values, the
// wording of log statements. Every list is preceded by its length and every kind
// by its name.
type canon struct {
	b       []byte
	helpers map[*nft.Object]uint32
	sum     hash.Hash // what was written before; nil: b has it all
}

// spill hashes what there is, if it is much.
func (w *canon) spill() {
	if w.sum != nil && len(w.b) >= spillBytes {
		w.sum.Write(w.b)
		w.b = w.b[:0]
	}
}

const spillBytes = 8 << 10

func (w *canon) num(ns ...uint64) {
	for _, n := range ns {
		w.b = binary.AppendUvarint(w.b, n)
	}
}

func (w *canon) str(s string) {
	w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...)
}

func (w *canon) flag(b bool) {
	if b {
		w.num(1)
	} else {
		w.num(0)
	}
}

// tree writes a tree, its rules by their hashes.
func (w *canon) tree(tree *nft.Ruleset, chains []*chainRef) {
	w.num(uint64(len(tree.Tables)))
	for _, t := range tree.Tables {
		w.num(uint64(t.Family), uint64(len(t.Chains)))
		w.flag(t.Dormant)
		w.num(uint64(len(t.Objects)))
		for _, o := range t.Objects {
			w.num(uint64(o.Kind))
			w.str(o.Name)
			w.num(uint64(w.helpers[o]))
			if o.Limit != nil {
				w.limit(o.Limit)
			}
			if o.Quota != nil {
				w.quota(o.Quota)
			}
			if o.Synproxy != nil {
				w.synproxy(o.Synproxy)
			}
			if e := o.Expectation; e != nil {
				w.num(uint64(e.Proto), uint64(e.Port), e.TimeoutMs, uint64(e.Size), uint64(e.L3))
			}
			if x := o.Timeout; x != nil {
				w.num(uint64(x.Proto))
				for _, s := range x.States() {
					w.num(uint64(s.Seconds))
				}
			}
		}
		for _, c := range t.Chains {
			w.str(c.Name)
			w.flag(c.Base != nil)
			if b := c.Base; b != nil {
				w.num(uint64(b.Type), uint64(b.Hook), uint64(b.Priority), uint64(b.Policy))
				w.flag(b.Count != nil)
				w.num(uint64(len(b.Devices)))
				for _, d := range b.Devices {
					w.str(d)
				}
			}
			w.num(uint64(len(c.Rules)))
			for _, r := range chains[0].rules {
				w.b = append(w.b, r.hash[:]...)
				w.spill()
			}
			chains = chains[1:]
		}
	}
}

func (w *canon) rule(r *nft.Rule) {
	w.flag(r.Origin != nil)
	w.num(uint64(len(r.Stmts)))
	for _, st := range r.Stmts {
		w.stmt(st)
	}
}

func (w *canon) stmt(st nft.Stmt) {
	switch st := st.(type) {
	case *nft.Match:
		w.str("match")
		w.expr(st.Left)
		w.num(uint64(st.Op))
		w.value(st.Right)
	case *nft.VMap:
		w.str("vmap")
		w.expr(st.Left)
		w.set(st.Set)
	case *nft.Verdict:
		w.verdict(st)
	case *nft.Counter:
		w.str("counter")
	case *nft.Log:
		w.str("log")
	case *nft.NAT:
		w.str("nat")
		w.num(uint64(st.Kind), uint64(st.Family), uint64(st.PortMin), uint64(st.PortMax), uint64(st.Flags))
		w.str(string(st.AddrMin))
		w.str(string(st.AddrMax))
		w.flag(st.Prefix)
		w.expr(st.Addr)
		w.expr(st.Port)
	case *nft.Reject:
		w.str("reject")
		w.flag(st.Reset)
		w.flag(st.Bare)
		w.num(uint64(st.Proto), uint64(st.Code))
	case *nft.Mangle:
		w.str("mangle")
		w.expr(st.Left)
		w.expr(st.Value.Src)
		w.num(uint64(st.Value.And), uint64(st.Value.Xor))
	case *nft.Assign:
		w.str("assign")
		w.expr(st.Left)
		w.expr(st.Value)
	case *nft.FlowOffload:
		w.str("flow")
	case *nft.SetUpdate:
		w.str("update")
		w.num(uint64(st.Verb), st.TimeoutMs, uint64(len(st.Stmts)))
		w.expr(st.Key)
		w.expr(st.Data)
		w.set(st.Set)
	case *nft.ResetOption:
		w.str("reset")
		w.expr(st.Option)
	case *nft.Dup:
		w.str("dup")
		w.expr(st.Addr)
		w.expr(st.Device)
	case *nft.Forward:
		w.str("fwd")
		w.num(uint64(st.Family))
		w.expr(st.Addr)
		w.expr(st.Device)
	case *nft.Notrack:
		w.str("notrack")
	case *nft.Extension: // what it does is found by its number, and is no part of the image
		w.str("extension")
	case *nft.Limit:
		w.limit(st)
	case *nft.Quota:
		w.quota(st)
	case *nft.ConnLimit:
		w.str("count")
		w.flag(st.Over)
		w.num(uint64(st.Count))
	case *nft.Last:
		w.str("last")
	case *nft.Synproxy:
		w.synproxy(st)
	case *nft.ObjectRef:
		w.str("object")
		w.num(uint64(st.Kind), uint64(w.helpers[st.Object]))
		w.flag(st.Ahead)
		if st.Object != nil {
			w.str(st.Object.Name)
		}
		if st.Set != nil {
			w.expr(st.Key)
			w.set(st.Set)
		}
	default:
		w.str("unknown")
	}
}

func (w *canon) limit(l *nft.Limit) {
	w.str("limit")
	w.flag(l.Over)
	w.flag(l.Bytes)
	w.num(l.Rate, l.Unit, uint64(l.Burst))
}

func (w *canon) synproxy(s *nft.Synproxy) {
	mss, scale := s.Given()
	w.str("synproxy")
	w.flag(mss)
	w.flag(scale)
	w.flag(s.SackPerm)
	w.flag(s.Timestamp)
	w.flag(s.ECN)
	w.num(uint64(s.MSS), uint64(s.Wscale))
}

func (w *canon) quota(q *nft.Quota) {
	w.str("quota")
	w.flag(q.Over)
	w.num(q.Bytes)
}

func (w *canon) verdict(v *nft.Verdict) {
	w.str("verdict")
	w.flag(v != nil)
	if v != nil {
		w.num(uint64(v.Kind))
		w.str(v.Chain)
	}
}

func (w *canon) expr(e nft.Expr) {
	switch e := e.(type) {
	case *nft.Payload:
		f := e.Field
		w.str("payload")
		w.num(uint64(f.Base), uint64(f.Offset), uint64(f.Length), uint64(f.L3), uint64(f.L4))
		w.flag(f.HasL4)
		w.str(string(f.Types))
	case *nft.Meta:
		w.str("meta")
		w.num(uint64(e.Key))
	case *nft.CT:
		w.str("ct")
		w.num(uint64(e.Key), uint64(e.Dir), uint64(e.Family))
	case *nft.Masked:
		w.str("masked")
		w.expr(e.E)
		w.str(string(e.Mask))
	case *nft.Concat:
		w.str("concat")
		w.num(uint64(len(e.Es)))
		for _, part := range e.Es {
			w.expr(part)
		}
	case *nft.Const:
		w.value(e)
	case *nft.Raw:
		w.str("raw")
		w.num(uint64(e.Base), uint64(e.Offset), uint64(e.Length))
	case *nft.Binop:
		w.str("binop")
		w.str(e.Op)
		w.num(uint64(e.L.Bits()))
		w.expr(e.L)
		w.expr(e.R)
	case *nft.Option:
		w.str("option")
		w.num(uint64(e.Kind), uint64(e.Code))
		w.flag(e.Exists)
		if e.Field != nil {
			w.num(uint64(e.Field.Offset), uint64(e.Field.Length))
		}
	case *nft.RT:
		w.str("rt")
		w.num(uint64(e.Key), uint64(e.Family))
	case *nft.Fib:
		w.str("fib")
		w.num(uint64(e.Flags), uint64(e.Result))
	case *nft.Numgen:
		w.str("numgen")
		w.flag(e.Random)
		w.num(uint64(e.Mod), uint64(e.Offset))
	case *nft.Hash:
		w.str("hash")
		w.num(uint64(e.Mod), uint64(e.Offset), uint64(e.Seed))
		w.expr(e.E)
	case *nft.MapLookup:
		w.str("map")
		w.expr(e.Key)
		w.set(e.Set)
	default:
		w.str("none")
	}
}

func (w *canon) value(v nft.Value) {
	switch v := v.(type) {
	case *nft.Const:
		w.str("const")
		w.str(string(v.Data))
		w.num(uint64(v.PrefixLen))
		w.str(v.Name)
	case *nft.Range:
		w.str("range")
		w.str(string(v.Lo))
		w.str(string(v.Hi))
	case *nft.SetRef:
		w.set(v.Set)
	default:
		w.str("unknown")
	}
}

// set writes a set by its name and elements; the sharing of named sets needs no
// mark, because equal names in one table are one set.
func (w *canon) set(s *nft.Set) {
	w.str("set")
	w.flag(s == nil)
	if s == nil {
		return
	}
	w.str(s.Name)
	w.flag(s.Map)
	w.flag(s.Verdicts)
	w.flag(s.Ranges)
	w.flag(noded(s))
	w.num(uint64(s.Flags&(nft.SetTimeout|nft.SetDynamic|nft.SetWritten)), s.Timeout, uint64(len(s.Stmts)))
	w.num(uint64(len(s.Key)))
	for i := range s.Key {
		w.num(uint64(partBits(s, i)))
	}
	w.num(uint64(len(s.Data)))
	for i := range s.Data {
		w.num(uint64(partOf(s, i)))
	}
	w.num(uint64(s.Elements.Len()))
	if s.Elements.Len() >= bulkMin {
		return // no ruleset with such a set is cached
	}
	for el := range s.Elements.All() {
		w.flag(el.Any)
		w.parts(el.Key)
		w.parts(el.Data)
		w.str(el.Object)
		w.verdict(el.Verdict)
	}
}

func (w *canon) parts(list []nft.KeyPart) {
	w.num(uint64(len(list)))
	for _, k := range list {
		w.str(string(k.Lo))
		w.str(string(k.Hi))
		w.str(k.Name)
	}
}
