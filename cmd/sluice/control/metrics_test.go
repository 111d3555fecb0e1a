package control

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
)

// TestMetrics: every family is well named and described, and its values are
// those of status.
func TestMetrics(t *testing.T) {
	b := newTestBox(t)
	b.send(t, 3)
	s := &Server{Box: b.box, Book: NewRulebook(b.box), Version: "test", Log: zap.NewNop(), Status: func() Status {
		return Status{Ports: []PortStatus{{Name: "lan", Mode: "copy", Up: true, RxPackets: 3, Lost: map[string]uint64{"tx-ring-full": 2}}},
			Workers: []WorkerStatus{{}}, MaxFlows: 1024}
	}}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(&collector{s}); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		rec := httptest.NewRecorder()
		s.Metrics().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != 200 {
			t.Errorf("%s: status %d", path, rec.Code)
		}
		if path != "/metrics" {
			continue
		}
		for _, want := range []string{
			`sluice_port_receive_packets_total{port="lan"} 3`, `sluice_port_lost_packets_total{port="lan",reason="tx-ring-full"} 2`,
			`sluice_flows_max 1024`, `sluice_rules_generation`, `sluice_conntrack_total{field="invalid"}`, "go_goroutines",
		} {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("no %s in\n%s", want, rec.Body)
			}
		}
	}
}
