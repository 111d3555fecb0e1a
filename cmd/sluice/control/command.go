package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
)

// Command is a command line of iptables.
type Command struct {
	IPv6 bool
	Args []string // without the program's name
	From string   // who asks, for those who watch
}

// Commanded is what becomes of one.
type Commanded struct {
	Out, Err string // of the tool
	Status   int
	Changed  bool
}

// complaint fills in what the tool says of an error of the command line; other errors
// are returned.
func (c *Commanded) complaint(ipv6 bool, err error) error {
	var wrong *iptables.Error
	if errors.As(err, &wrong) {
		c.Err, c.Status = iptables.Complaint(family(ipv6), wrong)
		c.Err += "\n"
		return nil
	}
	return err
}

// CommandDump carries out a command line that lists on a dump.
func CommandDump(c *Command, name string, text []byte, out io.Writer) (done Commanded, err error) {
	t, err := iptables.ParseTool(family(c.IPv6), c.Args)
	if err == nil && t.Changes() {
		return done, errors.New("a file is listed only: -L, -S and -C")
	}
	if err != nil {
		return done, done.complaint(c.IPv6, err)
	}
	rs, err := iptables.Restore(nil, family(c.IPv6), name, text, iptables.RestoreOptions{Counters: true})
	if err != nil {
		return done, err
	}
	_, err = t.Run(out, rs)
	return done, done.complaint(c.IPv6, err)
}

// Command carries out a command line of iptables: on an error nothing changes.
func (b *Rulebook) Command(c *Command) (done Commanded, err error) {
	t, err := iptables.ParseTool(family(c.IPv6), c.Args)
	if err != nil {
		return done, done.complaint(c.IPv6, err)
	}
	b.change.Lock()
	defer b.change.Unlock()
	var out strings.Builder
	err = b.command(t, c.From, &out)
	if err == nil {
		done.Changed = t.Changes()
	}
	done.Out = out.String()
	return done, done.complaint(c.IPv6, err)
}

func (b *Rulebook) command(t *iptables.Tool, from string, w io.Writer) error {
	tree := b.box.Rules().Tree
	old, foreign := iptables.FromTree(tree, t.Family, b.values(nft.PrintOptions{}).Counters)
	for _, name := range foreign {
		if name == t.Table {
			return t.Foreign()
		}
	}
	fresh, err := t.Run(w, old)
	if err != nil || !t.Changes() {
		return err
	}
	s, err := iptables.Lower(fresh, fresh.Changed(old), tree, given(nil))
	if err != nil {
		return err
	}
	changed, err := s.Run(tree)
	if err != nil {
		return err
	}
	rs, err := b.box.Compile(changed.Rules)
	if err = placed(s, err); err != nil {
		return err
	}
	if _, err = b.publish(rs, changed, from); err == nil {
		s.InForce()
		b.origin.Scripts++
	}
	return err
}

// command answers POST /v1/iptables/command.
func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	var c Command
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, err := s.Book.Command(&c)
	if done.Changed {
		s.Log.Info("tables changed", zap.String("command", fmt.Sprintf("%q", c.Args)))
	}
	s.answer(w, done, err)
}

// Command carries out a command line of iptables.
func (c *Client) Command(cmd *Command) (Commanded, error) {
	var done Commanded
	err := c.decode(http.MethodPost, "iptables/command", nil, cmd, &done)
	return done, err
}
