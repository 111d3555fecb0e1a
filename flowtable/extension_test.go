package flowtable

import (
	"bytes"
	"testing"
)

func TestExtensions(t *testing.T) {
	tb := newTable(t, func(c *Config) {
		c.Timestamp = true
		c.Extensions = []Extension{{"first", 5, 4}, {"second", 16, 16}}
	})
	s := tb.Shard(0)
	first, ok := tb.ExtensionByName("first")
	second, ok2 := tb.ExtensionByName("second")
	if !ok || !ok2 || first != builtinExtensions || second != builtinExtensions+1 {
		t.Fatalf("numbers %d %d", first, second)
	}
	for n := uint32(1); n < 10; n++ {
		copy(s.Extension(first, n), bytes.Repeat([]byte{byte(n)}, 5))
		copy(s.Extension(second, n), bytes.Repeat([]byte{byte(n + 100)}, 16))
	}
	for n := uint32(1); n < 10; n++ {
		if a, b := s.Extension(first, n), s.Extension(second, n); !bytes.Equal(a, bytes.Repeat([]byte{byte(n)}, 5)) ||
			!bytes.Equal(b, bytes.Repeat([]byte{byte(n + 100)}, 16)) || cap(a) != 5 {
			t.Errorf("entry %d: %v %v", n, a, b)
		}
	}
	if _, ok := tb.ExtensionByName("acct"); !ok {
		t.Error("acct is off")
	}
	if plain := newTable(t, nil); len(plain.Shard(0).cold.stamps) != 0 {
		t.Error("timestamps without the setting")
	}
	for name, x := range map[string]Extension{"no name": {"", 4, 4}, "size": {"x", 0, 4}, "align": {"x", 4, 3}} {
		c := Default()
		c.Extensions = []Extension{x}
		if c.Validate() == nil {
			t.Errorf("%s was taken", name)
		}
	}
	s.SetClock(1000)
	n := pass(t, s, probe(tb, udp4(1)), start).Entry
	s.SetClock(5000)
	s.Delete(n)
	if got := s.Timestamps(n); got != (Timestamps{1000, 5000}) {
		t.Errorf("times %+v", got)
	}
}
