package rules

import (
	"fmt"
	"math/big"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// twinMember is an element of a set that changes, in the twin's terms.
type twinMember struct {
	timeout, end int64 // nanoseconds; 0: for ever
	data         []*big.Int
	buckets      map[int]*nft.Limit // by number of the statement; the twin's own, as key of its buckets
	used         map[int]uint64
}

// members returns a set's elements, at first those of the text.
func (l *twin) members(s *nft.Set) map[string]*twinMember {
	if l.sets == nil {
		l.sets = map[*nft.Set]map[string]*twinMember{}
	}
	if l.sets[s] == nil {
		l.sets[s] = map[string]*twinMember{}
		for e := range s.Elements.All() {
			var key, data []*big.Int
			for _, k := range e.Key {
				key = append(key, new(big.Int).SetBytes(k.Lo))
			}
			for _, k := range e.Data {
				data = append(data, new(big.Int).SetBytes(k.Lo))
			}
			m := &twinMember{timeout: int64(or(e.Timeout, s.Timeout)) * 1e6, data: data}
			if m.timeout > 0 || len(s.Stmts) > 0 {
				panic(unjudged("time of elements of the text")) // TestChangingSets has it
			}
			l.sets[s][fmt.Sprint(key)] = m
		}
	}
	return l.sets[s]
}

func (l *twin) alive(s *nft.Set, values []*big.Int) *twinMember {
	m := l.members(s)[fmt.Sprint(values)]
	if m == nil || m.end > 0 && m.end <= l.nanos {
		return nil
	}
	return m
}

// runMember runs an element's statements.
func (l *twin) runMember(m *twinMember, stmts []nft.Stmt, p *packet.Packet) bool {
	for i, st := range stmts {
		switch st := st.(type) {
		case *nft.Limit:
			if m.buckets == nil {
				m.buckets = map[int]*nft.Limit{}
			}
			if m.buckets[i] == nil {
				own := *st
				m.buckets[i] = &own
			}
			if !l.limit(m.buckets[i], p) {
				return false
			}
		case *nft.Quota:
			if m.used == nil {
				m.used = map[int]uint64{}
			}
			m.used[i] += uint64(p.Bytes)
			if (m.used[i] > st.Bytes) != st.Over {
				return false
			}
		}
	}
	return true
}

// setUpdate is add, update or delete.
func (l *twin) setUpdate(st *nft.SetUpdate, p *packet.Packet) bool {
	values, ok := l.values(st.Key, p)
	if !ok {
		return false
	}
	all, id := l.members(st.Set), fmt.Sprint(values)
	var data []*big.Int
	if st.Data != nil {
		if data, ok = l.values(st.Data, p); !ok {
			return false
		}
	}
	if st.Verb == nft.SetDelete {
		delete(all, id)
		return true
	}
	timeout := int64(or(st.TimeoutMs, st.Set.Timeout)) * 1e6
	m := l.alive(st.Set, values)
	if fresh := m == nil; fresh || st.Verb == nft.SetRefresh && timeout > 0 {
		if fresh {
			m = &twinMember{data: data}
			all[id] = m
		}
		if m.timeout, m.end = timeout, 0; timeout > 0 {
			m.end = l.nanos + timeout
		}
	}
	stmts := st.Stmts
	if len(stmts) == 0 {
		stmts = st.Set.Stmts
	}
	return l.runMember(m, stmts, p)
}
