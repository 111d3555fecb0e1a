package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/report"
)

const talk = `title: talk
links: [{name: wire}]
ports: [{name: a, link: wire}, {name: b, link: wire}]
sessions:
  from: a
  to: b
  clients: {first: 10.1.0.1, count: 100}
  servers: {first: 10.2.0.1, count: 7}
  ports: [80, 443]
  open: 300
  requests: 3
  answer: 3000
  total: 900
`

func execute(t *testing.T, text string) error {
	t.Helper()
	p, err := parseProfile("p.yaml", []byte(text))
	if err != nil {
		return err
	}
	_, err = p.execute(context.Background(), newDisplay(io.Discard, true))
	return err
}

func TestSessions(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"IPv4", "", ""},
		{"IPv6", "{first: 10.1.0.1, count: 100}\n  servers: {first: 10.2.0.1,", "{first: \"2001:db8::1\", count: 100}\n  servers: {first: \"2001:db8:1::1\","},
		{"pauses", "answer: 3000", "answer: 3000\n  think: 5ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := parseProfile("p.yaml", []byte(strings.Replace(talk, c.from, c.to, 1)))
			if err != nil {
				t.Fatal(err)
			}
			d, err := p.execute(context.Background(), newDisplay(io.Discard, true))
			if err != nil {
				t.Fatal(err)
			}
			s := &d.Sessions[0]
			if s.Completed != 900 || s.Opened != 900 || s.Transactions != 2700 || s.Bad+s.Stray != 0 || s.Concurrent > 300 || s.Handshake.Count() != 900 || s.FirstByte.Count() != 2700 || s.LastByte.Count() != 2700 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestSessionMethods: a link bears whatever is asked of it.
func TestSessionMethods(t *testing.T) {
	for _, c := range []struct {
		method string
		most   float64
	}{
		{"method: {kind: capacity, trial: 50ms, most: 1500}", 1500},
		{"method: {kind: connections, trial: 50ms, least: 200, most: 400, tolerance: 0.5}", 400},
	} {
		t.Run(c.method, func(t *testing.T) {
			p, err := parseProfile("p.yaml", []byte(talk+"  timeout: 30s\n"+c.method)) // however busy the machine is
			if err != nil {
				t.Fatal(err)
			}
			d, err := p.execute(context.Background(), newDisplay(io.Discard, true))
			if err != nil {
				t.Fatal(err)
			}
			if s := d.Searches[0]; !s.Found || !s.AtMost || s.Value != c.most {
				t.Errorf("%+v", s)
			}
		})
	}
}

// executed carries out a profile without a terminal.
func executed(t *testing.T, text string) *report.Document {
	t.Helper()
	p, err := parseProfile("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.execute(context.Background(), newDisplay(io.Discard, true))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCapacityOfALossyLink: connections that do not come about are no capacity.
func TestCapacityOfALossyLink(t *testing.T) {
	text := strings.Replace(talk, "{name: wire}", "{name: wire, drop: 0.05, seed: 1}", 1) + "  timeout: 200ms\nmethod: {kind: capacity, trial: 50ms, most: 3000}"
	d := executed(t, text)
	s := d.Searches[0]
	if lost := d.Sessions[0].TimedOut + d.Sessions[0].Failed; s.AtMost || lost == 0 || uint64(s.Value)+lost != d.Sessions[0].Opened {
		t.Errorf("%+v, %+v", s, d.Sessions[0])
	}
}

// TestRateIsTriedAgain: one bad trial does not decide, and the result says how
// many were made, what was never opened, and how late SYNs left.
func TestRateIsTriedAgain(t *testing.T) {
	text := strings.Replace(talk, "{name: wire}", "{name: wire, drop: 0.9, seed: 1}", 1) + "  timeout: 50ms\nmethod: {kind: connections, trial: 50ms, least: 400, most: 800}"
	d := executed(t, text)
	s := d.Searches[0]
	for _, want := range []string{"this was trial 3 of 3", "never opened; SYNs late by"} {
		if s.Found || len(s.Tried) == 0 || !strings.Contains(s.Tried[0].Note, want) {
			t.Errorf("no %q in %+v", want, s)
		}
	}
}

func TestBadSessions(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"no port", "from: a", "from: x", "p.yaml:5:9: sessions.from"},
		{"one port", "to: b", "to: a", "p.yaml:6:7: sessions.to"},
		{"no address", "first: 10.1.0.1", "first: ten", "p.yaml:7:20: sessions.clients.first"},
		{"families", "10.2.0.1", "\"::1\"", "p.yaml:5:7: sessions"},
		{"too many at once", "open: 300", "open: 30000000", "sessions at once"},
		{"no end", "  total: 900\n", "", "need a duration"},
		{"method of streams", "title: talk", "method: {kind: loss}", "p.yaml:1:16: method.kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := execute(t, strings.Replace(talk, c.from, c.to, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
