package nfttool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/cmd/sluice/getopt"
	"github.com/sluice-net/sluice/rules/nft"
)

// programName is what the tool calls itself in errors.
const programName = "nft"

// shortOptions and longOptions are the tool's, --control and --stats.
const shortOptions = "hvVcf:iI:jaesnuNSpyTtoD:d:"

var longOptions = getopt.List(`help.h version.v file=f define=D interactive.i includepath=I check.c optimize.o
handle.a stateless.s terse.t service.S reversedns.N guid.u numeric.n numeric-priority.y numeric-protocol.p
numeric-time.T echo.e json.j debug=d control=C stats.Z`)

// refused are options that are not supported, with the reason.
var refused = map[int]string{
	'i': "-i/--interactive: there is no shell; give commands or -f",
	'o': "-o/--optimize: the compiler joins rules by itself",
	'N': "-N/--reversedns: addresses are not looked up in the network",
	'd': "-d/--debug: nft's debugging shows its own insides",
}

// options is a command line.
type options struct {
	file    string
	given   bool // a file
	include []string
	define  map[string]string
	check   bool
	echo    bool
	stats   bool
	show    nft.PrintOptions
	control string
	help    bool
	version bool
	verbose bool // -V
	words   []string
}

// usageError is said on standard error and ends with status 1.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// parse reads a command line without the program's name.
func parse(args []string) (*options, error) {
	words, err := commandWords(args)
	if err != nil {
		return nil, err
	}
	o := &options{define: map[string]string{}}
	g := &getopt.Scanner{Args: append([]string{programName}, args[:len(args)-len(words)]...), Short: shortOptions, Long: longOptions}
	for {
		c := g.Next()
		if c == getopt.End {
			break
		}
		if err := o.option(c, g); err != nil || o.help || o.version || o.verbose {
			return o, err
		}
	}
	o.words = words
	switch {
	case o.stats && o.show.JSON:
		return nil, usagef("%s: --stats is text: leave -j out", programName)
	case len(o.define) > 0 && (!o.given || len(o.words) > 0):
		return nil, usagef("Error: -D/--define can only be used with -f/--filename")
	case len(o.words) == 0 && !o.given:
		return nil, usagef("%s: no command specified", programName)
	}
	return o, nil
}

func (o *options) option(c int, g *getopt.Scanner) error {
	if why, ok := refused[c]; ok {
		return usagef("%s: not supported: %s", programName, why)
	}
	show := &o.show
	switch c {
	case 'h':
		o.help = true
	case 'v':
		o.version = true
	case 'V':
		o.verbose = true
	case 'c':
		o.check = true
	case 'f':
		o.file, o.given = g.Arg, true
	case 'I':
		o.include = append(o.include, g.Arg)
	case 'D':
		name, value, ok := strings.Cut(g.Arg, "=")
		if !ok || name == "" {
			return usagef("Failed to define variable '%s'", g.Arg)
		}
		o.define[name] = value
	case 'j':
		show.JSON = true
	case 'a':
		show.Handles = true
	case 'e':
		o.echo = true
	case 's':
		show.Stateless = true
	case 't':
		show.Terse = true
	case 'n':
		show.Protocols, show.Priority, show.Time, show.Symbols = true, true, true, true
	case 'p':
		show.Protocols = true
	case 'y':
		show.Priority = true
	case 'T':
		show.Time = true
	case 'S':
		show.Services = true
	case 'u':
		show.Users = true
	case 'C':
		o.control = g.Arg
	case 'Z':
		o.stats = true
	default:
		return wrongOption(c, g)
	}
	return nil
}

// wrongOption words an error as the C library does.
func wrongOption(c int, g *getopt.Scanner) error {
	word := g.Word()
	long := strings.HasPrefix(word, "--")
	name, _, valued := strings.Cut(word, "=")
	switch {
	case c == getopt.Missing && long:
		return usagef("%s: option '%s' requires an argument", programName, name)
	case c == getopt.Missing:
		return usagef("%s: option requires an argument -- '%s'", programName, word[len(word)-1:])
	case long && valued && slices.ContainsFunc(longOptions, func(o getopt.Option) bool { return strings.HasPrefix("--"+o.Name, name) }):
		return usagef("%s: option '%s' doesn't allow an argument", programName, name)
	case long:
		return usagef("%s: unrecognized option '%s'", programName, word)
	}
	letter := strings.IndexFunc(word[min(1, len(word)):], func(r rune) bool { return r == ':' || !strings.ContainsRune(shortOptions, r) })
	if !strings.HasPrefix(word, "-") || letter < 0 { // the cluster is not at its end yet
		word = g.Args[min(g.Index, len(g.Args)-1)]
		letter = strings.IndexFunc(word[1:], func(r rune) bool { return r == ':' || !strings.ContainsRune(shortOptions, r) })
	}
	return usagef("%s: invalid option -- '%c'", programName, word[1+max(letter, 0)])
}

// commandWords returns the words that are the command. Options behind it, outside
// of braces, are refused, and shown as the tool does.
func commandWords(args []string) (words []string, err error) {
	at := len(programName) + 1
	braces := false
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--" && words == nil:
			return args[i+1:], nil
		case strings.HasPrefix(word, "{"):
			braces = true
		case strings.HasPrefix(word, "}"):
			braces = false
		}
		option := strings.HasPrefix(word, "-") && !braces
		switch {
		case words == nil && !option:
			words = args[i:]
		case words != nil && option:
			return nil, usagef("Error: syntax error, options must be specified before commands\n%s %s \n%*c%*s", programName,
				strings.Join(args, " "), len(programName)+1, '^', at-len(programName)+1, "~~")
		case option && takesWord(word) && i+1 < len(args):
			at += len(word) + 1
			i++
			word = args[i]
		}
		at += len(word) + 1
	}
	return words, nil
}

// takesWord says whether the word behind an option is its argument.
func takesWord(word string) bool {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		return slices.ContainsFunc(longOptions, func(o getopt.Option) bool { return o.Name == name && o.Arg == getopt.NeedsArg })
	}
	i := strings.Index(shortOptions, word[len(word)-1:])
	return len(word) > 1 && i >= 0 && strings.HasPrefix(shortOptions[i+1:], ":")
}
