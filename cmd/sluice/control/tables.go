package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
)

// Dump is what iptables-restore asks for.
type Dump struct {
	Name     string // what errors call it
	Text     string
	IPv6     bool
	Check    bool // --test: change nothing
	NoFlush  bool
	Counters bool
	Table    string // only this one; "": all
	SetsName string
	Sets     string // what `ipset save` wrote, for rules that name sets
	From     string // who asks, for those who watch
}

func family(ipv6 bool) iptables.Family {
	if ipv6 {
		return iptables.IPv6
	}
	return iptables.IPv4
}

// GeoIPVariable names the environment variable with the folder of the database of
// -m geoip, if that is not iptables.CountryDir.
const GeoIPVariable = "SLUICE_GEOIP"

// given is what rules find outside of their dump.
func given(sets []*iptables.IPSet) iptables.Given {
	return iptables.Given{Sets: sets, Countries: iptables.CountryFiles(os.Getenv(GeoIPVariable))}
}

// options are the dump's for its parser.
func (d *Dump) options() iptables.RestoreOptions {
	return iptables.RestoreOptions{NoFlush: d.NoFlush, Counters: d.Counters, Table: d.Table}
}

// apply makes of the tables in force, old, the tree that a dump asks for.
func (d *Dump) apply(tree *nft.Ruleset, state nft.PrintOptions) (*nft.Outcome, *iptables.Script, error) {
	old, foreign := iptables.FromTree(tree, family(d.IPv6), state.Counters)
	opt := d.options()
	opt.Timeout = iptables.HasTimeout(tree, family(d.IPv6))
	rs, err := iptables.Restore(old, family(d.IPv6), d.Name, []byte(d.Text), opt)
	if err != nil {
		return nil, nil, err
	}
	changed := rs.Changed(old)
	for _, t := range changed {
		for _, name := range foreign {
			if d.NoFlush && t.Name == name {
				return nil, nil, &iptables.Error{Pos: t.Pos, Msg: fmt.Sprintf("table `%s' is incompatible, use 'nft' tool: it has chains or rules of nft, which --noflush would keep", name)}
			}
		}
	}
	var sets []*iptables.IPSet
	if d.Sets != "" {
		if sets, err = iptables.ParseIPSets(d.SetsName, []byte(d.Sets)); err != nil {
			return nil, nil, err
		}
	}
	s, err := iptables.Lower(rs, changed, tree, given(sets))
	if err != nil {
		return nil, nil, err
	}
	out, err := s.Run(tree)
	return out, s, err
}

// TryDump finds out whether a dump would load into a box without rules.
func TryDump(d *Dump) error {
	out, s, err := d.apply(&nft.Ruleset{}, nft.PrintOptions{})
	if err == nil {
		_, err = rules.Compile(out.Rules, rules.Options{})
		err = placed(s, err)
	}
	return err
}

// placed gives an error of the compiler its place in the dump.
func placed(s *iptables.Script, err error) error {
	var wrong *rules.Error
	if errors.As(err, &wrong) {
		return s.At(wrong.Pos, wrong.Msg)
	}
	return err
}

// Restore loads a dump into the rules in force: all of it, or on an error
// nothing.
func (b *Rulebook) Restore(d *Dump) (done Applied, err error) {
	b.change.Lock()
	defer b.change.Unlock()
	out, s, err := d.apply(b.box.Rules().Tree, b.values(nft.PrintOptions{}))
	var rs *rules.Ruleset
	if err == nil {
		rs, err = b.box.Compile(out.Rules)
		err = placed(s, err)
	}
	var wrong *iptables.Error
	if errors.As(err, &wrong) {
		return done, WrongScript(err)
	}
	if err != nil {
		return done, err
	}
	done = Applied{Changed: true, Rules: CountRules(rs.Tree)}
	if d.Check {
		return done, nil
	}
	report, err := b.publish(rs, out, d.From)
	if err == nil {
		s.InForce()
		done.Generation = report.Generation
		b.origin.Scripts++
	}
	return done, err
}

// Save writes the tables of iptables that are in force, with the values their
// counters have now.
func (b *Rulebook) Save(w io.Writer, ipv6 bool, opt iptables.SaveOptions) error {
	b.change.Lock()
	rs, foreign := iptables.FromTree(b.box.Rules().Tree, family(ipv6), b.values(nft.PrintOptions{}).Counters)
	b.change.Unlock()
	for _, name := range foreign {
		if opt.Table == "" || opt.Table == name {
			fmt.Fprintf(w, "# Table `%s' is incompatible, use 'nft' tool.\n", name)
		}
	}
	return rs.Save(w, opt)
}

// restore answers POST /v1/iptables/restore.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	var d Dump
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, err := s.Book.Restore(&d)
	switch {
	case d.Check:
	case err != nil:
		s.Log.Warn("tables refused, the rules stay as they are", zap.String("file", d.Name))
	default:
		s.Log.Info("tables restored", zap.String("file", d.Name), zap.Uint64("generation", done.Generation), zap.Int("rules", done.Rules))
	}
	s.answer(w, done, err)
}

// save answers GET /v1/iptables/save.
func (s *Server) save(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	opt := iptables.SaveOptions{Counters: q.Get("counters") == "1", Table: q.Get("table"), Now: time.Now()}
	_ = s.Book.Save(w, q.Get("ipv6") == "1", opt) // a client that has gone needs no answer
}

// Restore loads a dump, or only checks it. An *ErrScript says what is wrong with it.
func (c *Client) Restore(d *Dump) (Applied, error) {
	var done Applied
	err := c.decode(http.MethodPost, "iptables/restore", nil, d, &done)
	return done, err
}

// Save writes the tables in force as iptables-save does.
func (c *Client) Save(w io.Writer, ipv6, counters bool, table string) error {
	q := url.Values{"table": {table}}
	for key, on := range map[string]bool{"ipv6": ipv6, "counters": counters} {
		if on {
			q.Set(key, "1")
		}
	}
	answer, err := c.do(http.MethodGet, "iptables/save", q, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(w, answer)
	return err
}
