package control

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhole: a request whose text breaks off or is too long is refused without being
// served; others are served what was sent.
func TestWhole(t *testing.T) {
	for _, row := range []struct {
		name         string
		length, sent int
		want         string
	}{
		{"whole", 5, 5, "served 5"},
		{"breaks off", 5, 3, "did not come to its end"},
		{"too long", maxScript + 1, maxScript + 1, "the script is too large"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := httptest.NewServer(whole(func(w http.ResponseWriter, r *http.Request) {
				text, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "served %d %v", len(text), err)
			}))
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", row.length)
			if _, err := io.WriteString(c, strings.Repeat("x", row.sent)); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if answer, _ := io.ReadAll(c); !strings.Contains(string(answer), row.want) {
				t.Errorf("answer %q, want %q", answer, row.want)
			}
		})
	}
}
