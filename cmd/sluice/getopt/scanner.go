package getopt

import "strings"

// Whether an option takes an argument.
const (
	NoArg = iota
	NeedsArg
	MayHaveArg // only in the same word
)

// Option is an option of several letters. Several may have one value.
type Option struct {
	Name string
	Arg  int // NoArg, NeedsArg or MayHaveArg
	Val  int // what Next returns
}

// List makes options of words such as help.h, file=f and dump?L: the name,
// whether there is an argument (. none, = always, ? maybe), and the letter that
// Next returns for it.
func List(words string) (list []Option) {
	kinds := map[byte]int{'.': NoArg, '=': NeedsArg, '?': MayHaveArg}
	for _, w := range strings.Fields(words) {
		n := len(w) - 2
		list = append(list, Option{Name: w[:n], Arg: kinds[w[n]], Val: int(w[n+1])})
	}
	return list
}

// Values that Next returns besides options.
const (
	End     = -1
	Unknown = '?'
	Missing = ':'
)

// Scanner goes through a command line as getopt_long of the GNU C library does
// with a first ':' in its list of short options. Args[0] is the program's name.
// Words that are no options are moved behind the others as the C library moves
// them, because the tool's errors show the word before Index.
type Scanner struct {
	Args  []string
	Short string // as the C library has it, without the first ':'
	Long  []Option

	Index   int    // the word to look at next; after End the first that is no option
	Arg     string // of the option just found
	HasArg  bool
	rest    string // letters of a cluster that are not looked at yet
	first   int    // words [first, last) are no options and were passed over
	last    int
	started bool
}

// Next returns the value of the next option (of a short one its letter), or End,
// Unknown or Missing.
func (g *Scanner) Next() int {
	g.Arg, g.HasArg = "", false
	if !g.started {
		g.started, g.Index, g.first, g.last = true, 1, 1, 1
	}
	if g.rest == "" {
		if !g.advance() {
			return End
		}
		word := g.Args[g.Index]
		if name, ok := strings.CutPrefix(word, "--"); ok {
			g.Index++
			return g.findLong(name)
		}
		g.rest = word[1:]
	}
	return g.findShort()
}

// advance moves on to the next word that is an option.
func (g *Scanner) advance() bool {
	g.last, g.first = min(g.last, g.Index), min(g.first, g.Index)
	if g.first != g.last && g.last != g.Index {
		g.exchange()
	} else if g.last != g.Index {
		g.first = g.Index
	}
	for g.Index < len(g.Args) && !isOption(g.Args[g.Index]) {
		g.Index++
	}
	g.last = g.Index
	if g.Index < len(g.Args) && g.Args[g.Index] == "--" {
		g.Index++
		if g.first != g.last && g.last != g.Index {
			g.exchange()
		} else if g.first == g.last {
			g.first = g.Index
		}
		g.last = len(g.Args)
		g.Index = len(g.Args)
	}
	if g.Index == len(g.Args) {
		if g.first != g.last {
			g.Index = g.first
		}
		return false
	}
	return true
}

func isOption(word string) bool { return len(word) > 1 && word[0] == '-' }

// exchange moves the words that are no options behind the options after them.
func (g *Scanner) exchange() {
	words := append([]string(nil), g.Args[g.first:g.last]...)
	n := copy(g.Args[g.first:], g.Args[g.last:g.Index])
	copy(g.Args[g.first+n:], words)
	g.first += n
	g.last = g.Index
}

func (g *Scanner) findLong(name string) int {
	name, value, hasValue := strings.Cut(name, "=")
	o := g.match(name)
	if o == nil {
		return Unknown
	}
	switch {
	case hasValue && o.Arg == NoArg:
		return Unknown
	case hasValue:
		g.Arg, g.HasArg = value, true
	case o.Arg == NeedsArg:
		if g.Index >= len(g.Args) {
			return Missing
		}
		g.Arg, g.HasArg = g.Args[g.Index], true
		g.Index++
	}
	return o.Val
}

// match returns the option with a name, or the only one whose name begins so;
// several that mean the same are one.
func (g *Scanner) match(name string) *Option {
	var found *Option
	for i := range g.Long {
		o := &g.Long[i]
		switch {
		case o.Name == name:
			return o
		case !strings.HasPrefix(o.Name, name):
		case found == nil:
			found = o
		case found.Val != o.Val || found.Arg != o.Arg:
			for j := range g.Long[i:] { // a full name further on still wins
				if g.Long[i+j].Name == name {
					return &g.Long[i+j]
				}
			}
			return nil
		}
	}
	return found
}

func (g *Scanner) findShort() int {
	c := g.rest[0]
	g.rest = g.rest[1:]
	if g.rest == "" {
		g.Index++
	}
	at := strings.IndexByte(g.Short, c)
	if at < 0 || c == ':' || c == ';' {
		return Unknown
	}
	switch colons := g.Short[at+1:]; {
	case strings.HasPrefix(colons, "::"):
		if g.rest != "" {
			g.Arg, g.HasArg = g.rest, true
			g.Index++
		}
	case strings.HasPrefix(colons, ":"):
		switch {
		case g.rest != "":
			g.Arg, g.HasArg = g.rest, true
			g.Index++
		case g.Index >= len(g.Args):
			return Missing
		default:
			g.Arg, g.HasArg = g.Args[g.Index], true
			g.Index++
		}
	default:
		return int(c)
	}
	g.rest = ""
	return int(c)
}

// Optional returns the argument of an option that may have one as conntrack takes
// it: the word after the option, and so nothing when the argument stands in the
// same word.
func (g *Scanner) Optional() (string, bool) {
	if g.HasArg || g.Index >= len(g.Args) || strings.HasPrefix(g.Args[g.Index], "-") || strings.HasPrefix(g.Args[g.Index], "!") {
		return "", false
	}
	g.Index++
	return g.Args[g.Index-1], true
}

// Word is the word of the command line before Index: what errors are about.
func (g *Scanner) Word() string { return g.Args[g.Index-1] }
