package iptables

import (
	"fmt"
	"strconv"
	"strings"
)

// Rates are kept as the time between two packets, in ten thousandths of a second.
const limitScale = 10000

var limitUnits = []name{{"day", 24 * 60 * 60}, {"hour", 60 * 60}, {"min", 60}, {"sec", 1}}

var rateUnits = []name{{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}

// rate reads packets/unit and gives scale*unit/packets.
func rate(s string, scale uint64) (period uint64, ok bool) {
	count, unit, two := strings.Cut(s, "/")
	seconds := uint64(1)
	if two {
		ok = false
		for _, u := range rateUnits {
			if unit != "" && len(unit) <= len(u.text) && strings.EqualFold(u.text[:len(unit)], unit) {
				seconds, ok = u.v, true
				break
			}
		}
		if !ok {
			return 0, false
		}
	}
	// As atoi: what follows the digits is not looked at.
	end := 0
	for end < len(count) && count[end] >= '0' && count[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(count[:end], 10, 31)
	if err != nil || n == 0 || n/seconds > scale {
		return 0, false
	}
	return scale * seconds / n, true
}

// rateText prints a time between packets as a rate.
func rateText(period, scale uint64) string {
	u := limitUnits[rateUnitIndex(period, scale)]
	return fmt.Sprintf("%d/%s", u.v*scale/period, u.text)
}

// rateUnitIndex finds the unit that a rate prints in.
func rateUnitIndex(period, scale uint64) int {
	i := 1
	for ; i < len(limitUnits); i++ {
		whole := limitUnits[i].v * scale
		if period > whole || whole/period < whole%period {
			break
		}
	}
	return i - 1
}

// rateUnit is the unit that a rate is written in, in seconds.
func rateUnit(s string) uint64 {
	_, unit, _ := strings.Cut(s, "/")
	for _, u := range rateUnits {
		if unit != "" && len(unit) <= len(u.text) && strings.EqualFold(u.text[:len(unit)], unit) {
			return u.v
		}
	}
	return 1
}

func parseLimit(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = rate(s[0].text, limitScale); !ok {
		return errorf(s[0].pos, "limit: bad or too fast rate %q", s[0].text)
	}
	return nil
}

// limit returns the period and the burst of a limit match.
func (x *Instance) limit() (period, burst uint64) {
	period, burst = 3600*limitScale/3, 5
	if v := x.opt("limit"); v.set {
		period = v.n[0]
	}
	if v := x.opt("limit-burst"); v.set {
		burst = v.n[0]
	}
	return
}

func saveLimit(x *Instance, out *printer) {
	period, burst := x.limit()
	out.opt(false, "limit", rateText(period, limitScale))
	if burst != 5 {
		out.opt(false, "limit-burst", strconv.FormatUint(burst, 10))
	}
}

// credits is the kernel's arithmetic of 32 bits.
func credits(user uint32) uint32 {
	const hz = 32000 // credits a second
	if user > max32/hz {
		return user / limitScale * hz
	}
	return user * hz / limitScale
}

func finalLimit(x *Instance, _ *Rule) error {
	period, burst := x.limit()
	if burst == 0 || credits(uint32(period*burst)) < credits(uint32(period)) {
		return errorf(x.Pos, "limit: the burst is 0, or too large for so low a rate")
	}
	return nil
}
