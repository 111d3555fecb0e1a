package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// Script is one connection, or a few, played to both contenders.
type Script struct {
	Group, Name string
	Rules       string // name of a ruleset, see rulesets; "" is "observe"
	Settings    []pair.Setting
	Routes      []pair.Route
	WanMTU      int  // see pair.Case
	Burst       int  // lines between two comparisons; 0 is 1
	Six         bool // IPv6, unless a flow says otherwise
	Lines       []string
}

// line is a parsed line of a script.
type line struct {
	text  string
	dir   int // of packets: 0 original, 1 reply; -1: not a packet
	verb  string
	words []string          // behind the verb, without options
	opts  map[string]string // name=value, or name alone
	used  map[string]bool
}

// switches are options without a value.
var switches = map[string]bool{"sackok": true, "ts": true, "df": true, "ipopt": true, "v4": true, "v6": true, "empty": true}

// parseLine reads a line. Errors name what is wrong in it.
func parseLine(text string) (line, error) {
	l := line{text: text, dir: -1, opts: map[string]string{}, used: map[string]bool{}}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return l, fmt.Errorf("empty line")
	}
	switch fields[0] {
	case ">":
		l.dir = 0
	case "<":
		l.dir = 1
	}
	if l.dir >= 0 {
		fields = fields[1:]
		if len(fields) == 0 {
			return l, fmt.Errorf("%q: no packet", text)
		}
		if strings.Trim(fields[0], "SAFRPUEW-") == "" { // flags alone are TCP
			fields = append([]string{"tcp"}, fields...)
		}
	}
	l.verb = fields[0]
	for _, f := range fields[1:] {
		if name, value, ok := strings.Cut(f, "="); ok {
			l.opts[name] = value
		} else if switches[f] {
			l.opts[f] = ""
		} else {
			l.words = append(l.words, f)
		}
	}
	return l, nil
}

// flag says whether an option stands there.
func (l *line) flag(name string) bool {
	_, ok := l.opts[name]
	l.used[name] = true
	return ok
}

// text returns an option's value.
func (l *line) value(name, otherwise string) string {
	if v, ok := l.opts[name]; ok {
		l.used[name] = true
		return v
	}
	return otherwise
}

// number returns an option's value as a number.
func (l *line) number(name string, otherwise int) (int, error) {
	v, ok := l.opts[name]
	if !ok {
		return otherwise, nil
	}
	l.used[name] = true
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: option %s: %w", l.text, name, err)
	}
	return int(n), nil
}

// numbers reads several options at once into their places.
func (l *line) numbers(to map[string]*int) error {
	for name, p := range to {
		n, err := l.number(name, *p)
		if err != nil {
			return err
		}
		*p = n
	}
	return nil
}

// leftOver says which options nobody has asked for.
func (l *line) leftOver() error {
	for name := range l.opts {
		if !l.used[name] {
			return fmt.Errorf("%q: unknown option %s", l.text, name)
		}
	}
	return nil
}

// flow is a connection of a script: how its first side addresses the other.
type flow struct {
	from         pair.Side
	six          bool
	src, dst     netip.Addr
	sport, dport uint16
	iss          [2]uint32
	tags         [2]uint32 // SCTP, by direction
}

// defaultFlow is flow n as it is when no line says otherwise.
func defaultFlow(n int, six bool) flow {
	return flow{
		six: six, src: pair.HostAddr(pair.Lan, n%8, six), dst: pair.HostAddr(pair.Wan, n%8, six),
		sport: uint16(40000 + n), dport: 80, iss: [2]uint32{1_000_000, 5_000_000},
		tags: [2]uint32{0x11111111, 0x22222222},
	}
}

// parseFlow reads "flow N [from=wan] [src=HOST] [dst=HOST|box|ADDR] [sport=] [dport=] [iss=] [riss=]".
func parseFlow(l *line, six bool) (int, flow, error) {
	if len(l.words) != 1 {
		return 0, flow{}, fmt.Errorf("%q: flow needs a number", l.text)
	}
	n, err := strconv.Atoi(l.words[0])
	if err != nil || n < 0 {
		return 0, flow{}, fmt.Errorf("%q: bad flow number", l.text)
	}
	if l.flag("v6") {
		six = true
	}
	if l.flag("v4") {
		six = false
	}
	f := defaultFlow(n, six)
	if l.value("from", "lan") == "wan" {
		f.from = pair.Wan
	}
	if f.src, err = parseHost(l.value("src", strconv.Itoa(n%8)), f.from, six); err != nil {
		return 0, f, fmt.Errorf("%q: %w", l.text, err)
	}
	dst := l.value("dst", strconv.Itoa(n%8))
	if f.dst, err = parseHost(dst, f.from.Other(), six); err != nil {
		return 0, f, fmt.Errorf("%q: %w", l.text, err)
	}
	if dst == "box" { // as the sender knows it
		f.dst = pair.BoxAddr(f.from, six)
	}
	sport, dport, iss, riss := int(f.sport), int(f.dport), int(f.iss[0]), int(f.iss[1])
	if err := l.numbers(map[string]*int{"sport": &sport, "dport": &dport, "iss": &iss, "riss": &riss}); err != nil {
		return 0, f, err
	}
	f.sport, f.dport, f.iss = uint16(sport), uint16(dport), [2]uint32{uint32(iss), uint32(riss)}
	return n, f, l.leftOver()
}

// parseHost reads a host's number, "box" for the box's address on that side,
// or an address.
func parseHost(text string, side pair.Side, six bool) (netip.Addr, error) {
	if text == "box" {
		return pair.BoxAddr(side, six), nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n >= pair.Hosts {
			return netip.Addr{}, fmt.Errorf("host %d of %d", n, pair.Hosts)
		}
		return pair.HostAddr(side, n, six), nil
	}
	return netip.ParseAddr(text)
}

// parseScript reads a script's text: lines of directives and packets. "#"
// begins a comment.
func parseScript(name, text string) (*Script, error) {
	s := &Script{Name: name}
	for number, t := range strings.Split(text, "\n") {
		if at := strings.IndexByte(t, '#'); at >= 0 {
			t = t[:at]
		}
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if err := s.add(t); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
		}
	}
	return s, nil
}

// add takes a directive of the head, or keeps a line for the play.
func (s *Script) add(t string) error {
	l, err := parseLine(t)
	if err != nil {
		return err
	}
	switch l.verb {
	case "script":
		s.Name = strings.Join(l.words, " ")
	case "rules":
		if len(l.words) != 1 || rulesets[l.words[0]] == "" {
			return fmt.Errorf("%q: no such ruleset", t)
		}
		s.Rules = l.words[0]
	case "v6":
		s.Six = true
	case "burst":
		if len(l.words) != 1 {
			return fmt.Errorf("%q: want a number", t)
		}
		s.Burst, err = strconv.Atoi(l.words[0])
		return err
	case "set":
		for name, value := range l.opts {
			n, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("%q: %w", t, err)
			}
			s.Settings = append(s.Settings, pair.Setting{Name: name, Value: n})
		}
	default:
		s.Lines = append(s.Lines, t)
	}
	return nil
}

// String is the script's text, which parseScript reads.
func (s *Script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "script %s/%s\n", s.Group, s.Name)
	if s.Rules != "" {
		fmt.Fprintf(&b, "rules %s\n", s.Rules)
	}
	for _, set := range s.Settings {
		fmt.Fprintf(&b, "set %s=%d\n", set.Name, set.Value)
	}
	if s.Six {
		b.WriteString("v6\n")
	}
	if s.Burst > 1 {
		fmt.Fprintf(&b, "burst %d\n", s.Burst)
	}
	for _, l := range s.Lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// lines splits compact text: packets separated by ";" or newlines.
func lines(text string) (all []string) {
	for _, t := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if t = strings.TrimSpace(t); t != "" {
			all = append(all, t)
		}
	}
	return all
}

func parseWait(l *line) (time.Duration, error) {
	if len(l.words) != 1 {
		return 0, fmt.Errorf("%q: want a time", l.text)
	}
	return time.ParseDuration(l.words[0])
}
