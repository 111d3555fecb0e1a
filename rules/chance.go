package rules

import (
	"math/rand/v2"
	"sync/atomic"
)

// Chance is what a box draws numbers from that nobody shall foresee. One with a
// seed gives the same numbers in every run, for as long as those who draw come in
// the same order: for replays and tests. nil is the runtime's source, without a
// seed and without anything that workers share. Any goroutine may draw; nothing
// is allocated.
type Chance struct{ state atomic.Uint64 }

// NewChance returns a source with a seed.
func NewChance(seed uint64) *Chance {
	c := &Chance{}
	c.state.Store(seed)
	return c
}

// Uint64 draws 64 bits.
func (c *Chance) Uint64() uint64 {
	if c == nil {
		return rand.Uint64()
	}
	return mix64(mix64(c.state.Add(0x9e3779b97f4a7c15)))
}

// Uint32 draws 32 bits.
func (c *Chance) Uint32() uint32 {
	if c == nil {
		return rand.Uint32()
	}
	return uint32(c.Uint64() >> 32)
}
