package iptables

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// Tool is one command line of iptables: a listing, or a change.
type Tool struct {
	Family   Family
	Table    string
	Help     bool
	Version  bool
	list     bool // -L
	commands bool // -S
	show     ListOptions
	cmd      *command // nil: a listing alone
}

// CommandLine is what errors call the words of a Tool.
const CommandLine = "<cmdline>"

// freeText are options whose value may look like an option.
var freeText = []string{"--comment", "--string", "--hex-string", "--log-prefix", "--nflog-prefix", "--name", "--u32", "--bytecode"}

// spread takes clusters of letters apart, as getopt does.
func spread(args []string) (out []string) {
	for i, w := range args {
		if len(w) < 3 || w[0] != '-' || w[1] == '-' || i > 0 && slices.Contains(freeText, args[i-1]) {
			out = append(out, w)
			continue
		}
		for j := 1; j < len(w); j++ {
			out = append(out, "-"+w[j:j+1])
			if rest := w[j+1:]; rest != "" && (strings.IndexByte(takesWord, w[j]) >= 0 || strings.IndexByte("wW", w[j]) >= 0 && rest[0] >= '0' && rest[0] <= '9') {
				out = append(out, rest)
				break
			}
		}
	}
	return out
}

// ParseTool reads a command line without the program's name.
func ParseTool(family Family, args []string) (*Tool, error) {
	t := &Tool{Family: family, Table: "filter"}
	args = spread(args)
	col := 1
	var words []word
	var asked word // -L or -S
	zero := false
	for i := 0; i < len(args); i++ {
		w := word{text: args[i], pos: nft.Pos{File: CommandLine, Line: 1, Col: col}}
		col += len(w.text) + 1
		more := func() (string, bool) { // the next word, unless it is an option
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && args[i+1] != "!" {
				i++
				col += len(args[i]) + 1
				return args[i], true
			}
			return "", false
		}
		name, val, valued := strings.Cut(w.text, "=")
		if i > 0 && slices.Contains(freeText, args[i-1]) {
			name = ""
		}
		switch name {
		case "-t", "--table":
			if !valued {
				var ok bool
				if val, ok = more(); !ok {
					return nil, errorf(w.pos, "option \"%s\" requires an argument", w.text)
				}
			}
			t.Table = val
		case "-n", "--numeric":
			t.show.Numeric = true
		case "-v", "--verbose":
			t.show.Verbose = true
		case "-x", "--exact":
			t.show.Exact = true
		case "--line-numbers", "--line-number", "--line":
			t.show.Lines = true
		case "-w", "--wait", "-W", "--wait-interval":
			if i+1 < len(args) {
				if _, ok := number(args[i+1], max32); ok {
					_, _ = more()
				}
			}
		case "--modprobe", "-M":
			if !valued {
				_, _ = more()
			}
		case "-h", "--help":
			t.Help = true
		case "-V", "--version":
			t.Version = true
		case "-L", "--list", "-S", "--list-rules":
			if asked.text != "" {
				return nil, errorf(w.pos, "Cannot use -%c with -%c", letterOf(name), letterOf(asked.text))
			}
			asked = w
			t.list, t.commands = letterOf(name) == 'L', letterOf(name) == 'S'
			if t.show.Chain, _ = more(); t.show.Chain != "" {
				if text, ok := more(); ok {
					n, ok := number(text, max32)
					if !ok || n == 0 {
						return nil, errorf(w.pos, "Invalid rule number `%s'", text)
					}
					t.show.Number = int(n)
				}
			}
		default:
			zero = zero || name == "-Z" || name == "--zero"
			words = append(words, w)
		}
	}
	if t.Help || t.Version {
		return t, nil
	}
	if kindOf(t.Table) == nil {
		return nil, &Error{Pos: nft.Pos{File: CommandLine, Line: 1, Col: 1}, Status: 3,
			Msg: fmt.Sprintf("can't initialize %s table `%s': Table does not exist (do you need to insmod?)\nPerhaps %s or your kernel needs to be upgraded.", family.Tool(), t.Table, family.Tool())}
	}
	if asked.text != "" && len(words) == 0 {
		return t, nil
	}
	cmd, err := parseCommand(family, words, nft.Pos{File: CommandLine, Line: 1, Col: col})
	if err != nil {
		return nil, err
	}
	if asked.text != "" && !zero {
		return nil, errorf(asked.pos, "Cannot use -%c with -%c", letterOf(asked.text), cmd.verb)
	}
	if asked.text != "" && cmd.chain.text == "" {
		cmd.chain.text = t.show.Chain
	}
	t.cmd = cmd
	return t, nil
}

// letterOf is that of -L, --list, -S or --list-rules.
func letterOf(option string) byte {
	switch option {
	case "-L", "--list":
		return 'L'
	}
	return 'S'
}

// Changes says whether the command line asks for a change of the tables.
func (t *Tool) Changes() bool { return t.cmd != nil && t.cmd.verb != 'C' && !t.cmd.skip }

// Run carries the command line out on tables, which stay as they are, and returns
// those that shall be. What is listed is written to w.
func (t *Tool) Run(w io.Writer, rs *Ruleset) (*Ruleset, error) {
	table := newTable(kindOf(t.Table))
	if old := rs.table(t.Table); old != nil {
		table = old.clone()
	}
	if t.list || t.commands {
		if table.chains(t.show.Chain) == nil {
			return nil, toolError(nft.Pos{File: CommandLine, Line: 1, Col: 1}, noChain, "there is no chain `%s'", t.show.Chain)
		}
		print := table.Commands
		if t.list {
			print = func(w io.Writer, opt ListOptions) error { return table.List(w, t.Family, opt) }
		}
		if err := print(w, t.show); err != nil {
			return nil, err
		}
	}
	if t.cmd == nil || t.cmd.skip {
		return rs, nil
	}
	if what := map[byte]string{'Z': "Zeroing", 'F': "Flushing", 'X': "Deleting"}[t.cmd.verb]; what != "" && t.show.Verbose {
		for _, c := range table.chains(t.cmd.chain.text) {
			if t.cmd.verb != 'X' || c.Hook < 0 {
				fmt.Fprintf(w, "%s chain `%s'\n", what, c.Name)
			}
		}
	}
	if err := t.cmd.run(table); err != nil {
		return nil, err
	}
	if err := table.check(); err != nil {
		return nil, err
	}
	fresh := &Ruleset{Family: rs.Family, Tables: slices.Clone(rs.Tables)}
	fresh.put(table)
	return fresh, nil
}

// Foreign is the error about a table that holds rules of nft.
func (t *Tool) Foreign() error {
	return &Error{Pos: nft.Pos{File: CommandLine, Line: 1, Col: 1}, Status: 1, Msg: fmt.Sprintf("table `%s' is incompatible, use 'nft' tool.", t.Table)}
}

// Complaint is an error as the tool puts it, and its exit status.
func Complaint(family Family, e *Error) (text string, status int) {
	switch tool := family.Tool(); {
	case e.Tool != "":
		text = tool + ": " + e.Tool + "."
	case e.Status != 0:
		text = fmt.Sprintf("%s v%s (sluice): %s", tool, Version, e.Msg)
	default:
		text = fmt.Sprintf("%s v%s (sluice): %s\nTry `%s -h' or '%s --help' for more information.", tool, Version, e.Msg, tool, tool)
	}
	return text, e.ExitStatus()
}

// ExitStatus is the status with which the tool ends.
func (e *Error) ExitStatus() int {
	switch {
	case e.Tool != "":
		return 1
	case e.Status != 0:
		return e.Status
	}
	return 2
}

// IsTable says whether a table of a name may be.
func IsTable(name string) bool { return kindOf(name) != nil }

// The kernel's answers in the tool's words.
const (
	noChain  = "No chain/target/match by that name"
	noRule   = "Bad rule (does a matching rule exist in that chain?)"
	isThere  = "Chain already exists"
	inUse    = "Too many links"
	notEmpty = "Directory not empty"
	builtIn  = "Invalid argument. Run `dmesg' for more information"
	noBase   = "Bad built-in chain name"
	inCircle = "Too many levels of symbolic links"
)

// toolError is an error with the tool's own words.
func toolError(pos nft.Pos, tool, format string, args ...any) error {
	return &Error{Pos: pos, Tool: tool, Msg: fmt.Sprintf(format, args...)}
}
