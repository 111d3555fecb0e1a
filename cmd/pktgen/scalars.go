package main

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf/pktgen"
)

var multiples = map[byte]float64{'k': 1e3, 'K': 1e3, 'm': 1e6, 'M': 1e6, 'g': 1e9, 'G': 1e9}

// parseAmount reads a number with an optional multiple and unit, such as 1.5 Mpps.
func parseAmount(text string) (value float64, unit string, err error) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-_", r) })
	if end < 0 {
		end = len(text)
	}
	value, err = strconv.ParseFloat(strings.ReplaceAll(text[:end], "_", ""), 64)
	if err != nil || math.IsInf(value, 0) {
		return 0, "", fmt.Errorf("%q: want a number first", text)
	}
	unit = strings.TrimSpace(text[end:])
	if len(unit) > 0 {
		if m, ok := multiples[unit[0]]; ok {
			value *= m
			unit = unit[1:]
		}
	}
	return value, unit, nil
}

// parseRate reads "1 Mpps", "100 Mbit/s", "40 %" or "max".
func parseRate(text string) (pktgen.Rate, error) {
	if text == "" || text == "max" || text == "top" {
		return pktgen.Rate{}, nil
	}
	value, unit, err := parseAmount(text)
	if err != nil {
		return pktgen.Rate{}, err
	}
	r := pktgen.Rate{Value: value}
	switch unit {
	case "pps", "":
		r.Unit = pktgen.PacketsPerSec
	case "bit/s", "bps":
		r.Unit = pktgen.BitsPerSec
	case "%":
		r.Unit = pktgen.Percent
	default:
		return r, fmt.Errorf("%q: want packets (1.5 Mpps), bits (100 Mbit/s), a share of the port's speed (40 %%), or max", text)
	}
	if value <= 0 {
		return r, fmt.Errorf("%q: want a rate above 0", text)
	}
	if r.Unit == pktgen.Percent && value > 100 {
		return r, fmt.Errorf("%q: a port sends 100 %% of its speed at most", text)
	}
	return r, nil
}

// parseSpeed reads a port's speed, such as 10 Gbit/s or 10G.
func parseSpeed(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	value, unit, err := parseAmount(text)
	if err != nil {
		return 0, err
	}
	if value <= 0 || unit != "" && unit != "bit/s" && unit != "bps" {
		return 0, fmt.Errorf("%q: want bits per second, such as 10 Gbit/s", text)
	}
	return value, nil
}

// parseSizes reads 64, 64-1518, imix, rfc2544, or a list of numbers.
func parseSizes(v any) (pktgen.Sizes, error) {
	number := func(v any) (int, bool) {
		switch n := v.(type) {
		case int:
			return n, true
		case int64:
			return int(n), true
		case uint64:
			return int(n), n < 1<<31
		}
		return 0, false
	}
	want := fmt.Errorf("%v: want a size in bytes with FCS (64), a range (64-1518), a list ([64, 128]), imix or rfc2544", v)
	if n, ok := number(v); ok {
		return pktgen.FixedSize(n), nil
	}
	switch v := v.(type) {
	case nil:
		return pktgen.FixedSize(64), nil
	case []any:
		var s pktgen.Sizes
		for _, one := range v {
			n, ok := number(one)
			if !ok {
				return s, want
			}
			s.List = append(s.List, n)
		}
		return s, nil
	case string:
		switch v {
		case "imix":
			return pktgen.IMIX(), nil
		case "rfc2544":
			return pktgen.Sizes{List: pktgen.RFC2544Sizes()}, nil
		}
		first, last, ok := strings.Cut(v, "-")
		a, err1 := strconv.Atoi(strings.TrimSpace(first))
		b, err2 := strconv.Atoi(strings.TrimSpace(last))
		if !ok || err1 != nil || err2 != nil || a > b || a < 1 || b-a > 16000 {
			return pktgen.Sizes{}, want
		}
		return pktgen.SizeRange(a, b), nil
	}
	return pktgen.Sizes{}, want
}

func parseMAC(text string, otherwise net.HardwareAddr) (net.HardwareAddr, error) {
	if text == "" {
		return otherwise, nil
	}
	m, err := net.ParseMAC(text)
	if err == nil && len(m) != 6 {
		err = fmt.Errorf("%s: want six bytes", text)
	}
	return m, err
}

func parseAddr(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, fmt.Errorf("an address is needed")
	}
	return netip.ParseAddr(text)
}

// parseFlags reads letters of TCP flags, as tcpdump writes them.
func parseFlags(text string) (flags uint8, err error) {
	for _, r := range text {
		i := strings.IndexRune("FSRPAUEC", r)
		if r == '.' {
			i = 4
		}
		if i < 0 {
			return 0, fmt.Errorf("%q: want letters of FSRPAUEC", text)
		}
		flags |= 1 << i
	}
	return flags, nil
}

// parseTransmit reads how an interface sends; empty: through AF_XDP.
func parseTransmit(text string) (afxdp.Transmit, error) {
	for _, t := range []afxdp.Transmit{afxdp.TransmitAFXDP, afxdp.TransmitXDP} {
		if text == t.String() {
			return t, nil
		}
	}
	if text == "" {
		return afxdp.TransmitAFXDP, nil
	}
	return 0, fmt.Errorf("%q: want afxdp or xdp", text)
}
