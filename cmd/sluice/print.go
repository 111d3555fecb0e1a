package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

func itoa(n int) string { return strconv.Itoa(n) }

// textRecorder prints a replay for people.
type textRecorder struct {
	out   io.Writer
	names [2]string
	quiet bool
	both  bool // captures are two: numbers tell of which
	begun map[string]bool
}

// heading prints a title once, with an empty line before all but the first.
func (w *textRecorder) heading(title string) error {
	if w.begun[title] {
		return nil
	}
	gap := "\n"
	if w.begun == nil {
		w.begun, gap = map[string]bool{}, ""
	}
	w.begun[title] = true
	_, err := fmt.Fprintln(w.out, gap+title)
	return err
}

func (w *textRecorder) packet(r *record) error {
	if w.quiet {
		return nil
	}
	title := fmt.Sprintf("%6s %12s %-8s %-7s %-28s %-12s %-8s %s", "number", "seconds", "in", "verdict", "by", "ct state", "out", "packet")
	if err := w.heading(title); err != nil {
		return err
	}
	by, out, state := "-", "-", "-"
	if r.rule != nil {
		by = place(r.rule)
	}
	if r.drop != "" && r.drop != "policy" && r.drop != "reject" {
		by = r.drop // no rule said so
	}
	if r.out >= 0 {
		out = w.names[r.out]
	}
	if r.state != "" {
		state = r.state
	}
	number := itoa(int(r.number))
	if w.both {
		number = itoa(int(r.file)+1) + ":" + number
	}
	line := fmt.Sprintf("%6s %12.6f %-8s %-7s %-28s %-12s %-8s", number, r.since.Seconds(), w.names[r.port], r.verdict, by, state, out)
	if r.before != nil {
		line += " " + r.before.String()
	}
	if r.after != nil {
		line += " => " + r.after.change(r.before)
	}
	if r.reason != "" {
		line += " (" + r.reason + ")"
	}
	_, err := fmt.Fprintln(w.out, strings.TrimRight(line, " "))
	return err
}

// place is where a rule stands; of a policy, what it is.
func place(r *rules.RuleInfo) string {
	at := fmt.Sprintf("%s:%d", r.Pos.File, r.Pos.Line)
	if r.Policy {
		at += " policy"
	}
	return at
}

func (w *textRecorder) totals(t *totals) error {
	if err := w.heading(fmt.Sprintf("%d packets", t.packets)); err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.verdicts)) {
		if t.verdicts[name] > 0 {
			fmt.Fprintf(&b, "%8d %s\n", t.verdicts[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.drops)) {
		fmt.Fprintf(&b, "%8d dropped: %s\n", t.drops[name], name)
	}
	for port, n := range t.sent {
		fmt.Fprintf(&b, "%8d frames left by %s\n", n, w.names[port])
	}
	_, err := io.WriteString(w.out, b.String())
	return err
}

func (w *textRecorder) counter(rule *rules.RuleInfo, c rules.CounterTotal) error {
	if err := w.heading("rule counters (packets, bytes)"); err != nil {
		return err
	}
	line := ruleLine(rule)
	if c.Object != "" {
		line = fmt.Sprintf("%s:%d counter %s", c.Counter.Pos.File, c.Counter.Pos.Line, c.Object)
	}
	_, err := fmt.Fprintf(w.out, "%8d %10d  %s\n", c.Packets, c.Bytes, line)
	return err
}

// ruleLine names a rule: place, chain, text without the counter's own figures.
func ruleLine(r *rules.RuleInfo) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%s:%d %s %s: %s", r.Pos.File, r.Pos.Line, r.Table, r.Chain, strings.ReplaceAll(r.Text, "counter packets 0 bytes 0", "counter"))
}

func (w *textRecorder) connections(lines []string) error {
	if err := w.heading(fmt.Sprintf("%d connections", len(lines))); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w.out, line); err != nil {
			return err
		}
	}
	return nil
}

// String is "tcp 192.0.2.1:1025 > 198.51.100.1:80", or for ICMP
// "icmp 192.0.2.1 > 198.51.100.1 type 8 code 0 id 7".
func (e *endpoints) String() string {
	s := fmt.Sprintf("%s %s > %s", e.Protocol, withPort(e.Src, e.SrcPort), withPort(e.Dst, e.DstPort))
	if e.Type != nil {
		s += fmt.Sprintf(" type %d code %d id %d", *e.Type, *e.Code, *e.ID)
	}
	return s
}

// change is what of e the reader cannot take from before: all but the protocol,
// type and code.
func (e *endpoints) change(before *endpoints) string {
	s := fmt.Sprintf("%s > %s", withPort(e.Src, e.SrcPort), withPort(e.Dst, e.DstPort))
	if e.ID != nil && before != nil && before.ID != nil && *e.ID != *before.ID {
		s += fmt.Sprintf(" id %d", *e.ID)
	}
	return s
}

func withPort(a netip.Addr, port *uint16) string {
	if port == nil {
		return a.String()
	}
	return netip.AddrPortFrom(a, *port).String()
}

// jsonRecorder prints a replay for programs: an object a line.
type jsonRecorder struct {
	out   io.Writer
	names [2]string
	quiet bool
	both  bool // captures are two
}

func (w *jsonRecorder) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.out.Write(append(text, '\n'))
	return err
}

type jsonRule struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	Text   string `json:"text"`
}

func jsonRuleOf(r *rules.RuleInfo) *jsonRule {
	if r == nil {
		return nil
	}
	return &jsonRule{r.Pos.File, r.Pos.Line, r.Pos.Col, familyName(r.Family), r.Table, r.Chain, r.Text}
}

func (w *jsonRecorder) packet(r *record) error {
	if w.quiet {
		return nil
	}
	out := ""
	if r.out >= 0 {
		out = w.names[r.out]
	}
	capture := 0
	if w.both {
		capture = int(r.file) + 1
	}
	return w.write(struct {
		Type    string     `json:"type"`
		Number  uint32     `json:"number"`
		Capture int        `json:"capture,omitempty"`
		Time    string     `json:"time"`
		Seconds float64    `json:"seconds"`
		PortIn  string     `json:"port_in"`
		Verdict string     `json:"verdict"`
		Drop    string     `json:"drop,omitempty"`
		Reason  string     `json:"reason,omitempty"`
		CtState string     `json:"ct_state,omitempty"`
		PortOut string     `json:"port_out,omitempty"`
		Rule    *jsonRule  `json:"rule,omitempty"`
		Packet  *endpoints `json:"packet,omitempty"`
		NAT     *endpoints `json:"nat,omitempty"`
	}{
		"packet", r.number, capture, r.at.UTC().Format(time.RFC3339Nano), r.since.Seconds(), w.names[r.port],
		r.verdict, r.drop, r.reason, r.state, out, jsonRuleOf(r.rule), r.before, r.after,
	})
}

func (w *jsonRecorder) totals(t *totals) error {
	maps.DeleteFunc(t.verdicts, func(_ string, n int) bool { return n == 0 })
	return w.write(struct {
		Type     string         `json:"type"`
		Packets  int            `json:"packets"`
		Verdicts map[string]int `json:"verdicts"`
		Drops    map[string]int `json:"drops"`
		Sent     map[string]int `json:"sent"`
	}{"totals", t.packets, t.verdicts, t.drops, map[string]int{w.names[0]: t.sent[0], w.names[1]: t.sent[1]}})
}

func (w *jsonRecorder) counter(rule *rules.RuleInfo, c rules.CounterTotal) error {
	return w.write(struct {
		Type    string    `json:"type"`
		Rule    *jsonRule `json:"rule,omitempty"`
		Object  string    `json:"object,omitempty"`
		Packets uint64    `json:"packets"`
		Bytes   uint64    `json:"bytes"`
	}{"counter", jsonRuleOf(rule), c.Object, c.Packets, c.Bytes})
}

func (w *jsonRecorder) connections(lines []string) error {
	for _, line := range lines {
		err := w.write(struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}{"connection", line})
		if err != nil {
			return err
		}
	}
	return nil
}

// familyName is the word for a table's family.
func familyName(f nft.Family) string {
	names := map[nft.Family]string{
		nft.FamilyInet: "inet", nft.FamilyIP: "ip", nft.FamilyIP6: "ip6",
		nft.FamilyARP: "arp", nft.FamilyBridge: "bridge", nft.FamilyNetdev: "netdev",
	}
	return names[f]
}
