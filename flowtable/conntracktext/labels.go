package conntracktext

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// LabelFile is where the conntrack tool looks for the names of labels.
const LabelFile = "/etc/xtables/connlabel.conf"

// Labels is the number of label bits a connection has.
const Labels = 128

// maxLabel is the highest bit, plus one, that a label file may name.
const maxLabel = 1024

// LabelMap has the names of label bits. Immutable.
type LabelMap struct {
	Names map[int]string `json:"names"` // by bit
}

// ErrNoLabels says that a label file names no label.
var ErrNoLabels = errors.New("no label is named in it")

// ReadLabels reads a label file: a line a label, its bit and its name; what
// begins with # is a comment. As the tool does it passes over lines that say
// nothing, bits and names that were there before, and names with other
// characters than letters, digits, spaces and hyphens. A file that names no
// label gives ErrNoLabels.
func ReadLabels(r io.Reader) (*LabelMap, error) {
	m := &LabelMap{Names: map[int]string{}}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimLeft(lines.Text(), " \f\r\t\v")
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := 0
		for end < len(line) && (isAlphanumeric(line[end])) {
			end++
		}
		bit, err := strconv.ParseUint(line[:end], 0, 16)
		name := strings.Trim(line[end:], " \f\r\t\v")
		if err != nil || bit >= maxLabel || name == "" || !saneLabel(name) || m.Names[int(bit)] != "" || m.Bit(name) >= 0 {
			continue
		}
		m.Names[int(bit)] = name
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(m.Names) == 0 {
		return nil, ErrNoLabels
	}
	return m, nil
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func saneLabel(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != ' ' && r != '-' && (r > 'z' || !isAlphanumeric(byte(r)))
	})
}

// Bit returns the bit that has a name, -1 when there is none.
func (m *LabelMap) Bit(name string) int {
	for bit, n := range m.Names {
		if n == name {
			return bit
		}
	}
	return -1
}

// append appends the names of the bits that are set, with commas. A bit
// without a name gives nothing.
func (m *LabelMap) append(b []byte, labels *[16]byte) []byte {
	comma := ""
	for bit := range Labels {
		if name := m.Names[bit]; name != "" && HasLabel(labels, bit) {
			b = append(append(b, comma...), name...)
			comma = ","
		}
	}
	return b
}

func (m *LabelMap) appendXML(b []byte, labels *[16]byte) []byte {
	b = append(b, "<labels>"...)
	for bit := range Labels {
		if name := m.Names[bit]; name != "" && HasLabel(labels, bit) {
			b = appendTag(b, "label", name)
		}
	}
	return append(b, "</labels>"...)
}

// HasLabel reports whether a bit is set.
func HasLabel(labels *[16]byte, bit int) bool {
	return bit < Labels && labels[bit>>3]&(1<<(bit&7)) != 0
}

// list returns what the bits that are set are called, a number when they have
// no name.
func (m *LabelMap) list(labels *[16]byte) (names []string) {
	for bit := range Labels {
		if !HasLabel(labels, bit) {
			continue
		}
		name := ""
		if m != nil {
			name = m.Names[bit]
		}
		if name == "" {
			name = strconv.Itoa(bit)
		}
		names = append(names, name)
	}
	return slices.Clip(names)
}
