package afxdp

import "testing"

func TestNewUMEMArguments(t *testing.T) {
	for _, tc := range []struct {
		name          string
		frames, chunk int
		ok            bool
	}{
		{"smallest", 1, 2048, true},
		{"large chunks", 4, 16384, true},
		{"no frames", 0, 2048, false},
		{"too many frames", 1<<26 + 1, 2048, false},
		{"small chunk", 4, 1024, false},
		{"no power of two", 4, 3000, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := NewUMEM(tc.frames, tc.chunk)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			if u.Room() != tc.chunk-Headroom || u.Frames() != tc.frames || u.FreeFrames() != tc.frames {
				t.Errorf("room %d, %d frames, %d free", u.Room(), u.Frames(), u.FreeFrames())
			}
			if err := u.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUMEMFrames takes every frame, writes each to its end, and gives them back
// by addresses inside the frame: no two overlap and all come back once.
func TestUMEMFrames(t *testing.T) {
	const frames = 32
	u := newTestUMEM(t, frames)
	var addrs []uint64
	for {
		addr, ok := u.Alloc()
		if !ok {
			break
		}
		f := u.Frame(addr, uint32(u.Room()))
		if cap(f) != u.Room() {
			t.Fatalf("capacity %d reaches out of the chunk", cap(f))
		}
		for i := range f {
			f[i] = byte(len(addrs))
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) != frames || u.FreeFrames() != 0 {
		t.Fatalf("%d frames taken, %d free", len(addrs), u.FreeFrames())
	}
	for i, addr := range addrs {
		for _, c := range u.Frame(addr, uint32(u.Room())) {
			if c != byte(i) {
				t.Fatalf("frame %d holds bytes of frame %d", i, c)
			}
		}
		u.Free(addr + uint64(i))
	}
	seen := map[uint64]bool{}
	for range frames {
		addr, ok := u.Alloc()
		if !ok || seen[addr] || addr%2048 != Headroom {
			t.Fatalf("address %#x again or wrong (%v)", addr, ok)
		}
		seen[addr] = true
	}
}
