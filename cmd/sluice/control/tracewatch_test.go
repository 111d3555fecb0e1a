package control

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
)

const tracing = `table ip t {
	chain f {
		type filter hook forward priority filter; policy drop;
		meta nftrace set 1
		udp dport 53 counter packets 5 bytes 100 accept
	}
}
`

// TestTraceWatchers: several follow the same packets, each as it wants; who reads
// nothing holds up nobody, and is told of what it missed.
func TestTraceWatchers(t *testing.T) {
	b := newTestBox(t)
	b.nft(t, nft.PrintOptions{}, tracing)
	ctx, stop := context.WithCancel(t.Context())
	follow := func(show nft.PrintOptions, text string) *bufio.Reader {
		in, out := io.Pipe()
		t.Cleanup(func() { _ = in.Close() })
		go func() {
			_ = b.Nft(ctx, &Request{Script: Script{Text: text}, Show: show}, out) // ends with ctx
			_ = out.Close()
		}()
		return bufio.NewReaderSize(in, 1<<20)
	}
	readers := []*bufio.Reader{
		follow(nft.PrintOptions{}, "monitor\n"), follow(nft.PrintOptions{Handles: true, Stateless: true, JSON: true}, "monitor trace\n"),
		follow(nft.PrintOptions{}, "monitor new\n"), follow(nft.PrintOptions{}, "monitor trace\n"),
	}
	for joined := 0; joined < 3; time.Sleep(time.Millisecond) {
		b.server.Book.traces.mu.Lock()
		joined = len(b.server.Book.traces.watchers)
		b.server.Book.traces.mu.Unlock()
	}
	for !func() bool {
		b.server.Book.change.Lock()
		defer b.server.Book.change.Unlock()
		return len(b.server.Book.watchers) == 4
	}() {
		time.Sleep(time.Millisecond)
	}
	b.send(t, 1)
	b.send(t, 1)
	number := regexp.MustCompile(`^trace id ([0-9a-f]{8}) `)
	for i, rule := range []string{"udp dport 53 counter packets 5 bytes 100 accept", "udp dport 53 counter accept # handle 3"} {
		var last string
		for range 2 {
			for _, want := range []string{
				`ip t f packet: iif "lan" oif "wan" ether saddr 02:00:00:00:01:00 ether daddr 02:00:00:00:00:00 ip saddr 10.0.0.2 ip daddr 10.0.1.2 ip dscp cs0 ip ecn not-ect ip ttl 63 ip id 0 ip length 46 udp sport 1000 udp dport 53 udp length 26 @th,64,96 0x0 `,
				"ip t f rule meta nftrace set 1" + []string{"", " # handle 2"}[i] + " (verdict continue)",
				"ip t f rule " + rule + " (verdict accept)",
			} {
				line, err := readers[i].ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				m := number.FindStringSubmatch(line)
				if m == nil || line != m[0]+want+"\n" {
					t.Fatalf("follower %d: %q, want %q", i, line, want)
				}
				if strings.Contains(want, "packet:") == (m[1] == last) {
					t.Errorf("follower %d: packet %s behind %s", i, m[1], last)
				}
				last = m[1]
			}
		}
	}
	b.nft(t, nft.PrintOptions{}, "add table ip u\n")
	for i, want := range map[int]string{0: "add table ip u\n", 2: "add table ip u\n"} {
		if line, err := readers[i].ReadString('\n'); err != nil || line != want {
			t.Errorf("follower %d: %q %v", i, line, err)
		}
	}
	for round := 0; ; round++ { // the last follower reads nothing of it
		if round == 100_000 {
			t.Fatal("who reads nothing has missed nothing")
		}
		b.send(t, 8)
		b.server.Book.traces.mu.Lock()
		missed := 0
		for w := range b.server.Book.traces.watchers {
			missed += len(w.lost)
		}
		b.server.Book.traces.mu.Unlock()
		if missed > 0 {
			break
		}
		if round%64 == 0 {
			time.Sleep(tracePeriod)
		}
	}
	for {
		line, err := readers[3].ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "# ERROR: events were lost") {
			break
		}
	}
	stop()
	for reading := true; reading; time.Sleep(time.Millisecond) {
		b.server.Book.traces.mu.Lock()
		reading = b.server.Book.traces.reading
		b.server.Book.traces.mu.Unlock()
	}
}
