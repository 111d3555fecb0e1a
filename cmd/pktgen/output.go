package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf/outfile"
	"github.com/sluice-net/sluice/perf/report"
)

// outputs are the files that a result goes to.
type outputs struct{ json, csv, html string }

func (o *outputs) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.json, "json", "", "write the result as JSON to `FILE`, for report and compare")
	cmd.Flags().StringVar(&o.csv, "csv", "", "write every figure as CSV to `FILE`")
	cmd.Flags().StringVar(&o.html, "html", "", "write one page with plots to `FILE`")
}

// check says whether the files could be written, and those of others with them.
func (o *outputs) check(others ...string) error {
	return outfile.Check(append(others, o.json, o.csv, o.html)...)
}

// write writes the text form to w and the others to their files.
func (o *outputs) write(d *report.Document, w io.Writer) error {
	err := d.WriteText(w)
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{o.json, d.Write}, {o.csv, d.WriteCSV}, {o.html, d.WriteHTML}} {
		if f.name != "" {
			err = errors.Join(err, outfile.Write(f.name, f.write))
		}
	}
	return err
}

// newDocument begins a result.
func newDocument(title string) *report.Document {
	return &report.Document{Title: title, When: time.Now(), Host: host()}
}

// host describes this machine.
func host() string {
	var u unix.Utsname
	kernel := ""
	if unix.Uname(&u) == nil {
		kernel = "Linux " + unix.ByteSliceToString(u.Release[:]) + ", "
	}
	cpu := runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo") // no file, no name
	if _, after, ok := strings.Cut(string(text), "model name"); ok {
		line, _, _ := strings.Cut(after, "\n")
		cpu = strings.TrimSpace(strings.TrimLeft(line, " \t:"))
	}
	return fmt.Sprintf("%s%d CPUs %s, pktgen %s", kernel, runtime.NumCPU(), cpu, version)
}
