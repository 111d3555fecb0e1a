package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// result is what one round of a contender gave.
type result struct {
	mpps  float64 // forwarded, at the sink
	cpu   float64 // ns of the router's thread and its CPU's softirq thread for each forwarded packet
	sys   float64 // share of the router's thread's time in the kernel
	offer float64 // frames that the generator made, in millions a second
}

// warm is how long a contender runs before a round counts.
const warm = 250 * time.Millisecond

// moment is what a round reads at its beginning and end.
type moment struct {
	at      time.Time
	counts  counters
	threads map[int]threadTime
	softirq uint64
}

// threadTime is a thread's processor time: all in ns, and in ticks of user and
// kernel mode, of which only the proportion is used.
type threadTime struct{ ns, user, system uint64 }

// errShort says that the generator was faster than expected and ended early.
var errShort = errors.New("the generator ended too early")

// measure runs one round, again if it turns out too short: the rate found then
// is the next one's.
func (w *world) measure(o *options) (r result, err error) {
	for range 4 {
		if r, err = w.attempt(o); !errors.Is(err, errShort) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	return r, err
}

func (w *world) attempt(o *options) (r result, err error) {
	if w.proc != nil {
		if err := w.proc.thaw(); err != nil {
			return r, err
		}
		time.Sleep(30 * time.Millisecond)
	}
	before, err := w.counts()
	if err != nil {
		return r, err
	}
	if err := w.gen.rewind(); err != nil {
		return r, err
	}
	length := warm + o.length
	frames := min(uint64(1.15*w.rate*(length+25*time.Millisecond).Seconds()), 1<<32-1)
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		done <- w.gen.send(w.lab.NS(lab.Client), lab.ClientIf, o.genCPU, frames)
	}()
	time.Sleep(warm)
	first, err := w.moment(o)
	last, running := first, true
	for err == nil && running && time.Since(start) < length {
		time.Sleep(20 * time.Millisecond)
		var now moment
		now, err = w.moment(o)
		select {
		case e := <-done: // the moment just read may be after the end
			err = errors.Join(err, e)
			running = false
		default:
			last = now
		}
	}
	if running {
		err = errors.Join(err, <-done)
	}
	wall := time.Since(start)
	if err != nil {
		return r, err
	}
	time.Sleep(20 * time.Millisecond) // for what is still in rings
	after, err := w.counts()
	if err != nil {
		return r, err
	}
	sent, err := w.gen.sent()
	if err != nil {
		return r, err
	}
	w.total.add(sent, before, after)
	w.rate = float64(sent) / (wall - 25*time.Millisecond).Seconds()
	if w.proc != nil {
		if err := w.proc.freeze(); err != nil {
			return r, err
		}
	}
	if last.at.Sub(first.at) < o.length*3/4 {
		return r, fmt.Errorf("%w, after %v", errShort, wall)
	}
	r = between(first, last)
	r.offer = w.rate / 1e6
	return r, nil
}

// worldCounts are the counters of the three interfaces that tell losses.
type worldCounts struct{ left, right, sink counters }

func (w *world) counts() (c worldCounts, err error) {
	var errs [3]error
	c.left, errs[0] = w.left.read()
	c.right, errs[1] = w.right.read()
	c.sink, errs[2] = w.sink.read()
	return c, errors.Join(errs[:]...)
}

func (t *tally) add(sent uint64, before, after worldCounts) {
	t.sent += sent
	t.arrived += after.left.rx - before.left.rx
	t.refused += after.left.rxDropped - before.left.rxDropped
	t.forwarded += after.sink.rx - before.sink.rx
	t.lostBehind += after.right.txDropped - before.right.txDropped
}

func (w *world) moment(o *options) (m moment, err error) {
	m.threads = map[int]threadTime{}
	switch {
	case w.napi != 0:
		m.threads[w.napi] = readThread(fmt.Sprintf("/proc/%d", w.napi))
	case w.proc != nil:
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", w.proc.pid()))
		for _, dir := range tasks {
			tid, _ := strconv.Atoi(filepath.Base(dir))
			m.threads[tid] = readThread(dir)
		}
	}
	m.softirq = readThread(fmt.Sprintf("/proc/%d", o.softirqThread)).ns
	m.counts, err = w.sink.read()
	m.at = time.Now()
	return m, err
}

// readThread reads a thread's times; all zero when it has gone.
func readThread(dir string) (t threadTime) {
	if text, err := os.ReadFile(dir + "/schedstat"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 0 {
			t.ns, _ = strconv.ParseUint(f[0], 10, 64)
		}
	}
	if text, err := os.ReadFile(dir + "/stat"); err == nil {
		// The name, in parentheses, may have blanks in it.
		if f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])); len(f) > 12 {
			t.user, _ = strconv.ParseUint(f[11], 10, 64)
			t.system, _ = strconv.ParseUint(f[12], 10, 64)
		}
	}
	return t
}

// between makes a result of two moments. The thread that worked most is the one
// that forwards.
func between(a, b moment) (r result) {
	packets := float64(b.counts.rx - a.counts.rx)
	r.mpps = packets / b.at.Sub(a.at).Seconds() / 1e6
	var busy threadTime
	for tid, end := range b.threads {
		begin := a.threads[tid]
		if d := end.ns - begin.ns; d > busy.ns {
			busy = threadTime{d, end.user - begin.user, end.system - begin.system}
		}
	}
	if packets > 0 {
		r.cpu = float64(busy.ns+b.softirq-a.softirq) / packets
	}
	if ticks := busy.user + busy.system; ticks > 0 {
		r.sys = float64(busy.system) / float64(ticks)
	}
	return r
}

// account says where frames went, and whether that adds up. Only the box can
// say what it dropped and why.
func (w *world) account() (line string, err error) {
	t := &w.total
	share := func(n uint64) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(t.sent, 1))) }
	line = fmt.Sprintf("%s: sent %d, no room on r0 for %s, forwarded %s, refused by s0 %s",
		w.name, t.sent, share(max(t.refused, t.sent-min(t.sent, t.arrived))), share(t.forwarded), share(t.lostBehind))
	if t.forwarded == 0 {
		return line, wrong{w.name + ": forwarded nothing"}
	}
	if t.arrived > t.sent || t.forwarded > t.arrived {
		return line, wrong{fmt.Sprintf("%s: more packets came than were sent: %d, r0 received %d, s0 %d", w.name, t.sent, t.arrived, t.forwarded)}
	}
	if w.kind != sluice {
		return line, nil
	}
	if err := w.proc.thaw(); err != nil {
		return line, err
	}
	now, err := w.settled()
	if err != nil {
		return line, err
	}
	if len(now.Ports) != 2 || len(w.first.Ports) != 2 {
		return line, fmt.Errorf("%s: status of %d ports, want 2", w.name, len(now.Ports))
	}
	took, dropped := now.Ports[0].Rx-w.first.Ports[0].Rx, uint64(0)
	for reason, n := range now.Drops {
		dropped += n - w.first.Drops[reason]
	}
	line += fmt.Sprintf("; the box took %d and dropped %d", took, dropped)
	if dropped > 0 {
		line += fmt.Sprintf(" %v", now.Drops)
	}
	// A packet that the box took is dropped with a reason, or sent; one that was
	// sent arrives, or s0 refused it. A few may be in rings still.
	const inRings = 4096
	if out := t.forwarded + t.lostBehind + dropped; took > out+inRings || out > took+inRings {
		return line, wrong{fmt.Sprintf("%s: the box took %d packets; forwarded %d, refused behind it %d, dropped %d: does not add up",
			w.name, took, t.forwarded, t.lostBehind, dropped)}
	}
	if now.Flows < int(w.flows) {
		return line, wrong{fmt.Sprintf("%s: %d of %d flows are left", w.name, now.Flows, w.flows)}
	}
	for reason, n := range now.Drops { // of established flows, only for want of room
		if n > w.first.Drops[reason] && !strings.Contains(strings.ToLower(reason), "tx") && !strings.Contains(strings.ToLower(reason), "full") {
			return line, wrong{fmt.Sprintf("%s: dropped packets of established flows: %s %d", w.name, reason, n-w.first.Drops[reason])}
		}
	}
	return line, nil
}
