package yamlfile

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// place puts an error of the library into the form FILE:LINE:COLUMN: what.
func place(name string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	what := at.GetMessage()
	if key, ok := strings.CutPrefix(what, "unknown field "); ok {
		what = "unknown setting " + strconv.Quote(strings.Trim(key, `"`))
	}
	if m := typeMismatch.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("want %s, not %s", wanted(m[2]), found(strings.TrimSpace(m[1])))
	}
	if m := kindMismatch.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("want %s, not %s", map[string]string{"mapping": "settings by name", "sequence": "a list"}[m[2]], found(m[1]))
	}
	return fmt.Errorf("%s:%s: %s", name, position(at.GetToken()), what)
}

// typeMismatch is what the library says of a value of the wrong kind, in words
// of Go.
var typeMismatch = regexp.MustCompile(`^cannot unmarshal (.*?) into Go (?:value|struct field \S+) of type (\S+)`)

// kindMismatch is what it says where names or a list should be.
var kindMismatch = regexp.MustCompile(`^(\S+) was used where (mapping|sequence) is expected`)

// found says in a reader's words what stands there.
func found(kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case kind == "uint64" || kind == "int64" || kind == "int":
		return "a number"
	case kind == "float64" || kind == "float":
		return "a number with a point"
	case kind == "string":
		return "a text"
	case kind == "mapping":
		return "settings by name"
	case kind == "sequence" || strings.HasPrefix(kind, "["):
		return "a list"
	}
	return kind
}

// wanted says in a reader's words what a Go type takes.
func wanted(goType string) string {
	switch {
	case goType == "bool":
		return "true or false"
	case goType == "uint8":
		return "a whole number from 0 to 255"
	case goType == "uint32":
		return "a whole number from 0 to 4294967295"
	case goType == "uint16":
		return "a whole number from 0 to 65535"
	case strings.HasPrefix(goType, "uint"):
		return "a whole number, 0 or more"
	case strings.HasPrefix(goType, "int"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "time.Duration":
		return "a time with its unit, such as 2s or 500ms"
	case strings.HasPrefix(goType, "["):
		return "a list"
	case goType == "string":
		return "a text"
	}
	return "settings by name"
}
