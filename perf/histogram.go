package perf

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
)

const (
	histSubBits = 7 // each power of two is cut into 128 equal buckets
	histSub     = 1 << histSubBits
	histBuckets = (64 - histSubBits + 1) * histSub
)

// Histogram counts values by size: exactly up to 255, then in buckets whose
// width is a 128th of their lower bound at most. The zero value is ready to use.
// Its owner records, any goroutine takes snapshots.
//
// It is our own because a worker's histogram must be readable while the worker
// records, without a lock, and must never allocate or move. The known HDR
// histograms record with plain additions, so a reader needs a lock or a copy
// made by the owner; the part of them that is needed here is the hundred lines
// below.
type Histogram struct {
	_      Pad
	counts [histBuckets]Counter
	sum    Counter
	max    Counter
	_      Pad
}

// bucket returns the number of the bucket of v.
func bucket(v uint64) int {
	if v < 2*histSub {
		return int(v)
	}
	shift := bits.Len64(v) - histSubBits - 1
	return shift*histSub + int(v>>shift)
}

// upper returns the largest value of a bucket.
func upper(b int) uint64 {
	if b < 2*histSub {
		return uint64(b)
	}
	shift := b/histSub - 1
	return (uint64(b%histSub+histSub)+1)<<shift - 1
}

// Record counts v. Owner only; no allocation.
func (h *Histogram) Record(v uint64) { h.RecordMany(v, 1) }

// RecordMany counts v as often as times says. Owner only; no allocation.
func (h *Histogram) RecordMany(v, times uint64) {
	h.counts[bucket(v)].Add(times)
	h.sum.Add(v * times)
	if v > h.max.Load() {
		h.max.v.Store(v)
	}
}

// Snapshot returns a copy. Any goroutine; values recorded meanwhile may be in
// some of its parts and not in others.
func (h *Histogram) Snapshot() *Distribution {
	d := &Distribution{sum: h.sum.Load(), max: h.max.Load()}
	for i := range h.counts {
		n := h.counts[i].Load()
		d.counts[i] = n
		d.n += n
	}
	return d
}

// Distribution is what a histogram held at some moment. Distributions of
// several workers add up with Add.
type Distribution struct {
	counts      [histBuckets]uint64
	n, sum, max uint64
}

// Add adds another distribution.
func (d *Distribution) Add(o *Distribution) {
	for i, n := range o.counts {
		d.counts[i] += n
	}
	d.n += o.n
	d.sum += o.sum
	d.max = max(d.max, o.max)
}

// Sub takes an earlier snapshot of the same histograms away, which leaves what
// was recorded since. Max then is that of the highest bucket left, at most the
// largest value ever.
func (d *Distribution) Sub(earlier *Distribution) {
	highest := -1
	for i, n := range earlier.counts {
		d.counts[i] -= n
		if d.counts[i] > 0 {
			highest = i
		}
	}
	d.n -= earlier.n
	d.sum -= earlier.sum
	if highest < 0 {
		d.max = 0
	} else {
		d.max = min(d.max, upper(highest))
	}
}

// Count returns how many values there are.
func (d *Distribution) Count() uint64 { return d.n }

// Max returns the largest value, exactly unless Sub was used.
func (d *Distribution) Max() uint64 { return d.max }

// Mean returns the mean, exactly as long as the sum of all values fits 64 bits;
// 0 without values.
func (d *Distribution) Mean() float64 {
	if d.n == 0 {
		return 0
	}
	return float64(d.sum) / float64(d.n)
}

// Quantile returns a value that a share q, 0 to 1, of all values does not
// exceed: the upper bound of its bucket, but never more than Max; 0 without
// values.
func (d *Distribution) Quantile(q float64) uint64 {
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(d.n)))
	rank = max(rank, 1)
	var seen uint64
	for i, n := range d.counts {
		if seen += n; seen >= rank {
			return min(upper(i), d.max)
		}
	}
	return d.max
}

// Below returns the share of values that are at most v, by whole buckets: those
// of v's own bucket count as if they were above it unless v is its upper bound.
func (d *Distribution) Below(v uint64) float64 {
	if d.n == 0 {
		return 0
	}
	var n uint64
	for i, c := range d.counts {
		if upper(i) > v {
			break
		}
		n += c
	}
	return float64(n) / float64(d.n)
}

// MarshalJSON writes count, sum, max and [value, count] of every bucket that has
// any, where value is the largest of the bucket.
func (d *Distribution) MarshalJSON() ([]byte, error) {
	out := distributionJSON{Count: d.n, Sum: d.sum, Max: d.max, Buckets: [][2]uint64{}}
	for i, n := range d.counts {
		if n > 0 {
			out.Buckets = append(out.Buckets, [2]uint64{upper(i), n})
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Distribution) UnmarshalJSON(text []byte) error {
	var in distributionJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*d = Distribution{n: in.Count, sum: in.Sum, max: in.Max}
	var n uint64
	for _, b := range in.Buckets {
		d.counts[bucket(b[0])] += b[1]
		n += b[1]
	}
	if n != in.Count {
		return fmt.Errorf("distribution of %d values has buckets with %d", in.Count, n)
	}
	return nil
}

type distributionJSON struct {
	Count   uint64      `json:"count"`
	Sum     uint64      `json:"sum"`
	Max     uint64      `json:"max"`
	Buckets [][2]uint64 `json:"buckets"`
}
