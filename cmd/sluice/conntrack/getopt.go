package conntrack

import "strings"

// Whether an option takes an argument.
const (
	noArg = iota
	needsArg
	mayHaveArg // only in the same word
)

// longOption is an option of several letters. Several may have one value.
type longOption struct {
	name string
	arg  int
	val  int
}

// Values that getopt.next returns besides options.
const (
	getoptEnd     = -1
	getoptUnknown = '?'
	getoptMissing = ':'
)

// getopt goes through a command line as getopt_long of the GNU C library does
// with a first ':' in its list of short options. args[0] is the program's name.
// Words that are no options are moved behind the others as the C library moves
// them, because the tool's errors show the word before next.
type getopt struct {
	args  []string
	short string // as the C library has it, without the first ':'
	long  []longOption

	next    int    // the word to look at next
	arg     string // of the option just found
	hasArg  bool
	rest    string // letters of a cluster that are not looked at yet
	first   int    // words [first, last) are no options and were passed over
	last    int
	started bool
}

// find returns the next option, or one of the getopt* values.
func (g *getopt) find() int {
	g.arg, g.hasArg = "", false
	if !g.started {
		g.started, g.next, g.first, g.last = true, 1, 1, 1
	}
	if g.rest == "" {
		if !g.advance() {
			return getoptEnd
		}
		word := g.args[g.next]
		if name, ok := strings.CutPrefix(word, "--"); ok {
			g.next++
			return g.findLong(name)
		}
		g.rest = word[1:]
	}
	return g.findShort()
}

// advance moves on to the next word that is an option.
func (g *getopt) advance() bool {
	g.last, g.first = min(g.last, g.next), min(g.first, g.next)
	if g.first != g.last && g.last != g.next {
		g.exchange()
	} else if g.last != g.next {
		g.first = g.next
	}
	for g.next < len(g.args) && !isOption(g.args[g.next]) {
		g.next++
	}
	g.last = g.next
	if g.next < len(g.args) && g.args[g.next] == "--" {
		g.next++
		if g.first != g.last && g.last != g.next {
			g.exchange()
		} else if g.first == g.last {
			g.first = g.next
		}
		g.last = len(g.args)
		g.next = len(g.args)
	}
	if g.next == len(g.args) {
		if g.first != g.last {
			g.next = g.first
		}
		return false
	}
	return true
}

func isOption(word string) bool { return len(word) > 1 && word[0] == '-' }

// exchange moves the words that are no options behind the options after them.
func (g *getopt) exchange() {
	words := append([]string(nil), g.args[g.first:g.last]...)
	n := copy(g.args[g.first:], g.args[g.last:g.next])
	copy(g.args[g.first+n:], words)
	g.first += n
	g.last = g.next
}

func (g *getopt) findLong(name string) int {
	name, value, hasValue := strings.Cut(name, "=")
	o := g.match(name)
	if o == nil {
		return getoptUnknown
	}
	switch {
	case hasValue && o.arg == noArg:
		return getoptUnknown
	case hasValue:
		g.arg, g.hasArg = value, true
	case o.arg == needsArg:
		if g.next >= len(g.args) {
			return getoptMissing
		}
		g.arg, g.hasArg = g.args[g.next], true
		g.next++
	}
	return o.val
}

// match returns the option with a name, or the only one whose name begins so;
// several that mean the same are one.
func (g *getopt) match(name string) *longOption {
	var found *longOption
	for i := range g.long {
		o := &g.long[i]
		switch {
		case o.name == name:
			return o
		case !strings.HasPrefix(o.name, name):
		case found == nil:
			found = o
		case found.val != o.val || found.arg != o.arg:
			for j := range g.long[i:] { // a full name further on still wins
				if g.long[i+j].name == name {
					return &g.long[i+j]
				}
			}
			return nil
		}
	}
	return found
}

func (g *getopt) findShort() int {
	c := g.rest[0]
	g.rest = g.rest[1:]
	if g.rest == "" {
		g.next++
	}
	at := strings.IndexByte(g.short, c)
	if at < 0 || c == ':' || c == ';' {
		return getoptUnknown
	}
	switch colons := g.short[at+1:]; {
	case strings.HasPrefix(colons, "::"):
		if g.rest != "" {
			g.arg, g.hasArg = g.rest, true
			g.next++
		}
	case strings.HasPrefix(colons, ":"):
		switch {
		case g.rest != "":
			g.arg, g.hasArg = g.rest, true
			g.next++
		case g.next >= len(g.args):
			return getoptMissing
		default:
			g.arg, g.hasArg = g.args[g.next], true
			g.next++
		}
	default:
		return int(c)
	}
	g.rest = ""
	return int(c)
}

// optional returns the argument of an option that may have one. The tool takes
// the word after the option for it, and so nothing when the argument stands in
// the same word.
func (g *getopt) optional() (string, bool) {
	if g.hasArg || g.next >= len(g.args) || strings.HasPrefix(g.args[g.next], "-") || strings.HasPrefix(g.args[g.next], "!") {
		return "", false
	}
	g.next++
	return g.args[g.next-1], true
}

// word is what the tool shows of the command line in an error.
func (g *getopt) word() string { return g.args[g.next-1] }
