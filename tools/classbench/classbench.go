package classbench

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Rule is a line of a filter set, in host order.
type Rule struct {
	Src, Dst       uint32 // with zeros behind the prefix
	SrcLen, DstLen int
	Sport, Dport   [2]uint16 // bounds, included
	Proto, Mask    uint8     // matches if protocol & Mask == Proto
}

// Header is what a rule looks at, in host order.
type Header struct {
	Src, Dst     uint32
	Sport, Dport uint16
	Proto        uint8
}

// Matches is the definition of a rule.
func (r *Rule) Matches(h *Header) bool {
	return h.Src&PrefixMask(r.SrcLen) == r.Src && h.Dst&PrefixMask(r.DstLen) == r.Dst &&
		r.Sport[0] <= h.Sport && h.Sport <= r.Sport[1] && r.Dport[0] <= h.Dport && h.Dport <= r.Dport[1] &&
		h.Proto&r.Mask == r.Proto
}

// PrefixMask returns the mask of the first n bits.
func PrefixMask(n int) uint32 { return ^uint32(uint64(1)<<(32-n) - 1) }

// Rules reads a filter set. Errors name the line.
func Rules(file string) ([]Rule, error) {
	return lines(file, func(line string) (Rule, error) {
		var a, b [4]uint32
		var r Rule
		_, err := fmt.Sscanf(strings.TrimPrefix(line, "@"), "%d.%d.%d.%d/%d %d.%d.%d.%d/%d %d : %d %d : %d 0x%x/0x%x",
			&a[0], &a[1], &a[2], &a[3], &r.SrcLen, &b[0], &b[1], &b[2], &b[3], &r.DstLen,
			&r.Sport[0], &r.Sport[1], &r.Dport[0], &r.Dport[1], &r.Proto, &r.Mask)
		if err == nil && (r.SrcLen < 0 || r.SrcLen > 32 || r.DstLen < 0 || r.DstLen > 32) {
			err = fmt.Errorf("a prefix of %d and %d bits", r.SrcLen, r.DstLen)
		}
		if err != nil {
			return r, err
		}
		r.Src = (a[0]<<24 | a[1]<<16 | a[2]<<8 | a[3]) & PrefixMask(r.SrcLen)
		r.Dst = (b[0]<<24 | b[1]<<16 | b[2]<<8 | b[3]) & PrefixMask(r.DstLen)
		r.Proto &= r.Mask
		return r, nil
	})
}

// Trace reads headers. Errors name the line.
func Trace(file string) ([]Header, error) {
	return lines(file, func(line string) (h Header, err error) {
		_, err = fmt.Sscan(line, &h.Src, &h.Dst, &h.Sport, &h.Dport, &h.Proto)
		return h, err
	})
}

// Truth reads numbers of rules. Errors name the line.
func Truth(file string) ([]int, error) { return lines(file, strconv.Atoi) }

func lines[T any](file string, parse func(line string) (T, error)) ([]T, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []T
	for in, n := bufio.NewScanner(f), 1; ; n++ {
		if !in.Scan() {
			return out, in.Err()
		}
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		v, err := parse(in.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		out = append(out, v)
	}
}
