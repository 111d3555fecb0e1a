package conntrack

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
)

// loadable are the verbs that a file may have, and what the others are called.
var loadable = map[Verb]string{
	Create: "", Add: "", Update: "", Delete: "", Flush: "",
	List: "-L", Get: "-G", Events: "-E", Version: "-V", Help: "-h", ListExpect: "-L expect", CreateExpect: "-C expect",
	DeleteExpect: "-D expect", GetExpect: "-G expect", FlushExpect: "-F expect", EventsExpect: "-E expect", Count: "-C",
	CountExpect: "-C expect", Stats: "-S", StatsExpect: "-S expect",
}

// load does the command lines of a file (-R). All are read before the first is
// done; the first that fails ends it.
func (r *Runner) load(ctx context.Context, path, name string) int {
	var in io.Reader = r.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return r.fail(usagef("Failed to open file %s for reading", name))
		}
		defer file.Close()
		in = file
	}
	var commands []*Command
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := strings.TrimLeft(lines.Text(), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		c, err := r.parse(splitWords(line))
		if err != nil {
			return r.fail(err)
		}
		commands = append(commands, c)
	}
	if err := lines.Err(); err != nil {
		return r.fail(err)
	}
	for _, c := range commands {
		if name, known := loadable[c.Verb]; name != "" || !known {
			if !known {
				name = "unknown"
			}
			return r.fail(usagef("Cannot use command `%s' with --load-file", name))
		}
	}
	for _, c := range commands {
		if status := r.do(ctx, path, c, false); status != exitOK {
			return status
		}
	}
	return exitOK
}

// splitWords splits a line at spaces outside of quotation marks, within which
// a backslash takes the next letter as it is.
func splitWords(line string) (words []string) {
	var word []byte
	quoted, escaped := false, false
	end := func() {
		if len(word) > 0 {
			words = append(words, string(word))
			word = nil
		}
	}
	for i := range len(line) {
		switch ch := line[i]; {
		case escaped:
			word, escaped = append(word, ch), false
		case quoted && ch == '\\':
			escaped = true
		case ch == '"':
			if quoted {
				end()
			}
			quoted = !quoted
		case !quoted && (ch == ' ' || ch == '\t'):
			end()
		default:
			word = append(word, ch)
		}
	}
	end()
	return words
}
