package control

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Script is nftables text to apply.
type Script struct {
	Name    string            // what errors call it: the file's name
	Text    string            // the commands
	Dir     string            // where the client is: relative names begin there
	Include []string          // folders for included files
	Define  map[string]string // variables
}

// Applied is what became of a Script.
type Applied struct {
	Generation uint64
	Rules      int
	Checked    bool // it was only checked
}

// Origin says where the rules in force come from.
type Origin struct {
	File    string // the last whole ruleset
	Scripts int    // that changed it since
}

// Rulebook changes and lists the rules of a box, one change at a time. All
// methods may be called from any goroutine.
type Rulebook struct {
	box *dataplane.Box

	change sync.Mutex // a listing, what follows from it, and the publish are one
	origin Origin
}

// NewRulebook returns the rulebook of a box. Nobody else may publish rules
// into it.
func NewRulebook(box *dataplane.Box) *Rulebook { return &Rulebook{box: box} }

// ErrScript marks errors of the text, as opposed to those of the box.
type ErrScript struct{ err error }

// WrongScript marks an error of the parser or compiler.
func WrongScript(err error) error { return &ErrScript{err} }

// Error is what nft would print.
func (e *ErrScript) Error() string { return e.err.Error() }

// Unwrap returns the parser's or compiler's error.
func (e *ErrScript) Unwrap() error { return e.err }

// Replace puts a whole ruleset in the place of the one in force. On an error
// nothing changes.
func (b *Rulebook) Replace(file string, text []byte, opt nft.ParseOptions) (*dataplane.Report, error) {
	b.change.Lock()
	defer b.change.Unlock()
	at := origin{name: file, file: file}
	tree, err := nft.Parse(file, text, opt)
	rs, err := b.compile(tree, err, text, at)
	if err != nil {
		return nil, err
	}
	report, err := b.box.Publish(rs)
	if err == nil {
		b.origin = Origin{File: file}
	}
	return report, err
}

// Apply applies a script to the rules in force, or only finds out whether that
// would work. On an error nothing changes.
func (b *Rulebook) Apply(s Script, check bool) (Applied, error) {
	b.change.Lock()
	defer b.change.Unlock()
	whole := beginsWithFlush(s.Text)
	// Names are the client's: what stands beside its file is included first.
	at := origin{name: s.Name, file: absolute(s.Dir, s.Name)}
	text := []byte(s.Text)
	opt := nft.ParseOptions{Defines: s.Define}
	for _, dir := range append(s.Include, ".") {
		opt.IncludeDirs = append(opt.IncludeDirs, absolute(s.Dir, dir))
	}
	var tree *nft.Ruleset
	var err error
	if whole {
		tree, err = nft.Parse(at.file, text, opt)
	} else {
		tree, err = nft.Apply(b.box.Rules().Tree, at.file, text, opt, b.values(nft.PrintOptions{}))
	}
	rs, err := b.compile(tree, err, text, at)
	if err != nil {
		return Applied{}, err
	}
	done := Applied{Rules: CountRules(rs.Tree), Checked: check}
	if check {
		return done, nil
	}
	report, err := b.box.Publish(rs)
	if err != nil {
		return Applied{}, err
	}
	done.Generation = report.Generation
	if whole {
		b.origin = Origin{File: s.Name}
	} else {
		b.origin.Scripts++
	}
	return done, nil
}

// compile goes from a tree, or the error of its text, to a ruleset that can be
// published. An error of the text is an *ErrScript.
func (b *Rulebook) compile(tree *nft.Ruleset, err error, text []byte, at origin) (*rules.Ruleset, error) {
	if err != nil {
		return nil, &ErrScript{at.of(err)}
	}
	rs, err := b.box.Compile(tree)
	var wrong *rules.Error
	if errors.As(err, &wrong) {
		return nil, &ErrScript{at.of(Explain(err, at.file, text))}
	}
	return rs, err
}

// List writes the rules in force as `nft list ruleset` does, with the values
// that their counters have now.
func (b *Rulebook) List(w io.Writer, opt nft.PrintOptions) error {
	b.change.Lock()
	text := b.listing(opt)
	b.change.Unlock()
	_, err := w.Write(text)
	return err
}

// listing prints the rules in force. Held: b.change, so that rules and counters
// belong together.
func (b *Rulebook) listing(opt nft.PrintOptions) []byte {
	var out bytes.Buffer
	_ = nft.Fprint(&out, b.box.Rules().Tree, b.values(opt)) // a buffer takes everything
	return out.Bytes()
}

// values adds to options what counters and quotas have now. Held: b.change.
func (b *Rulebook) values(opt nft.PrintOptions) nft.PrintOptions {
	live := map[*nft.Counter]rules.CounterTotal{}
	for _, c := range b.box.Counters() {
		live[c.Counter] = c
	}
	opt.Counters = func(c *nft.Counter) (packets, bytes uint64) {
		now := live[c]
		return c.Packets + now.Packets, c.Bytes + now.Bytes
	}
	opt.Quotas = b.box.Rules().QuotaUsed
	return opt
}

// CountRules returns the number of rules in a tree.
func CountRules(tree *nft.Ruleset) (n int) {
	for _, t := range tree.Tables {
		for _, c := range t.Chains {
			n += len(c.Rules)
		}
	}
	return n
}

// Origin says where the rules in force come from.
func (b *Rulebook) Origin() Origin {
	b.change.Lock()
	defer b.change.Unlock()
	return b.origin
}

// beginsWithFlush says whether the first command is `flush ruleset` for all
// families: what stood before then has no effect.
func beginsWithFlush(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		command, _, _ := strings.Cut(line, ";")
		command, _, _ = strings.Cut(command, "#")
		return strings.Join(strings.Fields(command), " ") == "flush ruleset"
	}
	return false
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// origin says what the client called a text.
type origin struct {
	name string // as the client gave it, for errors
	file string // as the parser was told
}

// of gives errors the client's name of the text.
func (o origin) of(err error) error {
	move := func(e *nft.Error) {
		for _, p := range []*nft.Pos{&e.Pos, &e.End, &e.Also, &e.AlsoEnd} {
			if p.Line > 0 && p.File == o.file {
				p.File = o.name
			}
		}
	}
	var list nft.ErrorList
	var one *nft.Error
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			move(e)
		}
	case errors.As(err, &one):
		move(one)
	}
	return err
}

// Explain gives an error of the compiler the layout of one of the parser: the
// line it is about and a caret below the place. Other errors stay as they are.
func Explain(err error, file string, text []byte) error {
	var at *rules.Error
	if !errors.As(err, &at) || at.Pos.File != file {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if at.Pos.Line < 1 || at.Pos.Line > len(lines) {
		return err
	}
	return &nft.Error{Pos: at.Pos, End: at.Pos, Msg: at.Msg, Line: lines[at.Pos.Line-1]}
}
