package flowtable

import (
	"fmt"
	"sync/atomic"
)

// Limits of helpers.
const (
	MaxHelpers       = 64
	MaxExpectClasses = 4
)

// Helper describes a protocol helper to the table: which expectations it may
// have. What it does with packets is the caller's business. Its number, 1 and
// up, is its place in Config.Helpers plus one.
type Helper struct {
	Name    string // as rules and listings say it, at most 15 bytes
	Family  uint8  // FamilyNone: both
	Proto   uint8
	Classes []ExpectClass // 1..MaxExpectClasses
	// Ended is called for a flow with the helper that is about to end, confirmed
	// or not, on its owner: no allocation. nil: nothing is to be done.
	Ended func(s *Shard, n uint32)
}

// ExpectClass limits one kind of expectation of a helper.
type ExpectClass struct {
	Name       string
	Max        int // of one master; 0: no limit
	TimeoutSec uint32
}

// Help stands beside an entry that has a helper or expectations.
type Help struct {
	first   uint32 // newest expectation, slot + 1
	Helper  uint8
	_       [3]byte
	Private [8]uint32 // the helper's own; zero when it is attached
}

// Child stands beside an entry with StatusExpected: the expectation that it
// fulfilled, as it was then.
type Child struct{ Expectation }

func (c *Config) checkHelpers() error {
	if len(c.Helpers) > MaxHelpers {
		return fmt.Errorf("%w: %d helpers, want at most %d", ErrConfig, len(c.Helpers), MaxHelpers)
	}
	for i := range c.Helpers {
		h := &c.Helpers[i]
		if h.Name == "" || len(h.Name) > 15 {
			return fmt.Errorf("%w: helper %d: name %q, want 1..15 bytes", ErrConfig, i, h.Name)
		}
		if n := len(h.Classes); n < 1 || n > MaxExpectClasses {
			return fmt.Errorf("%w: helper %s: %d classes, want 1..%d", ErrConfig, h.Name, n, MaxExpectClasses)
		}
		for _, c := range h.Classes {
			if c.Max < 0 || c.Max > 255 {
				return fmt.Errorf("%w: helper %s class %s: max %d, want 0..255", ErrConfig, h.Name, c.Name, c.Max)
			}
			if err := checkTimeout("helper "+h.Name+" class "+c.Name, c.TimeoutSec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Table) registerHelpers() error {
	t.helpers = append([]Helper{{}}, t.cfg.Helpers...)
	return nil
}

// HelperNumber returns the number of the helper of that name for a family and
// protocol; 0: there is none. Any goroutine.
func (t *Table) HelperNumber(name string, family, proto uint8) uint8 {
	for i := 1; i < len(t.helpers); i++ {
		h := &t.helpers[i]
		if h.Name == name && h.Proto == proto && (h.Family == family || h.Family == FamilyNone) {
			return uint8(i)
		}
	}
	return 0
}

// HelperName returns the name of a helper by number; "" for 0. Any goroutine.
func (t *Table) HelperName(number uint8) string {
	if int(number) < len(t.helpers) {
		return t.helpers[number].Name
	}
	return ""
}

// SetHelper attaches a helper to the unconfirmed flow of entry n, as a rule or
// a tool does, with StatusHelper. False: it is confirmed, has another one, or
// the helper is not for its protocol.
func (s *Shard) SetHelper(n uint32, number uint8) bool {
	e := &s.entries[n]
	if e.Status&(StatusConfirmed|StatusDying) != 0 || e.flags&flagHelper != 0 && s.cold.help[n].Helper != number ||
		!s.attach(n, number) {
		return false
	}
	e.setStatus(StatusHelper)
	return true
}

func (s *Shard) attach(n uint32, number uint8) bool {
	e := &s.entries[n]
	if number == 0 || int(number) >= len(s.table.helpers) {
		return false
	}
	h := &s.table.helpers[number]
	if h.Proto != e.Tuple.Proto || h.Family != FamilyNone && h.Family != e.Tuple.Family {
		return false
	}
	if e.flags&flagHelper == 0 {
		var first uint32
		if e.flags&flagExpects != 0 {
			first = s.cold.help[n].first
		}
		s.cold.help[n] = Help{first: first, Helper: number}
		e.flags |= flagHelper
		e.forget()
	}
	return true
}

// HelperOf returns the number of the helper of the flow of entry n; 0: none.
func (s *Shard) HelperOf(n uint32) uint8 {
	if s.entries[n].flags&flagHelper == 0 {
		return 0
	}
	return s.cold.help[n].Helper
}

// Help returns what stands beside an entry with a helper.
func (s *Shard) Help(n uint32) *Help { return &s.cold.help[n] }

// Child returns what stands beside an entry with StatusExpected.
func (s *Shard) Child(n uint32) *Child { return &s.cold.child[n] }

// expected makes the new flow of entry n a child, if it is announced.
func (s *Shard) expected(n uint32, now uint32) bool {
	e := &s.entries[n]
	if !s.takeExpected(&e.Tuple, now) {
		return false
	}
	x := &s.scratch
	s.cold.child[n].Expectation = *x
	s.table.adopt(x, 1)
	e.Status |= StatusExpected
	e.Mark = x.Mark
	if x.Assign != 0 {
		s.attach(n, x.Assign)
	}
	return true
}

// takeExpected finds what is expected of a tuple, into s.scratch, and uses it up.
func (s *Shard) takeExpected(tu *Tuple, now uint32) bool {
	used, ok := s.expect.match(tu, now, &s.scratch)
	if !ok {
		return false
	}
	s.stats.ExpectNew++
	if used {
		s.stats.ExpectDelete++
		s.expectEvent(EventExpectDestroy, &s.scratch)
	}
	return true
}

// A master's children are counted beside it, by whatever worker owns them: the
// serial number of the count in the upper half of a word, which its owner
// changes when the flow first announces something, and the number of live
// children below. It is what a use count tells (a child holds its master).
const childBits = 16

// bear begins the count of a flow that never announced anything.
func (s *Shard) bear(n uint32) {
	word := &s.cold.children[n]
	for {
		old := atomic.LoadUint32(word)
		if atomic.CompareAndSwapUint32(word, old, (old>>childBits+1)<<childBits) {
			return
		}
	}
}

// adopt changes the count of the flow that announced x, if it still is that one.
func (t *Table) adopt(x *Expectation, by int32) {
	word := &t.shards[x.Worker].cold.children[x.MasterEntry]
	for {
		old := atomic.LoadUint32(word)
		if old>>childBits != uint32(x.Serial) || by < 0 && uint16(old) == 0 {
			return
		}
		if atomic.CompareAndSwapUint32(word, old, old+uint32(by)) {
			return
		}
	}
}

// childrenOf returns how many flows live that the one of entry n announced.
func (s *Shard) childrenOf(n uint32) uint16 {
	if s.entries[n].flags&flagExpects == 0 {
		return 0
	}
	return uint16(atomic.LoadUint32(&s.cold.children[n]))
}
