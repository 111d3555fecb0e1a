package pktgen

import (
	"fmt"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/report"
)

// result takes the accounts of a run that has ended, after so long; long is how
// long it was to be, 0: until all is sent.
func (r *Rig) result(load *Load, took, long time.Duration, cut bool) *report.Run {
	run := &report.Run{Name: load.Name, Seconds: took.Seconds()}
	if cut {
		run.Notes = append(run.Notes, "ended before its time")
	}
	for _, w := range r.workers {
		if n := w.drop(); n > 0 {
			run.Notes = append(run.Notes, fmt.Sprintf("port %s: the last %d frames were never taken and do not count as sent", w.port.Name, n))
		}
	}
	for i := range load.Streams {
		run.Streams = append(run.Streams, r.streamResult(&load.Streams[i], i, took, long, run))
	}
	for _, w := range r.workers {
		p := report.Port{
			Name: w.port.Name, Foreign: w.seen.foreign, Corrupt: w.seen.corrupt,
			RxFrames: w.taken, Stray: w.seen.stray, Misdirected: w.seen.misdirected, Unexpected: w.seen.unexpected,
		}
		for _, l := range w.lanes {
			s := l.queue.Stats()
			p.TxFrames += s.TxFrames - l.before.TxFrames
			p.RxNoFrame += s.RxNoFrame - l.before.RxNoFrame
			p.RxFull += s.RxFull - l.before.RxFull
			p.TxFull += s.TxFull - l.before.TxFull
		}
		if f, ok := w.port.Port.(*afxdp.Interface); ok {
			info := f.Info()
			p.Driver, p.Mode = info.Driver, "copy"
			if len(info.Queues) > 0 && info.Queues[0].ZeroCopy {
				p.Mode = "zero-copy"
			}
			if info.Transmit == afxdp.TransmitXDP {
				p.Mode += " and XDP transmit"
			}
			run.Notes = append(run.Notes, info.Warnings...)
			held := 0
			for i := range info.Queues {
				held += info.Queues[i].Rings.TX
			}
			if held > 0 {
				run.Notes = append(run.Notes, fmt.Sprintf("port %s: the interface has not taken %d of the frames that count as sent", w.port.Name, held))
			}
		}
		run.Ports = append(run.Ports, p)
	}
	return run
}

// missedShare is the share of frames given up from which on a rate was too much,
// and not only held up for a moment.
const missedShare = 0.01

func (r *Rig) streamResult(s *Stream, id int, took, long time.Duration, run *report.Run) report.Stream {
	n, t := r.sender(s, id), r.tracker(s, id)
	if n.pace.most > 0 && n.replay == nil && took >= long {
		n.pace.end(n.pace.start + int64(took))
	}
	one := report.Stream{
		Name: s.Name, From: s.From, To: s.To, Asked: s.Rate.String(), AskedPPS: n.pace.rate,
		Sent: n.sent, SentBytes: n.bytes, Missed: n.pace.missed,
	}
	if s.Replay != nil && s.Replay.Speed > 0 {
		one.Asked = fmt.Sprintf("%g x as captured", s.Replay.Speed)
	}
	if n.pace.most > 0 {
		took = min(took, long) // nothing is due in what the run took longer
	}
	one.Seconds = n.took(took).Seconds()
	if one.Seconds > 0 {
		one.SentPPS = float64(n.sent) / one.Seconds
		one.SentBits = float64(n.bytes) * 8 / one.Seconds
	}
	if n.ended != 0 && one.Seconds < 0.95*run.Seconds {
		run.Notes = append(run.Notes, fmt.Sprintf("stream %s ended after %.3f s, when all its frames were sent: its rates are of this time", s.Name, one.Seconds))
	}
	if late := n.pace.late.Snapshot(); late.Count() > 0 {
		one.LateMean, one.LateP50, one.LateP99, one.LateMax = late.Mean(), late.Quantile(0.5), late.Quantile(0.99), late.Max()
	}
	if missed := n.pace.missed; one.AskedPPS > 0 && missed > 0 {
		what := "which were more than 10 ms late"
		if float64(missed) > missedShare*float64(n.pace.slots) {
			what += ": the generator or the port could not keep up"
		}
		run.Notes = append(run.Notes, fmt.Sprintf("stream %s: %d of %d frames were given up (%.2f %%), %s", s.Name, missed, n.pace.slots,
			100*float64(missed)/float64(n.pace.slots), what))
	}
	if s.Replay != nil && s.To != "" {
		run.Notes = append(run.Notes, fmt.Sprintf("stream %s is sent from a capture: its frames are counted where they arrive, "+
			"as of others or, where a generator had signed them, of other runs; loss and latency are not measured", s.Name))
	}
	if t == nil {
		return one
	}
	t.settle()
	one.Measured = true
	one.Received, one.ReceivedBytes = t.unique, t.bytes
	one.Duplicates, one.Reordered, one.TooLate, one.Extent = t.duplicates, t.reordered, t.late, t.extent
	one.Lost = n.sent - min(n.sent, t.unique)
	if one.Seconds > 0 {
		one.ReceivedPPS = float64(t.unique) / one.Seconds
	}
	one.Latency = snapshot(&t.latency)
	return one
}

func snapshot(h *perf.Histogram) *perf.Distribution {
	if d := h.Snapshot(); d.Count() > 0 {
		return d
	}
	return nil
}
