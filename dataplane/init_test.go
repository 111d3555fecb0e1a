package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf/offheap"
)

// errNoQueue is the failure that a brokenPort plants.
var errNoQueue = errors.New("no such queue")

// brokenPort fails to open one queue.
type brokenPort struct {
	*handPort
	left *int // queues that open before the one that does not
}

func (p brokenPort) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	if *p.left == 0 {
		*p.left--
		return nil, errNoQueue
	}
	*p.left--
	return p.handPort.Open(i, u)
}

// initConfig is a box of two workers with all that New makes.
func initConfig(left *int) Config {
	cfg := Default()
	cfg.Workers, cfg.SamePorts, cfg.Frames, cfg.HandoverSlots, cfg.CompileCache = 2, true, 256, 64, 16
	cfg.Conntrack.Max, cfg.Conntrack.Timestamp = 64, true
	for i, name := range []string{"lan", "wan"} {
		cfg.Ports = append(cfg.Ports, PortConfig{
			Port: brokenPort{newHandPort(name, byte(i+1), 2), left}, Peer: -1, Addrs: prefixes(fmt.Sprintf("10.0.%d.1/24", i)),
		})
	}
	cfg.Routes = []route.Route{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.1.2"), Port: 1}}
	return cfg
}

// nothingLeft demands that memory and goroutines are what they were.
func nothingLeft(t *testing.T, when string, memory int64, goroutines int) {
	t.Helper()
	if got := offheap.InUse(); got != memory {
		t.Fatalf("%s: %d bytes left behind", when, got-memory)
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%s: %d goroutines, %d before\n%s", when, runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestNewFails lets each reservation and each queue of New fail in turn: what was
// made before goes back, and the ports serve the next box.
func TestNewFails(t *testing.T) {
	defer offheap.FailAfter(-1)
	plenty := 1 << 30
	memory, goroutines := offheap.InUse(), runtime.NumGoroutine()
	for _, row := range []struct {
		name  string
		plant func(n int, left *int)
		want  error
		least int // steps that there are at least
	}{
		{"memory", func(n int, _ *int) { offheap.FailAfter(n) }, offheap.ErrPlanted, 60},
		{"queue", func(n int, left *int) { *left = n }, errNoQueue, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			left := plenty
			cfg := initConfig(&left)
			n := 0
			for ; ; n++ {
				left = plenty
				row.plant(n, &left)
				box, err := New(cfg)
				if err == nil {
					offheap.FailAfter(-1)
					if err := box.Close(); err != nil {
						t.Fatal(err)
					}
					nothingLeft(t, "closed", memory, goroutines+1) // the subtest's own
					break
				}
				if !errors.Is(err, row.want) || box != nil {
					t.Fatalf("failure %d: %v", n, err)
				}
				nothingLeft(t, fmt.Sprintf("failure %d (%v)", n, err), memory, goroutines+1)
			}
			if n < row.least {
				t.Errorf("only %d steps have failed", n)
			}
		})
	}
}

// TestLoadFails lets each reservation of a change of rules fail in turn: the old
// rules stay in force, and nothing outlives the box.
func TestLoadFails(t *testing.T) {
	const small = "table ip t {\n\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct state invalid drop\n\t}\n}\n"
	var b strings.Builder
	b.WriteString("table ip u {\n\tset seen {\n\t\ttype ipv4_addr\n\t\tflags dynamic\n\t\tsize 100\n\t}\n\tset far {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 192.0.2.0/24")
	for i := range 1500 { // enough to get memory of its own
		fmt.Fprintf(&b, ", 172.%d.%d.0/25", 16+i/256, i%256)
	}
	b.WriteString(" }\n\t}\n")
	b.WriteString("\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tip saddr @far drop\n\t\tudp dport 7 limit rate 5/second counter accept\n\t\tadd @seen { ip saddr }\n\t\tudp dport 9 quota over 5 mbytes drop\n")
	for i := range 200 {
		fmt.Fprintf(&b, "\t\tip saddr 10.%d.0.0/16 tcp dport %d drop\n", i, i+1)
	}
	b.WriteString("\t}\n}\n")
	defer offheap.FailAfter(-1)
	for k := 0; ; k++ {
		before := offheap.InUse()
		n := newNet(t, small, 2)
		rules, generation := n.box.Rules(), n.box.generation
		offheap.FailAfter(k)
		_, err := n.box.Load("big.nft", []byte(b.String()))
		offheap.FailAfter(-1)
		if err != nil && (!errors.Is(err, offheap.ErrPlanted) || n.box.Rules() != rules || n.box.generation != generation) {
			t.Fatalf("reservation %d: %v, generation %d, before %d", k, err, n.box.generation, generation)
		}
		if closed := n.box.Close(); closed != nil || offheap.InUse() != before {
			t.Fatalf("reservation %d (%v): %v, %d bytes left behind", k, err, closed, offheap.InUse()-before)
		}
		if err == nil {
			if k < 4 {
				t.Errorf("only %d reservations have failed", k)
			}
			return
		}
	}
}
