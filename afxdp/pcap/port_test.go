package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
)

var (
	start  = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	testIP = append([]byte{0x45, 0, 0, 21, 0, 1, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 'x')
)

// record is a packet of a test file.
type record struct {
	after time.Duration // since start
	data  []byte
	full  int // length on the wire, 0: len(data)
}

func (r *record) info() gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: start.Add(r.after), CaptureLength: len(r.data), Length: max(r.full, len(r.data))}
}

// classic returns a pcap file with nanosecond stamps.
func classic(t testing.TB, link layers.LinkType, records ...record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(65535, link); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.WritePacket(r.info(), r.data); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// swapped returns a pcap file in the other byte order.
func swapped(file []byte) []byte {
	out := bytes.Clone(file)
	turn := func(at, n int) {
		for i := range n / 2 {
			out[at+i], out[at+n-1-i] = out[at+n-1-i], out[at+i]
		}
	}
	turn(0, 4)
	turn(4, 2)
	turn(6, 2)
	for at := 8; at < 24; at += 4 {
		turn(at, 4)
	}
	for at := 24; at < len(out); {
		n := int(binary.LittleEndian.Uint32(file[at+8:]))
		for i := range 4 {
			turn(at+4*i, 4)
		}
		at += 16 + n
	}
	return out
}

// ng returns a pcapng file with one interface per link type, used in turns.
func ng(t testing.TB, links []layers.LinkType, records ...record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{LinkType: links[0], TimestampResolution: 9}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links[1:] {
		if _, err := w.AddInterface(pcapgo.NgInterface{LinkType: l, TimestampResolution: 9}); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range records {
		ci := r.info()
		ci.InterfaceIndex = i % len(links)
		if err := w.WritePacket(ci, r.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func save(t testing.TB, file []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.pcap")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func ether(payload ...byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0}, payload...)
}

// bench is a port with its queues open.
type bench struct {
	*Port
	umem   []*afxdp.UMEM
	queues []afxdp.Queue
}

func open(t testing.TB, cfg Config) *bench {
	t.Helper()
	p, err := OpenPort(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Port: p}
	for i := range p.Queues() {
		u, err := afxdp.NewUMEM(8192, 2048)
		if err != nil {
			t.Fatal(err)
		}
		q, err := p.Open(i, u)
		if err != nil {
			t.Fatal(err)
		}
		b.umem = append(b.umem, u)
		b.queues = append(b.queues, q)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for _, u := range b.umem {
			if err := u.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

// recv returns what queue i has, as "number:bytes in hex", and frees it.
func (b *bench) recv(i int) (got []string) {
	descs := make([]afxdp.Desc, 64)
	for {
		n := b.queues[i].Recv(descs)
		if n == 0 {
			return got
		}
		for _, d := range descs[:n] {
			got = append(got, fmt.Sprintf("%d:%x", d.Options, b.umem[i].Frame(d.Addr, d.Len)))
			b.umem[i].Free(d.Addr)
		}
	}
}

func TestFormats(t *testing.T) {
	records := []record{
		{0, ether(1), 0},
		{1500 * time.Nanosecond, ether(2, 3), 900}, // cut by the snap length
		{time.Hour, ether(), 0},
	}
	le := classic(t, layers.LinkTypeEthernet, records...)
	for _, tc := range []struct {
		name string
		file []byte
	}{
		{"pcap", le},
		{"pcap of the other byte order", swapped(le)},
		{"pcapng", ng(t, []layers.LinkType{layers.LinkTypeEthernet}, records...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, Config{In: save(t, tc.file)})
			for i, r := range records {
				ts, queue, ok := b.Peek()
				if !ok || queue != 0 || !ts.Equal(start.Add(r.after)) {
					t.Fatalf("packet %d: Peek gives %v, %d, %v", i+1, ts, queue, ok)
				}
				if got := b.recv(0); got != nil {
					t.Fatalf("packet %d came before its release: %v", i+1, got)
				}
				if n := b.Release(1); n != 1 {
					t.Fatalf("packet %d: %d released", i+1, n)
				}
				want := fmt.Sprintf("[%d:%x]", i+1, r.data)
				if got := b.recv(0); fmt.Sprint(got) != want {
					t.Fatalf("got %v, want %s", got, want)
				}
			}
			if _, _, ok := b.Peek(); ok || b.Err() != nil || b.Release(1) != 0 {
				t.Errorf("at the end: a packet %v, error %v", ok, b.Err())
			}
		})
	}
}

func TestLinkTypes(t *testing.T) {
	ip6 := append([]byte{0x60, 0, 0, 0, 0, 1, 59, 64}, make([]byte, 33)...)
	ip6[24] = 0xff
	ip6[39] = 0x16
	mcast := bytes.Clone(testIP)
	copy(mcast[16:], []byte{239, 129, 2, 3})
	bcast := bytes.Clone(testIP)
	copy(bcast[16:], []byte{255, 255, 255, 255})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	sll := func(typ byte, n byte, proto ...byte) []byte {
		return join([]byte{0, typ, 0, 1, 0, n, 2, 7, 7, 7, 7, 7, 0, 0}, proto)
	}
	sll2 := func(typ byte, proto ...byte) []byte {
		return join(proto, []byte{0, 0, 0, 0, 0, 5, 0, 1, typ, 6, 2, 7, 7, 7, 7, 7, 0, 0})
	}
	const me, other, all = "020000000001", "020707070707", "ffffffffffff"
	const none = "02000000fffe"
	for _, tc := range []struct {
		name string
		link layers.LinkType
		data []byte
		want string // header in hex, empty: skipped
		body []byte
	}{
		{"raw v4", layers.LinkTypeRaw, testIP, me + none + "0800", testIP},
		{"raw v6 multicast", layers.LinkTypeRaw, ip6, "333300000016" + none + "86dd", ip6},
		{"raw v4 multicast", layers.LinkTypeIPv4, mcast, "01005e010203" + none + "0800", mcast},
		{"raw v4 broadcast", linkRawBSD, bcast, all + none + "0800", bcast},
		{"raw empty", layers.LinkTypeRaw, nil, "", nil},
		{"raw of version 7", layers.LinkTypeRaw, []byte{0x70}, "", nil},
		{"null, little endian", layers.LinkTypeNull, join([]byte{2, 0, 0, 0}, testIP), me + none + "0800", testIP},
		{"null, big endian", layers.LinkTypeNull, join([]byte{0, 0, 0, 2}, testIP), me + none + "0800", testIP},
		{"null, Darwin v6", layers.LinkTypeNull, join([]byte{30, 0, 0, 0}, ip6), "333300000016" + none + "86dd", ip6},
		{"loop, OpenBSD v6", layers.LinkTypeLoop, join([]byte{0, 0, 0, 24}, ip6), "333300000016" + none + "86dd", ip6},
		{"null, other family", layers.LinkTypeNull, []byte{0, 0, 0, 7, 1}, "", nil},
		{"null, short", layers.LinkTypeNull, []byte{2, 0, 0}, "", nil},
		{"cooked", layers.LinkTypeLinuxSLL, join(sll(0, 6, 8, 0), testIP), me + other + "0800", testIP},
		{"cooked broadcast", layers.LinkTypeLinuxSLL, join(sll(1, 6, 8, 6), testIP), all + other + "0806", testIP},
		{"cooked multicast", layers.LinkTypeLinuxSLL, join(sll(2, 0, 8, 0), mcast), "01005e010203" + none + "0800", mcast},
		{"cooked multicast, not IP", layers.LinkTypeLinuxSLL, join(sll(2, 6, 0x88, 0xcc), []byte{1}), "010000000000" + other + "88cc", []byte{1}},
		{"cooked LLC", layers.LinkTypeLinuxSLL, join(sll(0, 6, 0, 4), testIP), "", nil},
		{"cooked short", layers.LinkTypeLinuxSLL, sll(0, 6, 8), "", nil},
		{"cooked 2", layers.LinkTypeLinuxSLL2, join(sll2(0, 8, 0), testIP), me + other + "0800", testIP},
		{"cooked 2 broadcast", layers.LinkTypeLinuxSLL2, join(sll2(1, 8, 6), testIP), all + other + "0806", testIP},
		{"cooked 2 short", layers.LinkTypeLinuxSLL2, sll2(0, 8, 0)[:19], "", nil},
		{"Ethernet short", layers.LinkTypeEthernet, make([]byte, 13), "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := record{0, []byte(nil), 0}
			b := open(t, Config{In: save(t, classic(t, tc.link, record{0, tc.data, 0}, good))})
			b.Release(1)
			got := b.recv(0)
			skips, total := b.Skipped()
			if tc.want == "" {
				if len(got) != 0 || total != 2 || skips[0].Number != 1 || skips[0].Bytes != len(tc.data) || skips[0].Reason == "" {
					t.Errorf("got %v, skipped %d: %+v", got, total, skips)
				}
				return
			}
			if want := fmt.Sprintf("[1:%s%x]", tc.want, tc.body); fmt.Sprint(got) != want {
				t.Errorf("got  %v\nwant %s", got, want)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	one := record{0, ether(1), 0}
	for _, tc := range []struct {
		name string
		cfg  func(t *testing.T) Config
		err  []string
	}{
		{"no such file", func(*testing.T) Config { return Config{In: "/nonexistent/x.pcap"} }, []string{"/nonexistent/x.pcap"}},
		{"empty file", func(t *testing.T) Config { return Config{In: save(t, nil)} }, []string{"in.pcap", "no capture file"}},
		{"text", func(t *testing.T) Config { return Config{In: save(t, []byte(strings.Repeat("hello ", 10)))} }, []string{"in.pcap", "magic"}},
		{"802.11", func(t *testing.T) Config { return Config{In: save(t, classic(t, layers.LinkTypeIEEE802_11, one))} },
			[]string{"in.pcap", "link type 105 (802.11)"}},
		{"radiotap", func(t *testing.T) Config {
			return Config{In: save(t, classic(t, layers.LinkTypeIEEE80211Radio, one))}
		}, []string{"link type 127 (RadioTap)"}},
		{"unknown link type", func(t *testing.T) Config { return Config{In: save(t, classic(t, 999, one))} }, []string{"link type 999"}},
		{"802.11 in pcapng", func(t *testing.T) Config {
			return Config{In: save(t, ng(t, []layers.LinkType{layers.LinkTypeIEEE802_11}, one))}
		}, []string{"in.pcap: packet 1", "link type 105"}},
		{"no clock", func(*testing.T) Config { return Config{Out: "x"} }, []string{"needs a clock"}},
		{"no directory", func(*testing.T) Config {
			return Config{Out: "/nonexistent/y", Clock: perf.NewClock()}
		}, []string{"/nonexistent/y"}},
		{"MTU", func(*testing.T) Config { return Config{MTU: 1} }, []string{"MTU 1"}},
		{"MAC", func(*testing.T) Config { return Config{MAC: net.HardwareAddr{1}} }, []string{"six bytes"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := offheap.InUse()
			_, err := OpenPort(tc.cfg(t))
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tc.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error is %q, want %q in it", err, part)
				}
			}
			if after := offheap.InUse(); after != before {
				t.Errorf("%d bytes left allocated", after-before)
			}
		})
	}
}

// TestCutFiles cuts files at every length: at the end of a packet they are
// sound, elsewhere there is an error with file and packet number, and every
// packet before is delivered.
func TestCutFiles(t *testing.T) {
	records := []record{{0, ether(1, 2, 3), 0}, {1, ether(4), 0}, {2, ether(5, 6), 0}}
	const header, rec = 24, 16
	file := classic(t, layers.LinkTypeEthernet, records...)
	whole := map[int]int{header: 0} // length to packets
	at := header
	for i, r := range records {
		at += rec + len(r.data)
		whole[at] = i + 1
	}
	packets := 0
	for n := header; n <= len(file); n++ {
		sound := false
		if k, ok := whole[n]; ok {
			packets, sound = k, true
		}
		name := save(t, file[:n])
		p, err := OpenPort(Config{In: name})
		got := 0
		if err == nil {
			got = p.Release(10)
			err = p.Err()
			if e := p.Close(); e != nil {
				t.Fatal(e)
			}
		}
		if got != packets || (err == nil) != sound {
			t.Fatalf("cut at %d: %d packets, error %v, want %d packets, sound %v", n, got, err, packets, sound)
		}
		if want := fmt.Sprintf("%s: packet %d: the file is cut short", name, packets+1); err != nil && err.Error() != want {
			t.Fatalf("cut at %d: error %q, want %q", n, err, want)
		}
	}
}

func TestCorruptLength(t *testing.T) {
	file := classic(t, layers.LinkTypeEthernet, record{0, ether(1), 0}, record{0, ether(2), 0})
	binary.LittleEndian.PutUint32(file[24+16+15+8:], 0x7fffffff)
	b := open(t, Config{In: save(t, file)})
	if n := b.Release(5); n != 1 {
		t.Errorf("%d packets released", n)
	}
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "packet 2: ") {
		t.Errorf("error is %v", err)
	}
}

func TestMixedLinkTypes(t *testing.T) {
	file := ng(t, []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw, layers.LinkTypeIEEE802_11},
		record{0, ether(1), 0}, record{1, testIP, 0}, record{2, ether(2), 0})
	b := open(t, Config{In: save(t, file)})
	if n := b.Release(5); n != 2 {
		t.Errorf("%d packets released", n)
	}
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "packet 3: link type 105") {
		t.Errorf("error is %v", err)
	}
	want := fmt.Sprintf("[1:%x 2:%s%x]", ether(1), "02000000000102000000fffe0800", testIP)
	if got := b.recv(0); fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestTooLong(t *testing.T) {
	file := classic(t, layers.LinkTypeEthernet,
		record{0, make([]byte, 1793), 0}, record{0, make([]byte, 1792), 0}, record{0, make([]byte, 4000), 0}, record{0, ether(1), 0})
	b := open(t, Config{In: save(t, file)})
	if n := b.Release(5); n != 2 {
		t.Errorf("%d packets released", n)
	}
	skips, total := b.Skipped()
	const why = "longer than the 1792 bytes of a frame"
	if want := fmt.Sprint([]Skip{{1, 1793, why, start.UTC()}, {3, 4000, why, start.UTC()}}); fmt.Sprint(skips) != want || total != 2 {
		t.Errorf("skipped %v, %d in all, want %s", skips, total, want)
	}
	got := b.recv(0)
	if len(got) != 2 || got[1] != fmt.Sprintf("4:%x", ether(1)) {
		t.Errorf("got %d frames", len(got))
	}
}

// TestRingFull releases more packets than a queue's ring holds: every one comes
// once and in order.
func TestRingFull(t *testing.T) {
	var records []record
	const total = 2*ringFrames + 100
	for i := range total {
		records = append(records, record{0, ether(byte(i>>8), byte(i)), 0})
	}
	b := open(t, Config{In: save(t, classic(t, layers.LinkTypeEthernet, records...))})
	next := 1
	for rounds := 0; next <= total; rounds++ {
		if rounds > 5 {
			t.Fatalf("at packet %d after %d rounds", next, rounds)
		}
		n := b.Release(total)
		if n > ringFrames {
			t.Fatalf("%d released into a ring of %d", n, ringFrames)
		}
		got := b.recv(0)
		if len(got) != n {
			t.Fatalf("%d released, %d received", n, len(got))
		}
		for _, s := range got {
			if want := fmt.Sprintf("%d:%x", next, records[next-1].data); s != want {
				t.Fatalf("got %s, want %s", s, want)
			}
			next++
		}
	}
}

// TestReplay forwards a file over two queues back out: bytes, stamps and order
// are right and the file is the same when it is done again.
func TestReplay(t *testing.T) {
	var records []record
	for i := range 200 {
		records = append(records, record{time.Duration(i/3) * 1234567, ether(byte(i), byte(i*i)), 0})
	}
	in := save(t, classic(t, layers.LinkTypeEthernet, records...))
	for _, tc := range []struct {
		name   string
		micros bool
		unit   time.Duration
	}{{"nanoseconds", false, 1}, {"microseconds", true, time.Microsecond}} {
		t.Run(tc.name, func(t *testing.T) {
			var files [][]byte
			for range 2 {
				out := filepath.Join(t.TempDir(), "out.pcap")
				clock := perf.NewVirtual(start)
				b := open(t, Config{In: in, Out: out, Clock: clock, Micros: tc.micros, Queues: 2,
					Steer: func(f []byte) int { return int(f[14]) & 1 }})
				var serials []uint32
				b.OnSent(func(s uint32) { serials = append(serials, s) })
				for {
					ts, queue, ok := b.Peek()
					if !ok {
						break
					}
					clock.Set(ts)
					if b.Release(1) != 1 {
						t.Fatal("not released")
					}
					descs := make([]afxdp.Desc, 4)
					if n := b.queues[1-queue].Recv(descs); n != 0 {
						t.Fatalf("frame on queue %d", 1-queue)
					}
					n := b.queues[queue].Recv(descs)
					if b.queues[queue].Send(descs[:n]) != 1 {
						t.Fatal("not sent")
					}
					b.queues[queue].Flush()
				}
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				if b.Sent() != uint64(len(records)) || len(serials) != len(records) {
					t.Fatalf("%d sent, %d serials", b.Sent(), len(serials))
				}
				for i, s := range serials {
					if s != uint32(i+1) {
						t.Fatalf("frame %d has serial %d", i+1, s)
					}
				}
				file, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, file)
			}
			if !bytes.Equal(files[0], files[1]) {
				t.Error("two runs wrote different files")
			}
			r, err := pcapgo.NewReader(bytes.NewReader(files[0]))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range records {
				data, ci, err := r.ReadPacketData()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(data, want.data) || !ci.Timestamp.Equal(start.Add(want.after).Truncate(tc.unit)) {
					t.Fatalf("frame %d: %x at %v", i+1, data, ci.Timestamp)
				}
			}
		})
	}
}

// TestCorpus reads every capture there is to its end.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/corpora/pcap/*.pcap*")
	if len(files) == 0 {
		t.Skip("SKIPPED: no captures in ../shared/corpora/pcap")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b := open(t, Config{In: name})
			n := 0
			for {
				k := b.Release(64)
				if k == 0 {
					break
				}
				n += k
				if got := b.recv(0); len(got) != k {
					t.Fatalf("%d released, %d received", k, len(got))
				}
			}
			if _, skipped := b.Skipped(); b.Err() != nil || n+skipped == 0 {
				t.Errorf("%d packets, %d skipped, error %v", n, skipped, b.Err())
			}
			t.Logf("%d packets", n)
		})
	}
}
