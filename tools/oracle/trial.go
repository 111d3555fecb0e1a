package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// court plays scripts to the kernel and to boxes with different numbers of
// workers.
type court struct {
	kernel  *pair.Kernel
	workers []int
	ids     uint32        // of fragmented datagrams, one after the other for all scripts
	packets int           // frames sent to the kernel
	steps   int           // comparisons
	late    time.Duration // the longest that the kernel took for a burst of the script
	trace   func(format string, args ...any)
}

// contender is a box and the script's world as it has made it.
type contender struct {
	*pair.Sluice
	workers int
	whole   bool // gets the frames of a burst at once, those that the first box got
	stage   *stage
	judge   pair.Judge
}

// verdict is what came of a script.
type verdict struct {
	script *Script
	diffs  []string // of the first step that differs
	at     int      // number of lines played until then
	label  string   // who differs
	err    error    // the script could not be played
	short  bool     // it was not played to its end, see pair.Judge.Again and Edge
	edge   bool     // because of Edge

	packets, steps int // sent to the kernel, and comparisons
}

func (v *verdict) agreed() bool { return v.err == nil && len(v.diffs) == 0 }

func (v *verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s: ", v.script.Group, v.script.Name)
	if v.err != nil {
		fmt.Fprintf(&b, "%v", v.err)
		return b.String()
	}
	last := "the start"
	if v.at > 0 {
		last = fmt.Sprintf("line %d, %q", v.at, v.script.Lines[v.at-1])
	}
	fmt.Fprintf(&b, "%s differs after %s", v.label, last)
	for _, d := range v.diffs {
		b.WriteString("\n    " + strings.ReplaceAll(d, "\n", "\n    "))
	}
	return b.String()
}

// play plays a script until something differs.
func (c *court) play(s *Script) (v verdict) {
	v.script = s
	packets, steps := c.packets, c.steps
	defer func() { v.packets, v.steps = c.packets-packets, c.steps-steps }()
	rules := rulesets[s.Rules]
	switch {
	case s.Rules == "tables" && s.Six:
		rules = matching6
	case s.Rules == "recent":
		rules = remembers(s.Six)
	}
	if s.Rules == "" {
		rules = rulesets["observe"]
	}
	setup := &pair.Case{Rules: rules, Six: s.Six, Settings: s.Settings, Routes: s.Routes, WanMTU: s.WanMTU}
	if v.err = c.kernel.Begin(setup); v.err != nil {
		return v
	}
	c.late = 0
	first := c.ids
	kernel := s.stage(first)
	defer func() {
		c.ids = kernel.id // IPv4 has 65536 of them, and the kernel keeps half a datagram for 30 s
		if len(kernel.rest) > 0 && v.err == nil {
			_, v.err = c.kernel.Send(kernel.rest...) // so that it complains of none later
		}
	}()
	var boxes []*contender
	defer func() {
		for _, b := range boxes {
			v.err = errors.Join(v.err, b.Close())
		}
	}()
	burst := max(s.Burst, 1)
	numbers := c.workers
	if burst > 1 {
		numbers = append(slices.Clone(numbers), 1)
	}
	for i, workers := range numbers {
		box, err := pair.NewSluice(workers, c.kernel.Index(), setup)
		if err != nil {
			v.err = err
			return v
		}
		boxes = append(boxes, &contender{
			Sluice: box, workers: workers, whole: i == len(c.workers), stage: s.stage(first), judge: pair.Judge{Free: free[s.Rules], Cookies: s.proxied()},
		})
	}
	for at := 0; at < len(s.Lines); {
		end := at
		for end < len(s.Lines) && end-at < burst {
			if end > at && verbOf(s.Lines[end]) != "" {
				break // directives stand alone
			}
			if end++; verbOf(s.Lines[end-1]) != "" {
				break
			}
		}
		v.at = end
		if c.step(&v, kernel, boxes, s.Lines[at:end]); !v.agreed() || v.short {
			return v
		}
		at = end
	}
	for _, b := range boxes {
		if leak := b.Leaks(); leak != "" {
			v.label, v.diffs = b.label(), []string{leak}
		}
	}
	return v
}

func (s *Script) proxied() bool { return strings.HasPrefix(s.Rules, "synproxy") }

func (s *Script) stage(id uint32) *stage {
	g := newStage(s.Six, id)
	g.proxy = s.proxied()
	return g
}

func (b *contender) label() string {
	if b.whole {
		return "sluice in bursts"
	}
	return fmt.Sprintf("sluice with %d workers", b.workers)
}

// verbOf returns a directive's name, "" for packets.
func verbOf(text string) string {
	if strings.HasPrefix(text, ">") || strings.HasPrefix(text, "<") {
		return ""
	}
	verb, _, _ := strings.Cut(text, " ")
	return verb
}

// step plays lines: one directive or a burst of packets, and compares.
func (c *court) step(v *verdict, kernel *stage, boxes []*contender, texts []string) {
	if verbOf(texts[0]) != "" {
		c.direct(v, kernel, boxes, texts[0])
		return
	}
	k := pair.Outcome{}
	times := make([]time.Time, len(texts))
	for i, text := range texts {
		times[i] = time.Now()
		var frames []pair.Frame
		n, dir := 0, 0
		if n, dir, frames, v.err = packetLine(kernel, text); v.err != nil {
			return
		}
		out, err := c.kernel.Send(frames...)
		if err != nil {
			v.err = err
			return
		}
		c.packets += len(frames)
		k.Sent = append(k.Sent, frames...)
		kernel.saw(n, dir, out)
		k.Frames = append(k.Frames, out...)
		c.late = max(c.late, time.Since(times[0])) // one box gets all of them at the last one's time
	}
	c.compare(v, &k, boxes, texts, times)
}

func packetLine(g *stage, text string) (n, dir int, frames []pair.Frame, err error) {
	l, err := parseLine(text)
	if err != nil {
		return 0, 0, nil, err
	}
	n, frames, err = g.build(&l)
	return n, l.dir, frames, err
}

// compare plays the lines to the boxes too, at the times when the kernel got
// them, then reads and compares everything.
func (c *court) compare(v *verdict, k *pair.Outcome, boxes []*contender, texts []string, times []time.Time) {
	c.steps++
	if k.Traces, v.err = c.kernel.Traces(); v.err != nil {
		return
	}
	outs := make([]pair.Outcome, len(boxes))
	var hints []pair.Entry
	now := time.Now()
	from := now
	if len(times) > 0 {
		from = times[0]
	}
	for i, b := range boxes {
		if b.whole && len(texts) > 0 {
			b.Now(times[len(times)-1])
			outs[i].Sent = outs[0].Sent
			outs[i].Frames, v.err = b.Send(outs[0].Sent...)
		} else {
			v.err = b.send(texts, times, &outs[i])
		}
		if v.err != nil {
			return
		}
		b.Now(now)
		outs[i].Entries, outs[i].Counters, outs[i].Stats = b.Entries(), b.Counters(), b.Stats()
		outs[i].Traces = b.Traces()
		hints = append(hints, outs[i].Entries...)
	}
	var errs [3]error
	k.Entries, errs[0] = c.kernel.Entries(hints)
	k.Counters, errs[1] = c.kernel.Counters()
	k.Stats, errs[2] = c.kernel.Stats()
	late := max(c.late, time.Since(now))
	if v.err = errors.Join(errs[:]...); v.err != nil {
		return
	}
	if c.trace != nil {
		c.tracing(texts, k)
	}
	for i, b := range boxes {
		b.judge.Late, b.judge.From, b.judge.Took = late, from, now.Sub(from)
		diffs := b.judge.Compare(k, &outs[i])
		v.edge = b.judge.Edge
		if v.short = b.judge.Again || v.edge; v.short {
			return
		}
		if len(diffs) > 0 {
			v.label, v.diffs = b.label(), diffs
			if reasons := b.Reasons(); len(reasons) > 0 {
				v.diffs = append(v.diffs, "sluice's reasons: "+strings.Join(reasons, ", "))
			}
			return
		}
	}
}

// send plays lines one by one.
func (b *contender) send(texts []string, times []time.Time, out *pair.Outcome) error {
	for i, text := range texts {
		b.Now(times[i])
		n, dir, frames, err := packetLine(b.stage, text)
		if err != nil {
			return err
		}
		out.Sent = append(out.Sent, frames...)
		got, err := b.Send(frames...)
		if err != nil {
			return err
		}
		b.stage.saw(n, dir, got)
		out.Frames = append(out.Frames, got...)
	}
	return nil
}

// tracing shows what the kernel made of lines.
func (c *court) tracing(texts []string, k *pair.Outcome) {
	for _, t := range texts {
		c.trace("  %s", t)
	}
	for _, f := range k.Frames {
		c.trace("      to %s", pair.Describe(f))
	}
	for i := range k.Entries {
		c.trace("      %s", k.Entries[i].Line())
	}
}

// direct plays a directive.
func (c *court) direct(v *verdict, kernel *stage, boxes []*contender, text string) {
	l, err := parseLine(text)
	if err != nil {
		v.err = err
		return
	}
	switch l.verb {
	case "flow":
		for _, g := range append(stages(boxes), kernel) {
			again, _ := parseLine(text)
			n, f, err := parseFlow(&again, g.six)
			if err != nil {
				v.err = err
				return
			}
			g.flows[n] = &f
			g.next[n] = nil
			g.flow(n)
		}
	case "wait":
		d, err := parseWait(&l)
		if err != nil {
			v.err = err
			return
		}
		time.Sleep(d)
		c.compare(v, &pair.Outcome{}, boxes, nil, nil)
	case "nft":
		c.command(v, boxes, strings.TrimPrefix(text, "nft "))
		if v.agreed() {
			c.compare(v, &pair.Outcome{}, boxes, nil, nil)
		}
	case "reach": // the kernel's first entry has this state
		v.err = c.reached(l.words)
	default:
		v.err = fmt.Errorf("%q: no such directive", text)
	}
}

// remaining is how long an element still has, which differs between two listings.
var remaining = regexp.MustCompile(` expires [0-9a-z]+`)

// command runs a command of nft on both, and compares what they say to it and list.
func (c *court) command(v *verdict, boxes []*contender, text string) {
	c.steps++
	refused := c.kernel.Change(text)
	list, err := c.kernel.List()
	if err != nil {
		v.err = err
		return
	}
	for _, b := range boxes {
		b.Now(time.Now())
		says := b.Change(text)
		switch a, b := remaining.ReplaceAllString(list, ""), remaining.ReplaceAllString(b.List(), ""); {
		case says != refused:
			v.diffs = []string{fmt.Sprintf("kernel says %q, sluice %q", refused, says)}
		case a != b:
			v.diffs = []string{"kernel lists\n" + a + "sluice lists\n" + b}
		}
		if v.label = b.label(); len(v.diffs) > 0 {
			return
		}
	}
}

func stages(boxes []*contender) (all []*stage) {
	for _, b := range boxes {
		all = append(all, b.stage)
	}
	return all
}

// reached demands that the kernel's entries have these states, "none" being no
// entry at all: that a script tests what it says it does.
func (c *court) reached(states []string) error {
	entries, err := c.kernel.Entries(nil)
	if err != nil {
		return err
	}
	var have []string
	for i := range entries {
		have = append(have, entries[i].State)
	}
	if len(have) == 0 {
		have = []string{"none"}
	}
	slices.Sort(have)
	want := slices.Sorted(slices.Values(states))
	if !slices.Equal(have, want) {
		return fmt.Errorf("the script does not reach %v: the kernel's entries are %v", want, have)
	}
	return nil
}
