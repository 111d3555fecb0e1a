package nft

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// dateForms are the ways to write a point in time.
var dateForms = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// special reads values of types that are written in a way of their own; ok is
// false when text is none.
func (t *Type) special(text string) (v uint64, ok bool) {
	switch t {
	case TypeHour:
		return parseHour(text)
	case TypeDate:
		for _, f := range dateForms {
			if d, err := time.ParseInLocation(f, text, time.Local); err == nil {
				return uint64(d.UnixNano()), true
			}
		}
	case TypeClassid:
		return parseClassid(text)
	case TypeUID:
		if u, err := user.Lookup(text); err == nil {
			n, err := strconv.ParseUint(u.Uid, 10, 32)
			return n, err == nil
		}
	case TypeGID:
		if g, err := user.LookupGroup(text); err == nil {
			n, err := strconv.ParseUint(g.Gid, 10, 32)
			return n, err == nil
		}
	}
	return 0, false
}

const daySeconds = 86400

// zone is how many seconds local time is ahead.
func zone() uint64 {
	_, off := time.Now().Zone()
	return uint64((off%daySeconds + daySeconds) % daySeconds)
}

// parseHour reads 17:00 or 17:00:30 of local time; the value is seconds of UTC's
// day.
func parseHour(text string) (uint64, bool) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	v := uint64(0)
	limits := [...]uint64{24, 60, 62} // with leap seconds, as strptime
	for i := range limits {
		n := uint64(0)
		if i < len(parts) {
			var err error
			if n, err = strconv.ParseUint(parts[i], 10, 8); err != nil || n >= limits[i] {
				return 0, false
			}
		}
		v = v*60 + n
	}
	return (v + daySeconds - zone()) % daySeconds, true
}

func hourText(v uint64) string {
	v = (v + zone()) % daySeconds
	s := fmt.Sprintf("%02d:%02d", v/3600, v/60%60)
	if v%60 != 0 {
		s += fmt.Sprintf(":%02d", v%60)
	}
	return `"` + s + `"`
}

// parseClassid reads none, root, 1:2, 1: and :2 in hexadecimal.
func parseClassid(text string) (uint64, bool) {
	switch text {
	case "none":
		return 0, true
	case "root":
		return 1<<32 - 1, true
	}
	major, minor, ok := strings.Cut(text, ":")
	if !ok {
		return 0, text != "" && (text[0] < '0' || text[0] > '9') // nft takes any other word for none
	}
	v := uint64(0)
	for _, s := range []string{major, minor} {
		n, err := strconv.ParseUint(s, 16, 16)
		if err != nil && s != "" {
			return 0, false
		}
		v = v<<16 | n
	}
	return v, true
}

func classidText(v uint64) string {
	switch {
	case v == 0:
		return "none"
	case v == 1<<32-1:
		return "root"
	}
	return fmt.Sprintf("%x:%x", v>>16, v&0xffff)
}

// specialText shows values of such types; "" is none of them.
func specialText(t *Type, b []byte, opt *PrintOptions) string {
	switch t {
	case TypeHour:
		return hourText(getUint(b))
	case TypeDate:
		return `"` + time.Unix(0, int64(getUint(b))).Format(dateForms[0]) + `"`
	case TypeDay, TypeRealm, TypeDevgroup:
		if n := t.Symbol(getUint(b)); n != "" && !opt.Symbols {
			return `"` + n + `"`
		}
	case TypeUID:
		if opt.Users {
			if u, err := user.LookupId(strconv.FormatUint(getUint(b), 10)); err == nil {
				return `"` + u.Username + `"`
			}
		}
	case TypeGID:
		if opt.Users {
			if g, err := user.LookupGroupId(strconv.FormatUint(getUint(b), 10)); err == nil {
				return `"` + g.Name + `"`
			}
		}
	case TypeClassid:
		return classidText(getUint(b))
	case TypeString:
		return `"` + strings.TrimRight(string(b), "\x00") + `"`
	case TypeCTLabel:
		for i := 0; i < 8*len(b); i++ {
			if b[len(b)-1-i/8]>>(i%8)&1 != 0 {
				return strconv.Itoa(i)
			}
		}
		return "0"
	}
	return ""
}
