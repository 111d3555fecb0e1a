package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/perf"
)

// maxScript bounds what a client can make the box read.
const maxScript = 64 << 20

// Server answers on a control socket.
type Server struct {
	Box     *dataplane.Box
	Book    *Rulebook
	Version string
	Status  func() Status        // everything but rules and flows, which the server knows
	Queues  func() []QueueStatus // of the ports, at this moment; nil: there are none
	Log     *zap.Logger

	http   http.Server
	events eventHub
	end    context.CancelFunc                 // ends answers that would go on for ever
	endCPU atomic.Pointer[context.CancelFunc] // ends the CPU profile under way
}

// Ping is who answers.
type Ping struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

// Serve answers until Close. It returns nil after Close.
func (s *Server) Serve(on *Socket) error {
	var living context.Context
	living, s.end = context.WithCancel(context.Background())
	defer s.end()
	s.events.box = s.Box
	s.http.Handler = s.handler()
	s.http.BaseContext = func(net.Listener) context.Context { return living }
	s.http.RegisterOnShutdown(s.end)
	s.http.ReadHeaderTimeout = 5 * time.Second
	s.http.IdleTimeout = time.Minute
	s.http.ErrorLog = zap.NewStdLog(s.Log)
	if err := s.http.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends Serve: answers that are being made may go on for so long.
func (s *Server) Close(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is left is cut off
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ping", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, Ping{os.Getpid(), s.Version}, nil)
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.status(), nil) })
	mux.HandleFunc("POST /v1/nft", s.aside(s.nft))
	mux.HandleFunc("POST /v1/iptables/restore", s.aside(s.restore))
	mux.HandleFunc("GET /v1/iptables/save", s.aside(s.save))
	mux.HandleFunc("POST /v1/iptables/command", s.aside(s.command))
	mux.HandleFunc("GET /v1/iptables/recent", s.recent)
	mux.HandleFunc("POST /v1/iptables/recent", whole(s.recent))
	mux.HandleFunc("POST /v1/conntrack", whole(s.conntrack))
	mux.HandleFunc("GET /v1/proc/{file}", s.proc)
	s.profileRoutes(mux)
	return s.survive(mux)
}

// survive answers a request whose handling panics: clients are told, the stack is in
// the log, and the box goes on. Rules change as the last step of what can fail.
func (s *Server) survive(serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := perf.Catch(func() { serve.ServeHTTP(w, r) })
		if fault == nil {
			return
		}
		dataplane.LogFault(s.Log, "a request could not be served", fault, zap.String("request", r.Method+" "+r.URL.Path))
		if w.Header().Get("Content-Type") != "" {
			panic(http.ErrAbortHandler) // the client sees that its answer ends too early
		}
		http.Error(w, fmt.Sprintf("the box could not do this, see its log, and goes on: %v", fault.Value), http.StatusInternalServerError)
	})
}

// aside has requests that work on rules carried out where they hinder no worker,
// once all of their text is there: a client that hangs has no thread.
func (s *Server) aside(serve http.HandlerFunc) http.HandlerFunc {
	return whole(func(w http.ResponseWriter, r *http.Request) { s.Box.Aside(func() { serve(w, r) }) })
}

// whole has requests served once all of their text is there, for which they have
// bodyPatience.
func whole(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := readBody(w, r)
		switch {
		case errors.As(err, new(*http.MaxBytesError)):
			err = fmt.Errorf("the script is too large: the control socket takes %d MiB at once, counted as JSON: give it in parts", maxScript>>20)
		case err != nil:
			err = fmt.Errorf("the request did not come to its end: %w", err)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		serve(w, r)
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c := http.NewResponseController(w)
	if err := c.SetReadDeadline(time.Now().Add(bodyPatience)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxScript))
	return text, errors.Join(err, c.SetReadDeadline(time.Time{}))
}

// bodyPatience is how long a client may take for the text of a request.
const bodyPatience = 30 * time.Second

// statusHeader says how the tool ends whose text was wrong.
const statusHeader = "Exit-Status"

// answer sends a value as JSON, or an error as text.
func (s *Server) answer(w http.ResponseWriter, value any, err error) {
	var wrong *ErrScript
	switch {
	case errors.As(err, &wrong):
		w.Header().Set(statusHeader, strconv.Itoa(wrong.Status()))
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // a client that has gone needs no answer
}

// nft carries out a command line of nft. Its answer is what the tool would print.
func (s *Server) nft(w http.ResponseWriter, r *http.Request) {
	var request Request
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := &page{bufio.NewWriterSize(w, 1<<16), http.NewResponseController(w)}
	done, err := s.Book.Run(r.Context(), &request, func() io.Writer {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		return out
	})
	switch {
	case err != nil && !request.Check:
		s.Log.Warn("script refused, the rules stay as they are", zap.String("file", request.Name))
	case done.Changed && !request.Check:
		s.Log.Info("rules changed", zap.String("file", request.Name), zap.Uint64("generation", done.Generation), zap.Int("rules", done.Rules))
	}
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	_ = out.Writer.Flush() // a client that has gone needs no answer
}

// page is an answer that goes out in pieces.
type page struct {
	*bufio.Writer
	to *http.ResponseController
}

// Flush sends what there is.
func (p *page) Flush() error { return errors.Join(p.Writer.Flush(), p.to.Flush()) }
