package main

import (
	"fmt"
	"time"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/classify"
	"github.com/sluice-net/sluice/tools/classbench"
)

// ours is one filter set in our classifier.
type ours struct {
	rules []classbench.Rule
	trace []classbench.Header
	boxes []classify.Box
	keys  []classify.Key
}

func newOurs(rules []classbench.Rule, trace []classbench.Header) (*ours, error) {
	o := &ours{rules: rules, trace: trace}
	for i := range rules {
		r := &rules[i]
		b := classify.Any()
		b.Lo[classify.Src], b.Hi[classify.Src] = r.Src, r.Src|^classbench.PrefixMask(r.SrcLen)
		b.Lo[classify.Dst], b.Hi[classify.Dst] = r.Dst, r.Dst|^classbench.PrefixMask(r.DstLen)
		b.Lo[classify.Sport], b.Hi[classify.Sport] = uint32(r.Sport[0]), uint32(r.Sport[1])
		b.Lo[classify.Dport], b.Hi[classify.Dport] = uint32(r.Dport[0]), uint32(r.Dport[1])
		b.Need, b.Mask = uint16(r.Proto), uint16(r.Mask)
		o.boxes = append(o.boxes, b)
	}
	for i := range trace {
		h := &trace[i]
		o.keys = append(o.keys, classify.Key{Src: h.Src, Dst: h.Dst, Sport: h.Sport, Dport: h.Dport, Facts: uint16(h.Proto)})
	}
	return o, nil
}

// perSecond runs pass, which does n lookups, until it has taken a while.
func perSecond(n int, pass func()) float64 {
	pass() // warms up
	done, start := 0, perf.ThreadCPU()
	for perf.ThreadCPU()-start < 300*time.Millisecond {
		pass()
		done += n
	}
	return float64(done) / (perf.ThreadCPU() - start).Seconds() / 1e6
}

// linear is the rate of asking one rule after the other.
func (o *ours) linear() float64 {
	const n = 256
	return perSecond(n, func() {
		for i := range o.trace[:n] {
			for j := range o.rules {
				if o.rules[j].Matches(&o.trace[i]) {
					break
				}
			}
		}
	})
}

func (o *ours) measure() (figures, error) {
	start := perf.ThreadCPU()
	words, err := classify.Build(o.boxes)
	if err != nil {
		return figures{}, err
	}
	f := figures{buildMS: (perf.ThreadCPU() - start).Seconds() * 1e3, bytes: float64(len(words) * 8)}
	region, err := offheap.Make[uint64](len(words)) // where a worker has it
	if err != nil {
		return f, err
	}
	defer offheap.Free(region)
	copy(region, words)
	index := classify.Open(region)
	one, many := make([]uint32, len(o.keys)), make([]uint32, len(o.keys))
	f.single = perSecond(len(o.keys), func() {
		for i := range o.keys {
			one[i] = index.First(&o.keys[i], 0)
		}
	})
	var s classify.Scratch
	f.burst = perSecond(len(o.keys), func() { index.FirstBurst(o.keys, 0, many, &s) })
	for i := range one {
		if one[i] != many[i] {
			return f, fmt.Errorf("header %d: rule %d alone, %d in a burst", i, one[i], many[i])
		}
	}
	return f, nil
}
