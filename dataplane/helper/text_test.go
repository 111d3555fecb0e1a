package helper

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestAddressesAsNetip(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	for range 20000 {
		var a [16]byte
		for i := 0; i < 16; i += 2 {
			switch r.IntN(3) {
			case 0:
				a[i], a[i+1] = byte(r.Uint32()), byte(r.Uint32())
			case 1:
				a[i+1] = byte(r.IntN(3))
			}
		}
		want := netip.AddrFrom16(a)
		short := appendShort6(nil, &a)
		if !want.Is4In6() && string(short) != want.String() {
			t.Fatalf("seed %d: %s, want %s", seed, short, want)
		}
		for _, text := range []string{string(short), want.String(), want.StringExpanded(), string(appendLong6(nil, &a))} {
			var b [16]byte
			if n := addr6([]byte(text+"|"), &b); n != len(text) || a != b {
				t.Fatalf("seed %d: %q read as %x, %d bytes, want %x", seed, text, b, n, a)
			}
		}
	}
}

func FuzzAddr6(f *testing.F) {
	for _, s := range []string{"::", "1::", "::1", "1:2:3:4:5:6:7:8", "1::8:9", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", ":1", "1:::2", "12345::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var a [16]byte
		n := addr6([]byte(s), &a)
		if n < 0 || n > len(s) {
			t.Fatalf("%d of %d bytes", n, len(s))
		}
		want, err := netip.ParseAddr(s)
		if err == nil && want.Is6() && want.Zone() == "" && (n != len(s) || a != want.As16()) {
			t.Errorf("%q: %d bytes, %x", s, n, a)
		}
		if n > 0 {
			if got, err := netip.ParseAddr(s[:n]); err != nil || got.As16() != a {
				t.Errorf("%q is no address: %v", s[:n], err)
			}
		}
		var b [16]byte
		if n := addr4([]byte(s), &b); n > 0 {
			if got, err := netip.ParseAddr(s[:n]); err == nil && got.As4() != [4]byte(b[:4]) {
				t.Errorf("%q: %v", s[:n], b[:4])
			}
		}
	})
}

// TestEditsAgainstModel replaces random parts of random payloads.
func TestEditsAgainstModel(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, seed))
	s := &Session{}
	out := make([]byte, 1<<16)
	for range 3000 {
		s.Reset()
		s.Payload = make([]byte, r.IntN(200))
		for i := range s.Payload {
			s.Payload[i] = byte('a' + i%26)
		}
		type part struct {
			off, old int
			text     []byte
		}
		var parts []part
		for range r.IntN(60) {
			p := part{off: r.IntN(len(s.Payload) + 1), old: r.IntN(8), text: bytes.Repeat([]byte{'X'}, r.IntN(60))}
			clash := p.off+p.old > len(s.Payload) || len(parts) == maxEdits
			grown := len(p.text)
			for _, q := range parts {
				clash = clash || p.off < q.off+q.old && q.off < p.off+p.old || p.off == q.off || p.off > q.off && p.off < q.off+q.old || q.off > p.off && q.off < p.off+p.old
				grown += len(q.text)
			}
			if p.off+p.old <= len(s.Payload) && slices.ContainsFunc(parts, func(q part) bool { return q.off == p.off }) {
				continue // two at one place: their order is open
			}
			clash = clash || grown > textSize
			if got := s.Replace(p.off, p.old, append(s.Text(), p.text...)); got == clash {
				t.Fatalf("seed %d: replace %d+%d: %t", seed, p.off, p.old, got)
			}
			if !clash {
				parts = append(parts, p)
			}
		}
		slices.SortFunc(parts, func(a, b part) int { return b.off - a.off })
		want := bytes.Clone(s.Payload)
		for _, p := range parts {
			want = slices.Replace(want, p.off, p.off+p.old, p.text...)
		}
		if n, ok := s.Apply(out); !ok || !bytes.Equal(out[:n], want) {
			t.Fatalf("seed %d: %q, want %q", seed, out[:n], want)
		}
		if _, ok := s.Apply(out[:max(0, len(want)-1)]); ok && len(want) > 0 {
			t.Fatalf("seed %d: fits in too little room", seed)
		}
	}
}
