package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/traffic"
)

// stage has the two ends that sessions run between.
type stage struct {
	profile *sessionsProfile
	world   *world
	ends    [2]*afxdp.End // client, server
	seed    uint64
	client  traffic.ClientConfig
	server  traffic.ServerConfig
}

const endFrames = 16384

// defaultOpen is how many connections may be open at once: enough that a rate is
// not held up by places as long as connections take a moment.
const defaultOpen = 10000

// newStage opens the ends.
func (p *profile) newStage(w *world) (st *stage, err error) {
	st = &stage{profile: p.Sessions, world: w, seed: p.Seed, client: w.client, server: w.server}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	for i, port := range []*pktgen.Port{w.port(p.Sessions.From), w.port(p.Sessions.To)} {
		open := func() error {
			if st.ends[i], err = afxdp.NewEnd(port.Port, 0, endFrames); err != nil {
				return err
			}
			if f, ok := port.Port.(*afxdp.Interface); ok {
				return f.Attach()
			}
			return nil
		}
		if port.In != nil {
			err = port.In(open)
		} else {
			err = open()
		}
		if err != nil {
			return st, fmt.Errorf("port %s: %w", port.Name, err)
		}
	}
	return st, nil
}

// soundSessions checks what sessions ask for, and says who takes part.
func (p *profile) soundSessions(w *world) (err error) {
	if w.method == nil && p.Duration == 0 && p.Sessions.Total == 0 {
		return p.wrong("duration", "sessions without total need a duration")
	}
	if w.client, w.server, err = p.hosts(w); err != nil {
		return err
	}
	if err := w.client.Validate(); err != nil {
		return p.wrong("sessions", "%w", err)
	}
	return nil
}

// hosts turns the profile into what the clients and servers are.
func (p *profile) hosts(w *world) (c traffic.ClientConfig, s traffic.ServerConfig, err error) {
	f := p.Sessions
	ports := [2]*pktgen.Port{w.port(f.From), w.port(f.To)}
	for i, name := range [2]string{"from", "to"} {
		if ports[i] == nil {
			return c, s, p.wrong("sessions."+name, "there is no port %q", [2]string{f.From, f.To}[i])
		}
	}
	if ports[0] == ports[1] {
		return c, s, p.wrong("sessions.to", "clients and servers want ports of their own")
	}
	var pools [2]traffic.Pool
	for i, pool := range [2]poolProfile{f.Clients, f.Servers} {
		name := [2]string{"sessions.clients", "sessions.servers"}[i]
		first, err := parseAddr(pool.First)
		if err != nil {
			return c, s, p.wrong(name+".first", "%w", err)
		}
		pools[i] = traffic.Pool{First: first, Count: pool.Count}
	}
	own := ports[0].Port.MAC()
	gateway, err := parseMAC(f.Gateways.Client, nil)
	if err != nil {
		return c, s, p.wrong("sessions.gateways.client", "%w", err)
	}
	if gateway == nil {
		gateway = w.far(ports[0], ports[1], pools[1].First, false)
	}
	c = traffic.ClientConfig{
		Clock: w.clock, Seed: p.Seed, MAC: [6]byte(own), Gateway: [6]byte(gateway), Ports: f.Ports, Open: f.Open, Total: f.Total,
		Timeout: f.Timeout, Rate: f.Rate, Think: f.Think,
		Mix: []traffic.Mix{{Kind: traffic.TCP, IPv6: pools[0].First.Is6(), Requests: f.Requests, Ask: f.Ask, Answer: f.Answer}},
	}
	if c.Open == 0 {
		c.Open = defaultOpen
	}
	if pools[0].First.Is6() {
		c.Clients6, c.Servers6 = pools[0], pools[1]
	} else {
		c.Clients4, c.Servers4 = pools[0], pools[1]
	}
	// The server answers to the MAC that asked; every port is open.
	s = traffic.ServerConfig{Seed: p.Seed, MAC: [6]byte(ports[1].Port.MAC()), Closed: func(uint16) bool { return false }}
	return c, s, nil
}

func (st *stage) close() error {
	var errs []error
	for _, e := range st.ends {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(errs...)
}

// play runs sessions for a time, or until total have ended, and then waits for
// those that are open.
//
// enough, if not nil, looks at the counts now and then; when it says so, no more
// sessions are opened and pauses end.
func (st *stage) play(ctx context.Context, c traffic.ClientConfig, d time.Duration, show *display, enough func(*traffic.Sessions) bool) (*report.Sessions, error) {
	st.seed++
	c.Seed = st.seed
	client, err := traffic.NewClient(c, st.ends[0])
	if err != nil {
		return nil, err
	}
	server, err := traffic.NewServer(st.server, st.ends[1])
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used, start := perf.ThreadCPU(), time.Now()
	var stopped time.Duration
	nextShow := 250 * time.Millisecond
	for rounds := 0; !client.Done(); rounds++ {
		work := client.Step()
		work = server.Step() || work
		if !work {
			runtime.Gosched()
		}
		if rounds&63 != 0 && work {
			continue
		}
		now := time.Since(start)
		if stopped == 0 && (d > 0 && now >= d || ctx.Err() != nil) {
			client.Stop()
			stopped = now
		}
		if now >= nextShow {
			nextShow += 250 * time.Millisecond
			r := client.Report()
			t := r.Total()
			if enough != nil && enough(&t) {
				client.Stop()
				client.Hurry()
			}
			show.status("%6.1f s  %d open  %d completed  %.0f connections/s  %d failed  %d timed out", now.Seconds(), client.Open(), t.Completed,
				float64(t.Completed)/now.Seconds(), t.Failures(), t.TimedOut)
		}
	}
	if stopped == 0 {
		stopped = time.Since(start)
	}
	s := result(client, server, c.Open, stopped)
	s.CPUShare = float64(perf.ThreadCPU()-used) / float64(max(time.Since(start), 1))
	s.Notes = append(s.Notes, report.CPUNotes(s.CPUShare)...)
	return s, nil
}

func result(client *traffic.Client, server *traffic.Server, places int, took time.Duration) *report.Sessions {
	r, s := client.Report(), server.Report()
	t := r.Total()
	seconds := took.Seconds()
	out := &report.Sessions{
		Seconds: seconds, Opened: t.Opened, Completed: t.Completed, Failed: t.Failures(), TimedOut: t.TimedOut,
		Transactions: r.Answers, Concurrent: uint64(r.MostOpen), Bad: r.Bad + s.Bad, Stray: r.Stray + s.Stray,
	}
	if seconds > 0 {
		out.PerSecond = float64(t.Completed) / seconds
		out.TransPerSec = float64(r.Answers) / seconds
		out.Inspected = float64(r.Carried) * 8 / seconds
	}
	if h := client.Times().Late.Snapshot(); h.Count() > 0 {
		out.Late = h
	}
	if h := client.Times().Connect.Snapshot(); h.Count() > 0 {
		out.Handshake = h
	}
	if h := client.Times().First.Snapshot(); h.Count() > 0 {
		out.FirstByte = h
	}
	if h := client.Times().Answer.Snapshot(); h.Count() > 0 {
		out.LastByte = h
	}
	for i, n := range t.Failed {
		if n > 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("%d connections failed: %v", n, traffic.Reason(i)))
		}
	}
	out.NotOpened = client.Behind()
	if n := out.NotOpened; n > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d connections were due and could not be opened: all %d places were taken, or the generator could not keep up", n, places))
	}
	return out
}

// sessions runs the profile's sessions, or the method over them.
func (p *profile) sessions(ctx context.Context, w *world, d *report.Document, show *display) (err error) {
	m := w.method
	st, err := p.newStage(w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(), st.close()) }()
	if ctx, err = w.begin(ctx); err != nil {
		return err
	}
	if m == nil {
		s, err := st.play(ctx, st.client, p.Duration, show, nil)
		if err != nil {
			return p.wrong("sessions", "%w", err)
		}
		s.Subject = p.Title
		d.Sessions = append(d.Sessions, *s)
		return nil
	}
	if m.Kind == kindCapacity {
		return st.capacity(ctx, m, d, show)
	}
	resolution := m.Resolution
	if resolution == 0 {
		resolution = 0.02
	}
	trial := &rateTrial{stage: st, method: m, document: d, show: show, limits: map[float64]string{}}
	s, err := pktgen.Search(ctx, m.Least, m.Most, resolution, trial.at)
	if s.Cut = err != nil; !s.Cut {
		s.Limit = trial.limit() // a rate whose trials were ended is not one that failed
	}
	s.Subject, s.What, s.Unit = m.Subject, "new connections, all completed", "1/s"
	if m.Tolerance > 0 {
		s.What = fmt.Sprintf("new connections, at least %.6g %% completed", 100*(1-m.Tolerance))
	}
	if len(s.Tried) > 0 {
		d.Searches = append(d.Searches, s)
	}
	return err
}

// rateTrial opens connections at a rate for the trial's time.
type rateTrial struct {
	*stage
	method   *method
	document *report.Document
	show     *display
	limits   map[float64]string // by rate that failed: what it was too much for
}

// rateTries is how often a rate is tried before it counts as too much: on a busy
// machine a trial fails for reasons of its own.
const rateTries = 3

// rateSlack is the share of a trial's connections that the generator may be late
// with: what was due in its last moments.
const rateSlack = 0.01

// at passes when the connections were opened at that rate and all completed.
func (t *rateTrial) at(ctx context.Context, rate float64) (passed bool, note string, err error) {
	tries := 1
	for ; ; tries++ {
		if passed, note, err = t.once(ctx, rate); passed || err != nil || tries == rateTries {
			break
		}
	}
	if tries > 1 {
		note += fmt.Sprintf("; this was trial %d of %d, those before failed", tries, rateTries)
	}
	return passed, note, err
}

func (t *rateTrial) once(ctx context.Context, rate float64) (bool, string, error) {
	c, m := t.client, t.method
	c.Rate, c.Total = rate, 0
	s, err := t.play(ctx, c, m.Trial, t.show, nil)
	if err == nil {
		err = ctx.Err() // half a trial is none
	}
	if err != nil {
		return false, "", err
	}
	wanted := uint64(rate * s.Seconds)
	sound := float64(s.Opened-s.Completed) <= m.Tolerance*float64(s.Opened)
	passed := sound && float64(s.Opened)+1 >= (1-max(rateSlack, m.Tolerance))*float64(wanted)
	note := fmt.Sprintf("%d of %d completed, %d failed, %d timed out, %d never opened", s.Completed, wanted, s.Failed, s.TimedOut, s.NotOpened)
	if s.Late != nil {
		note += fmt.Sprintf("; SYNs late by %s (p50), %s (p99)", report.Nanos(s.Late.Quantile(0.5)), report.Nanos(s.Late.Quantile(0.99)))
	}
	switch {
	case passed:
		delete(t.limits, rate)
		s.Subject = fmt.Sprintf("%s at %.6g/s", m.Subject, rate)
		keepBest(t.document, s)
	case sound && int(s.Concurrent) < c.Open: // there were places, so it was not the answers that were late
		t.limits[rate] = "generator"
		note += fmt.Sprintf("; the generator opened %d", s.Opened)
	default:
		t.limits[rate] = "subject"
	}
	t.show.say("%s: %.6g connections/s: %s", m.Subject, rate, note)
	return passed, note, nil
}

// limit returns what the lowest rate that failed was too much for; empty: none
// failed.
func (t *rateTrial) limit() string {
	lowest := math.Inf(1)
	for rate := range t.limits {
		lowest = min(lowest, rate)
	}
	return t.limits[lowest]
}

// capacity opens connections at a rate until the most are open, or until some do
// not come about, and then lets all that are open go on: those that are answered
// again were alive all the time. One population grows, because what a trial
// closes would stay in the subject's table for minutes and count in the next.
func (st *stage) capacity(ctx context.Context, m *method, d *report.Document, show *display) error {
	c := st.client
	n := int(m.Most)
	if c.Rate == 0 {
		c.Rate = 5000
	}
	c.Open, c.Total = n, uint64(n)
	c.Think = time.Duration(float64(n)/c.Rate*float64(time.Second)) + m.Trial
	c.Mix = append([]traffic.Mix(nil), c.Mix...)
	c.Mix[0].Requests = 2
	s, err := st.play(ctx, c, 0, show, func(t *traffic.Sessions) bool {
		failed := t.Failures() + t.TimedOut
		return t.Completed == 0 && failed > 20 && float64(failed) > 0.02*float64(t.Opened) || t.Opened == uint64(n)
	})
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%d opened, %d alive at the end, %d failed, %d timed out", s.Opened, s.Completed, s.Failed, s.TimedOut)
	show.say("%s: %s", m.Subject, note)
	all := s.Completed == uint64(n)
	d.Searches = append(d.Searches, report.Search{
		Subject: m.Subject, What: "connections at once, all alive", Unit: "connections", Value: float64(s.Completed), Found: s.Completed > 0, AtMost: all,
		Tried: []report.Tried{{Value: float64(s.Opened), Passed: all, Note: note}},
	})
	s.Subject = m.Subject
	keepBest(d, s)
	return nil
}

// keepBest keeps the sessions of the highest value that passed.
func keepBest(d *report.Document, s *report.Sessions) {
	d.Sessions = append(d.Sessions[:0], *s)
}
