package control

import (
	"net/http"
	"net/http/pprof"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluice-net/sluice/flowtable"
)

// Metrics serves the box's state for Prometheus at /metrics and Go's profiles at
// /debug/pprof/. Whoever reaches it can read everything and make the process
// work: it is for a local address.
func (s *Server) Metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{s}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: nil}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// collector reads the box when it is asked, so that nothing is counted twice.
type collector struct{ server *Server }

// metric is a family of values; Prometheus' names have their units in them.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_"+name, help, labels, nil)
}

var (
	metricPortUp      = metric("port_up", "Whether the port's link is up.", "port", "mode")
	metricPortRx      = metric("port_receive_packets_total", "Frames received on a port.", "port")
	metricPortTx      = metric("port_transmit_packets_total", "Frames sent on a port.", "port")
	metricPortLost    = metric("port_lost_packets_total", "Frames that a port or the kernel behind it lost, by reason.", "port", "reason")
	metricQueueRing   = metric("queue_ring_entries", "What the rings of a port's queue hold: fill, rx, tx, completion.", "port", "queue", "ring")
	metricQueueLost   = metric("queue_lost_packets_total", "Frames lost at a queue, by the kernel or the box, by reason.", "port", "queue", "reason")
	metricWorkerRx    = metric("worker_receive_packets_total", "Frames a worker took from its queues.", "worker")
	metricWorkerTx    = metric("worker_transmit_packets_total", "Frames a worker sent.", "worker")
	metricHandedOver  = metric("worker_handover_packets_total", "Packets a worker handed to the owner of their flow.", "worker")
	metricDropped     = metric("dropped_packets_total", "Packets that were not forwarded, by reason.", "reason")
	metricFlows       = metric("flows", "Connections now.")
	metricFlowsMax    = metric("flows_max", "Connections the table holds at most.")
	metricConntrack   = metric("conntrack_total", "The kernel's statistics of connection tracking, by its field names.", "field")
	metricInvalid     = metric("conntrack_reason_packets_total", "Packets that connection tracking found fault with, by reason.", "reason")
	metricFrames      = metric("frames", "Frames of memory, by whether they are free.", "state")
	metricEstablished = metric("established_packets_total", "Packets of established connections.")
	metricPlanned     = metric("planned_packets_total", "Of these, packets that skipped the rules by the plan of their flow.")
	metricGeneration  = metric("rules_generation", "Number of the ruleset in force.")
	metricRules       = metric("rules", "Rules in force.")
	metricICMPUnsent  = metric("icmp_errors_not_sent_total", "ICMP errors not sent, by reason.", "reason")
	metricLogsLost    = metric("log_records_lost_total", "Records of log statements that found the ring full.")
	metricTracesLost  = metric("trace_steps_lost_total", "Steps of traced packets that found the ring full.")
	metricTrouble     = metric("trouble", "Number of things `sluice status` says are wrong now.")
)

// Describe sends no descriptions: what there is depends on the box.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the box's state once.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	st := c.server.status()
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	total := func(d *prometheus.Desc, v uint64, labels ...string) {
		value(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		value(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for i := range st.Ports {
		p := &st.Ports[i]
		up := 0
		if p.Up {
			up = 1
		}
		gauge(metricPortUp, up, p.Name, p.Mode)
		total(metricPortRx, p.RxPackets, p.Name)
		total(metricPortTx, p.TxPackets, p.Name)
		for reason, n := range p.Lost {
			total(metricPortLost, n, p.Name, reason)
		}
	}
	if c.server.Queues != nil {
		for _, q := range c.server.Queues() {
			queue := strconv.Itoa(q.Queue)
			gauge(metricQueueRing, q.Rings.Fill, q.Port, queue, "fill")
			gauge(metricQueueRing, q.Rings.RX, q.Port, queue, "rx")
			gauge(metricQueueRing, q.Rings.TX, q.Port, queue, "tx")
			gauge(metricQueueRing, q.Rings.Completion, q.Port, queue, "completion")
			for reason, n := range q.Lost {
				total(metricQueueLost, n, q.Port, queue, reason)
			}
		}
	}
	for i := range st.Workers {
		w, name := &st.Workers[i], strconv.Itoa(i)
		total(metricWorkerRx, w.RxPackets, name)
		total(metricWorkerTx, w.TxPackets, name)
		total(metricHandedOver, w.HandoversOut, name)
	}
	for reason, n := range st.Drops {
		total(metricDropped, n, reason)
	}
	gauge(metricFlows, st.Flows)
	if st.MaxFlows > 0 {
		gauge(metricFlowsMax, st.MaxFlows)
	}
	c.conntrack(total)
	gauge(metricFrames, st.FreeFrames, "free")
	gauge(metricFrames, st.Frames-st.FreeFrames, "in use")
	total(metricEstablished, st.Plans.Established)
	total(metricPlanned, st.Plans.Planned)
	gauge(metricGeneration, int(st.Rules.Generation))
	gauge(metricRules, st.Rules.Rules)
	total(metricICMPUnsent, st.ICMPUnsent.Limited, "rate")
	total(metricICMPUnsent, st.ICMPUnsent.NoSource, "no address")
	total(metricLogsLost, st.LogsLost)
	total(metricTracesLost, st.TracesLost)
	gauge(metricTrouble, len(st.Trouble))
}

// conntrack sends connection tracking's statistics, summed over the workers.
func (c *collector) conntrack(total func(d *prometheus.Desc, v uint64, labels ...string)) {
	var sum flowtable.Stats
	for _, s := range c.server.Box.Stats().Conntrack {
		sum.Add(&s)
	}
	for name, n := range map[string]uint64{
		"found": sum.Found, "invalid": sum.Invalid, "insert": sum.Insert, "insert_failed": sum.InsertFailed,
		"clash_resolve": sum.ClashResolve, "drop": sum.Drop, "early_drop": sum.EarlyDrop, "error": sum.Error,
		"chaintoolong": sum.ChainTooLong, "expect_new": sum.ExpectNew, "expect_create": sum.ExpectCreate, "expect_delete": sum.ExpectDelete,
		"created": sum.Created, "expired": sum.Expired,
	} {
		total(metricConntrack, n, name)
	}
	for i, n := range sum.Reasons {
		if n > 0 {
			total(metricInvalid, n, flowtable.Reason(i).String())
		}
	}
}
