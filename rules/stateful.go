package rules

import (
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// stateRef is a statement or object with a memory.
type stateRef struct {
	identity string // the same in every ruleset that keeps it
	initial  uint64 // first word of its cell when it is new
	stmt     nft.Stmt
}

// remember gives the limits and quotas of a chain, and those of the table's
// objects once, their numbers. An identity is that of the table and the handle of the
// object or rule, which an edit elsewhere and a new name of the chain leave as they are,
// and a rule made anew has not; and what is said there, but for what was counted, since
// texts that are each read by themselves give the same handles to different things.
func (ix *index) remember(ref *chainRef, r *rule, st nft.Stmt, same map[string]int) {
	if _, ok := newState(st); !ok {
		return
	}
	r.remembers = true
	ix.state(st, identity(ref, r, same))
}

// identity names something of a rule that remembers.
func identity(ref *chainRef, r *rule, same map[string]int) string {
	if r.identity == "" {
		var says nft.Rule
		for _, st := range r.src.Stmts {
			if _, ok := newState(st); ok {
				says.Stmts = append(says.Stmts, st)
			}
		}
		r.identity = fmt.Sprintf("%s rule %d %s", tableIdentity(ref.table), r.src.Handle, nft.RuleIdentity(ref.table.Family, &says))
	}
	same[r.identity]++
	return fmt.Sprintf("%s %d", r.identity, same[r.identity])
}

// tableIdentity names a table: another one if it was made anew.
func tableIdentity(t *nft.Table) string { return fmt.Sprintf("%d %s %d", t.Family, t.Name, t.Handle) }

// object gives an object of a table its number, of a state, counter or policy.
func (ix *index) object(t *nft.Table, o *nft.Object) error {
	switch o.Kind {
	case nft.ObjHelper, nft.ObjTimeout, nft.ObjExpectation, nft.ObjSynproxy:
		ix.asks |= trackFlags(t.Family) // whether a rule names it or not
	}
	switch o.Kind {
	case nft.ObjTimeout:
		p, err := policy(o)
		if err != nil {
			return err
		}
		ix.policyOf[o] = uint32(len(ix.policies))
		ix.policies = append(ix.policies, p)
	case nft.ObjCounter:
		if _, ok := ix.slots[o.Counter]; !ok {
			ix.slots[o.Counter] = uint32(len(ix.counters))
			ix.counters = append(ix.counters, counterRef{stmt: o.Counter})
			ix.objects[o.Counter] = o.Name
		}
	case nft.ObjLimit:
		ix.state(o.Limit, fmt.Sprintf("%s limit %d %s %+v", tableIdentity(t), o.Handle, o.Name, rate(o.Limit)))
	case nft.ObjQuota:
		ix.state(o.Quota, fmt.Sprintf("%s quota %d %s", tableIdentity(t), o.Handle, o.Name))
	}
	return nil
}

func (ix *index) state(st nft.Stmt, identity string) {
	if _, ok := ix.slots[st]; ok {
		return
	}
	initial, _ := newState(st)
	ix.slots[st] = uint32(len(ix.states))
	ix.states = append(ix.states, stateRef{identity, initial, st})
}

// newState returns what a statement's cell begins with; false: it has none.
func newState(st nft.Stmt) (uint64, bool) {
	switch st := st.(type) {
	case *nft.Limit:
		return 0, true
	case *nft.Quota:
		return st.Used, true
	case *nft.ConnLimit, *nft.Last:
		return 0, true
	}
	return 0, false
}

// rate is what tells limits apart.
func rate(l *nft.Limit) nft.Limit {
	return nft.Limit{Over: l.Over, Bytes: l.Bytes, Rate: l.Rate, Unit: l.Unit, Burst: l.Burst}
}

// ResetQuota lets a quota of this ruleset's tree begin at nothing again.
func (r *Ruleset) ResetQuota(q *nft.Quota) {
	if n, ok := r.ix.slots[q]; ok && int(n) < len(r.ix.states) && r.store != nil {
		r.store.write(r.ix.states[n].identity, 0)
	}
}

// limitIns makes an instruction of a limit: a bucket that holds lo nanoseconds
// and from which a packet takes mask, or for bytes mask nanoseconds for each
// span bytes (nft_limit_init).
func limitIns(l *nft.Limit, slot uint32) (ins, error) {
	in := ins{op: opLimit, arg: slot}
	if l.Over {
		in.flag = 1
	}
	if l.Rate == 0 {
		return in, errorf(l.Pos, "a limit needs a rate above 0")
	}
	nanos, divide := l.Unit*1e9, uint64(1)
	var hi, lo uint64
	if l.Bytes {
		hi, lo = bits.Mul64(nanos, l.Rate+uint64(l.Burst))
		in.mask, in.span, divide = nanos, l.Rate, l.Rate
	} else {
		in.mask = nanos / l.Rate
		hi, lo = bits.Mul64(in.mask, uint64(l.Burst))
	}
	if hi >= divide {
		return in, errorf(l.Pos, "the limit's burst is too large for its rate")
	}
	in.lo, _ = bits.Div64(hi, lo, divide)
	if in.lo > math.MaxInt64/4 {
		return in, errorf(l.Pos, "the limit's burst is too large for its rate")
	}
	return in, nil
}

// cell returns the memory of state n.
func (im *Image) cell(n uint32) *uint64 {
	if uint64(n) >= uint64(len(im.cells)) {
		return nil
	}
	at := uint64(im.cells[n]) * cellWords
	if at >= uint64(len(im.shared)) {
		return nil
	}
	return &im.shared[at]
}

// limitBias keeps a bucket's word, the time at which it was empty, above 0,
// which stands for a bucket that nobody has used.
const limitBias = 1 << 62

// limit is opLimit: whether the packet is within the rate, or with flag beyond
// it. The bucket is one word, the time at which it was or would have been empty,
// moved on by all workers with compare-and-swap; so it is exact whoever comes
// first.
func (im *Image) limit(in *ins, p *packet.Packet, now int64) bool {
	cell := im.cell(in.arg)
	return cell != nil && limitCell(cell, in, p, now)
}

func limitCell(cell *uint64, in *ins, p *packet.Packet, now int64) bool {
	cost := in.mask
	if in.span > 0 {
		hi, lo := bits.Mul64(in.mask, uint64(p.Bytes))
		if hi >= in.span {
			return in.flag != 0 // more than the bucket ever holds
		}
		cost, _ = bits.Div64(hi, lo, in.span)
	}
	for {
		old := atomic.LoadUint64(cell)
		empty := int64(old) - limitBias
		if full := now - int64(in.lo); old == 0 || empty < full {
			empty = full
		}
		if uint64(now-empty) < cost || now < empty {
			return in.flag != 0
		}
		if atomic.CompareAndSwapUint64(cell, old, uint64(empty+int64(cost)+limitBias)) {
			return in.flag == 0
		}
	}
}

// quota is opQuota: whether no more than mask bytes have come so far, or with
// flag more.
func (im *Image) quota(in *ins, p *packet.Packet) bool {
	cell := im.cell(in.arg)
	if cell == nil {
		return false
	}
	over := atomic.AddUint64(cell, uint64(p.Bytes)) > in.mask
	return over == (in.flag != 0)
}

// Last returns a statement as it is at a time of the workers' clock. One that is
// no rule's, or of a ruleset that is not in force, is as the text says.
func (r *Ruleset) Last(l *nft.Last, nanos int64) nft.Last {
	now := *l
	if n, ok := r.ix.slots[l]; ok && int(n) < len(r.ix.states) && r.store != nil {
		if at, _ := r.store.read(r.ix.states[n].identity); at > 0 {
			now.Used, now.UsedMs = true, uint64(max(nanos-int64(at), 0))/1e6
		}
	}
	return now
}

func load(word *uint64) uint64 { return atomic.LoadUint64(word) }

// QuotaUsed returns how many bytes a quota of this ruleset's tree has counted,
// and its size once those are more;
// its starting value when the ruleset is not in force.
func (r *Ruleset) QuotaUsed(q *nft.Quota) uint64 {
	if n, ok := r.ix.slots[q]; ok && int(n) < len(r.ix.states) && r.store != nil {
		if used, ok := r.store.read(r.ix.states[n].identity); ok {
			return min(used, q.Bytes) // as nft_quota_do_dump
		}
	}
	return q.Used
}
