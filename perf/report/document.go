package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// Version is that of the JSON form.
const Version = 1

// Document is everything that one benchmark found.
type Document struct {
	Version int       `json:"version"`
	Title   string    `json:"title"`
	When    time.Time `json:"when"`
	Host    string    `json:"host,omitempty"`

	Runs       []Run        `json:"runs,omitempty"`
	Throughput []Throughput `json:"throughput,omitempty"`
	Loss       []LossPoint  `json:"loss,omitempty"`
	Latency    []Latency    `json:"latency,omitempty"`
	BackToBack []BackToBack `json:"back_to_back,omitempty"`
	Searches   []Search     `json:"searches,omitempty"`
	Sessions   []Sessions   `json:"sessions,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
}

// Found says whether there is any result.
func (d *Document) Found() bool {
	return len(d.Runs)+len(d.Throughput)+len(d.Loss)+len(d.Latency)+len(d.BackToBack)+len(d.Searches)+len(d.Sessions) > 0
}

// Passed says whether anything at all arrived in what was measured.
func (d *Document) Passed() bool {
	for i := range d.Runs {
		if _, received, _ := d.Runs[i].Total(); received > 0 {
			return true
		}
	}
	for i := range d.Throughput {
		for _, t := range d.Throughput[i].Trials {
			if t.Lost < t.Sent {
				return true
			}
		}
	}
	for _, p := range d.Loss {
		if p.Lost < p.Sent {
			return true
		}
	}
	for i := range d.Sessions {
		if s := &d.Sessions[i]; s.Completed > 0 || s.Handshake != nil {
			return true
		}
	}
	return len(d.BackToBack) > 0 && d.BackToBack[0].Frames > 0
}

// Run is one load, sent once.
type Run struct {
	Name     string   `json:"name"`
	Seconds  float64  `json:"seconds"`
	Streams  []Stream `json:"streams"`
	Ports    []Port   `json:"ports"`
	CPUShare float64  `json:"generator_cpu_share,omitempty"` // of a CPU that each of the generator's threads got; 0: not known
	Notes    []string `json:"notes,omitempty"`
}

// Stream is what became of a stream. Bytes and bits count frames with FCS; times
// are in nanoseconds. Lateness is by how much bursts left after their time.
type Stream struct {
	Name      string  `json:"name"`
	From      string  `json:"from"`
	To        string  `json:"to,omitempty"`
	Asked     string  `json:"asked"`
	AskedPPS  float64 `json:"asked_pps"` // 0: top speed
	Seconds   float64 `json:"seconds"`   // of sending, which rates are over: the run's, unless it ended by its count
	Sent      uint64  `json:"sent"`
	SentBytes uint64  `json:"sent_bytes"`
	SentPPS   float64 `json:"sent_pps"`
	SentBits  float64 `json:"sent_bits_per_second"`
	Missed    uint64  `json:"missed"` // frames given up because their time had passed
	LateMean  float64 `json:"late_mean_ns"`
	LateP50   uint64  `json:"late_p50_ns"`
	LateP99   uint64  `json:"late_p99_ns"`
	LateMax   uint64  `json:"late_max_ns"`

	Measured      bool               `json:"measured"` // what follows is known
	Received      uint64             `json:"received"`
	ReceivedBytes uint64             `json:"received_bytes"`
	ReceivedPPS   float64            `json:"received_pps"`
	Lost          uint64             `json:"lost"`
	Duplicates    uint64             `json:"duplicates"`
	Reordered     uint64             `json:"reordered"`
	TooLate       uint64             `json:"too_late"` // behind the window: new or duplicate
	Extent        uint64             `json:"reordering_extent"`
	Latency       *perf.Distribution `json:"latency_ns,omitempty"`
}

// RateError returns by which share the mean rate was off what was asked for.
func (s *Stream) RateError() float64 {
	if s.AskedPPS == 0 {
		return 0
	}
	return s.SentPPS/s.AskedPPS - 1
}

// LossRatio returns the share of frames sent that did not arrive.
func (s *Stream) LossRatio() float64 {
	if s.Sent == 0 {
		return 0
	}
	return float64(s.Lost) / float64(s.Sent)
}

// Port is what a port counted in a run. RxFrames is the sum of what its streams
// received, with their duplicates and frames that were too late, and of the five
// counts of other frames: each frame is in one of them.
type Port struct {
	Name        string `json:"name"`
	Driver      string `json:"driver,omitempty"`
	Mode        string `json:"mode,omitempty"`
	Foreign     uint64 `json:"foreign"`     // frames of others
	Corrupt     uint64 `json:"corrupt"`     // frames of a stream with changed bytes
	Stray       uint64 `json:"stray"`       // frames of another run, before this one or from a capture
	Misdirected uint64 `json:"misdirected"` // sound frames for another port
	Unexpected  uint64 `json:"unexpected"`  // sound frames of streams that no port receives
	RxFrames    uint64 `json:"rx_frames"`
	TxFrames    uint64 `json:"tx_frames"`
	RxNoFrame   uint64 `json:"rx_no_frame"`
	RxFull      uint64 `json:"rx_full"`
	TxFull      uint64 `json:"tx_full"` // refused for want of room, and offered again
}

// RxLost returns how many frames came and found no room in the generator's own
// rings: they are in the loss of streams.
func (p *Port) RxLost() uint64 { return p.RxNoFrame + p.RxFull }

// Total adds up the measured streams.
func (r *Run) Total() (sent, received, lost uint64) {
	for i := range r.Streams {
		if s := &r.Streams[i]; s.Measured {
			sent += s.Sent
			received += s.Received
			lost += s.Lost
		}
	}
	return sent, received, lost
}

// Own returns how many of so many lost frames were lost on the generator's own
// receive rings.
func (r *Run) Own(lost uint64) (n uint64) {
	for i := range r.Ports {
		n += r.Ports[i].RxLost()
	}
	return min(n, lost)
}

// Corrupt adds up the ports' corrupted frames.
func (r *Run) Corrupt() (n uint64) {
	for i := range r.Ports {
		n += r.Ports[i].Corrupt
	}
	return n
}

// Latency adds up the latencies of all streams; nil when there are none.
func (r *Run) Latency() *perf.Distribution {
	var all *perf.Distribution
	for i := range r.Streams {
		if d := r.Streams[i].Latency; d != nil {
			if all == nil {
				all = &perf.Distribution{}
			}
			all.Add(d)
		}
	}
	return all
}

// Throughput is the result of RFC 2544 section 26.1 for a frame size.
type Throughput struct {
	Subject    string             `json:"subject"`
	Size       int                `json:"size"`
	PPS        float64            `json:"pps"`  // the highest rate with no more loss than Tolerance
	Bits       float64            `json:"bits"` // per second, frames with FCS
	Found      bool               `json:"found"`
	LimitedBy  string             `json:"limited_by"` // "subject", "generator" when it could send no more, "max rate", or OwnRings
	Resolution float64            `json:"resolution_pps"`
	Tolerance  float64            `json:"tolerance"`     // share of frames that a trial may lose; RFC 2544 wants 0
	Cut        bool               `json:"cut,omitempty"` // the search ended before its time: PPS is the best so far
	Trials     []Trial            `json:"trials"`
	Latency    *perf.Distribution `json:"latency_ns,omitempty"` // at that rate
}

// OwnRings is what limits a throughput when the lowest rate that failed would have
// passed but for what was lost on the generator's own receive rings.
const OwnRings = "own receive rings"

// Limit sets LimitedBy after a search in which some trials failed.
func (t *Throughput) Limit() {
	var lowest *Trial
	for i := range t.Trials {
		if one := &t.Trials[i]; !one.Passed && (lowest == nil || one.PPS < lowest.PPS) {
			lowest = one
		}
	}
	if t.LimitedBy = "subject"; lowest != nil && lowest.Own > 0 && float64(lowest.Lost-lowest.Own) <= t.Tolerance*float64(lowest.Sent) {
		t.LimitedBy = OwnRings
	}
}

// Trial is one attempt of a search.
type Trial struct {
	PPS     float64 `json:"pps"`      // asked for
	SentPPS float64 `json:"sent_pps"` // reached
	Sent    uint64  `json:"sent"`
	Lost    uint64  `json:"lost"`
	Own     uint64  `json:"lost_on_own_rings,omitempty"` // of Lost: on the generator's own receive rings
	Passed  bool    `json:"passed"`
	CPU     float64 `json:"generator_cpu_share,omitempty"` // as in Run
}

// LossPoint is a point of the frame loss curve, RFC 2544 section 26.3.
type LossPoint struct {
	Subject string  `json:"subject"`
	Size    int     `json:"size"`
	PPS     float64 `json:"pps"` // offered
	Sent    uint64  `json:"sent"`
	Lost    uint64  `json:"lost"`
	Own     uint64  `json:"lost_on_own_rings,omitempty"` // as in Trial
	Ratio   float64 `json:"loss_ratio"`
	CPU     float64 `json:"generator_cpu_share,omitempty"` // as in Run
}

// Latency is the result of RFC 2544 section 26.2, with the whole distribution.
type Latency struct {
	Subject      string             `json:"subject"`
	Size         int                `json:"size"`
	PPS          float64            `json:"pps"`
	Sent         uint64             `json:"sent"`
	Lost         uint64             `json:"lost"`
	Tolerance    float64            `json:"tolerance"`                     // as in Throughput
	CPU          float64            `json:"generator_cpu_share,omitempty"` // the least of the trials, as in Run
	Distribution *perf.Distribution `json:"latency_ns"`
}

// BackToBack is the result of RFC 2544 section 26.4: the longest burst at the
// generator's top speed without loss.
type BackToBack struct {
	Subject string  `json:"subject"`
	Size    int     `json:"size"`
	Frames  float64 `json:"frames"` // mean of the repetitions
	Repeats int     `json:"repeats"`
	AtMost  bool    `json:"at_most"`                     // the longest burst that was tried had no loss
	Lost    uint64  `json:"lost"`                        // of longer bursts, in all
	Own     uint64  `json:"lost_on_own_rings,omitempty"` // as in Trial
}

// Search is the result of another search: the highest value that passed.
type Search struct {
	Subject string  `json:"subject"`
	What    string  `json:"what"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value"`
	Found   bool    `json:"found"`
	AtMost  bool    `json:"at_most"`         // the highest value that was tried passed
	Limit   string  `json:"limit,omitempty"` // what the lowest value that failed was too much for: generator or subject
	Cut     bool    `json:"cut,omitempty"`   // the search ended before its time: Value is the best so far
	Tried   []Tried `json:"tried"`
}

// Tried is one value of a search.
type Tried struct {
	Value  float64 `json:"value"`
	Passed bool    `json:"passed"`
	Note   string  `json:"note,omitempty"`
}

// Sessions is the result of stateful load, in the terms of RFC 9411 section 7.
type Sessions struct {
	Subject      string             `json:"subject"`
	Seconds      float64            `json:"seconds"`
	Opened       uint64             `json:"opened"`
	Completed    uint64             `json:"completed"`
	Failed       uint64             `json:"failed"`
	TimedOut     uint64             `json:"timed_out"`
	Transactions uint64             `json:"transactions"`
	PerSecond    float64            `json:"connections_per_second"`
	TransPerSec  float64            `json:"transactions_per_second"`
	Concurrent   uint64             `json:"concurrent_connections"` // the most at once
	Inspected    float64            `json:"throughput_bits_per_second"`
	Late         *perf.Distribution `json:"late_ns,omitempty"` // SYNs behind their time; nil: there is no rate
	Handshake    *perf.Distribution `json:"handshake_ns,omitempty"`
	FirstByte    *perf.Distribution `json:"time_to_first_byte_ns,omitempty"` // of an answer, since the request
	LastByte     *perf.Distribution `json:"time_to_last_byte_ns,omitempty"`
	NotOpened    uint64             `json:"not_opened"` // due, and not opened by the generator
	Bad          uint64             `json:"bad_frames"`
	Stray        uint64             `json:"stray_frames"`
	CPUShare     float64            `json:"generator_cpu_share,omitempty"` // as in Run
	Notes        []string           `json:"notes,omitempty"`
}

// Write writes the document as JSON.
func (d *Document) Write(w io.Writer) error {
	d.Version = Version
	out := json.NewEncoder(w)
	out.SetIndent("", " ")
	return out.Encode(d)
}

// Read reads the JSON form; name is for errors.
func Read(r io.Reader, name string) (*Document, error) {
	d := &Document{}
	if err := json.NewDecoder(r).Decode(d); err != nil {
		return nil, fmt.Errorf("%s: not a result of pktgen: %w", name, err)
	}
	if d.Version != Version {
		return nil, fmt.Errorf("%s: version %d: this program reads %d", name, d.Version, Version)
	}
	return d, nil
}

// ReadFile reads the JSON form from a file.
func ReadFile(name string) (*Document, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, name)
}
