package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
)

// lineEnd begins the last line of an answer.
const lineEnd = '='

// conntrack answers a command of the conntrack tool line by line.
func (s *Server) conntrack(w http.ResponseWriter, r *http.Request) {
	var c conntrack.Command
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := bufio.NewWriterSize(w, 1<<16)
	result, err := s.Conntrack(r.Context(), &c, func(line []byte) error {
		if line == nil {
			return errors.Join(out.Flush(), http.NewResponseController(w).Flush())
		}
		_, _ = out.Write(line) // an error stays until Flush
		return out.WriteByte('\n')
	})
	if err != nil {
		return // the client has gone, or sees that the last line is missing
	}
	last, err := json.Marshal(result)
	if err == nil {
		fmt.Fprintf(out, "%c%s\n", lineEnd, last)
		_ = out.Flush() // a client that has gone needs no answer
	}
}

// proc writes one of the kernel's files.
func (s *Server) proc(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if !KnownProc(file) {
		http.Error(w, fmt.Sprintf("there is no file %q", file), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = s.Proc(w, file) // a client that has gone needs no answer
}

// Conntrack does a command of the conntrack tool, as conntrack.Box says. When
// ctx ends an answer that goes on, that is no error.
func (c *Client) Conntrack(ctx context.Context, command *conntrack.Command, see func(line []byte) error) (r conntrack.Result, err error) {
	answer, err := c.doWith(ctx, http.MethodPost, "conntrack", nil, command)
	if err != nil {
		if ctx.Err() != nil {
			err = nil
		}
		return r, err
	}
	defer answer.Close()
	in := bufio.NewReaderSize(answer, 1<<16)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == nil && line[0] == lineEnd:
			return r, json.Unmarshal(line[1:], &r)
		case err == nil && len(line) > 1:
			if err := see(line[:len(line)-1]); err != nil {
				return r, err
			}
		case ctx.Err() != nil:
			return r, nil
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return r, fmt.Errorf("control socket %s: the box has ended in the middle of its answer", c.path)
		default:
			return r, fmt.Errorf("control socket %s: %w", c.path, err)
		}
	}
}

// Proc writes one of the kernel's files, see KnownProc.
func (c *Client) Proc(w io.Writer, file string) error {
	return c.copy(context.Background(), w, http.MethodGet, "proc/"+file, nil)
}
