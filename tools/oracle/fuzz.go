package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
	"github.com/spf13/cobra"
)

// fuzzing are fuzz's flags.
type fuzzing struct {
	seed    uint64
	length  time.Duration
	workers []int
	kinds   []string
	most    int
}

func newFuzz() *cobra.Command {
	f := fuzzing{}
	cmd := &cobra.Command{
		Use:   "fuzz",
		Short: "play random sequences of packets; print each difference as a short script",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout()) },
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "where the sequences come from; 0: from the time")
	cmd.Flags().DurationVar(&f.length, "for", time.Minute, "how long")
	cmd.Flags().IntSliceVar(&f.workers, "workers", []int{1, 2, 4}, "numbers of workers, each a box of its own")
	cmd.Flags().StringSliceVar(&f.kinds, "kinds", allKinds, "what the flows are")
	cmd.Flags().IntVar(&f.most, "most", 5, "differences after which to stop")
	return cmd
}

// allKinds are kinds of flows.
var allKinds = []string{"tcp", "udp", "icmp", "sctp", "gre", "proto"}

func (f *fuzzing) run(w io.Writer) error {
	for _, kind := range f.kinds {
		if !slices.Contains(allKinds, kind) {
			return fmt.Errorf("--kinds: %q is none of %v", kind, allKinds)
		}
	}
	if f.seed == 0 {
		f.seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintf(w, "seed %d\n", f.seed)
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // boxes come and go by the thousand
	found, unsteady := 0, 0
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: f.workers}
		start, sequences, packets, steps := time.Now(), 0, 0, 0
		for ; time.Since(start) < f.length && found < f.most; sequences++ {
			s := f.sequence(sequences)
			v := c.play(s)
			packets, steps = packets+v.packets, steps+v.steps
			switch {
			case v.agreed():
			case v.err == nil && c.agreesNow(s):
				unsteady++
				fmt.Fprintf(w, "unsteady, agreed on every one of %d replays: %s\n%s\n", replays, v.String(), s)
			default:
				found++
				f.report(w, c, s, &v)
			}
		}
		fmt.Fprintf(w, "%d sequences, %d packets, %d comparisons in %.0f s with seed %d and %v workers: %d differences, %d unsteady\n",
			sequences, packets, steps, time.Since(start).Seconds(), f.seed, f.workers, found, unsteady)
		return nil
	})
	if err == nil && found > 0 {
		err = errDiffers
	}
	return err
}

// replays is how often a script that differs is played again. One that then
// agrees each time has met the machine's timing or a chance of NAT: it is shown
// and counted, but is no difference.
const replays = 5

func (c *court) agreesNow(s *Script) bool {
	for range replays {
		if v := c.play(s); !v.agreed() {
			return false
		}
	}
	return true
}

// report prints a difference as the shortest script that shows it.
func (f *fuzzing) report(w io.Writer, c *court, s *Script, v *verdict) {
	if v.err == nil {
		s = shrink(s, func(s *Script) bool {
			again := c.play(s)
			if again.err != nil || again.agreed() {
				return false
			}
			*v = again
			return true
		})
	}
	fmt.Fprintf(w, "%s\n%s\n", v.String(), s)
}

// dice makes random lines.
type dice struct {
	*rand.Rand
}

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }
func (d dice) chance(of int) bool      { return d.IntN(of) == 0 }

// sequence makes the n-th script of the seed.
func (f *fuzzing) sequence(n int) *Script {
	d := dice{rand.New(rand.NewPCG(f.seed, uint64(n)))}
	s := &Script{Group: "fuzz", Name: fmt.Sprintf("%d-%d", f.seed, n), Burst: []int{1, 1, 2, 5, 12}[d.IntN(5)]}
	s.Rules = d.one("observe", "observe", "drop-invalid", "masquerade", "snat", "both", "dnat", "mark", "reject")
	s.Six = d.chance(3)
	for _, set := range []string{"tcp_loose", "tcp_be_liberal", "tcp_ignore_invalid_rst", "checksum"} {
		if d.chance(10) {
			value := 1
			if set == "tcp_loose" || set == "checksum" {
				value = 0
			}
			s.Settings = append(s.Settings, pair.Setting{Name: set, Value: value})
		}
	}
	flows := 1 + d.IntN(3)
	kinds := make([]string, flows)
	for i := range kinds {
		kinds[i] = f.kinds[d.IntN(len(f.kinds))]
		s.Lines = append(s.Lines, d.flow(i, kinds[i], s))
	}
	for i, kind := range kinds {
		if kind == "tcp" && !d.chance(4) {
			s.Lines = append(s.Lines, d.handshake(i)...)
		}
	}
	for range 5 + d.IntN(40) {
		i := d.IntN(flows)
		s.Lines = append(s.Lines, d.packet(i, kinds[i], s.Six))
	}
	return s
}

var boxed = regexp.MustCompile(`dst=\d`)

func (d dice) flow(n int, kind string, s *Script) string {
	text := fmt.Sprintf("flow %d src=%d dst=%d sport=%d", n, d.IntN(2), d.IntN(2), 40000+d.IntN(3))
	switch {
	case s.Rules == "dnat":
		text += " from=wan"
		if kind == "tcp" || kind == "udp" {
			text = boxed.ReplaceAllString(text, "dst=box") + " dport=8080"
		}
	case s.Rules == "reject":
		text += " dport=" + d.one("80", "81", "82", "83")
	case d.chance(5):
		text += " from=wan"
	}
	if d.chance(3) {
		text += fmt.Sprintf(" iss=%d", uint32(0)-uint32(d.IntN(3000)))
	}
	if d.chance(3) {
		text += fmt.Sprintf(" riss=%d", 1<<31-uint32(d.IntN(3000)))
	}
	return text
}

func (d dice) handshake(n int) []string {
	option := func() (text string) {
		if d.chance(2) {
			text += fmt.Sprintf(" ws=%d", d.IntN(5))
		}
		if d.chance(2) {
			text += " sackok"
		}
		return text + fmt.Sprintf(" win=%d", []int{0, 10, 1000, 8192, 65535}[d.IntN(5)])
	}
	return []string{
		fmt.Sprintf("> S f=%d%s", n, option()), fmt.Sprintf("< SA f=%d%s", n, option()), fmt.Sprintf("> A f=%d win=%d", n, 1000+d.IntN(8000)),
	}
}

// packet makes a line about a flow: mostly what may come next, sometimes what
// may not.
func (d dice) packet(n int, kind string, six bool) string {
	dir := d.one(">", "<")
	if d.chance(12) {
		return d.complaint(n, dir, six)
	}
	text := dir + " "
	size := d.one("", "", " len=8", " len=100", " len=1000", " len=1300", " len=1310", " len=2500 frag=1200")
	switch kind {
	case "tcp":
		text += d.segment(size)
	case "udp":
		text += "udp" + size + d.one("", "", "", "", " sum=zero", " ulen=9", " ulen=7")
	case "icmp":
		types := []string{"8/0", "0/0", "8/0", "0/0", "13/0", "14/0", "3/0", "11/0", "9/0"}
		if six {
			types = []string{"128/0", "129/0", "128/0", "129/0", "135/0", "1/0", "137/0", "139/0"}
		}
		text += "icmp " + d.one(types...) + size + d.one("", "", fmt.Sprintf(" id=%d", d.IntN(3)))
	case "sctp":
		chunk := d.one("init", "initack", "cookieecho", "cookieack", "data", "sack", "heartbeat", "heartbeatack", "abort", "abort/t",
			"shutdown", "shutdownack", "shutdowncomplete", "shutdowncomplete/t", "error", "cookieecho data", "init data")
		text += "sctp " + chunk + d.one("", "", "", " vtag=5")
		if strings.HasPrefix(chunk, "init") {
			text += d.one("", "", "", " itag=9")
		}
	case "gre":
		text += "gre" + size + d.one("", "", " v=1", " v=1 key=3")
	case "proto":
		text += "proto " + d.one("50", "200", "4") + size
	}
	if strings.Contains(text, "frag") {
		text += d.one("", "", " order=2.1.0", " order=0.0.1.2", " order=1.0", " overlap=8", " order=2.0.1")
	} else if d.chance(15) && strings.Contains(text, "len=1") {
		text += d.one(" frag=64", " frag=64 order=1.0", " frag=400 order=0")
	}
	if d.chance(25) {
		text += d.one(" ttl=1", " ttl=2", " ttl=0", " tos=4", " df")
	}
	if d.chance(25) && kind != "gre" && kind != "proto" {
		text += " sum=bad"
		text = strings.Replace(text, " sum=zero", "", 1)
	}
	return text + fmt.Sprintf(" f=%d", n)
}

func (d dice) segment(size string) string {
	flags := d.one("A", "A", "A", "PA", "PA", "FA", "S", "SA", "R", "RA", "A", "PA", d.one("SF", "-", "F", "P", "U", "UA", "SR", "FPU", "SAU", "SEW"))
	text := flags
	if flags != "R" {
		text += size
	}
	edge := func() string {
		return d.one("+1", "-1", "+0", "-2", "+1000", "-1000", "+8192", "+8193", "-8192", "+65536", "-66000", "+2000000", "@0", "@1", "@2", "=0",
			fmt.Sprintf("%+d", d.IntN(20000)-10000))
	}
	if d.chance(5) {
		text += " seq=" + edge()
	}
	if d.chance(6) {
		text += " ack=" + edge()
	}
	if d.chance(3) {
		text += fmt.Sprintf(" win=%d", []int{0, 1, 10, 1000, 8192, 65535}[d.IntN(6)])
	}
	if d.chance(12) {
		from := d.IntN(3000)
		text += fmt.Sprintf(" sack=%d-%d", from, from+d.IntN(2000))
	}
	if strings.Contains(flags, "S") && d.chance(2) {
		text += d.one(" ws=3", " sackok", " ws=14 sackok", " ws=0")
	}
	return text
}

func (d dice) complaint(n int, dir string, six bool) string {
	text := fmt.Sprintf("%s err %s f=%d", dir, d.one(errorKinds(six)...), n)
	if d.chance(4) {
		text += fmt.Sprintf(" cut=%d", d.IntN(80))
	}
	if d.chance(6) {
		text += fmt.Sprintf(" patch=%d", d.IntN(48))
	}
	if d.chance(4) {
		text += " src=5"
	}
	if d.chance(15) {
		text += " sum=bad"
	}
	return text
}

// shrink makes a script smaller as long as it still differs: fewer lines,
// settings, smaller bursts, simpler rules.
func shrink(s *Script, differs func(*Script) bool) *Script {
	try := func(change func(*Script)) bool {
		next := *s
		next.Lines = slices.Clone(s.Lines)
		change(&next)
		if differs(&next) {
			s = &next
			return true
		}
		return false
	}
	if s.Burst > 1 {
		try(func(n *Script) { n.Burst = 1 })
	}
	for size := max(1, len(s.Lines)/2); size > 0; size /= 2 {
		for at := 0; at < len(s.Lines); {
			end := min(at+size, len(s.Lines))
			if !try(func(n *Script) { n.Lines = slices.Delete(n.Lines, at, end) }) {
				at = end
			}
		}
	}
	for i := len(s.Settings) - 1; i >= 0; i-- {
		try(func(n *Script) { n.Settings = slices.Delete(slices.Clone(n.Settings), i, i+1) })
	}
	if s.Rules != "observe" && !strings.Contains(s.String(), "=box") {
		try(func(n *Script) { n.Rules = "observe" })
	}
	for i := range s.Lines {
		for _, word := range strings.Fields(s.Lines[i])[1:] {
			if strings.Contains(word, "=") && !strings.HasPrefix(word, "f=") {
				try(func(n *Script) { n.Lines[i] = strings.Replace(n.Lines[i], " "+word, "", 1) })
			}
		}
	}
	return s
}
