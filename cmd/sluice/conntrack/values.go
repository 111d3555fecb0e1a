package conntrack

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/flowtable"
)

// scanC reads a number as strtoul(3) does in base 0 and returns where it ends;
// 0 when there is none. Numbers too large are the largest one.
func scanC(text string) (n uint64, end int) {
	i := len(text) - len(strings.TrimLeft(text, " \t\n\v\f\r"))
	negative := false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	base := 10
	switch rest := strings.ToLower(text[i:]); {
	case len(rest) > 2 && rest[:2] == "0x" && strings.IndexByte("0123456789abcdef", rest[2]) >= 0:
		base, i = 16, i+2
	case strings.HasPrefix(rest, "0"):
		base = 8
	}
	for ; i < len(text); i++ {
		digit := strings.IndexByte("0123456789abcdef"[:base], text[i]|0x20)
		if text[i] >= '0' && text[i] <= '9' {
			digit = strings.IndexByte("0123456789"[:min(base, 10)], text[i])
		}
		if digit < 0 {
			break
		}
		if n > (math.MaxUint64-uint64(digit))/uint64(base) {
			n = math.MaxUint64
		} else {
			n = n*uint64(base) + uint64(digit)
		}
		end = i + 1
	}
	if negative {
		n = -n
	}
	return n, end
}

// parseC is the number that a text begins with, 0 when there is none.
func parseC(text string) uint64 {
	n, _ := scanC(text)
	return n
}

// parseDecimal is parseC for decimal numbers only, as atol(3).
func parseDecimal(text string) uint64 {
	n, _ := strconv.ParseInt(decimalPrefix(text), 10, 64)
	return uint64(n)
}

func decimalPrefix(text string) string {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	i := 0
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		i++
	}
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return text[:i]
}

// address is an address with a prefix length; -1: none was given.
type address struct {
	family uint8
	bytes  [16]byte // IPv4 in the first four
	bits   int
}

// parseAddress reads an address as the tool does; nil: it is none. A wrong
// prefix length is -2.
func parseAddress(text string) *address {
	const longest = 45 // letters the tool looks at
	a := &address{bits: -1}
	host, length, hasLength := strings.Cut(text[:min(len(text), longest)], "/")
	if hasLength {
		n, err := strconv.Atoi(strings.TrimLeft(length, " "))
		switch {
		case length == "": // C's number of nothing
			n = 0
		case err != nil || n < 0:
			n = -2
		}
		a.bits = n
	}
	if ip, ok := parseIPv4(host); ok {
		a.family = flowtable.FamilyIPv4
		binary.BigEndian.PutUint32(a.bytes[:], ip)
		if a.bits > 32 {
			a.bits = -2
		}
		return a
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is6() || ip.Zone() != "" {
		return nil
	}
	a.family, a.bytes = flowtable.FamilyIPv6, ip.As16()
	if a.bits > 128 {
		a.bits = -2
	}
	return a
}

// parseIPv4 reads an IPv4 address as inet_aton(3): one to four numbers in the
// notations of C, the last of which fills what is left.
func parseIPv4(text string) (ip uint32, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return 0, false
	}
	for i, part := range parts {
		n, end := scanC(part)
		if part == "" || end != len(part) || part[0] < '0' || part[0] > '9' {
			return 0, false
		}
		last := i == len(parts)-1
		limit := uint64(255)
		if last {
			limit = 1<<(8*(4-i)) - 1
		}
		if n > limit {
			return 0, false
		}
		if last {
			ip |= uint32(n)
		} else {
			ip |= uint32(n) << (8 * (3 - i))
		}
	}
	return ip, true
}

// netmask returns the mask of a prefix length.
func netmask(family uint8, bits int) (mask [16]byte) {
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}

// word is one of the words that an option takes, and what it means.
type word struct {
	name  string
	value uint32
}

var (
	statusWords = []word{
		{"ASSURED", flowtable.StatusAssured}, {"SEEN_REPLY", flowtable.StatusSeenReply}, {"UNSET", 0},
		{"FIXED_TIMEOUT", flowtable.StatusFixedTimeout}, {"EXPECTED", flowtable.StatusExpected},
		{"OFFLOAD", 1 << 14}, {"HW_OFFLOAD", 1 << 15},
	}
	eventWords  = []word{{"ALL", WantAll}, {"NEW", WantNew}, {"UPDATES", WantUpdate}, {"DESTROY", WantDestroy}}
	outputWords = []word{
		{"xml", uint32(OutXML)}, {"extended", uint32(OutExtended)}, {"timestamp", uint32(OutTimestamp)}, {"id", uint32(OutID)},
		{"ktimestamp", uint32(OutKernelTimestamp)}, {"labels", uint32(OutLabels)}, {"userspace", 0}, {"save", uint32(OutSave)},
	}
)

// beginsWith reports whether full begins with a text that is not empty,
// whatever the case.
func beginsWith(full, text string) bool {
	return len(text) <= len(full) && strings.EqualFold(full[:len(text)], text)
}

// parseWord finds the first word that begins so. Words of NAT are passed over
// with a warning, whatever the option, as the tool does.
func parseWord(text string, words []word, value *uint32, warn io.Writer) bool {
	for _, kind := range []string{"SRC", "DST"} {
		if beginsWith(kind+"_NAT", text) {
			fmt.Fprintf(warn, "WARNING: ignoring %s_NAT, use --%s-nat instead\n", kind, strings.ToLower(kind))
			return true
		}
	}
	for _, w := range words {
		if beginsWith(w.name, text) {
			*value |= w.value
			return true
		}
	}
	return false
}

// parseWords reads words with commas. Errors show what was left to read.
func parseWords(arg string, words []word, value *uint32, warn io.Writer) error {
	for rest := arg; ; {
		text, after, more := strings.Cut(rest, ",")
		if text == "" || !parseWord(text, words, value, warn) {
			return usagef("Bad parameter `%s'", rest)
		}
		if !more {
			return nil
		}
		rest = after
	}
}

// parseStatus reads the words of -u, of which ! negates: bits that have to be
// there and bits that the kernel looks at.
func parseStatus(arg string, status, mask *uint32, warn io.Writer) error {
	for rest := arg; ; {
		text, after, more := strings.Cut(rest, ",")
		if text == "" && more {
			return usagef("Bad parameter `%s'", rest)
		}
		value := status
		if strings.HasPrefix(text, "!") {
			value, text, rest = mask, text[1:], rest[1:]
		}
		switch {
		case value == status && strings.HasPrefix(rest, "UNREPLIED"):
			*mask |= flowtable.StatusSeenReply
		case text == "" || !parseWord(text, statusWords, value, warn):
			return usagef("Bad parameter `%s'", rest)
		}
		if !more {
			return nil
		}
		rest = after
	}
}
