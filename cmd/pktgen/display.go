package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
)

// maxShown is how many streams have a line of their own.
const maxShown = 16

// display shows a run under way: on a terminal as a picture that is drawn anew,
// elsewhere as a line now and then.
type display struct {
	to       io.Writer
	quiet    bool
	terminal bool
	drawn    int // lines on the screen that the next picture replaces
	last     pktgen.Live
	lines    int
}

func newDisplay(to io.Writer, quiet bool) *display {
	d := &display{to: to, quiet: quiet}
	if f, ok := to.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		d.terminal = err == nil
	}
	return d
}

// Write puts text below what is drawn.
func (d *display) Write(b []byte) (int, error) {
	d.wipe()
	return d.to.Write(b)
}

// wipe takes the picture off the screen.
func (d *display) wipe() {
	if d.drawn > 0 {
		fmt.Fprintf(d.to, "\x1b[%dA\x1b[J", d.drawn)
		d.drawn = 0
	}
}

// live shows a state.
func (d *display) live(l *pktgen.Live) {
	if d.quiet {
		return
	}
	if l.Run != d.last.Run {
		d.last = pktgen.Live{}
	}
	defer func() { d.last = *l }()
	if !d.terminal {
		if d.lines++; d.lines%4 == 0 {
			fmt.Fprintln(d.to, d.summary(l))
		}
		return
	}
	d.wipe()
	lines := append([]string{d.summary(l)}, d.table(l)...)
	for _, line := range lines {
		fmt.Fprintf(d.to, "%s\x1b[K\n", line)
	}
	d.drawn = len(lines)
}

// rates returns the rates since the last state: sent and received packets and
// sent bits a second.
func (d *display) rates(l *pktgen.Live, i int) (tx, rx, bits float64) {
	var was pktgen.LiveStream
	if i < len(d.last.Streams) {
		was = d.last.Streams[i]
	}
	since := (l.Elapsed - d.last.Elapsed).Seconds()
	if since <= 0 {
		return 0, 0, 0
	}
	s := &l.Streams[i]
	return float64(s.Sent-was.Sent) / since, float64(s.Received-was.Received) / since, float64(s.SentBytes-was.SentBytes) * 8 / since
}

func (d *display) summary(l *pktgen.Live) string {
	var tx, rx, bits float64
	var sent, received, corrupt uint64
	for i := range l.Streams {
		t, r, b := d.rates(l, i)
		tx, rx, bits = tx+t, rx+r, bits+b
		if l.Streams[i].Expected {
			sent += l.Streams[i].Sent
			received += l.Streams[i].Received
		}
	}
	for _, p := range l.Ports {
		corrupt += p.Corrupt
	}
	missing := int64(sent) - int64(received)
	return fmt.Sprintf("%6.1f s  sending %s %s  receiving %s  under way or lost %d  corrupt %d",
		l.Elapsed.Seconds(), report.Rate(tx), report.Bits(bits), report.Rate(rx), max(missing, 0), corrupt)
}

func (d *display) table(l *pktgen.Live) []string {
	lines := []string{fmt.Sprintf("%-16s %14s %14s %12s %10s %10s %10s %10s", "stream", "sending", "receiving", "missing", "reordered", "p50", "p99", "max")}
	for i := range l.Streams {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("... and %d more streams", len(l.Streams)-maxShown))
			break
		}
		s := &l.Streams[i]
		tx, rx, _ := d.rates(l, i)
		name := []rune(s.Name)
		line := fmt.Sprintf("%-16s %14s", string(name[:min(len(name), 16)]), report.Rate(tx))
		if s.Expected {
			line += fmt.Sprintf(" %14s %12d %10d %10s %10s %10s", report.Rate(rx), max(int64(s.Sent)-int64(s.Received), 0), s.Reordered,
				report.Nanos(s.Latency.P50), report.Nanos(s.Latency.P99), report.Nanos(s.Latency.Max))
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// end leaves the last picture where it is.
func (d *display) end() { d.drawn = 0 }

// say writes a line.
func (d *display) say(format string, args ...any) {
	if !d.quiet {
		fmt.Fprintf(d, format+"\n", args...)
	}
}

// status shows one line that the next one replaces.
func (d *display) status(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	switch {
	case d.quiet:
	case d.terminal:
		d.wipe()
		fmt.Fprintf(d.to, "%s\x1b[K\n", line)
		d.drawn = 1
	default:
		if d.lines++; d.lines%4 == 0 {
			fmt.Fprintln(d.to, line)
		}
	}
}
