package flowtable

import (
	"fmt"
	"reflect"
	"sync"
)

// MaxTimeoutPolicies is how many timeout policies a table can have at a time,
// plus one: number 0 is the settings.
const MaxTimeoutPolicies = 4096

// policyBook is the control side's view of the policies. A number that nobody
// uses any more rests until all others had their turn, because flows may still
// bear it: until then they live by the settings.
type policyBook struct {
	lock    sync.Mutex
	numbers map[Timeouts]uint16
	users   [MaxTimeoutPolicies]int
	last    uint16
}

// AcquireTimeouts returns the number of the policy with the timeouts p, zero
// fields of which stand for the settings; equal ones have the same. Whoever gets
// it gives it back with ReleaseTimeouts. Control path, any goroutine. It fails
// with ErrConfig and changes nothing.
func (t *Table) AcquireTimeouts(p Timeouts) (uint16, error) {
	c := Config{Workers: 1, Timeouts: p.over(&t.cfg.Timeouts)}
	if err := c.Validate(); err != nil {
		return 0, err
	}
	b := &t.book
	b.lock.Lock()
	defer b.lock.Unlock()
	if n := b.numbers[c.Timeouts]; n != 0 {
		b.users[n]++
		return n, nil
	}
	for range MaxTimeoutPolicies - 1 {
		b.last = b.last%(MaxTimeoutPolicies-1) + 1
		if n := b.last; b.users[n] == 0 {
			if b.numbers == nil {
				b.numbers = map[Timeouts]uint16{}
			}
			ms := ticks(&c.Timeouts)
			t.policies[n].Store(&ms)
			b.numbers[c.Timeouts], b.users[n] = n, 1
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: more than %d timeout policies", ErrConfig, MaxTimeoutPolicies-1)
}

// ReleaseTimeouts gives back what AcquireTimeouts gave. When nobody uses a
// policy any more its flows live by the settings (nf_ct_untimeout).
func (t *Table) ReleaseTimeouts(number uint16) {
	b := &t.book
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.users[number]--; b.users[number] > 0 {
		return
	}
	t.policies[number].Store(nil)
	for p, n := range b.numbers {
		if n == number {
			delete(b.numbers, p)
		}
	}
}

// over returns p with the zero fields taken from base.
func (p Timeouts) over(base *Timeouts) Timeouts {
	fill := func(to, from reflect.Value) {
		for i := range to.Len() {
			if to.Index(i).IsZero() {
				to.Index(i).Set(from.Index(i))
			}
		}
	}
	to, from := reflect.ValueOf(&p).Elem(), reflect.ValueOf(base).Elem()
	for i := range to.NumField() {
		switch f := to.Field(i); {
		case f.Kind() == reflect.Array:
			fill(f, from.Field(i))
		case f.IsZero():
			f.Set(from.Field(i))
		}
	}
	return p
}

// times returns the timeouts of the flow of entry n.
func (s *Shard) times(n uint32) *timeoutsMs {
	if s.entries[n].flags&flagTimeouts == 0 {
		return &s.ms
	}
	return s.policyTimes(n)
}

func (s *Shard) policyTimes(n uint32) *timeoutsMs {
	if p := s.table.policies[s.cold.policy[n]%MaxTimeoutPolicies].Load(); p != nil {
		return p
	}
	return &s.ms
}

// SetTimeouts puts the unconfirmed flow of entry n under a policy; 0 is none.
// The packet under way has passed the tracker already, so the policy counts
// from the next one on. False: the flow is confirmed, or there is no such policy.
func (s *Shard) SetTimeouts(n uint32, number uint16) bool {
	e := &s.entries[n]
	if e.Status&(StatusConfirmed|StatusDying) != 0 || number >= MaxTimeoutPolicies ||
		number != 0 && s.table.policies[number].Load() == nil {
		return false
	}
	e.flags &^= flagTimeouts
	if number != 0 {
		e.flags |= flagTimeouts
		s.cold.policy[n] = number
	}
	return true
}

// TimeoutsOf returns the number of the policy of the flow of entry n; 0: none.
func (s *Shard) TimeoutsOf(n uint32) uint16 {
	if s.entries[n].flags&flagTimeouts == 0 {
		return 0
	}
	return s.cold.policy[n]
}
