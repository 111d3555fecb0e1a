package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/sluice-net/sluice/rules/iptables"
)

// RecentEdit is what to do to a list of -m recent; see iptables.EditRecent.
type RecentEdit struct{ Name, Text string }

// Recent writes a list of -m recent as its file of the kernel; without a name the
// names of all lists, one a line.
func (b *Rulebook) Recent(w io.Writer, name string) error {
	tree := b.box.Rules().Tree
	if name == "" {
		for _, name := range iptables.RecentNames(tree) {
			if _, err := fmt.Fprintln(w, name); err != nil {
				return err
			}
		}
		return nil
	}
	return iptables.PrintRecent(w, tree, name)
}

// EditRecent changes a list of -m recent.
func (b *Rulebook) EditRecent(e RecentEdit) error {
	b.change.Lock() // so that no publish gives the list other memory
	defer b.change.Unlock()
	return iptables.EditRecent(b.box.Rules().Tree, e.Name, e.Text, b.box.Now())
}

// recent answers GET and POST /v1/iptables/recent.
func (s *Server) recent(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var e RecentEdit
		err := json.NewDecoder(r.Body).Decode(&e)
		if err == nil {
			err = s.Book.EditRecent(e)
		}
		s.answer(w, struct{}{}, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := s.Book.Recent(w, r.URL.Query().Get("name")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// Recent writes a list of -m recent, or without a name the names of all.
func (c *Client) Recent(w io.Writer, name string) error {
	answer, err := c.do(http.MethodGet, "iptables/recent", url.Values{"name": {name}}, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(w, answer)
	return err
}

// EditRecent changes a list of -m recent.
func (c *Client) EditRecent(e RecentEdit) error {
	var done struct{}
	return c.decode(http.MethodPost, "iptables/recent", nil, e, &done)
}
