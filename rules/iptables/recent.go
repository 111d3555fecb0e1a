package iptables

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Lists of the recent match (net/netfilter/xt_recent.c). A list has a name, is one
// for both families, all tables and all workers, and lives as long as a rule in
// force names it: the extensions of the tree hold it, and nothing else does.

const (
	recentAddrs   = 100     // in a list (ip_list_tot); the one that was quiet longest makes room
	recentStamps  = 32      // of an address, where no rule asks for more
	recentBuckets = 128     // a power of two
	recentTries   = 1 << 20 // to take a list that others have, before the packet is dropped
)

// recentList is a list. Rules keep it while its memory may grow.
type recentList struct {
	name   string
	mask   [16]byte // that of the first rule that named it; later ones have no say
	memory atomic.Pointer[recentMemory]
	stamps uint32 // that rules want of an address; the control side's
}

// recentMemory is what a list knows. Whoever reads or changes it has taken it:
// a packet does so for some dozen instructions.
type recentMemory struct {
	taken  atomic.Uint32
	count  uint8
	free   uint8  // the first entry that was removed; 0: none
	used   uint8  // entries that have ever been in use
	stamps uint32 // of an entry, a power of two
	bucket [recentBuckets]uint8
	entry  [recentAddrs + 1]recentEntry // from 1; 0 is the ring's beginning
	times  []int64                      // stamps of entry n from (n-1)*stamps on, nanoseconds of the workers' clock
}

type recentEntry struct {
	addr         [2]uint64
	family, ttl  uint8
	next         uint8 // of the bucket, or of those that are free
	older, newer uint8 // ring of all, in the order of their last stamps
	index, used  uint32
}

// recentKey is an address under the list's mask.
type recentKey struct {
	addr   [2]uint64
	family uint8
}

func newRecentMemory(stamps uint32) *recentMemory {
	return &recentMemory{stamps: stamps, times: make([]int64, recentAddrs*stamps)}
}

// key masks an address.
func (l *recentList) key(a *[16]byte, family uint8) recentKey {
	var k recentKey
	for i := range k.addr {
		k.addr[i] = binary.BigEndian.Uint64(a[8*i:]) & binary.BigEndian.Uint64(l.mask[8*i:])
	}
	k.family = family
	return k
}

// take gets hold of the list; nil: others did not let go of it.
func (l *recentList) take() *recentMemory {
	m := l.memory.Load()
	for try := range recentTries {
		if m.taken.Load() == 0 && m.taken.CompareAndSwap(0, 1) {
			return m
		}
		if try%1024 == 1023 {
			runtime.Gosched() // its holder may wait for this very CPU
		}
	}
	return nil
}

func (m *recentMemory) release() { m.taken.Store(0) }

func (k *recentKey) bucket() uint32 {
	hi, lo := bits.Mul64(k.addr[0]^uint64(k.family), 0x9e3779b97f4a7c15)
	hi2, lo2 := bits.Mul64(k.addr[1]^hi, 0xc2b2ae3d27d4eb4f)
	h := lo ^ hi2 ^ lo2
	return uint32(h^h>>32) % recentBuckets
}

// find returns the entry of an address; with a TTL other than 0 only if that was
// the last packet's (recent_entry_lookup). 0: there is none.
func (m *recentMemory) find(k *recentKey, ttl uint8) uint8 {
	for n := m.bucket[k.bucket()]; n != 0; n = m.entry[n].next {
		e := &m.entry[n]
		if e.addr == k.addr && e.family == k.family && (ttl == e.ttl || ttl == 0 || e.ttl == 0) {
			return n
		}
	}
	return 0
}

// unlink takes an entry out of the ring.
func (m *recentMemory) unlink(n uint8) {
	e := &m.entry[n]
	m.entry[e.older].newer, m.entry[e.newer].older = e.newer, e.older
}

// youngest puts an entry at the ring's end.
func (m *recentMemory) youngest(n uint8) {
	last := m.entry[0].older
	m.entry[n].older, m.entry[n].newer = last, 0
	m.entry[last].newer, m.entry[0].older = n, n
}

func (m *recentMemory) remove(n uint8) {
	e := &m.entry[n]
	at := &m.bucket[(&recentKey{e.addr, e.family}).bucket()]
	for *at != n {
		at = &m.entry[*at].next
	}
	*at = e.next
	m.unlink(n)
	e.next, m.free = m.free, n
	m.count--
}

// add makes an entry with one stamp (recent_entry_init).
func (m *recentMemory) add(k *recentKey, ttl uint8, now int64) {
	if m.count == recentAddrs {
		m.remove(m.entry[0].newer)
	}
	n := m.free
	if n != 0 {
		m.free = m.entry[n].next
	} else {
		m.used++
		n = m.used
	}
	b := &m.bucket[k.bucket()]
	m.entry[n] = recentEntry{addr: k.addr, family: k.family, ttl: ttl, next: *b, index: 1, used: 1}
	*b = n
	m.of(n)[0] = now
	m.youngest(n)
	m.count++
}

// of returns the stamps of an entry.
func (m *recentMemory) of(n uint8) []int64 {
	from := uint32(n-1) * m.stamps
	return m.times[from : from+m.stamps]
}

// stamp notes a packet (recent_entry_update).
func (m *recentMemory) stamp(n uint8, now int64) {
	e := &m.entry[n]
	e.index &= m.stamps - 1
	m.of(n)[e.index] = now
	e.index++
	e.used = max(e.used, e.index)
	m.unlink(n)
	m.youngest(n)
}

// hit says whether an entry has as many stamps as asked for that are not older
// than since; without a number one is enough. A zero since asks for no time.
func (m *recentMemory) hit(n uint8, hits uint32, since int64) bool {
	seen := uint32(0)
	for _, at := range m.of(n)[:m.entry[n].used] {
		if since != 0 && at < since {
			continue
		}
		if seen++; hits == 0 || seen >= hits {
			return true
		}
	}
	return false
}

// reap removes the entry that was quiet longest when its last stamp is older than
// since, unless it is keep (recent_entry_reap).
func (m *recentMemory) reap(since int64, keep uint8) {
	n := m.entry[0].newer
	if n == 0 || n == keep {
		return
	}
	if m.of(n)[m.entry[n].index-1] < since {
		m.remove(n)
	}
}

// recentMatch is one rule's use of a list.
type recentMatch struct {
	stateless
	list               *recentList
	set, remove        bool // else --rcheck, or with update --update
	update, reap, rttl bool
	dest, neg          bool
	hits               uint32
	nanos              int64 // --seconds; 0: none
}

// Run is recent_mt.
func (x *recentMatch) Run(p *packet.Packet, env *rules.Env) rules.Action {
	var a [16]byte
	if x.dest {
		p.DstAddr(&a)
	} else {
		p.SrcAddr(&a)
	}
	ttl, asked := p.TTL(), uint8(0)
	if p.OutPort != packet.NoPort && p.Flags&packet.FlagLocal == 0 {
		ttl++ // as it was before forwarding
	}
	if x.rttl {
		asked = ttl
	}
	k := x.list.key(&a, p.Family)
	m := x.list.take()
	if m == nil {
		return rules.ActDrop // what Linux does without memory for an entry
	}
	yes := x.judge(m, &k, ttl, asked, max(env.Nanos, 1))
	m.release()
	return holds(yes != x.neg)
}

func (x *recentMatch) judge(m *recentMemory, k *recentKey, ttl, asked uint8, now int64) bool {
	n := m.find(k, asked)
	switch {
	case n == 0 && x.set:
		m.add(k, ttl, now)
		return true
	case n == 0:
		return false
	case x.set:
		m.stamp(n, now)
		m.entry[n].ttl = ttl
		return true
	case x.remove:
		m.remove(n)
		return true
	}
	since := int64(0)
	if x.nanos != 0 {
		if since = now - x.nanos; since == 0 {
			since = 1
		}
	}
	hit := m.hit(n, x.hits, since)
	// --update goes by what the rule says, --reap by that too: with ! a list is
	// updated for those who did not come often.
	again := x.update && hit != x.neg
	if x.reap {
		keep := uint8(0)
		if again {
			keep = n
		}
		m.reap(since, keep)
	}
	if again {
		m.stamp(n, now)
		m.entry[n].ttl = ttl
	}
	return hit
}

// recentLists returns the lists of a tree by name.
func recentLists(tree *nft.Ruleset) map[string]*recentList {
	lists := map[string]*recentList{}
	for _, t := range tree.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for _, st := range r.Stmts {
					if x, ok := st.(*nft.Extension); ok {
						if m, ok := x.Impl.(*recentMatch); ok {
							lists[m.list.name] = m.list
						}
					}
				}
			}
		}
	}
	return lists
}

func lowerRecent(l *lower, x *Instance) error {
	if l.alone { // translated: there is no list
		l.extend(x, false, &recentMatch{})
		return nil
	}
	list := l.recent[x.recentName()]
	if list == nil {
		list = &recentList{name: x.recentName()}
		for i := range list.mask {
			list.mask[i] = max8
		}
		if v := x.opt("mask"); v.set { // an IPv4 mask lets one word of IPv6 through
			list.mask = [16]byte{}
			copy(list.mask[:], v.a[0].AsSlice())
		}
		l.recent[list.name] = list
	}
	m := &recentMatch{
		list: list, set: x.has("set"), remove: x.has("remove"), update: x.has("update"), reap: x.has("reap"), rttl: x.has("rttl"),
		dest: x.has("rdest"), hits: uint32(x.opt("hitcount").n[0]), nanos: int64(x.opt("seconds").n[0]) * 1e9,
	}
	m.neg = x.opt("set").neg || x.opt("rcheck").neg || x.opt("update").neg || x.opt("remove").neg
	want := uint32(recentStamps)
	if m.hits > 0 {
		want = uint32(1) << bits.Len32(m.hits-1)
	}
	l.stamps[list] = max(l.stamps[list], want)
	l.extend(x, false, m)
	return nil
}

// InForce is called when the tree that Run returned has been published: lists that
// were in force before and shall remember more of an address begin anew, as the
// kernel's do.
func (s *Script) InForce() { s.growRecent(true) }

// growRecent gives lists room for the stamps that rules want; with old false only
// those that no rule in force has.
func (s *Script) growRecent(old bool) {
	for list, stamps := range s.stamps {
		if stamps > list.stamps && (old || list.stamps == 0) {
			list.stamps = stamps
			list.memory.Store(newRecentMemory(stamps))
		}
	}
}

// findRecent returns a list of a tree.
func findRecent(tree *nft.Ruleset, name string) (*recentList, error) {
	if list := recentLists(tree)[name]; list != nil {
		return list, nil
	}
	return nil, fmt.Errorf("no rule in force names a list %q of -m recent", name)
}

var errRecentBusy = errors.New("the list is busy")

// PrintRecent writes a list of a tree as /proc/net/xt_recent/NAME has it, those
// that were quiet longest first; stamps are milliseconds of the workers' clock.
func PrintRecent(w io.Writer, tree *nft.Ruleset, name string) error {
	list, err := findRecent(tree, name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	var entries []recentEntry
	var times [][]int64
	m := list.take()
	if m == nil {
		return errRecentBusy
	}
	for n := m.entry[0].newer; n != 0; n = m.entry[n].newer {
		entries = append(entries, m.entry[n])
		times = append(times, slices.Clone(m.of(n)[:m.entry[n].used]))
	}
	stamps := m.stamps
	m.release()
	for i := range entries {
		e := &entries[i]
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], e.addr[0])
		binary.BigEndian.PutUint64(a[8:], e.addr[1])
		text := netip.AddrFrom16(a).StringExpanded()
		if e.family == flowtable.FamilyIPv4 {
			text = netip.AddrFrom4([4]byte(a[:4])).String()
		}
		fmt.Fprintf(out, "src=%s ttl: %d last_seen: %d oldest_pkt: %d", text, e.ttl, times[i][(e.index-1)&(stamps-1)]/1e6, e.index)
		for j, at := range times[i] {
			if j > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(out, " %d", at/1e6)
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}

// RecentNames are the lists of a tree.
func RecentNames(tree *nft.Ruleset) (names []string) {
	for name := range recentLists(tree) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// EditRecent does to a list of a tree what writing text to the kernel's file does:
// "+ADDR" adds or stamps an address, "-ADDR" removes it, "/" empties the list.
// now is the workers' clock.
func EditRecent(tree *nft.Ruleset, name, text string, now int64) error {
	list, err := findRecent(tree, name)
	if err != nil {
		return err
	}
	var k recentKey
	if text != "/" {
		var addr netip.Addr
		if len(text) > 1 && (text[0] == '+' || text[0] == '-') {
			addr, _ = netip.ParseAddr(text[1:])
		}
		if !addr.IsValid() || addr.Zone() != "" {
			return fmt.Errorf("%q: need +ADDRESS, -ADDRESS or /", text)
		}
		var a [16]byte
		copy(a[:], addr.AsSlice())
		k = recentKey{[2]uint64{binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])}, flowtable.FamilyIPv6}
		if addr.Is4() {
			k.family = flowtable.FamilyIPv4
		}
	}
	m := list.take()
	if m == nil {
		return errRecentBusy
	}
	defer m.release()
	if text == "/" {
		for m.count > 0 {
			m.remove(m.entry[0].newer)
		}
		return nil
	}
	switch n := m.find(&k, 0); {
	case n == 0 && text[0] == '+':
		m.add(&k, 0, max(now, 1))
	case n == 0:
	case text[0] == '+':
		m.stamp(n, max(now, 1))
	default:
		m.remove(n)
	}
	return nil
}
