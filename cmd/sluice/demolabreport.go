package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// traffic lets hosts on both sides do what they do for a time, shows the rates,
// reports, and returns what was checked.
func (d *labDemo) traffic(ctx context.Context, out io.Writer, length time.Duration, live bool) ([]verdict, error) {
	actors := labActors(d.lab)
	fmt.Fprintf(out, "\nReal TCP, UDP and ICMP for %v: permitted things must work, forbidden ones must not\n", length)
	if err := meet(d.lab); err != nil {
		return nil, err
	}
	run, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wg sync.WaitGroup
	for _, a := range actors {
		wg.Go(func() { a.run(run) })
	}
	err := d.rates(run, out, actors, live)
	cancel()
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	status, err := d.status()
	if err != nil {
		return nil, err
	}
	listing, err := d.ruleset()
	if err != nil {
		return nil, err
	}
	flows, err := d.connections()
	if err != nil {
		return nil, err
	}
	reportActors(out, actors)
	fmt.Fprintf(out, "\nThe router\n")
	if err := printStatus(out, &status); err != nil {
		return nil, err
	}
	reportCounters(out, listing)
	reportFlowText(out, flows)
	measured, err := measure(min(measureTime, length))
	if err != nil {
		return nil, fmt.Errorf("measurement: %w", err)
	}
	reportMeasure(out, &measured)
	return d.check(actors, &status, listing, flows), nil
}

// rates prints what the router and the hosts do once a second until the time is over.
func (d *labDemo) rates(ctx context.Context, out io.Writer, actors []*labActor, live bool) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	begin := time.Now()
	type totals struct {
		at                      time.Time
		in, out, drops, payload uint64
		requests                uint64
	}
	var last totals
	last.at = begin
	for {
		select {
		case <-ctx.Done():
			if live {
				fmt.Fprintln(out)
			}
			return nil
		case <-tick.C:
		}
		s, err := d.status()
		if err != nil {
			return err
		}
		now := totals{at: time.Now()}
		for _, w := range s.Workers {
			now.in, now.out = now.in+w.RxPackets, now.out+w.TxPackets
		}
		for _, n := range s.Drops {
			now.drops += n
		}
		for _, a := range actors {
			now.payload += a.bytes.Load()
			now.requests += a.completed.Load()
		}
		per := func(a, b uint64) float64 { return float64(a-b) / now.at.Sub(last.at).Seconds() }
		line := fmt.Sprintf("%4.0f s %8.0f packets/s in %8.0f out %5.0f dropped %6.0f things done/s %7.1f MB/s payload %6d connections",
			now.at.Sub(begin).Seconds(), per(now.in, last.in), per(now.out, last.out), per(now.drops, last.drops),
			per(now.requests, last.requests), per(now.payload, last.payload)/1e6, s.Flows)
		if live {
			fmt.Fprintf(out, "\r%s\x1b[K", line)
		} else {
			fmt.Fprintln(out, line)
		}
		last = now
	}
}

func reportActors(out io.Writer, actors []*labActor) {
	fmt.Fprintf(out, "\nHosts\n")
	for _, a := range actors {
		says := "forbidden"
		if a.permit {
			says = "permitted"
		}
		fmt.Fprintf(out, "  %-36s %-10s %7d tried %7d done %8.1f MB\n", a.name, says, a.opened.Load(), a.completed.Load(), float64(a.bytes.Load())/1e6)
	}
}

var ruleCounter = regexp.MustCompile(`counter packets ([0-9]+) bytes ([0-9]+)`)

// reportCounters prints the rules that count.
func reportCounters(out io.Writer, listing string) {
	fmt.Fprintf(out, "\nRule counters (packets, bytes)\n")
	for line := range strings.Lines(listing) {
		if m := ruleCounter.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(out, "  %10s %12s  %s\n", m[1], m[2], ruleCounter.ReplaceAllString(strings.TrimSpace(line), "counter"))
		}
	}
}

// counted sums the packets counted by rules that contain a text.
func counted(listing, text string) (n uint64) {
	for line := range strings.Lines(listing) {
		m := ruleCounter.FindStringSubmatch(line)
		if m == nil || !strings.Contains(ruleCounter.ReplaceAllString(line, "counter"), text) {
			continue
		}
		packets, err := strconv.ParseUint(m[1], 10, 64)
		if err == nil {
			n += packets
		}
	}
	return n
}

// reportFlowText lists a few connections of each kind.
func reportFlowText(out io.Writer, flows string) {
	byKind := map[string][]string{}
	all := 0
	for line := range strings.Lines(flows) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		kind := f[0]
		if strings.Contains(line, "src=2001:") {
			kind += " over IPv6"
		}
		byKind[kind] = append(byKind[kind], strings.TrimSpace(line))
		all++
	}
	fmt.Fprintf(out, "\nConnections: %d, some of each kind\n", all)
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		lines := byKind[kind]
		for _, line := range lines[:min(connectionsShown, len(lines))] {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if more := len(lines) - connectionsShown; more > 0 {
			fmt.Fprintf(out, "  ... and %d more of %s\n", more, kind)
		}
	}
}

// check compares what the hosts saw with what the router says.
func (d *labDemo) check(actors []*labActor, s *control.Status, listing, flows string) []verdict {
	var list []verdict
	hold := func(ok bool, what, format string, args ...any) {
		v := verdict{what: what}
		if !ok {
			v.bad = fmt.Sprintf(format, args...)
		}
		list = append(list, v)
	}
	tried := map[string]uint64{}
	for _, a := range actors {
		opened, completed := a.opened.Load(), a.completed.Load()
		tried[a.name] = opened
		if a.permit {
			hold(opened > 0 && completed == opened, a.name+": all that was tried works, with the right bytes",
				"%d tried, %d worked; the last error: %v", opened, completed, a.trouble())
		} else {
			hold(opened > 0 && completed == 0, a.name+": nothing gets through", "%d tried, %d did", opened, completed)
		}
	}
	d.hosts.mu.Lock()
	foreign := slices.Sorted(maps.Keys(d.hosts.foreign))
	d.hosts.mu.Unlock()
	hold(len(foreign) == 0 && d.hosts.seen.Load() > 0, "servers on the internet: they see the router's address, or IPv6 from home",
		"%d requests; others: %v", d.hosts.seen.Load(), foreign)
	for _, p := range s.Ports {
		hold(p.RxPackets > 0 && p.TxPackets > 0 && p.XDP == "native" && p.Up, "port "+p.Name+": packets pass by AF_XDP, native mode",
			"%d in, %d out, %s, up %v", p.RxPackets, p.TxPackets, p.XDP, p.Up)
	}
	hold(s.Mirror != nil && s.Mirror.ApplyErrors == 0 && s.Mirror.Overflows == 0, "the kernel's tables are followed", "%+v", s.Mirror)
	visits, dnat := tried["visitors of the forwarded port"], counted(listing, "dnat to")
	hold(dnat == visits, "counters: dnat counts the visitors", "%d visits, %d counted", visits, dnat)
	for _, c := range []struct{ actor, rule string }{
		{"telnet", "tcp dport 23 counter drop"}, {"mail, which is refused", "tcp dport 25 counter reject"},
		{"web pages of a blocked address", "@blocked counter drop"},
	} {
		n := counted(listing, c.rule)
		hold(n >= tried[c.actor], "counters: "+c.rule+" counts "+c.actor, "%d tried, %d counted", tried[c.actor], n)
	}
	intruders, dropped := tried["intruders, IPv4"]+tried["intruders, IPv6"], counted(listing, `iifname "wan" counter drop`)
	hold(dropped >= intruders, `counters: iifname "wan" counter drop counts the intruders`, "%d tried, %d counted", intruders, dropped)
	plain, masqueraded := 0, 0
	inner, outer := "src="+labHome4.String()+" ", "dst="+demoNetwork.wan4.Addr().String()+" "
	for line := range strings.Lines(flows) {
		switch {
		case !strings.Contains(line, inner) || !strings.Contains(line, "dst="+labServer4.String()+" "):
		case strings.Contains(line, outer):
			masqueraded++
		default:
			plain++
		}
	}
	hold(plain == 0 && masqueraded > 0, "connections from home to the internet are masqueraded", "%d are, %d are not", masqueraded, plain)
	hold(s.Guard.Installed && len(s.Trouble) == 0, "the router has its guard table and knows of no trouble", "%v", s.Trouble)
	hold(d.log.String() == "", "the box has nothing to complain about", "%s", d.log.String())
	return list
}
