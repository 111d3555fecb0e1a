package flowtable

import (
	"fmt"
	"reflect"
)

// MaxTimeoutPolicies is how many `ct timeout` objects a table can have, plus
// one: number 0 is the settings.
const MaxTimeoutPolicies = 64

// DefineTimeouts makes policy number what flows under it live by from now on:
// zero fields of t stand for the settings. Control path, any goroutine. It
// fails with ErrConfig and changes nothing.
func (t *Table) DefineTimeouts(number uint8, p Timeouts) error {
	merged := p.over(&t.cfg.Timeouts)
	c := Config{Workers: 1, Timeouts: merged}
	if err := c.Validate(); err != nil {
		return err
	}
	if number == 0 || number >= MaxTimeoutPolicies {
		return fmt.Errorf("%w: timeout policy %d, want 1..%d", ErrConfig, number, MaxTimeoutPolicies-1)
	}
	ms := ticks(&merged)
	t.policies[number].Store(&ms)
	return nil
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
func (s *Shard) SetTimeouts(n uint32, number uint8) bool {
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
func (s *Shard) TimeoutsOf(n uint32) uint8 {
	if s.entries[n].flags&flagTimeouts == 0 {
		return 0
	}
	return s.cold.policy[n]
}
