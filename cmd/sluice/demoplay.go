package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
)

// captureResult says what became of a capture's frames.
type captureResult struct {
	capture *demoCapture
	frames  [2]int // in, by port
	stats   dataplane.WorkerStats
	rules   []ruleShare
	settled bool
}

// ruleShare is a rule that kept packets of a capture from passing.
type ruleShare struct {
	line    string
	packets uint64
}

// settleTime is how long the router may take for a burst of a capture.
const settleTime = 20 * time.Second

// settle waits until the box has dealt with everything it was sent: all frames
// are received, none is between workers, and two looks show the same.
func (d *demoBox) settle() (dataplane.WorkerStats, bool) {
	var last dataplane.WorkerStats
	for end := time.Now().Add(settleTime); time.Now().Before(end); {
		stats := d.box.Stats()
		t := stats.Total()
		if t.RxFrames == d.far[portLAN].sent+d.far[portWAN].sent && t.HandoversIn == t.HandoversOut && t == last {
			return t, true
		}
		last = t
		for _, f := range d.far {
			f.flush()
			f.take()
		}
		time.Sleep(10 * time.Microsecond)
	}
	return last, false
}

// playCaptures sends the captures one after the other through the running box.
func (d *demoBox) playCaptures() (results []captureResult, err error) {
	dir, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for i := range demoCaptures {
		c := &demoCaptures[i]
		frames, err := c.frames(dir, demoNetwork.wan4.Addr())
		if err != nil {
			return nil, fmt.Errorf("capture %s: %w", c.name, err)
		}
		results = append(results, d.playCapture(c, frames))
	}
	return results, nil
}

// playCapture sends one capture. Frames that arrive on different ports wait for
// one another, as they did when they were captured.
func (d *demoBox) playCapture(c *demoCapture, frames []captured) captureResult {
	res := captureResult{capture: c, settled: true}
	before, counters := d.box.Stats(), d.box.Counters()
	start := before.Total()
	for i := range frames {
		f := &frames[i]
		if i > 0 && f.port != frames[i-1].port {
			_, ok := d.settle()
			res.settled = res.settled && ok
		}
		for !d.far[f.port].put(f.data) {
			time.Sleep(10 * time.Microsecond)
		}
		res.frames[f.port]++
	}
	after, ok := d.settle()
	res.settled = res.settled && ok
	res.stats = since(after, start)
	rs := d.box.Rules()
	for i, now := range d.box.Counters() {
		if n := now.Packets - counters[i].Packets; n > 0 {
			if rule := rs.Rule(now.RuleID); refusing(rule) {
				res.rules = append(res.rules, ruleShare{ruleLine(rule), n})
			}
		}
	}
	byPolicy := res.stats.Drops[packet.DropPolicy] + res.stats.Drops[packet.DropReject]
	for _, r := range res.rules {
		byPolicy -= r.packets
	}
	if byPolicy > 0 {
		res.rules = append(res.rules, ruleShare{"the policy of a chain", byPolicy})
	}
	return res
}

// since is what the counters of a report grew by.
func since(now, before dataplane.WorkerStats) dataplane.WorkerStats {
	now.RxFrames -= before.RxFrames
	now.TxFrames -= before.TxFrames
	now.HandoversIn -= before.HandoversIn
	now.Fragments -= before.Fragments
	for i := range now.Fates {
		now.Fates[i] -= before.Fates[i]
	}
	for i := packet.Drop(0); i < packet.DropCount; i++ {
		now.Drops[i] -= before.Drops[i]
	}
	return now
}
