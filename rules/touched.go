package rules

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// Range is IP addresses of one family, both ends included.
type Range struct{ First, Last netip.Addr }

// Touched says whose packets this ruleset may judge otherwise than an earlier one
// does: those with a source or destination address in a range, at the time that rules
// ask for it. False: all packets, for more differs than elements of sets that rules
// ask for such addresses. What is true of rules that are the same but for such
// elements is true of all numbers in verdicts and trails too: they mean the same.
// nil as the earlier one is fine.
func (r *Ruleset) Touched(before *Ruleset) ([]Range, bool) {
	if before == nil || r.ix.setBlocks == nil || before.ix.setBlocks == nil || !r.ix.sameRules(before.ix) {
		return nil, false
	}
	if !slices.Equal(r.master.base, before.master.base) || r.master.hdr[hdrFlags] != before.master.hdr[hdrFlags] {
		return nil, false
	}
	var out []Range
	for i, block := range r.ix.setBlocks {
		now, was := r.ix.sets[i], before.ix.sets[i]
		if other := before.ix.setBlocks[i]; block == other || now == was && now.HoldsObjects && slices.Equal(block.objects.rows, other.objects.rows) {
			continue
		}
		parts, ok := r.ix.addressParts(now)
		if !ok || now.Name == "" || now.Name != was.Name {
			return nil, false
		}
		gone, fresh, ok := now.Elements.Diff(was.Elements, 64*bulkChange)
		if !ok {
			return nil, false
		}
		for _, e := range append(gone, fresh...) {
			for _, part := range parts {
				if e.Any || part >= len(e.Key) {
					return nil, false
				}
				lo, ok := netip.AddrFromSlice(e.Key[part].Lo)
				hi, same := netip.AddrFromSlice(e.Key[part].Hi)
				if !ok || !same {
					return nil, false
				}
				out = append(out, Range{lo, hi})
			}
		}
	}
	return out, true
}

// sameRules says whether two trees have the same tables, chains and rules, in which
// only sets of the same names differ.
func (ix *index) sameRules(o *index) bool {
	if !ix.world.same(&o.world) || len(ix.chains) != len(o.chains) || len(ix.sets) != len(o.sets) || ix.ids != o.ids ||
		!slices.Equal(ix.counters, o.counters) || ix.setsProto != o.setsProto || !slices.Equal(ix.nats, o.nats) || !slices.Equal(ix.logs, o.logs) {
		return false
	}
	for i, ref := range ix.chains {
		other := o.chains[i]
		if ref.name() != other.name() || ref.policy != other.policy || ref.block == nil || other.block == nil || len(ref.rules) != len(other.rules) {
			return false
		}
		for k, r := range ref.rules {
			if r != other.rules[k] && !r.sameButSets(other.rules[k]) {
				return false
			}
		}
	}
	return true
}

// sameButSets says whether two rules are the same but for the sets they name.
func (r *rule) sameButSets(o *rule) bool {
	if r.lead != o.lead || r.remembers || r.again || !slices.Equal(r.has.counters, o.has.counters) {
		return false
	}
	return slices.EqualFunc(r.steps, o.steps, func(a, b step) bool {
		if a.ins != b.ins || !slices.Equal(a.words, b.words) {
			return false
		}
		if a.of == b.of {
			return true
		}
		s, set := a.of.(*nft.Set)
		t, both := b.of.(*nft.Set)
		return set && both && s.Name != "" && s.Name == t.Name
	})
}

// addressParts returns which parts of a set's key are addresses of packets, one for
// each use that rules make of it; false: in some use none is.
func (ix *index) addressParts(s *nft.Set) (parts []int, ok bool) {
	ok = true
	use := func(key nft.Expr) {
		list := []nft.Expr{key}
		if c, several := key.(*nft.Concat); several {
			list = c.Es
		}
		part := slices.IndexFunc(list, isAddress)
		if ok = ok && part >= 0; !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	for _, ref := range ix.chains {
		for i, t := range ref.traits {
			if t&traitMore == 0 || !slices.Contains(ref.rules[i].has.sets, s) {
				continue
			}
			for _, st := range ref.rules[i].src.Stmts {
				nft.EachExpr(st, func(e nft.Expr) {
					if m, is := e.(*nft.MapLookup); is && m.Set == s {
						use(m.Key)
					}
				})
				switch st := st.(type) {
				case *nft.Match:
					if named, is := st.Right.(*nft.SetRef); is && named.Set == s {
						use(st.Left)
					}
				case *nft.VMap:
					if st.Set == s {
						use(st.Left)
					}
				case *nft.ObjectRef:
					if st.Set == s {
						use(st.Key)
					}
				case *nft.SetUpdate:
					ok = ok && st.Set != s
				}
			}
		}
	}
	return parts, ok && len(parts) > 0
}

// isAddress says whether an expression is the source or destination in an IP header.
func isAddress(e nft.Expr) bool {
	p, ok := e.(*nft.Payload)
	if !ok {
		return false
	}
	f := p.Field
	return (f.Proto == "ip" || f.Proto == "ip6") && (f.Name == "saddr" || f.Name == "daddr")
}
