package pktgen

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/perf/report"
)

// FCS is the frame check sequence, which counts in a frame's size but is made
// and taken off by the hardware: a frame of size 64 has 60 bytes here.
const FCS = 4

// gap is what a frame takes on a wire besides its bytes: preamble and pause.
const gap = 20

// Sizes says how long frames are, in bytes with FCS.
type Sizes struct {
	// List has the sizes that frames take in turn; a size may stand in it more
	// than once.
	List []int
	// Random draws from List instead.
	Random bool
}

// RFC2544Sizes returns the frame sizes of RFC 2544 section 9.1 for Ethernet.
func RFC2544Sizes() []int { return []int{64, 128, 256, 512, 1024, 1280, 1518} }

// FixedSize gives all frames one size.
func FixedSize(n int) Sizes { return Sizes{List: []int{n}} }

// IMIX is the simple Internet mix: 7 frames of 64, 4 of 594, 1 of 1518 bytes,
// in an order that spreads them.
func IMIX() Sizes {
	return Sizes{List: []int{64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594}}
}

// SizeRange draws sizes from first to last.
func SizeRange(first, last int) Sizes {
	s := Sizes{Random: true}
	for n := first; n <= last; n++ {
		s.List = append(s.List, n)
	}
	return s
}

const maxSizes = 16384

func (s *Sizes) validate(least, most int) error {
	if len(s.List) == 0 || len(s.List) > maxSizes {
		return fmt.Errorf("%d frame sizes: want 1 to %d", len(s.List), maxSizes)
	}
	if small := slices.Min(s.List); small < least {
		return fmt.Errorf("frames of %d bytes: headers, signature and FCS of this stream need %d: choose larger frames, or no signature", small, least)
	}
	if large := slices.Max(s.List); large > most {
		return fmt.Errorf("frames of %d bytes: the port takes %d at most, with FCS", large, most)
	}
	return nil
}

// mean returns the mean size.
func (s *Sizes) mean() float64 {
	total := 0
	for _, n := range s.List {
		total += n
	}
	return float64(total) / float64(len(s.List))
}

// Rate is how much a stream sends. The zero value is as much as the port takes.
type Rate struct {
	Value float64
	Unit  RateUnit
}

// RateUnit is what a Rate counts.
type RateUnit uint8

// Units. Bits are those of frames with FCS; a percentage is of the port's speed,
// where a frame takes 20 bytes more (preamble and gap).
const (
	Top RateUnit = iota // as much as the port takes; Value is nothing
	PacketsPerSec
	BitsPerSec
	Percent
)

func (r Rate) String() string {
	switch r.Unit {
	case PacketsPerSec:
		return report.Rate(r.Value)
	case BitsPerSec:
		return report.Bits(r.Value)
	case Percent:
		return fmt.Sprintf("%.6g %%", r.Value)
	}
	return "top speed"
}

// packets returns the rate in packets per second, 0 for top speed, for frames of
// a mean size on a port of a speed in bit/s.
func (r Rate) packets(size float64, speed float64) (float64, error) {
	if r.Unit != Top && !(r.Value > 0 && r.Value <= 1e15) {
		return 0, fmt.Errorf("rate %v: want more than nothing", r)
	}
	switch r.Unit {
	case Top:
		return 0, nil
	case PacketsPerSec:
		return r.Value, nil
	case BitsPerSec:
		return r.Value / (8 * size), nil
	case Percent:
		if speed <= 0 {
			return 0, errors.New("a rate in percent needs the speed of the port")
		}
		return r.Value / 100 * speed / (8 * (size + gap)), nil
	}
	return 0, errors.New("no such unit of rate")
}
