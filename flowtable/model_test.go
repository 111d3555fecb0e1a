package flowtable

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// checkIndex verifies what every bucket claims about itself and others, that
// each live flow is filed exactly as often as it must, and nothing else is.
func checkIndex(tb testing.TB, s *Shard) {
	tb.Helper()
	displaced := make([]uint32, len(s.index.buckets))
	filed := map[[2]uint32]int{}
	for at := range s.index.buckets {
		b := &s.index.buckets[at]
		for i := range slots {
			bit := uint8(1) << i
			if b.entry[i] == 0 {
				if b.tag(i) != 0 || b.away&bit != 0 || b.reply&bit != 0 {
					tb.Fatalf("bucket %d slot %d is empty but not clean", at, i)
				}
				continue
			}
			if b.away&bit != 0 {
				displaced[s.index.alternative(uint32(at), b.tag(i))]++
			}
			k := [2]uint32{b.entry[i], 0}
			if b.reply&bit != 0 {
				k[1] = 1
			}
			filed[k]++
		}
	}
	for at := range displaced {
		if got := s.index.buckets[at].displaced; got != displaced[at] {
			tb.Fatalf("bucket %d says %d displaced, there are %d", at, got, displaced[at])
		}
	}
	for n := uint32(1); n <= s.high; n++ {
		e := &s.entries[n]
		want := [2]int{}
		if e.Live() {
			want[0] = 1
			if e.Status&StatusNATClash != 0 {
				want[0] = 0
			}
			if e.flags&flagMoved != 0 {
				want[1] = 1
			}
			if e.Status&StatusSelf != 0 {
				want = [2]int{0, 1}
			}
		}
		if got := [2]int{filed[[2]uint32{n, 0}], filed[[2]uint32{n, 1}]}; got != want {
			tb.Fatalf("entry %d is filed %v times, want %v", n, got, want)
		}
		delete(filed, [2]uint32{n, 0})
		delete(filed, [2]uint32{n, 1})
	}
	if len(filed) != 0 {
		tb.Fatalf("filed without an entry: %v", filed)
	}
}

// model is the slow obvious twin of one shard, without SCTP and without TCP, which
// has a twin of its own.
type model struct {
	flows map[Tuple]*modelFlow // by both tuples
	count int
}

type modelFlow struct {
	orig, reply    Tuple
	began, expires uint32
	seen, assured  bool
	packets        [2]uint64
}

// modelProtocols are the protocols of the model's flows: how long one lives in
// seconds after a packet, before and after it has become a stream, which it does
// once an answer was seen and so many milliseconds have passed. streams: they do.
var modelProtocols = []struct {
	proto       uint8
	ttl, stream uint32
	after       int64
	streams     bool
}{
	{ProtoUDP, 30, 120, 2000, true}, {ProtoUDPLite, 30, 120, -1, true}, {ProtoGRE, 30, 180, -1, true}, {ProtoICMP, 30, 0, 0, false}, {200, 600, 0, 0, false},
}

// packet lets the flow live on from now.
func (f *modelFlow) packet(now uint32, dir uint8) {
	for _, p := range modelProtocols {
		if p.proto != f.orig.Proto {
			continue
		}
		ttl := p.ttl
		if p.streams && (f.assured || f.seen && int64(int32(now-f.began)) > p.after) {
			ttl, f.assured = p.stream, true
		}
		f.expires = now + ttl*1000
	}
	f.packets[dir]++
	f.seen = f.seen || dir == Reply
}

// modelTuple is the original tuple of flow i.
func modelTuple(i uint32) Tuple {
	tu := udp4(i)
	tu.Proto = modelProtocols[i%uint32(len(modelProtocols))].proto
	switch tu.Proto {
	case ProtoICMP:
		tu.DstPort = 8 << 8
	case 200:
		tu.Src[3], tu.SrcPort, tu.DstPort = byte(i), 0, 0
	}
	if i%12 == 7 && tu.Proto != ProtoICMP { // its own answer
		tu.Dst, tu.DstPort = tu.Src, tu.SrcPort
	}
	return tu
}

// modelSteps are times that pass, in milliseconds, around the moments at which
// something happens; between them any time does.
var modelSteps = [...]uint32{1, 999, 1000, 1999, 2000, 2001, 29999, 30000, 30001, 119999, 120000, 120001, 179999, 180000, 599999, 600000}

func modelStep(x uint32) uint32 {
	if n := x % 32; n < uint32(len(modelSteps)) {
		return modelSteps[n]
	}
	return x % 700
}

func (m *model) drop(f *modelFlow) {
	delete(m.flows, f.orig)
	delete(m.flows, f.reply)
	m.count--
}

// play decodes data to commands of 4 bytes and does them to a shard and to the
// model, comparing all they say.
func play(tb testing.TB, data []byte) {
	// Room for all: early drop depends on buckets, which the model has not.
	t := newTable(tb, func(c *Config) { c.Max = 1024 })
	s := t.Shard(0)
	m := &model{flows: map[Tuple]*modelFlow{}}
	now, flow := start, uint32(0)
	for ; len(data) >= 4; data = data[4:] {
		op, arg, x := data[0]%8, uint32(data[1]), uint32(binary.LittleEndian.Uint16(data[2:]))
		if op < 4 && arg&8 == 0 || op == 5 {
			flow = x % 60 // else the one of before: it is what time has passed for
		}
		tu := modelTuple(flow)
		tu.Zone = uint16(arg % 2)
		if arg&4 != 0 {
			tu, _ = Invert(&tu)
		}
		switch op {
		case 0, 1, 2, 3: // a packet; 2 with NAT, 3 dropped by a rule
			playPacket(tb, t, m, tu, now, op, arg)
		case 4: // a packet in the NATed direction
			tu = natReply(tu, x%64)
			playPacket(tb, t, m, tu, now, 0, arg)
		case 5:
			if f := m.flows[tu]; f != nil {
				n, _ := s.find(&tu, s.key(&tu))
				s.Delete(n)
				m.drop(f)
			}
		case 6:
			now += modelStep(x)
		case 7:
			s.Expire(now, int(s.high))
			for _, f := range m.flows {
				if int32(f.expires-now) <= 0 && m.flows[f.orig] == f {
					m.drop(f)
				}
			}
		}
		if t.Count() != m.count || s.Len() != m.count {
			tb.Fatalf("op %d: count %d, len %d, want %d", op, t.Count(), s.Len(), m.count)
		}
	}
	checkIndex(tb, s)
	for tu, f := range m.flows {
		n, dir := s.find(&tu, s.key(&tu))
		if n == 0 || s.entries[n].Tuple != f.orig || s.ReplyTuple(n) != f.reply || (dir == Reply) != (tu == f.reply) {
			tb.Fatalf("%v: entry %d dir %d, want the flow of %v", tu, n, dir, f.orig)
		}
	}
	out := make([]Flow, m.count+1)
	_, n := s.Flows(0, int(s.high), start-1<<24, out) // long before any expiry
	if n != m.count {
		tb.Fatalf("%d flows listed, want %d", n, m.count)
	}
	for n := uint32(1); n <= s.high; n++ {
		s.Delete(n)
	}
	if t.Count() != 0 {
		tb.Fatalf("count %d after deleting all", t.Count())
	}
	for i, w := range t.dir.words {
		if w != 0 {
			tb.Fatalf("directory word %d is %#x after deleting all", i, w)
		}
	}
	for i := range s.index.buckets {
		if s.index.buckets[i] != (bucket{}) {
			tb.Fatalf("bucket %d is not clean after deleting all", i)
		}
	}
}

// natReply is what answers the flow of tu when it was translated to port i.
func natReply(tu Tuple, i uint32) Tuple {
	if tu.Src[0] == 192 { // an answer
		tu, _ = Invert(&tu)
	}
	tu, _ = Invert(&tu)
	tu.Dst = [16]byte{203, 0, 113, 1}
	switch tu.Proto {
	case ProtoICMP:
		tu.SrcPort = uint16(40000 + i)
	case 200:
		tu.Dst[3] = byte(i)
	default:
		tu.DstPort = uint16(40000 + i)
	}
	return tu
}

func playPacket(tb testing.TB, t *Table, m *model, tu Tuple, now uint32, op byte, arg uint32) {
	s := t.Shard(0)
	p := probe(t, tu)
	if a := s.Track(&p, now); a != ActionAccept {
		tb.Fatalf("%v: action %d %v", tu, a, p.Reason)
	}
	f := m.flows[tu]
	if f != nil && int32(f.expires-now) <= 0 {
		m.drop(f)
		f = nil
	}
	if f == nil {
		f = &modelFlow{orig: tu, began: now}
		f.reply, _ = Invert(&tu)
		if tu.Proto == ProtoICMP && !query(&tu) {
			if p.Info != InfoInvalid || p.Entry != 0 || p.Reason != ReasonNotQuery {
				tb.Fatalf("%v: %+v, want invalid", tu, p)
			}
			return
		}
		if p.Info != InfoNew || p.Dir != Original {
			tb.Fatalf("%v: info %d dir %d, want new", tu, p.Info, p.Dir)
		}
		if op == 3 {
			s.Abandon(p.Entry)
			return
		}
		if op == 2 {
			claim := natReply(tu, arg>>3)
			want := m.flows[claim] == nil || m.flows[claim].orig == tu
			taken := s.ReplyTaken(p.Entry, &claim)
			got := s.ClaimReply(p.Entry, &claim)
			if got != want || taken == want {
				tb.Fatalf("%v: claim of %v: %v, taken %v, want %v", tu, claim, got, taken, want)
			}
			if got {
				f.reply = claim
			}
		}
		// The reply may belong to a flow that is over but not reaped.
		for _, x := range []Tuple{f.orig, f.reply} {
			if o := m.flows[x]; o != nil && int32(o.expires-now) <= 0 {
				m.drop(o)
			}
		}
		free := m.flows[f.orig] == nil && m.flows[f.reply] == nil
		if got := s.Confirm(&p, now); got != free {
			tb.Fatalf("%v: confirmed %v (%v), want %v", tu, got, p.Reason, free)
		}
		if !free {
			return
		}
		f.packet(now, Original)
		m.flows[f.orig], m.flows[f.reply] = f, f
		m.count++
		return
	}
	dir := Original
	if tu == f.reply {
		dir = Reply
	}
	want := InfoNew
	switch {
	case dir == Reply:
		want = InfoEstablishedReply
	case f.seen:
		want = InfoEstablished
	}
	f.packet(now, dir)
	e := s.Entry(p.Entry)
	if p.Entry == 0 || e.Tuple != f.orig || p.Dir != dir || p.Info != want || e.Packets != f.packets || e.Expires != f.expires || (e.Status&StatusAssured != 0) != f.assured {
		tb.Fatalf("%v at %d: %+v of %+v, want dir %d info %d of %+v", tu, now, p, e, dir, want, f)
	}
}

func TestModel(t *testing.T) {
	for range 150 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 4*3000)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		t.Logf("seed %d", seed)
		play(t, data)
	}
}

func FuzzShard(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 2, 8, 2, 0, 4, 0, 1, 0, 6, 0, 0xff, 0xff, 0, 4, 1, 0, 5, 0, 1, 0})
	f.Add([]byte{2, 16, 5, 0, 2, 16, 6, 0, 5, 0, 5, 0, 2, 16, 6, 0, 6, 0, 0xff, 0x4e, 7, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4*2000 {
			t.Skip("long")
		}
		play(t, data)
	})
}

// TestIndexLoad files random keys to well past the planned load and takes them
// out in random order, in an index of few buckets.
func TestIndexLoad(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	x := index{buckets: make([]bucket, 64), mask: 63}
	keys := map[uint32]uint64{}
	refused := 0
	for n := uint32(1); n <= 64*slots*9/10; n++ {
		k := r.Uint64()
		if x.insert(k, n, n%3 == 0) {
			keys[n] = k
		} else {
			refused++
		}
	}
	if refused > 3 {
		t.Errorf("seed %d: %d refused at nine tenths full", seed, refused)
	}
	for range 20000 { // coming and going, so that slots also move home again
		n := uint32(1 + r.IntN(64*slots))
		if k, ok := keys[n]; ok {
			if r.IntN(8) != 0 {
				continue
			}
			if !x.remove(k, n, n%3 == 0) {
				t.Fatalf("seed %d: entry %d not found", seed, n)
			}
			delete(keys, n)
		} else if k := r.Uint64(); x.insert(k, n, n%3 == 0) {
			keys[n] = k
		}
	}
	for n, k := range keys {
		if x.remove(k, n, n%3 != 0) || x.remove(k, n+1, n%3 == 0) {
			t.Fatalf("seed %d: removed what is not there", seed)
		}
		if !x.remove(k, n, n%3 == 0) {
			t.Fatalf("seed %d: entry %d not found", seed, n)
		}
	}
	for i := range x.buckets {
		if x.buckets[i] != (bucket{}) {
			t.Fatalf("seed %d: bucket %d not clean: %+v", seed, i, x.buckets[i])
		}
	}
}
