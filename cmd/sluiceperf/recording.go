package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/perf/outfile"
)

// recordingFormat is what files of this version begin with.
const recordingFormat = "sluiceperf-1"

// recording is what `record` writes: JSON, gzipped.
type recording struct {
	Format  string          `json:"format"`
	Host    string          `json:"host"`
	CPUs    int             `json:"cpus"`
	Version string          `json:"version"` // of the box
	Begun   time.Time       `json:"begun"`
	Start   control.Profile `json:"start"`
	End     control.Profile `json:"end"`
	Queues  []queueInterval `json:"queues"`
	Status  control.Status  `json:"status"`        // at the end
	Cut     string          `json:"cut,omitempty"` // why it ends before its time: the box did; End is then the last reading before
	CPU     []byte          `json:"cpu,omitempty"` // pprof; empty: none was taken
}

// write writes the recording to a file, whole or not at all.
func (r *recording) write(name string) error {
	return outfile.Write(name, func(w io.Writer) error {
		z := gzip.NewWriter(w)
		return errors.Join(json.NewEncoder(z).Encode(r), z.Close())
	})
}

// maxRecording bounds what a file may unpack to.
const maxRecording = 1 << 30

// readRecording reads what write wrote.
func readRecording(name string) (*recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: not a recording of sluiceperf: %w", name, err)
	}
	var r recording
	if err := json.NewDecoder(io.LimitReader(z, maxRecording)).Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: not a recording of sluiceperf: %w", name, err)
	}
	if r.Format != recordingFormat {
		return nil, fmt.Errorf("%s: format %q, this program reads %q", name, r.Format, recordingFormat)
	}
	for _, p := range []*control.Profile{&r.Start, &r.End} {
		for i := range p.Workers {
			if p.Workers[i].Bursts == nil {
				return nil, fmt.Errorf("%s: worker %d has no burst times", name, i)
			}
		}
	}
	return &r, nil
}
