package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Client speaks with a box.
type Client struct {
	path string
	http http.Client
}

// ErrNoBox says that nobody answers at a socket.
var ErrNoBox = errors.New("no box is running")

// ErrSilent says that a box does not answer.
var ErrSilent = errors.New("does not answer")

// patience is how long a box may take for a short answer, on a busy machine too:
// a few milliseconds of work. A variable for the test.
var patience = 5 * time.Second

func newClient(name string) *Client {
	c := &Client{path: name}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", name)
		},
	}
	return c
}

// Connect returns a client for the box at a path (empty: the one of this
// network namespace). Errors: ErrNoBox, which says where it was looked for and
// what to do; ErrSilent, with the process that should have answered; a box of
// another version.
func Connect(given string) (*Client, error) {
	name, err := path(given)
	if err != nil {
		return nil, err
	}
	c := newClient(name)
	var who Ping
	err = c.get("ping", nil, &who)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("control socket %s: not permitted: run as the user that runs the box, mostly root", name)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		where := "in this network namespace"
		if given != "" {
			where = "there"
		}
		return nil, fmt.Errorf("%w %s (nobody answers at %s): start one with `sluice run`, or name its socket with --control PATH", ErrNoBox, where, name)
	}
	return nil, err
}

// do makes a request and returns the body of the answer.
func (c *Client) do(method, what string, query url.Values, body any) (io.ReadCloser, error) {
	return c.doWith(context.Background(), method, what, query, body)
}

// doWith is do that ends with ctx.
func (c *Client) doWith(ctx context.Context, method, what string, query url.Values, body any) (io.ReadCloser, error) {
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(text)
	}
	at := url.URL{Scheme: "http", Host: "sluice", Path: "/v1/" + what, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), send)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(req)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err // the address in it is of no use to anybody
		}
		return nil, fmt.Errorf("control socket %s: %w", c.path, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", c.path, err)
	}
	problem := errors.New(strings.TrimSuffix(string(text), "\n"))
	switch answer.StatusCode {
	case http.StatusUnprocessableEntity:
		status, _ := strconv.Atoi(answer.Header.Get(statusHeader)) // a box of before says none
		return nil, &ErrScript{problem, status}
	case http.StatusNotFound:
		return nil, fmt.Errorf("the box at %s is of another version than this program: %w", c.path, problem)
	}
	return nil, problem
}

// decode reads an answer into value, however long it takes.
func (c *Client) decode(method, what string, query url.Values, body, value any) error {
	return c.decodeWith(context.Background(), method, what, query, body, value)
}

// decodeWith is decode that ends with ctx.
func (c *Client) decodeWith(ctx context.Context, method, what string, query url.Values, body, value any) error {
	answer, err := c.doWith(ctx, method, what, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(value); err != nil {
		return fmt.Errorf("control socket %s: %w", c.path, err)
	}
	return nil
}

// get asks for something short.
func (c *Client) get(what string, query url.Values, value any) error {
	return c.soon(http.MethodGet, what, query, value)
}

// soon makes a request with a short answer: what takes longer than patience is
// ErrSilent.
func (c *Client) soon(method, what string, query url.Values, value any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.decodeWith(ctx, method, what, query, nil, value)
	// EAGAIN: too many clients wait already.
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("control socket %s: the box there (pid %s) %w: it is stopped, or has no CPU", c.path, lockOwner(c.path+".lock"), ErrSilent)
	}
	return err
}

// copy sends an answer of text on as it comes. When ctx ends one that goes on,
// that is no error.
func (c *Client) copy(ctx context.Context, w io.Writer, method, what string, body any) error {
	answer, err := c.doWith(ctx, method, what, nil, body)
	if err == nil {
		defer answer.Close()
		if _, err = io.Copy(w, answer); errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("control socket %s: the box has ended in the middle of its answer", c.path)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Status returns the state of the box.
func (c *Client) Status() (Status, error) {
	var s Status
	err := c.get("status", nil, &s)
	return s, err
}

// Nft carries out a command line of nft and writes what the tool would print. An
// *ErrScript says what is wrong with it.
func (c *Client) Nft(ctx context.Context, r *Request, w io.Writer) error {
	return c.copy(ctx, w, http.MethodPost, "nft", r)
}

// Ruleset writes the rules in force as `nft list ruleset` does.
func (c *Client) Ruleset(w io.Writer) error {
	return c.Nft(context.Background(), &Request{Script: Script{Text: "list ruleset\n"}}, w)
}
