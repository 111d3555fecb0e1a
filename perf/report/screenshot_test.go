package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// browser finds a Chromium; tests that need one skip without.
func browser(t *testing.T) string {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("SKIP-CHROMIUM: no headless Chromium here, so nobody looked at the page (make deps installs one where there is a package)")
	return ""
}

// TestScreenshot: a browser without network draws every plot, seen by the
// columns of pixels that have a curve's color.
func TestScreenshot(t *testing.T) {
	program := browser(t)
	full := sample(1)
	for _, c := range []struct {
		name   string
		d      *Document
		curves int
	}{
		{"throughput", &Document{Throughput: noLatency(full.Throughput)}, 2},
		{"latency", &Document{Latency: full.Latency}, 1},
		{"loss", &Document{Loss: full.Loss}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			page, shot := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.png")
			var b bytes.Buffer
			if err := c.d.WriteHTML(&b); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(page, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
				"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1100,1500", "--screenshot="+shot, "file://"+page)
			out, err := cmd.CombinedOutput()
			f, bad := os.Open(shot)
			if bad != nil {
				t.Fatalf("no screenshot: %v %v\n%s", err, bad, out)
			}
			defer f.Close()
			picture, err := png.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.curves {
				if n := columns(picture, colors[i]); n < 50 {
					t.Errorf("curve %d (%s) is seen in %d columns of pixels", i, colors[i], n)
				}
			}
			if n := columns(picture, colors[c.curves]); n > 0 {
				t.Errorf("there is a curve too many, in %d columns", n)
			}
		})
	}
}

func noLatency(all []Throughput) (out []Throughput) {
	for _, t := range all {
		t.Latency = nil
		out = append(out, t)
	}
	return out
}

// columns counts the columns of a picture that have a pixel of a color, exactly.
func columns(p image.Image, hex string) (n int) {
	var r, g, b uint8
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b); err != nil {
		panic(err)
	}
	flat := image.NewRGBA(p.Bounds())
	draw.Draw(flat, flat.Rect, p, flat.Rect.Min, draw.Src)
	seen := make([]bool, flat.Rect.Dx())
	for i := 0; i < len(flat.Pix); i += 4 {
		if x := i / 4 % len(seen); !seen[x] && flat.Pix[i] == r && flat.Pix[i+1] == g && flat.Pix[i+2] == b {
			seen[x] = true
			n++
		}
	}
	return n
}
