package afxdp

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

func newTestUMEM(t testing.TB, frames int) *UMEM {
	t.Helper()
	u, err := NewUMEM(frames, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

func newTestPipe(t testing.TB, cfg PipeConfig) (a, b Port) {
	t.Helper()
	a, b, err := NewPipe(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, b
}

func TestPipeConfig(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  PipeConfig
		err  string // part of the message, empty: none
	}{
		{"defaults", PipeConfig{}, ""},
		{"jumbo", PipeConfig{MTU: 9000, Queues: 2, Ring: 64}, ""},
		{"MTU too small", PipeConfig{MTU: 60}, "MTU 60"},
		{"MTU too large", PipeConfig{MTU: 70000}, "MTU 70000"},
		{"long frames", PipeConfig{Frame: 1792}, ""},
		{"short frames", PipeConfig{Frame: 1513}, "frames of 1513 bytes"},
		{"queues", PipeConfig{Queues: 257}, "257 queues"},
		{"negative queues", PipeConfig{Queues: -1}, "-1 queues"},
		{"ring", PipeConfig{Ring: 100}, "ring of 100"},
		{"MAC", PipeConfig{MAC: [2]net.HardwareAddr{nil, {1, 2, 3}}}, "six bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := offheap.InUse()
			a, b, err := NewPipe(tc.cfg)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error is %v, want %q in it", err, tc.err)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range []Port{a, b, a} {
					if err := p.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if after := offheap.InUse(); after != before {
				t.Errorf("%d bytes left allocated", after-before)
			}
		})
	}
}

func TestPipeOpen(t *testing.T) {
	a, _ := newTestPipe(t, PipeConfig{Queues: 2})
	jumbo, _ := newTestPipe(t, PipeConfig{MTU: 9000})
	u := newTestUMEM(t, 8)
	if _, err := a.Open(0, u); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		port  Port
		queue int
		err   string
	}{
		{"twice", a, 0, "open already"},
		{"no such queue", a, 2, "there are 2"},
		{"negative", a, -1, "there are 2"},
		{"small frames", jumbo, 0, "want 9022"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := tc.port.Open(tc.queue, u); err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error is %v, want %q in it", err, tc.err)
			}
		})
	}
}

// TestPipeCarries checks bytes, serial, counters and frame counts of single
// bursts.
func TestPipeCarries(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lengths []uint32
		ring    int
		frames  int // of the receiver
		sent    int // taken by Send
		got     int
		stats   QueueStats // of the sender, then what the receiver lost
		noFrame uint64
	}{
		{"some", []uint32{60, 1514, 1522}, 8, 8, 3, 3, QueueStats{TxFrames: 3, TxBytes: 3096}, 0},
		{"ring full", []uint32{60, 60, 60, 60, 60}, 4, 8, 4, 4, QueueStats{TxFrames: 4, TxBytes: 240, TxFull: 1}, 0},
		{"too long", []uint32{60, 1523, 61}, 8, 8, 3, 2, QueueStats{TxFrames: 2, TxBytes: 121, TxTooLong: 1}, 0},
		{"receiver out of frames", []uint32{60, 60, 60}, 8, 2, 3, 2, QueueStats{TxFrames: 3, TxBytes: 180}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := newTestPipe(t, PipeConfig{Ring: tc.ring})
			ua, ub := newTestUMEM(t, 16), newTestUMEM(t, tc.frames)
			qa, err := a.Open(0, ua)
			if err != nil {
				t.Fatal(err)
			}
			qb, err := b.Open(0, ub)
			if err != nil {
				t.Fatal(err)
			}
			var descs []Desc
			for i, n := range tc.lengths {
				addr, _ := ua.Alloc()
				frame := ua.Frame(addr, n)
				for j := range frame {
					frame[j] = byte(i + j)
				}
				descs = append(descs, Desc{addr, n, uint32(100 + i)})
			}
			if n := qa.Send(descs); n != tc.sent {
				t.Errorf("Send took %d, want %d", n, tc.sent)
			}
			qa.Flush()
			if want := 16 - len(tc.lengths) + tc.sent; ua.FreeFrames() != want {
				t.Errorf("sender has %d free frames, want %d", ua.FreeFrames(), want)
			}
			got := make([]Desc, 16)
			got = got[:qb.Recv(got)]
			if len(got) != tc.got {
				t.Fatalf("Recv gave %d, want %d", len(got), tc.got)
			}
			for _, d := range got {
				i := int(d.Options - 100)
				if d.Len != tc.lengths[i] {
					t.Errorf("serial %d: %d bytes, want %d", d.Options, d.Len, tc.lengths[i])
				}
				for j, c := range ub.Frame(d.Addr, d.Len) {
					if c != byte(i+j) {
						t.Fatalf("serial %d: byte %d is %d", d.Options, j, c)
					}
				}
			}
			if ub.FreeFrames() != tc.frames-tc.got {
				t.Errorf("receiver has %d free frames", ub.FreeFrames())
			}
			if s := qa.Stats(); s != tc.stats {
				t.Errorf("sender's stats are %+v, want %+v", s, tc.stats)
			}
			if s := qb.Stats(); s.RxFrames != uint64(tc.got) || s.RxNoFrame != tc.noFrame {
				t.Errorf("receiver's stats are %+v", s)
			}
		})
	}
}

// TestPipeSteer checks that a frame comes out of the queue that Steer names,
// whatever sign and size the number has.
func TestPipeSteer(t *testing.T) {
	a, b := newTestPipe(t, PipeConfig{Queues: 3, Steer: func(f []byte) int { return int(int8(f[0])) }})
	var in, out []*End
	for i := range 3 {
		for j, port := range []Port{a, b} {
			e, err := NewEnd(port, i, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if j == 0 {
				in = append(in, e)
			} else {
				out = append(out, e)
			}
		}
	}
	for v := range 256 {
		from := in[v%2]
		if !from.Write(bytes.Repeat([]byte{byte(v)}, 60), uint32(v)) || from.Flush() != 0 {
			t.Fatal("not sent")
		}
		want := int(uint(int(int8(v))) % 3)
		for q, e := range out {
			f, serial, ok := e.Read()
			if ok != (q == want) {
				t.Fatalf("value %d: frame on queue %d: %v, want queue %d", int8(v), q, ok, want)
			}
			if ok && (len(f) != 60 || f[59] != byte(v) || serial != uint32(v)) {
				t.Fatalf("value %d: wrong frame", int8(v))
			}
		}
	}
}

// TestPipeUnevenUnsteered checks where frames go without steering when the ends
// have different numbers of queues.
func TestPipeUnevenUnsteered(t *testing.T) {
	a, b := newTestPipe(t, PipeConfig{Queues: 4, Peer: 2})
	if a.Queues() != 4 || b.Queues() != 2 {
		t.Fatalf("%d and %d queues", a.Queues(), b.Queues())
	}
	ends := map[Port][]*End{}
	for _, port := range []Port{a, b} {
		for i := range port.Queues() {
			e, err := NewEnd(port, i, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ends[port] = append(ends[port], e)
		}
	}
	for _, dir := range [][2]Port{{a, b}, {b, a}} {
		for i, e := range ends[dir[0]] {
			e.Write(make([]byte, 60), uint32(i))
			e.Flush()
			for j, far := range ends[dir[1]] {
				_, serial, ok := far.Read()
				if ok != (j == i%dir[1].Queues()) || (ok && serial != uint32(i)) {
					t.Errorf("%s queue %d to %s queue %d: %v", dir[0].Name(), i, dir[1].Name(), j, ok)
				}
			}
		}
	}
}

func TestEnd(t *testing.T) {
	a, b := newTestPipe(t, PipeConfig{Ring: 64})
	ea, err := NewEnd(a, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ea.Close()
	eb, err := NewEnd(b, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer eb.Close()
	wrote := 0
	for ea.Write([]byte{byte(wrote)}, uint32(wrote)) {
		wrote++
	}
	if wrote != 64+endBurst {
		t.Errorf("%d frames went in, want ring and burst %d", wrote, 64+endBurst)
	}
	read := 0
	for range 2 {
		for {
			f, serial, ok := eb.Read()
			if !ok {
				break
			}
			if f[0] != byte(read) || serial != uint32(read) {
				t.Fatalf("frame %d: byte %d, serial %d", read, f[0], serial)
			}
			read++
		}
		if left := ea.Flush(); left != 0 {
			t.Fatalf("%d frames stay queued", left)
		}
	}
	if read != wrote {
		t.Errorf("%d written, %d read", wrote, read)
	}
	if ea.umem.FreeFrames() != ea.umem.Frames() || eb.umem.FreeFrames() != eb.umem.Frames() {
		t.Errorf("frames missing: %d of %d, %d of %d", ea.umem.FreeFrames(), ea.umem.Frames(), eb.umem.FreeFrames(), eb.umem.Frames())
	}
}

func BenchmarkPipe(b *testing.B) {
	x, y := newTestPipe(b, PipeConfig{})
	ux, uy := newTestUMEM(b, 256), newTestUMEM(b, 256)
	qx, err := x.Open(0, ux)
	if err != nil {
		b.Fatal(err)
	}
	qy, err := y.Open(0, uy)
	if err != nil {
		b.Fatal(err)
	}
	descs := make([]Desc, 64)
	b.ReportAllocs()
	for range b.N {
		for i := range descs {
			addr, _ := ux.Alloc()
			descs[i] = Desc{addr, 60, 0}
		}
		qx.Send(descs)
		n := qy.Recv(descs)
		for i := range n {
			uy.Free(descs[i].Addr)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(descs)), "ns/frame")
}
