package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/iptables"
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

// Request is a command line of nft.
type Request struct {
	Script
	Check bool             // only say whether it would work
	Echo  bool             // show what was added
	Stats bool             // say what the change took
	Show  nft.PrintOptions // of what is listed
	From  string           // "123 (nft)": the process, for those who watch
}

// Applied is what became of a Request.
type Applied struct {
	Changed    bool // else nothing but questions was in it
	Generation uint64
	Rules      int
	Report     *dataplane.Report // nil unless Changed; of a check it has only the time to compile
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

	// Exists says whether the box's namespace has an interface that is no port, for
	// rules that name one by iif or oif; nil: there is none. Set before anything else
	// is asked of the book.
	Exists func(name string) bool

	change   sync.Mutex // a listing, what follows from it, and the publish are one
	origin   Origin
	watchers map[*watcher]bool
	traces   traceHub
}

// NewRulebook returns the rulebook of a box. Nobody else may publish rules
// into it.
func NewRulebook(box *dataplane.Box) *Rulebook {
	return &Rulebook{box: box, traces: traceHub{box: box}}
}

// ErrScript marks errors of the text, as opposed to those of the box.
type ErrScript struct {
	err    error
	status int // the tool's exit status, 0: 1
}

// WrongScript marks an error of the parser or compiler.
func WrongScript(err error) error {
	var wrong *iptables.Error
	if errors.As(err, &wrong) {
		return &ErrScript{err, wrong.ExitStatus()}
	}
	return &ErrScript{err: err}
}

// Error is what nft would print.
func (e *ErrScript) Error() string { return e.err.Error() }

// Status is the exit status with which the tool ends.
func (e *ErrScript) Status() int { return max(e.status, 1) }

// Unwrap returns the parser's or compiler's error.
func (e *ErrScript) Unwrap() error { return e.err }

// Replace puts a whole ruleset in the place of the one in force. On an error
// nothing changes.
func (b *Rulebook) Replace(file string, text []byte, opt nft.ParseOptions) (*dataplane.Report, error) {
	b.change.Lock()
	defer b.change.Unlock()
	at := origin{name: file, file: file}
	opt.Interface = b.ifindex
	out, err := nft.Replace(b.box.Rules().Tree, file, text, opt)
	rs, err := b.compile(out, err, text, at)
	if err != nil {
		return nil, err
	}
	report, err := b.publish(rs, out, fmt.Sprintf("%d (sluice)", os.Getpid()))
	if err == nil {
		b.origin = Origin{File: file}
	}
	return report, err
}

// Run carries out a request: all of its changes, or on an error none. What it has
// to show is written to what out returns, which is called behind the last error
// of the text. Errors of writing are out's own business. A monitor goes on until
// ctx ends.
func (b *Rulebook) Run(ctx context.Context, r *Request, out func() io.Writer) (Applied, error) {
	done, show, err := b.run(r)
	if err != nil {
		return done, err
	}
	defer show.watch.leave()
	w := out()
	for _, q := range show.out.Queries {
		_ = q.Fprint(w, show.out.Rules, show.opt) // a client that has gone needs no answer
	}
	if r.Echo {
		by := r.From
		if r.Check {
			by = ""
		}
		_ = nft.FprintEcho(w, show.out.Changes, done.Generation, by, show.opt)
	}
	if r.Stats {
		fprintStats(w, &done)
	}
	show.watch.follow(ctx, w, r.Show, show.opt)
	return done, nil
}

// fprintStats says what a change took, and how many packets each generation judged.
func fprintStats(w io.Writer, done *Applied) {
	r := done.Report
	switch {
	case r == nil:
		fmt.Fprintln(w, "stats: nothing to change")
	case done.Generation == 0:
		fmt.Fprintf(w, "stats: checked only: %d rules, compile %v\n", done.Rules, r.Compile)
	default:
		fmt.Fprintf(w, "stats: generation %d: %d rules, compile %v, copy %v, grace %v\n", r.Generation, done.Rules, r.Compile, r.Copy, r.Grace)
		fmt.Fprintf(w, "stats: generation %d: %d packets judged\n", r.OldGeneration, r.Judged)
	}
}

// reply is what a request has to show.
type reply struct {
	out   *nft.Outcome
	opt   nft.PrintOptions
	watch *watcher // nil: none
}

func (b *Rulebook) run(r *Request) (done Applied, show reply, err error) {
	b.change.Lock()
	defer b.change.Unlock()
	start, whole := time.Now(), beginsWithFlush(r.Text)
	// Names are the client's: what stands beside its file is included first.
	at := origin{name: r.Name, file: absolute(r.Dir, r.Name)}
	text := []byte(r.Text)
	if r.Show.JSON && nft.IsJSON(text) {
		at.file, at.name = "internal", "internal" // as nft calls it
		if text, err = nft.FromJSON(text); err != nil {
			return done, show, WrongScript(err)
		}
	}
	opt := nft.ParseOptions{Defines: r.Define, Elements: b.elements(), Interface: b.ifindex}
	for _, dir := range append(r.Include, ".") {
		opt.IncludeDirs = append(opt.IncludeDirs, absolute(r.Dir, dir))
	}
	old := b.box.Rules().Tree
	var out *nft.Outcome
	if whole {
		out, err = nft.Replace(old, at.file, text, opt)
	} else {
		out, err = nft.Run(old, at.file, text, opt, b.later())
	}
	if err == nil && !out.Changed {
		show = reply{out, b.values(r.Show), b.monitor(out)}
		return done, show, nil
	}
	rs, err := b.compile(out, err, text, at)
	if err != nil {
		return done, show, err
	}
	compiled := time.Since(start)
	done = Applied{Changed: true, Rules: CountRules(rs.Tree), Report: &dataplane.Report{Compile: compiled}}
	if r.Check {
		return done, reply{out: out, opt: r.Show}, nil
	}
	report, err := b.publish(rs, out, r.From)
	if err != nil {
		return done, show, err
	}
	for _, q := range out.Quotas {
		rs.ResetQuota(q)
	}
	report.Compile = compiled
	done.Generation, done.Report = report.Generation, report
	if whole {
		b.origin = Origin{File: r.Name}
	} else {
		b.origin.Scripts++
	}
	show = reply{out, r.Show, b.monitor(out)}
	if r.Echo || len(out.Queries) > 0 {
		show.opt = b.values(r.Show)
	}
	return done, show, nil
}

// publish puts rules in force and tells those who watch. Held: b.change.
func (b *Rulebook) publish(rs *rules.Ruleset, out *nft.Outcome, from string) (*dataplane.Report, error) {
	report, err := b.box.Publish(rs)
	if err == nil {
		b.tell(ruleEvent{out.Changes, report.Generation, from})
	}
	return report, err
}

// compile goes from what became of a text, or its error, to a ruleset that can be
// published. An error of the text is an *ErrScript.
func (b *Rulebook) compile(out *nft.Outcome, err error, text []byte, at origin) (*rules.Ruleset, error) {
	if err != nil {
		return nil, WrongScript(at.of(err))
	}
	rs, err := b.box.Compile(out.Rules)
	var wrong *rules.Error
	if errors.As(err, &wrong) {
		return nil, WrongScript(at.of(Explain(err, at.file, text)))
	}
	return rs, err
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
	rs, now := b.box.Rules(), b.box.Now()
	opt.Quotas = rs.QuotaUsed
	opt.Lasts = func(l *nft.Last) nft.Last { return rs.Last(l, now) }
	opt.Elements = b.elements()
	return opt
}

// later is values for a text that may not need them: the workers are asked when it
// does. Held: b.change.
func (b *Rulebook) later() nft.PrintOptions {
	now := sync.OnceValue(func() nft.PrintOptions { return b.values(nft.PrintOptions{}) })
	return nft.PrintOptions{
		Counters: func(c *nft.Counter) (packets, bytes uint64) { return now().Counters(c) },
		Quotas:   func(q *nft.Quota) uint64 { return now().Quotas(q) },
	}
}

// elements returns what gives the elements that sets which packets change have
// now. Held: b.change.
func (b *Rulebook) elements() func(*nft.Set) []*nft.Element {
	rs, now := b.box.Rules(), b.box.Now()
	return func(s *nft.Set) []*nft.Element { return rs.Elements(s, now) }
}

// ifindex knows the ports, lo, which every machine has, and what else the namespace
// has. The index stays zero: rules are compiled by the names.
func (b *Rulebook) ifindex(name string) (index uint32, ok bool) {
	return 0, name == "lo" || b.box.HasPort(name) || b.Exists != nil && b.Exists(name)
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
