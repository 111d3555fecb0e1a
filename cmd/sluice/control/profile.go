package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/perf"
)

// Profile is where the workers' time went since the box started, as far as
// profiling was on. Two profiles are compared part by part.
type Profile struct {
	Time    time.Time       `json:"time"`
	On      bool            `json:"on"`
	Rate    perf.Rate       `json:"cycles_per_second"`
	Workers []WorkerProfile `json:"workers"`
	// Generation is that of the rules that Rules are of.
	Generation uint64        `json:"generation"`
	Rules      []RuleProfile `json:"rules,omitempty"`
}

// WorkerProfile is one worker's: cycles by stage and of bursts, both of a sample
// of its rounds, what the kernel counts for its thread, and its packets, all of
// them.
type WorkerProfile struct {
	Stages       perf.Account       `json:"account"`
	Bursts       *perf.Distribution `json:"burst_cycles"`
	Thread       perf.ThreadTime    `json:"thread"`
	RxPackets    uint64             `json:"rx_packets"`
	TxPackets    uint64             `json:"tx_packets"`
	HandoversIn  uint64             `json:"handovers_in"`
	HandoversOut uint64             `json:"handovers_out"`
	Established  uint64             `json:"established"`
	Planned      uint64             `json:"planned"`
	Drops        map[string]uint64  `json:"drops"` // by reason, those above 0
}

// RuleProfile is a rule or policy that decided packets of the sample, and the
// cycles from the end of the prefetch to theirs. Rule is empty where no rule was
// asked.
type RuleProfile struct {
	ID      uint32 `json:"id"`
	Place   string `json:"place,omitempty"`
	Rule    string `json:"rule"`
	Packets uint64 `json:"packets"`
	Cycles  uint64 `json:"cycles"`
}

// QueueStatus is a port's queue at a moment: what its rings hold, and what came
// and was lost since the start.
type QueueStatus struct {
	Port      string            `json:"port"`
	Queue     int               `json:"queue"`
	Rings     afxdp.RingFill    `json:"rings"`
	RxPackets uint64            `json:"rx_packets"`
	TxPackets uint64            `json:"tx_packets"`
	Lost      map[string]uint64 `json:"lost,omitempty"` // by reason, those above 0
}

// maxCPUProfile bounds how long a client can have the box profiled for.
const maxCPUProfile = 10 * time.Minute

func (s *Server) profileRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/perf/profile", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.profile(), nil) })
	mux.HandleFunc("POST /v1/perf/profiling", func(w http.ResponseWriter, r *http.Request) {
		on, err := strconv.ParseBool(r.URL.Query().Get("on"))
		if err != nil {
			http.Error(w, "on: want 0 or 1", http.StatusBadRequest)
			return
		}
		s.Box.SetProfiling(on)
		s.Log.Info("profiling", zap.Bool("on", on))
		s.answer(w, s.profile(), nil)
	})
	mux.HandleFunc("GET /v1/perf/cpu", s.cpuProfile)
	mux.HandleFunc("DELETE /v1/perf/cpu", func(w http.ResponseWriter, _ *http.Request) {
		if end := s.endCPU.Load(); end != nil {
			(*end)()
		}
		s.answer(w, nil, nil)
	})
	mux.HandleFunc("GET /v1/perf/queues", func(w http.ResponseWriter, _ *http.Request) {
		queues := []QueueStatus{}
		if s.Queues != nil {
			queues = append(queues, s.Queues()...)
		}
		s.answer(w, queues, nil)
	})
}

// profile makes the box's profile readable.
func (s *Server) profile() Profile {
	p := s.Box.Profile()
	out := Profile{Time: time.Now(), On: p.On, Rate: p.Rate, Generation: p.Generation}
	for i := range p.Workers {
		w := &p.Workers[i]
		one := WorkerProfile{
			Stages: w.Stages, Bursts: w.Bursts, Thread: w.Thread, RxPackets: w.Stats.RxFrames, TxPackets: w.Stats.TxFrames,
			HandoversIn: w.Stats.HandoversIn, HandoversOut: w.Stats.HandoversOut,
			Established: w.Stats.Established, Planned: w.Stats.Planned, Drops: map[string]uint64{},
		}
		for d := packet.DropNone + 1; d < packet.DropCount; d++ {
			if n := w.Stats.Drops[d]; n > 0 {
				one.Drops[d.String()] = n
			}
		}
		out.Workers = append(out.Workers, one)
	}
	for _, c := range p.Rules {
		r := RuleProfile{ID: c.Rule, Packets: c.Packets, Cycles: c.Cycles}
		if info := p.Ruleset.Rule(c.Rule); info != nil {
			r.Place, r.Rule = fmt.Sprint(info.Pos), info.Text
			if info.Policy {
				r.Rule = "policy of chain " + info.Chain
			}
		}
		out.Rules = append(out.Rules, r)
	}
	return out
}

// cpuProfile sends a profile of the whole process in pprof's format. The answer's
// header comes when it has begun, the profile when it ends: after its time, or by
// the request that ends it. Go takes one at a time.
func (s *Server) cpuProfile(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	d := time.Duration(seconds * float64(time.Second))
	if err != nil || d <= 0 || d > maxCPUProfile {
		http.Error(w, fmt.Sprintf("seconds: want more than 0 and at most %.0f", maxCPUProfile.Seconds()), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	var profile bytes.Buffer // w itself is flushed, while a goroutine of pprof writes
	if err := pprof.StartCPUProfile(&profile); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	ctx, end := context.WithTimeout(r.Context(), d)
	defer end()
	s.endCPU.Store(&end)
	defer s.endCPU.CompareAndSwap(&end, nil) // another may have begun
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	if _, err := profile.WriteTo(w); err != nil {
		s.Log.Debug("CPU profile", zap.Error(err)) // the client has gone
	}
}

// Profile returns where the workers' time went.
func (c *Client) Profile() (Profile, error) {
	var p Profile
	err := c.get("perf/profile", nil, &p)
	return p, err
}

// Queues returns the ports' queues as they are now.
func (c *Client) Queues() ([]QueueStatus, error) {
	var q []QueueStatus
	err := c.get("perf/queues", nil, &q)
	return q, err
}

// SetProfiling switches profiling on or off and returns the profile then.
func (c *Client) SetProfiling(on bool) (Profile, error) {
	var p Profile
	err := c.soon(http.MethodPost, "perf/profiling", url.Values{"on": {strconv.FormatBool(on)}}, &p)
	return p, err
}

// CPUProfile writes a CPU profile of the box over d, in pprof's format; when ctx
// ends, the profile of the time until then.
func (c *Client) CPUProfile(ctx context.Context, w io.Writer, d time.Duration) error {
	q := url.Values{"seconds": {strconv.FormatFloat(d.Seconds(), 'f', -1, 64)}}
	answer, err := c.do(http.MethodGet, "perf/cpu", q, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	stop := context.AfterFunc(ctx, func() {
		soon, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if ended, err := c.doWith(soon, http.MethodDelete, "perf/cpu", nil, nil); err == nil {
			_ = ended.Close()
		} else {
			_ = answer.Close()
		}
	})
	defer stop()
	_, err = io.Copy(w, answer)
	return err
}
