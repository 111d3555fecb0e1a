package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Matches with a memory of their own.

func init() {
	register(matches, extension{
		name: "recent", family: both, one: "set rcheck update remove",
		opts: []option{
			{name: "set", kind: kFlag, inv: true, not: "rcheck update remove"},
			{name: "rcheck", kind: kFlag, inv: true, not: "set update remove"},
			{name: "update", kind: kFlag, inv: true, not: "set rcheck remove"},
			{name: "remove", kind: kFlag, inv: true, not: "set rcheck update"},
			{name: "seconds", kind: kDec, min: 1, max: max32},
			{name: "reap", kind: kFlag, with: "seconds"},
			{name: "hitcount", kind: kDec, max: max32},
			{name: "rttl", kind: kFlag},
			{name: "name", kind: kRaw, min: 1, max: 199},
			{name: "mask", kind: kAddr, parse: parseGateway},
			{name: "rsource", kind: kFlag, parse: lastOf("rdest")},
			{name: "rdest", kind: kFlag, parse: lastOf("rsource")},
		},
		final: finalRecent, save: saveRecent,
	}, extension{
		name: "hashlimit", family: both, one: "hashlimit-upto hashlimit-above",
		opts: []option{
			{name: "hashlimit-upto", alias: "hashlimit", kind: kCustom, inv: true, not: "hashlimit-above", parse: parseHashRate},
			{name: "hashlimit-above", kind: kCustom, inv: true, not: "hashlimit-upto", parse: parseHashRate},
			{name: "hashlimit-burst", kind: kCustom, parse: parseHashBurst},
			{name: "hashlimit-mode", kind: kCustom, parse: parseHashMode},
			{name: "hashlimit-name", kind: kRaw, min: 1, max: 254, must: true},
			{name: "hashlimit-htable-size", kind: kDec, max: max32},
			{name: "hashlimit-htable-max", kind: kDec, max: max32},
			{name: "hashlimit-htable-gcinterval", kind: kDec, min: 1, max: max32},
			{name: "hashlimit-htable-expire", kind: kDec, min: 1, max: max32},
			{name: "hashlimit-srcmask", kind: kDec, max: max8},
			{name: "hashlimit-dstmask", kind: kDec, max: max8},
			{name: "hashlimit-rate-match", kind: kFlag},
			{name: "hashlimit-rate-interval", kind: kDec, parse: parseHashInterval},
		},
		final: finalHashlimit, save: saveHashlimit,
	}, extension{
		name: "rateest", family: both, one: "rateest rateest1",
		opts: []option{
			{name: "rateest", kind: kRaw, max: 15, not: "rateest1 rateest2"}, {name: "rateest1", kind: kRaw, max: 15, not: "rateest"},
			{name: "rateest2", kind: kRaw, max: 15, not: "rateest"}, {name: "rateest-delta", kind: kFlag},
			{name: "rateest-lt", kind: kFlag, inv: true, not: "rateest-gt rateest-eq"}, {name: "rateest-gt", kind: kFlag, inv: true, not: "rateest-lt rateest-eq"},
			{name: "rateest-eq", kind: kFlag, inv: true, not: "rateest-lt rateest-gt"},
		},
		final: func(x *Instance, _ *Rule) error {
			return errorf(x.Pos, "rateest: there is no rate estimator of that name")
		},
	})
}

// lastOf is a flag that takes another one back.
func lastOf(other string) func(*Instance, *Rule, *value, []word) error {
	return func(x *Instance, _ *Rule, _ *value, _ []word) error {
		x.opt(other).set = false
		return nil
	}
}

// fullMask is the mask of one host.
func fullMask(f Family) netip.Addr { return maskOf(f.bits(), f) }

func finalRecent(x *Instance, _ *Rule) error {
	if x.count("set", "remove") > 0 && x.count("seconds", "hitcount", "rttl") > 0 {
		return errorf(x.Pos, "recent: --seconds, --hitcount and --rttl are for --rcheck and --update")
	}
	if x.opt("hitcount").n[0] > max16 {
		return errorf(x.Pos, "recent: hitcount %d is above 65535", x.opt("hitcount").n[0])
	}
	if name := x.opt("name").s; strings.Contains(name, "/") || name == "." || name == ".." {
		return errorf(x.Pos, "recent: bad name %q", x.opt("name").s)
	}
	return nil
}

// recentName is the list a match is about.
func (x *Instance) recentName() string {
	if v := x.opt("name"); v.set {
		return v.s
	}
	return "DEFAULT"
}

func saveRecent(x *Instance, out *printer) {
	for _, name := range []string{"set", "rcheck", "update", "remove"} {
		if v := x.opt(name); v.set {
			out.opt(v.neg, name, "")
		}
	}
	if v := x.opt("seconds"); v.set {
		out.opt(false, "seconds", decimal(v.n[0]))
	}
	if x.has("reap") {
		out.opt(false, "reap", "")
	}
	if v := x.opt("hitcount"); v.set && v.n[0] > 0 {
		out.opt(false, "hitcount", decimal(v.n[0]))
	}
	if x.has("rttl") {
		out.opt(false, "rttl", "")
	}
	out.opt(false, "name", x.recentName())
	mask := fullMask(x.family)
	if v := x.opt("mask"); v.set {
		mask = v.a[0]
	}
	out.opt(false, "mask", maskText(mask))
	if x.has("rdest") {
		out.opt(false, "rdest", "")
	} else {
		out.opt(false, "rsource", "")
	}
}

// maskText prints a mask as inet_ntop does.
func maskText(m netip.Addr) string { return m.String() }

const hashScale = 1000000

// hashRate is a rate of packets (period in millionths of a second) or of bytes.
type hashRate struct {
	bytes  bool
	period uint64 // of packets
	cost   uint64 // of bytes
	unit   uint64 // seconds of the unit it was given in
}

// byteUnits are the multiples of bytes.
var byteUnits = []name{{"mb", 1 << 20}, {"kb", 1 << 10}, {"b", 1}}

// byteCount reads 5b, 5kb or 5mb.
func byteCount(s string) (v uint64, ok bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	v, err := strconv.ParseUint(s[:end], 10, 40)
	factor, ok := named(byteUnits, s[end:])
	ok = ok && s == strings.ToLower(s)
	return v * factor, ok && err == nil
}

// byteCost is what the kernel keeps for a rate of bytes, units of 16 of them to
// the second; costBytes takes it back.
func byteCost(bytes uint64) uint64 { return max32 / (bytes>>4 + 1) }

func costBytes(cost uint64) uint64 { return (max32/max(cost, 1) - 1) << 4 }

// rateBytes prints a rate in the largest unit that keeps it.
func rateBytes(cost uint64) string {
	bytes := costBytes(cost)
	i := 0
	for i < 2 && (bytes < byteUnits[i].v || byteCost(uint64(uint32(bytes/byteUnits[i].v*byteUnits[i].v))) != cost) {
		i++
	}
	return fmt.Sprintf("%d%s/s", bytes/byteUnits[i].v, byteUnits[i].text)
}

// burstBytes prints a burst in the largest unit it has one of.
func burstBytes(bytes uint64) string {
	i := 0
	for i < 2 && bytes < byteUnits[i].v {
		i++
	}
	return fmt.Sprintf("%d%s", bytes/byteUnits[i].v, byteUnits[i].text)
}

func parseHashRate(x *Instance, _ *Rule, v *value, s []word) error {
	if bytes, ok := strings.CutSuffix(s[0].text, "/s"); ok {
		n, ok := byteCount(bytes)
		if v.x = (hashRate{bytes: true, cost: byteCost(n)}); ok {
			return nil
		}
		if strings.HasSuffix(bytes, "b") {
			return errorf(s[0].pos, "hashlimit: bad rate of bytes %q", s[0].text)
		}
	}
	period, ok := rate(s[0].text, hashScale)
	if !ok {
		return errorf(s[0].pos, "hashlimit: bad or too fast rate %q", s[0].text)
	}
	v.x = hashRate{period: period, unit: rateUnit(s[0].text)}
	return nil
}

func parseHashBurst(x *Instance, _ *Rule, v *value, s []word) error {
	n, ok := byteCount(s[0].text)
	if !ok {
		n, ok = number(s[0].text, 1000000)
	}
	if v.n[0] = n; !ok || n == 0 {
		return errorf(s[0].pos, "hashlimit: bad burst %q", s[0].text)
	}
	return nil
}

func parseHashInterval(x *Instance, _ *Rule, v *value, s []word) error {
	n, err := strconv.ParseUint(s[0].text, 10, 32)
	if v.n[0] = n; err != nil || n == 0 || n == max32 {
		return errorf(s[0].pos, "hashlimit: bad interval %q", s[0].text)
	}
	return nil
}

var hashModes = []name{{"srcip", 1}, {"srcport", 2}, {"dstip", 4}, {"dstport", 8}}

func parseHashMode(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = bitset(hashModes, s[0].text, named); !ok {
		return errorf(s[0].pos, "hashlimit: bad mode %q", s[0].text)
	}
	return nil
}

// hashRate returns the rate, and whether what is above it matches.
func (x *Instance) hashRate() (r hashRate, above bool) {
	v := x.opt("hashlimit-upto")
	if !v.set {
		v, above = x.opt("hashlimit-above"), true
	}
	r = v.x.(hashRate)
	if !r.bytes && x.has("hashlimit-rate-match") {
		r.period /= r.unit // so many in an interval, whatever the unit
	}
	return r, above != v.neg
}

func finalHashlimit(x *Instance, _ *Rule) error {
	r, _ := x.hashRate()
	bits := uint64(x.family.bits())
	if x.opt("hashlimit-srcmask").n[0] > bits || x.opt("hashlimit-dstmask").n[0] > bits {
		return errorf(x.Pos, "hashlimit: a mask is longer than an address")
	}
	if strings.Contains(x.opt("hashlimit-name").s, "/") {
		return errorf(x.Pos, "hashlimit: bad name %q", x.opt("hashlimit-name").s)
	}
	if r.bytes && r.cost == 0 {
		return errorf(x.Pos, "hashlimit: the rate is too high")
	}
	if b := x.opt("hashlimit-burst"); r.bytes && b.set && (costBytes(r.cost) == 0 || b.n[0] < costBytes(r.cost)) {
		return errorf(x.Pos, "hashlimit: the burst cannot be smaller than %db", costBytes(r.cost))
	}
	if !r.bytes && hashCredits(r.period*x.hashBurst()) < hashCredits(r.period) {
		return errorf(x.Pos, "hashlimit: the burst is too large for so low a rate")
	}
	return nil
}

func saveHashlimit(x *Instance, out *printer) {
	r, above := x.hashRate()
	name := "hashlimit-upto"
	if above {
		name = "hashlimit-above"
	}
	if r.bytes {
		out.opt(false, name, rateBytes(r.cost))
		if n := x.hashBurst(); n > 0 {
			out.opt(false, "hashlimit-burst", burstBytes(n*costBytes(r.cost)))
		}
	} else {
		out.opt(false, name, rateText(r.period, hashScale))
		out.opt(false, "hashlimit-burst", decimal(x.hashBurst()))
	}
	if m := x.opt("hashlimit-mode"); m.n[0] != 0 {
		out.opt(false, "hashlimit-mode", bitNames(hashModes, m.n[0]))
	}
	out.opt(false, "hashlimit-name", x.opt("hashlimit-name").s)
	bits := uint64(x.family.bits())
	expire, usual := x.hashExpire()
	for _, o := range []struct {
		name       string
		now, usual uint64
	}{
		{"htable-size", 0, 0}, {"htable-max", 0, 0}, {"htable-gcinterval", 1000, 1000}, {"htable-expire", expire, usual},
		{"srcmask", bits, bits}, {"dstmask", bits, bits},
	} {
		n := o.now
		if v := x.opt("hashlimit-" + o.name); v.set {
			n = v.n[0]
		}
		if n != o.usual {
			out.opt(false, "hashlimit-"+o.name, decimal(n))
		}
	}
	if x.has("hashlimit-rate-match") {
		out.opt(false, "hashlimit-rate-match", "")
		if n := x.hashInterval(); n != 1 {
			out.opt(false, "hashlimit-rate-interval", decimal(n))
		}
	}
}

// hashInterval is over how many seconds a rate is measured that is matched: the
// unit it was given in unless it is said.
func (x *Instance) hashInterval() uint64 {
	if v := x.opt("hashlimit-rate-interval"); v.set {
		return v.n[0]
	}
	r, _ := x.hashRate()
	return max(r.unit, 1)
}

// hashBurst is the burst in packets, or in how often the rate's bytes.
func (x *Instance) hashBurst() uint64 {
	r, _ := x.hashRate()
	b := x.opt("hashlimit-burst")
	switch {
	case r.bytes && b.set:
		bytes := max(costBytes(r.cost), 1)
		return (b.n[0] + bytes - 1) / bytes
	case r.bytes:
		return 0
	case b.set:
		return b.n[0]
	}
	return 5
}

// hashExpire is how long an idle address is remembered unless it is said, in
// milliseconds: the unit the rate was given in, which is not printed where it is
// the unit the rate prints in.
func (x *Instance) hashExpire() (now, usual uint64) {
	r, _ := x.hashRate()
	switch {
	case r.bytes && x.hashBurst() > 0:
		return 60000, 60000
	case r.bytes:
		return 15000, 15000
	}
	return r.unit * 1000, limitUnits[rateUnitIndex(r.period, hashScale)].v * 1000
}

// hashCredits is the kernel's arithmetic of 64 bits.
func hashCredits(user uint64) uint64 {
	const perSecond = 250 << 39
	return user * (perSecond / hashScale)
}
