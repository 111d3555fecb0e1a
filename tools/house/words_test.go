package house

import (
	"bytes"
	"regexp"
	"testing"
)

// A word and why it has no place here. Each is put together from parts so that
// this file does not hold it.
var words = []struct {
	name string
	is   *regexp.Regexp
}{
	{"an open end: do it or write an issue", regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)},
	{"a path of one machine", regexp.MustCompile(`/wor` + `k/|/tm` + `p/plan`)},
	{"about how the code came to be", regexp.MustCompile(`(?i)\bsub` + `agents?\b|\bas an A` + `I\b|\blanguage mo` + `del\b|\bcla` + `ude\b`)},
	{"the project says burst", regexp.MustCompile(`\b[Bb]at` + `ch(es|ed)?\b`)},
}

func TestWords(t *testing.T) {
	for _, s := range tree(t) {
		if s.path == "LICENSE" || s.path == "go.sum" || bytes.IndexByte(s.text, 0) >= 0 {
			continue
		}
		for number, line := range bytes.Split(s.text, []byte("\n")) {
			for _, w := range words {
				if found := w.is.Find(line); found != nil {
					t.Errorf("%s:%d: %q: %s", s.path, number+1, found, w.name)
				}
			}
		}
	}
}

// TestWordsFindsThem plants one of each.
func TestWordsFindsThem(t *testing.T) {
	for at, planted := range []string{"// TO" + "DO: later", "see /wor" + "k/shared", "a sub" + "agent wrote", "one bat" + "ch"} {
		if !words[at].is.MatchString(planted) {
			t.Errorf("%q not found by the rule %q", planted, words[at].name)
		}
	}
}
