package appliance

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane"
)

// sample is what is looked at every second.
type sample struct {
	at      time.Time
	workers []dataplane.WorkerStats
	ports   []afxdp.Info
	trouble []error // by port; nil: none

	workerRates, portRates [][2]float64 // received and sent packets a second
}

// watchEvery is how often, and what rates are over.
const watchEvery = time.Second

// watch takes samples and logs what goes wrong with the interfaces and what is
// right again.
func (r *running) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.lock.Lock()
		before := r.seen
		r.lock.Unlock()
		now := r.take(&before)
		r.lock.Lock()
		r.seen = now
		r.lock.Unlock()
		r.complain(&before, &now)
	}
}

func (r *running) complain(before, now *sample) {
	for i, name := range r.set.PortNames() {
		was, is := text(before.trouble[i]), text(now.trouble[i])
		switch {
		case is != "" && is != was:
			r.log.Error("port is in trouble", zap.String("port", name), zap.String("what", is))
		case is == "" && was != "":
			r.log.Info("port is right again", zap.String("port", name))
		}
		for q := range now.ports[i].Queues {
			if f := now.ports[i].Queues[q].Failures - before.ports[i].Queues[q].Failures; f > 0 {
				r.log.Warn("the kernel refuses wakeups of a queue", zap.String("port", name), zap.Int("queue", q), zap.Uint64("times", f))
			}
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// take makes a sample with rates since the one before, which may be nil.
func (r *running) take(before *sample) sample {
	s := sample{at: time.Now(), workers: r.box.Stats().Workers}
	for _, port := range r.ports {
		s.ports = append(s.ports, port.Info())
		s.trouble = append(s.trouble, port.Check())
	}
	s.workerRates = make([][2]float64, len(s.workers))
	s.portRates = make([][2]float64, len(s.ports))
	if before == nil {
		return s
	}
	seconds := s.at.Sub(before.at).Seconds()
	rate := func(now, was uint64) float64 {
		if seconds <= 0 {
			return 0
		}
		return float64(now-was) / seconds
	}
	for i := range s.workers {
		now, was := &s.workers[i], &before.workers[i]
		s.workerRates[i] = [2]float64{rate(now.RxFrames, was.RxFrames), rate(now.TxFrames, was.TxFrames)}
	}
	for i := range s.ports {
		now, was := portTotal(&s.ports[i]), portTotal(&before.ports[i])
		s.portRates[i] = [2]float64{rate(now.RxFrames, was.RxFrames), rate(now.TxFrames, was.TxFrames)}
	}
	return s
}

// portTotal sums the queues.
func portTotal(info *afxdp.Info) (t afxdp.QueueStats) {
	for i := range info.Queues {
		s := &info.Queues[i].Stats
		t.RxFrames += s.RxFrames
		t.TxFrames += s.TxFrames
		t.RxNoFrame += s.RxNoFrame
		t.RxFull += s.RxFull
		t.TxFull += s.TxFull
		t.TxTooLong += s.TxTooLong
	}
	return t
}
