package house

import (
	"go/parser"
	"path"
	"slices"
	"strings"
	"testing"
)

// layer says what the packages at and below dir may import besides the standard
// library and one another.
type layer struct {
	dir   string
	ours  []string // packages of this module, each with what is below it
	third []string // other modules, each with what is below it
}

// layers: the first row that a folder lies in counts, so narrow rows stand first.
var layers = []layer{
	{dir: "perf/offheap", third: []string{"golang.org/x/sys"}},
	{dir: "perf/pktgen", ours: []string{"perf", "afxdp"}, third: []string{"golang.org/x/sys"}},
	{dir: "perf", third: []string{"golang.org/x/sys"}},
	{dir: "afxdp/pcap", ours: []string{"perf", "afxdp"}, third: []string{"github.com/gopacket/gopacket"}},
	{dir: "afxdp", ours: []string{"perf"},
		third: []string{"github.com/asavie/xdp", "github.com/cilium/ebpf", "golang.org/x/sys"}},
	{dir: "flowtable", ours: []string{"perf"}},
	{dir: "dataplane/packet", ours: []string{"perf", "flowtable"}},
	{dir: "dataplane/helper", ours: []string{"perf", "flowtable"}},
	{dir: "dataplane/route", ours: []string{"perf", "flowtable", "dataplane/packet"},
		third: []string{"github.com/gaissmai/bart"}},
	{dir: "rules/nft"},
	{dir: "rules/classify", third: []string{"golang.org/x/sys"}},
	{dir: "rules/iptables", ours: []string{"perf", "flowtable", "dataplane/packet", "dataplane/helper", "rules"}},
	{dir: "rules", ours: []string{"perf", "flowtable", "dataplane/packet", "dataplane/helper"},
		third: []string{"github.com/panjf2000/ants/v2", "github.com/dgraph-io/ristretto/v2"}},
	{dir: "dataplane/guard", third: []string{"github.com/google/nftables", "github.com/vishvananda/netlink", "golang.org/x/sys"}},
	{dir: "dataplane/host", ours: []string{"perf", "afxdp", "dataplane/guard"},
		third: []string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "golang.org/x/sys"}},
	{dir: "dataplane", ours: []string{"perf", "afxdp", "flowtable", "rules"},
		third: []string{"github.com/panjf2000/ants/v2", "go.uber.org/zap", "github.com/vishvananda/netlink",
			"github.com/gaissmai/bart", "golang.org/x/sys"}},
	{dir: "tools/frame"}, // shares no code with the dataplane, so that neither hides the other's mistake
	{dir: "tools/traffic", ours: []string{"perf", "afxdp", "tools/frame"}},
	{dir: "tools", ours: []string{"perf", "afxdp", "flowtable", "rules", "dataplane", "tools"}, third: []string{""}},
	{dir: "cmd/yamlfile", third: []string{"github.com/goccy/go-yaml"}},
	{dir: "cmd/pktgen", ours: []string{"perf", "afxdp", "tools/lab", "tools/traffic", "cmd/yamlfile"},
		third: []string{"github.com/spf13/cobra", "github.com/vishvananda/netlink", "golang.org/x/sys"}},
	{dir: "cmd/sluiceperf", ours: []string{"perf", "cmd/sluice/control"},
		third: []string{"github.com/spf13/cobra", "github.com/google/pprof", "golang.org/x/sys"}},
	{dir: "cmd/sluice", ours: []string{"perf", "afxdp", "flowtable", "rules", "dataplane", "tools/lab", "tools/traffic", "cmd/yamlfile"},
		third: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "go.uber.org/zap", "golang.org/x/sys",
			"github.com/prometheus/client_golang"}},
}

// hot are the files on the packet path: nothing in them may log, format, lock
// or reach a pool. Patterns of path.Match; each must match a file.
var hot = []string{
	"dataplane/burst.go", "dataplane/worker.go", "dataplane/hooks.go", "dataplane/plan.go", "dataplane/nat.go", "dataplane/helper.go", "dataplane/natport.go",
	"dataplane/fragments.go", "dataplane/answer.go", "dataplane/limiter.go", "dataplane/trace.go",
	"dataplane/helper/session.go", "dataplane/helper/text.go", "dataplane/helper/*ftp.go", "dataplane/helper/irc.go",
	"dataplane/helper/pptp.go", "dataplane/helper/sip*.go", "dataplane/helper/sdp.go",
	"dataplane/packet/packet.go", "dataplane/packet/parse*.go", "dataplane/packet/transport.go",
	"dataplane/packet/rewrite.go", "dataplane/packet/checksum.go", "dataplane/packet/inner.go", "dataplane/packet/drop.go",
	"flowtable/tuple.go", "flowtable/entry.go", "flowtable/probe.go", "flowtable/hash.go", "flowtable/index.go",
	"flowtable/shard.go", "flowtable/directory.go", "flowtable/claim.go", "flowtable/track.go", "flowtable/tcp.go",
	"flowtable/expire.go", "flowtable/seqadj.go", "flowtable/expect*.go",
	"rules/eval.go", "rules/gate.go", "rules/image.go", "rules/verdict.go", "rules/classify/lookup.go",
	"afxdp/pipequeue.go",
	"perf/pktgen/worker.go", "perf/pktgen/signature.go", "perf/pktgen/tracker.go", "perf/pktgen/pace.go",
}

// cold are imports that have no place in a hot file.
var cold = []string{
	"go.uber.org/zap", "github.com/panjf2000/ants", "github.com/dgraph-io/ristretto",
	"fmt", "log", "errors", "sync", "reflect", "os", "net", "net/netip", "context",
}

func TestImportsGoOneWay(t *testing.T) {
	files, set := goFiles(t, parser.ImportsOnly)
	for _, s := range sorted(files) {
		if s.isTest() {
			continue
		}
		at := slices.IndexFunc(layers, func(l layer) bool { return within(s.dir(), l.dir) })
		if at < 0 {
			t.Errorf("%s: no row in layers says what this package may import", s.path)
			continue
		}
		for _, spec := range files[s].Imports {
			p := importPath(spec)
			if why := layers[at].forbids(p); why != "" {
				t.Errorf("%s: %s imports %q: %s", set.Position(spec.Pos()), s.dir(), p, why)
			}
		}
	}
}

// forbids says why the layer may not import p; empty when it may.
func (l layer) forbids(p string) string {
	if own, ok := strings.CutPrefix(p, module+"/"); ok {
		if within(own, l.dir) {
			return ""
		}
		for _, allowed := range l.ours {
			if within(own, allowed) {
				return ""
			}
		}
		return "against the import order"
	}
	first, _, _ := strings.Cut(p, "/")
	if !strings.Contains(first, ".") {
		return "" // standard library
	}
	for _, allowed := range l.third {
		if allowed == "" || within(p, allowed) {
			return ""
		}
	}
	return "not on the list of libraries this package uses"
}

func TestNobodyImportsCommands(t *testing.T) {
	files, set := goFiles(t, parser.ImportsOnly)
	for _, s := range sorted(files) {
		for _, spec := range files[s].Imports {
			if within(importPath(spec), module+"/cmd") && !within(s.dir(), "cmd") {
				t.Errorf("%s: imports a command", set.Position(spec.Pos()))
			}
		}
	}
}

// TestProductImportsNoTools: commands take tools/lab and tools/traffic, tests take all.
func TestProductImportsNoTools(t *testing.T) {
	files, set := goFiles(t, parser.ImportsOnly)
	for _, s := range sorted(files) {
		if s.isTest() || within(s.dir(), "tools") || within(s.dir(), "cmd") {
			continue
		}
		for _, spec := range files[s].Imports {
			if within(importPath(spec), module+"/tools") {
				t.Errorf("%s: product code imports a tool", set.Position(spec.Pos()))
			}
		}
	}
}

func TestOnlyAfxdpImportsXDP(t *testing.T) {
	files, set := goFiles(t, parser.ImportsOnly)
	for _, s := range sorted(files) {
		for _, spec := range files[s].Imports {
			if within(importPath(spec), "github.com/asavie/xdp") && !within(s.dir(), "afxdp") {
				t.Errorf("%s: only afxdp imports asavie/xdp", set.Position(spec.Pos()))
			}
		}
	}
}

func TestHotFilesImportNothingCold(t *testing.T) {
	files, set := goFiles(t, parser.ImportsOnly)
	matched := map[string]bool{}
	for _, s := range sorted(files) {
		for _, pattern := range hot {
			if ok, err := path.Match(pattern, s.path); err != nil || !ok || s.isTest() {
				continue
			}
			matched[pattern] = true
			for _, spec := range files[s].Imports {
				p := importPath(spec)
				for _, c := range cold {
					// sync/atomic is no lock: only the named package counts, except for modules.
					if p == c || (strings.Contains(c, ".") && strings.HasPrefix(p, c)) {
						t.Errorf("%s: hot file imports %q", set.Position(spec.Pos()), p)
					}
				}
			}
		}
	}
	for _, pattern := range hot {
		if !matched[pattern] {
			t.Errorf("list of hot files: no file matches %q", pattern)
		}
	}
}
