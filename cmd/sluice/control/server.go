package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules/nft"
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
	end    context.CancelFunc // ends answers that would go on for ever
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
	mux.HandleFunc("GET /v1/nft/ruleset", s.ruleset)
	mux.HandleFunc("POST /v1/nft/script", s.script)
	mux.HandleFunc("POST /v1/conntrack", s.conntrack)
	mux.HandleFunc("GET /v1/proc/{file}", s.proc)
	s.profileRoutes(mux)
	return mux
}

// answer sends a value as JSON, or an error as text.
func (s *Server) answer(w http.ResponseWriter, value any, err error) {
	var wrong *ErrScript
	switch {
	case errors.As(err, &wrong):
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

func (s *Server) ruleset(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	opt := nft.PrintOptions{Handles: q.Get("handles") == "1", Stateless: q.Get("stateless") == "1"}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = s.Book.List(w, opt) // a client that has gone needs no answer
}

func (s *Server) script(w http.ResponseWriter, r *http.Request) {
	var script Script
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxScript)).Decode(&script); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			err = fmt.Errorf("the script is too large: as JSON it may have %d MiB", maxScript>>20)
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	check := r.URL.Query().Get("check") == "1"
	done, err := s.Book.Apply(script, check)
	switch {
	case check:
	case err != nil:
		s.Log.Warn("script refused, the rules stay as they are", zap.String("file", script.Name))
	default:
		s.Log.Info("rules changed", zap.String("file", script.Name), zap.Uint64("generation", done.Generation), zap.Int("rules", done.Rules))
	}
	s.answer(w, done, err)
}
