package rulefuzz

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// Player plays cases to the kernel and to boxes with different numbers of workers.
type Player struct {
	Kernel  *pair.Kernel
	Workers []int
	Burst   int  // packets between two comparisons
	Listing bool // the text of the listing must be the same as well
	Wire    bool // the Kernel is one of pair.RunWire
	Six     bool // dumps are of ip6tables

	Packets  int // sent so far
	Rules    int // lines of the cases so far
	Unlisted int // cases that nft 1.0.6 could not load or list, see ErrAborted
	turn     int
}

// Refusal is what one side takes and the other does not.
type Refusal struct {
	Line int    // of the text, from 1; 0: not known
	Text string // the error
	By   string // "kernel" or "sluice"
}

func (r *Refusal) Error() string { return r.By + " refuses the rules: " + r.Text }

// Outcome is what came of a case.
type Outcome struct {
	Diffs  []string // what differs; none: nothing
	At     int      // packets sent until then
	chance bool     // both sides' NAT chose different ports
}

var translates = regexp.MustCompile(`\b(snat|dnat|masquerade|redirect)\b|-j (SNAT|DNAT|MASQUERADE|REDIRECT|NETMAP)`)

// Rules write addresses or ports, some in front of conntrack.
var writes, early = regexp.MustCompile(`\b[sd](addr|port) set `), regexp.MustCompile(`hook prerouting priority -300;`)

// workers are the boxes that a ruleset is played to: the first alone where flows may
// become one before conntrack sees them, for a worker's flows are those whose packets
// it owns by what they were on the wire.
func (p *Player) workers(rules string) []int {
	if writes.MatchString(rules) && early.MatchString(rules) {
		return p.Workers[:1]
	}
	return p.Workers
}

// Checksums are not verified: UDPLite's would differ, and rules see no others.
var unchecked = []pair.Setting{{Name: "checksum", Value: 0}}

// replays is how often a case is played whose sides differ and in which chance chose
// ports: rules that ask for ports may hold of one side's and not of the other's.
const replays = 5

// Play plays a ruleset and packets. A ruleset that one side refuses is a *Refusal.
func (p *Player) Play(rules string, packets []pair.Frame) (o Outcome, err error) {
	for range replays {
		if o, err = p.play(rules, packets); err != nil || len(o.Diffs) == 0 || !o.chance {
			break
		}
	}
	return o, err
}

func (p *Player) play(rules string, packets []pair.Frame) (o Outcome, err error) {
	p.turn++
	awaitHour(rules, time.Now(), time.Sleep)
	setup := &pair.Case{Rules: fmt.Sprintf("%s# %d\n", rules, p.turn), WanMTU: pair.MTU, Settings: unchecked, Wire: p.Wire, Six: p.Six} // different each time, so that it is loaded anew
	if err := p.Kernel.Begin(setup); err != nil {
		return o, refusal("kernel", err)
	}
	var boxes []*pair.Sluice
	defer func() {
		for _, b := range boxes {
			err = errors.Join(err, b.Close())
		}
	}()
	for _, workers := range p.workers(rules) {
		b, err := pair.NewSluice(workers, p.Kernel.Index(), setup)
		if err != nil {
			return o, refusal("sluice", err)
		}
		boxes = append(boxes, b)
	}
	judges, began := make([]pair.Judge, len(boxes)), time.Now()
	nat := translates.MatchString(rules)
	for i := range judges {
		if nat { // a port that is taken is replaced by any other
			judges[i].Free = func(netip.Addr, uint16) bool { return true }
		}
	}
	say := func(i int, diffs []string) {
		o.chance = o.chance || judges[i].Chance()
		for _, d := range diffs {
			o.Diffs = append(o.Diffs, fmt.Sprintf("%d workers: %s", p.Workers[i], d))
		}
	}
	for o.At < len(packets) && len(o.Diffs) == 0 {
		burst := packets[o.At:min(len(packets), o.At+p.Burst)]
		o.At += len(burst)
		p.Packets += len(burst)
		k := pair.Outcome{}
		if k.Frames, err = p.Kernel.Send(burst...); err != nil {
			return o, err
		}
		outs := make([]pair.Outcome, len(boxes))
		for i, b := range boxes {
			if outs[i].Frames, err = b.Send(burst...); err != nil {
				return o, err
			}
			if nat {
				outs[i].Entries = b.Entries()
				if k.Entries, err = p.Kernel.Entries(outs[i].Entries); err != nil {
					return o, err
				}
			}
		}
		for i := range boxes {
			judges[i].Late = time.Since(began)
			say(i, judges[i].Compare(&k, &outs[i]))
		}
	}
	if len(o.Diffs) > 0 {
		return o, nil
	}
	return o, p.remembered(rules, boxes, judges, began, say)
}

var hours = regexp.MustCompile(`[" ](\d\d):(\d\d)\b`)

// soon is how long before an hour that rules name no case begins any more.
const soon = 20 * time.Second

// awaitHour lets pass any time of the day that rules name and that is near: the
// box's clock stands while the kernel's goes on.
func awaitHour(rules string, now time.Time, sleep func(time.Duration)) {
	if !strings.Contains(rules, "meta hour") && !strings.Contains(rules, "meta day") && !strings.Contains(rules, "-m time") {
		return
	}
	at := []time.Duration{0, 24 * time.Hour}
	for _, m := range hours.FindAllStringSubmatch(rules, -1) {
		d, err := time.ParseDuration(m[1] + "h" + m[2] + "m")
		if err == nil {
			at = append(at, d)
		}
	}
	now = now.UTC()
	day := now.Sub(now.Truncate(24 * time.Hour))
	for _, t := range at {
		if left := t - day; left > -time.Second && left < soon {
			sleep(left + time.Second)
			return
		}
	}
}

// remembered compares what is left behind: counters, sets, entries.
func (p *Player) remembered(rules string, boxes []*pair.Sluice, judges []pair.Judge, began time.Time, say func(int, []string)) error {
	if strings.HasPrefix(rules, "*") {
		return p.counted(boxes, judges, began, say)
	}
	list, err := p.Kernel.List()
	if err != nil {
		if !fell(err) {
			return err
		}
		p.Unlisted++
	}
	unlisted := err != nil
	entries, err := p.Kernel.Table()
	if err != nil {
		return err
	}
	for i, b := range boxes {
		if !unlisted {
			own := b.List()
			say(i, values(list, own))
			if p.Listing {
				say(i, lines(list, own))
			}
		}
		judges[i].Late = time.Since(began) // the box's clock stands
		say(i, judges[i].Compare(&pair.Outcome{Entries: entries}, &pair.Outcome{Entries: b.Entries()}))
		if leak := b.Leaks(); leak != "" {
			say(i, []string{leak})
		}
	}
	return nil
}

// counted is remembered for a dump: its rules as they are saved, with their counters,
// and entries.
func (p *Player) counted(boxes []*pair.Sluice, judges []pair.Judge, began time.Time, say func(int, []string)) error {
	counters, err := p.Kernel.Counters()
	if err != nil {
		return err
	}
	entries, err := p.Kernel.Table()
	if err != nil {
		return err
	}
	for i, b := range boxes {
		judges[i].Late = time.Since(began) // the box's clock stands
		say(i, judges[i].Compare(&pair.Outcome{Entries: entries, Counters: counters}, &pair.Outcome{Entries: b.Entries(), Counters: b.Counters()}))
		if leak := b.Leaks(); leak != "" {
			say(i, []string{leak})
		}
	}
	return nil
}

var (
	place     = regexp.MustCompile(`(?m)^[^\s:]+:(\d+):\d+`)
	dumpPlace = regexp.MustCompile(`[Ll]ine:? (\d+)`)
)

// refusal reads the place in an error.
func refusal(by string, err error) error {
	m := place.FindStringSubmatch(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "sluice refuses the rules: "), "sluice refuses the tables: "))
	dump := dumpPlace.FindStringSubmatch(err.Error())
	if m == nil {
		m = dump
	}
	if m == nil {
		return err
	}
	n, _ := strconv.Atoi(m[1])
	if by == "kernel" && dump == nil {
		n-- // of the "flush ruleset" in front
	}
	return &Refusal{Line: n, Text: err.Error(), By: by}
}

// ErrAborted says that nft itself failed over a case.
var ErrAborted = errors.New("nft ended at an assertion of its own, in memory that is not its, or without room for the kernel's answers")

// fell says whether an error is such an end of nft.
func fell(err error) bool {
	for _, of := range []string{"Assertion", "signal: segmentation fault", "netlink: Error: Could not process rule: No buffer space available"} {
		if strings.Contains(err.Error(), of) {
			return true
		}
	}
	return false
}

// Fit takes out of a case what a side refuses, says what that was, and plays the
// rest.
func (p *Player) Fit(c *Case) (refused []string, o Outcome, err error) {
	for {
		text := c.Text()
		o, err = p.Play(text, c.Packets)
		var r *Refusal
		if err != nil && fell(err) {
			p.Unlisted++
			return refused, o, ErrAborted
		}
		if !errors.As(err, &r) {
			p.Rules += strings.Count(text, "\n")
			return refused, o, err
		}
		only := c.only(r.Line)
		line := c.dropLine(r.Line)
		if line == "" && strings.HasPrefix(text, "*") {
			line = p.culprit(c, r.By)
		}
		if line == "" {
			return refused, o, err
		}
		refused = append(refused, fmt.Sprintf("%s: %s\n    %s", r.By, line, strings.ReplaceAll(r.Text, "\n", "\n    ")))
		if r.By == "kernel" && p.taken(only) {
			refused = append(refused, fmt.Sprintf("taken : by sluice, though not by nft: %s\n%s", line, r.Text))
		}
	}
}

// culprit takes out of a dump the rule that a side refuses when it commits the table,
// where it names none, and returns it; "": none is refused by itself.
func (p *Player) culprit(c *Case, by string) string {
	for i, t := range c.Tables {
		for j, ch := range t.Chains {
			for n, r := range ch.Rules {
				one := c.clone()
				for k, ch := range one.Tables[i].Chains {
					ch.Rules = ch.Rules[:0]
					if k == j {
						ch.Rules = [][]string{r}
					}
				}
				one.Tables = one.Tables[i : i+1]
				_, err := p.Play(one.Text(), nil)
				var refused *Refusal
				if errors.As(err, &refused) && refused.By == by {
					ch.Rules = slices.Delete(ch.Rules, n, n+1)
					return strings.Join(r, " ")
				}
			}
		}
	}
	return ""
}

// taken says whether sluice takes a ruleset that the kernel does not.
func (p *Player) taken(c *Case) bool {
	setup := &pair.Case{Rules: c.Text(), Wire: p.Wire, Six: p.Six}
	var r *Refusal
	if err := p.Kernel.Begin(setup); err == nil || !errors.As(refusal("kernel", err), &r) {
		return false
	}
	b, err := pair.NewSluice(1, p.Kernel.Index(), setup)
	if err == nil {
		err = b.Close()
	}
	return err == nil
}

// Shrink makes a case smaller as long as both sides differ in the same thing.
func (p *Player) Shrink(c *Case, was Outcome) *Case {
	try := func(change func(*Case)) bool {
		next := c.clone()
		change(next)
		o, err := p.Play(next.Text(), next.Packets)
		if err != nil || len(o.Diffs) == 0 || what(o) != what(was) {
			return false
		}
		next.Packets = next.Packets[:o.At]
		c = next
		return true
	}
	halves(func() int { return len(c.Packets) }, func(from, to int) bool {
		return try(func(n *Case) { n.Packets = slices.Delete(n.Packets, from, to) })
	})
	for i := len(c.Tables) - 1; i >= 0; i-- {
		try(func(n *Case) { n.Tables = slices.Delete(n.Tables, i, i+1) })
	}
	for i := range c.Tables {
		for j := len(c.Tables[i].Chains) - 1; j >= 0; j-- {
			if try(func(n *Case) { n.Tables[i].Chains = slices.Delete(n.Tables[i].Chains, j, j+1) }) {
				continue
			}
			halves(func() int { return len(c.Tables[i].Chains[j].Rules) }, func(from, to int) bool {
				return try(func(n *Case) {
					ch := n.Tables[i].Chains[j]
					ch.Rules = slices.Delete(ch.Rules, from, to)
				})
			})
			for r := range c.Tables[i].Chains[j].Rules {
				for s := len(c.Tables[i].Chains[j].Rules[r]) - 1; s >= 0 && len(c.Tables[i].Chains[j].Rules[r]) > 1; s-- {
					try(func(n *Case) {
						ch := n.Tables[i].Chains[j]
						ch.Rules[r] = slices.Delete(ch.Rules[r], s, s+1)
					})
				}
			}
		}
		for j := len(c.Tables[i].Chains) - 1; j >= 0; j-- { // what nobody calls any more
			try(func(n *Case) { n.Tables[i].Chains = slices.Delete(n.Tables[i].Chains, j, j+1) })
		}
		for j := len(c.Tables[i].Decls) - 1; j >= 0; j-- {
			if try(func(n *Case) { n.Tables[i].Decls = slices.Delete(n.Tables[i].Decls, j, j+1) }) {
				continue
			}
			halves(func() int { return len(c.Tables[i].Decls[j].Elements) }, func(from, to int) bool {
				return try(func(n *Case) {
					d := n.Tables[i].Decls[j]
					d.Elements = slices.Delete(d.Elements, from, to)
				})
			})
		}
	}
	halves(func() int { return len(c.Packets) }, func(from, to int) bool {
		return try(func(n *Case) { n.Packets = slices.Delete(n.Packets, from, to) })
	})
	return c
}

// what says in a few letters what an outcome differs in.
func what(o Outcome) string {
	_, text, _ := strings.Cut(o.Diffs[0], ": ")
	text, _, _ = strings.Cut(text, "\n")
	if strings.Contains(text, " sent to ") { // as a frame that is there in place of another one
		return "frame"
	}
	return text[:min(len(text), 5)]
}

// halves takes away as much of a list as goes, in ever smaller pieces.
func halves(length func() int, drop func(from, to int) bool) {
	for size := max(1, length()/2); size > 0; size /= 2 {
		for at := 0; at < length(); {
			if end := min(at+size, length()); !drop(at, end) {
				at = end
			}
		}
	}
}
