package control

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func planted() { panic("planted") }

// TestSurvive: a request whose handling panics is answered, or cut off if its answer
// has begun, and logged with the stack; the next one is served.
func TestSurvive(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := &Server{Log: zap.New(core)}
	served := httptest.NewServer(s.survive(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/begun":
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "row\n")
			_ = http.NewResponseController(w).Flush()
			planted()
		case "/early":
			planted()
		}
	})))
	defer served.Close()
	for _, row := range []struct {
		path   string
		status int
		text   string
		cut    bool
	}{
		{"/early", 500, "the box could not do this, see its log, and goes on: planted\n", false},
		{"/begun", 200, "row\n", true},
		{"/fine", 200, "", false},
	} {
		t.Run(row.path, func(t *testing.T) {
			before := logs.Len()
			r, err := http.Get(served.URL + row.path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Body.Close() }()
			text, err := io.ReadAll(r.Body)
			if r.StatusCode != row.status || string(text) != row.text || (err != nil) != row.cut {
				t.Errorf("%d %q %v", r.StatusCode, text, err)
			}
			lines := logs.All()[before:]
			if row.path == "/fine" {
				if len(lines) > 0 {
					t.Errorf("logged %v", lines)
				}
				return
			}
			if len(lines) != 1 || lines[0].ContextMap()["panic"] != "planted" || lines[0].ContextMap()["request"] != "GET "+row.path ||
				!strings.Contains(lines[0].Stack, "control.planted(") {
				t.Errorf("logged %v", lines)
			}
		})
	}
}
