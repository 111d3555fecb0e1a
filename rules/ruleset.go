package rules

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// Ruleset is a compiled tree: the immutable master image and the control side's
// view of it. It may be read from many goroutines; nothing needs to be freed.
type Ruleset struct {
	// Tree is what was compiled. It must not be changed as long as the Ruleset
	// is in use.
	Tree *nft.Ruleset
	// Generation is stamped into the images that Copy makes. The publisher sets
	// it before the first Copy.
	Generation uint64
	// Cached says that the master image came from Options.Cache.
	Cached bool

	ix      *index
	master  *master
	store   *Store                // nil: there is nothing to remember
	keepIn  atomic.Pointer[Cache] // that is to have it yet; nil: none
	carried []Counter             // what the counters had when it was published, and have when it is closed; nil: nothing
}

// RuleInfo describes a rule or a policy to people.
type RuleInfo struct {
	ID     uint32
	Pos    nft.Pos
	Family nft.Family
	Table  string
	Chain  string
	Text   string    // as the listing prints it; a policy: "policy drop"
	Policy bool      // the policy of a base chain, at the chain's position
	Rule   *nft.Rule // nil for a policy
}

// LogSpec is a log statement.
type LogSpec struct {
	Prefix string
	Level  string // "warn" when none was written
	Group  int    // -1: to the log
	Rule   uint32 // id of its rule
}

// CounterTotal is one counter statement and what the images counted for it.
// The starting values of the statement are not part of it; what was counted for it
// in earlier generations is.
type CounterTotal struct {
	RuleID  uint32 // 0: Counter is the object of that name
	Object  string
	Counter *nft.Counter
	Packets uint64
	Bytes   uint64 // L3 length, IP header included
}

// Rule returns what an id from a Verdict stands for, nil for 0, PoisonedRule and
// ids that do not exist. The result is the caller's own. It allocates.
func (r *Ruleset) Rule(id uint32) *RuleInfo {
	info := r.Where(id)
	if info != nil && !info.Policy {
		info.Text = nft.RuleText(info.Family, info.Rule)
	}
	return info
}

// Where is Rule without the rule's text, which is what takes time.
func (r *Ruleset) Where(id uint32) *RuleInfo { return r.ix.info(id) }

// Rules returns the number of ids: they run from 1 to Rules().
func (r *Ruleset) Rules() int { return int(r.ix.ids) }

// LogSpec returns what an id from Env.Logs stands for; the zero value if there
// is none.
func (r *Ruleset) LogSpec(id uint32) LogSpec {
	if uint64(id) >= uint64(len(r.ix.logs)) {
		return LogSpec{}
	}
	return r.ix.logs[id]
}

// Bytes returns the size of one image, without counters, and of what all images share.
func (r *Ruleset) Bytes() int { return r.master.bytes() }

// Copy makes one worker's image: the master laid down, and zeroed counters.
// The caller owns it and gives it back with Free. It fails when there is no
// memory.
func (r *Ruleset) Copy() (*Image, error) { return r.image(r.master.lay) }

// CopyOf is Copy by way of another image of this ruleset, which takes a fraction of
// the time of laying the master down once more.
func (r *Ruleset) CopyOf(other *Image) (*Image, error) {
	return r.image(func(words []uint64) { copy(words, other.region) })
}

// image makes an image whose words write writes.
func (r *Ruleset) image(write func(words []uint64)) (*Image, error) {
	if len(r.ix.dyns) > 0 && r.store == nil {
		return nil, errorf(r.ix.dyns[0].set.Pos, "there is no store for the sets that rules change")
	}
	if len(r.ix.states) > 0 && r.store == nil {
		return nil, errorf(r.ix.states[0].stmt.Position(), "there is no store for what limits and quotas remember")
	}
	n := (r.master.words + 7) &^ 7 // the counters begin at a cache line
	size := n + wordsIn[Counter](len(r.ix.counters))
	var memory []uint64
	var err error
	if r.store != nil {
		memory, err = r.store.shelf.Take(size)
	} else {
		memory, err = offheap.Make[uint64](size)
	}
	if err != nil {
		return nil, err
	}
	write(memory[:r.master.words])
	clear(memory[n:size]) // by us, and not by the worker's first packets
	memory[hdrGeneration] = r.Generation
	im := newImage(memory[:r.master.words], countersIn(memory[n:size]))
	im.whole, im.store, im.exts = memory, r.store, r.ix.exts
	if err := r.remember(im); err != nil {
		return nil, errors.Join(err, im.Free())
	}
	return im, nil
}

// remember gives an image what it shares with others: large sets, and what the store
// holds for it.
func (r *Ruleset) remember(im *Image) (err error) {
	for _, b := range r.master.bulks {
		words, err := b.take()
		if err != nil {
			return err
		}
		im.bulks = append(im.bulks, words)
		im.giveBack = append(im.giveBack, b.giveBack)
	}
	if len(r.ix.states) > 0 {
		if im.cells, err = r.store.acquire(r.ix.states); err != nil {
			return err
		}
		im.shared = r.store.words
		im.giveBack = append(im.giveBack, func() { r.store.release(r.ix.states) })
	}
	if len(r.ix.dyns) > 0 {
		if im.dyns, err = r.store.tables(r.ix.dyns); err != nil {
			return err
		}
		im.specs = r.ix.dyns
		im.giveBack = append(im.giveBack, func() { r.store.releaseTables(r.ix.dyns) })
	}
	if len(r.ix.policies) > 0 && (r.store == nil || r.store.flows == nil) {
		return errorf(nft.Pos{}, "there are no flows to give timeouts")
	}
	for _, p := range r.ix.policies {
		n, err := r.store.flows.AcquireTimeouts(p)
		if err != nil {
			return err
		}
		im.policies = append(im.policies, n)
		im.giveBack = append(im.giveBack, func() { r.store.flows.ReleaseTimeouts(n) })
	}
	return nil
}

// Close adds what the images of a ruleset counted to what it says by itself. The
// publisher calls it when no worker can see them any more.
func (r *Ruleset) Close(images []*Image) {
	if r.carried == nil {
		r.carried = written[Counter](len(r.ix.counters))
	}
	for _, im := range images {
		for i := range min(len(im.counters), len(r.carried)) {
			r.carried[i].Packets += im.counters[i].Packets
			r.carried[i].Bytes += im.counters[i].Bytes
		}
	}
}

// Common says, for each counter of this ruleset, which one of an older ruleset is of
// the same statement, -1: none is. Carry goes by it. The publisher asks before the
// workers begin with new rules, when they have most to do.
func (r *Ruleset) Common(old *Ruleset) []int32 {
	if old == nil {
		return nil
	}
	common := make([]int32, len(r.ix.counters))
	was := old.ix.counters
	var at map[*nft.Counter]int // of was; made where much of the two is not in step
	next := 0
	for i, c := range r.ix.counters {
		common[i] = -1
		if next < len(was) && was[next].stmt != c.stmt && at == nil {
			if near := slices.IndexFunc(was[next:min(next+commonNear, len(was))], func(o counterRef) bool { return o.stmt == c.stmt }); near >= 0 {
				next += near // some are gone
			} else if i+1 < len(r.ix.counters) && r.ix.counters[i+1].stmt == was[next].stmt {
				continue // this one is new
			}
		}
		if next >= len(was) || was[next].stmt != c.stmt {
			if at == nil {
				at = make(map[*nft.Counter]int, len(was))
				for k := range was {
					at[was[k].stmt] = k
				}
			}
			k, ok := at[c.stmt]
			if !ok {
				continue
			}
			next = k
		}
		common[i] = int32(next)
		next++
	}
	return common
}

// commonNear is how far Common looks for a counter before it makes a map of all.
const commonNear = 8

// Carry takes over what was counted for the statements that this ruleset has in
// common with an older one, which is closed; the others begin at nothing. The publisher
// calls it before anybody asks this one to Collect.
func (r *Ruleset) Carry(old *Ruleset, common []int32) {
	carried := written[Counter](len(r.ix.counters))
	for i, from := range common {
		if from >= 0 && int(from) < len(old.carried) {
			carried[i] = old.carried[from]
		}
	}
	r.carried = carried // not before: a ruleset may come after itself
}

// written makes a slice of zeros and writes them. Of a page that is read before it is
// written the kernel shows its own page of zeros, and to exchange that for another one
// later it interrupts every CPU that runs a thread of this process: the workers'.
func written[T any](n int) []T {
	s := make([]T, n)
	clear(s)
	return s
}

// Collect sums the counters of images made by Copy of this Ruleset (or of one
// compiled from the same text), and what was carried over, one row for each counter
// statement in the order of the tree. The workers must have passed a grace period since their last
// Eval, or the caller must accept slightly old figures and a race.
func (r *Ruleset) Collect(images []*Image) []CounterTotal {
	out := make([]CounterTotal, len(r.ix.counters))
	for i, c := range r.ix.counters {
		out[i] = CounterTotal{RuleID: c.rule, Counter: c.stmt}
		if c.rule == 0 {
			out[i].Object = r.ix.objects[c.stmt]
		}
		if r.carried != nil {
			out[i].Packets, out[i].Bytes = r.carried[i].Packets, r.carried[i].Bytes
		}
		for _, im := range images {
			if i < len(im.counters) {
				out[i].Packets += im.counters[i].Packets
				out[i].Bytes += im.counters[i].Bytes
			}
		}
	}
	return out
}
