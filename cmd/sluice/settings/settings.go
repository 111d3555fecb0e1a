package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"go.uber.org/zap/zapcore"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/yamlfile"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/guard"
)

// The modes of a box.
const (
	ModeRouter = "router" // routes by the kernel's tables, with a host path
	ModeWire   = "wire"   // joins two ports transparently
)

// Settings are all an operator can choose. Take Default and change what differs.
type Settings struct {
	Mode  string `yaml:"mode"`
	Rules string `yaml:"rules"` // file in the nftables language
	Ports []Port `yaml:"ports"`

	Workers int    `yaml:"workers"` // 0: as many as queues, but a CPU less than there are
	XDPMode string `yaml:"xdp_mode"`
	Backend string `yaml:"backend"`
	Ring    int    `yaml:"ring"`
	Frames  int    `yaml:"frames"` // in each worker's memory; 0: what the rings need
	Chunk   int    `yaml:"chunk"`  // bytes a frame; 0: what the MTU needs

	HostPath         bool `yaml:"host_path"`
	AllowKernelRules bool `yaml:"allow_kernel_rules"`
	OpenOnExit       bool `yaml:"open_on_exit"`
	Pin              bool `yaml:"pin"`
	Spin             bool `yaml:"spin"`

	Management []Management `yaml:"management"`
	Conntrack  Conntrack    `yaml:"conntrack"`

	Control  string `yaml:"control"` // path of the control socket; empty: by network namespace
	Metrics  string `yaml:"metrics"` // loopback address and port for Prometheus and pprof; empty: none
	LogLevel string `yaml:"log_level"`

	file *yamlfile.File // where the settings came from; nil: not from a file
}

// Port is an interface of the box.
type Port struct {
	Name      string `yaml:"name"`
	Untrusted bool   `yaml:"untrusted"` // without the box, the kernel takes no new connections here
}

// Management is a service of this machine that stays open on untrusted ports.
type Management struct {
	Proto  string `yaml:"proto"`
	Port   uint16 `yaml:"port"`
	Source string `yaml:"source"` // prefix; empty: from anywhere
}

// Default returns what holds without file and flags.
func Default() Settings {
	return Settings{
		Mode: ModeRouter, XDPMode: "auto", Backend: "own", Ring: 2048,
		HostPath: true, Pin: true, LogLevel: "info", Conntrack: defaultConntrack(),
	}
}

// PortNames returns the interfaces in order.
func (s *Settings) PortNames() []string {
	names := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		names[i] = p.Name
	}
	return names
}

// Validate says what is wrong, naming the setting and, when it came from a
// file, its place.
func (s *Settings) Validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, s.file.Wrong(path, fmt.Errorf(format, args...)))
	}
	if s.Mode != ModeRouter && s.Mode != ModeWire {
		bad("mode", "%q: want router or wire", s.Mode)
	}
	if s.Rules == "" {
		bad("rules", "no rules file is given: name one with --rules FILE.nft or the setting rules (an empty file lets everything pass)")
	}
	s.validatePorts(bad)
	if s.Metrics != "" {
		at, err := netip.ParseAddrPort(s.Metrics)
		switch {
		case err != nil:
			bad("metrics", "%q: want an address and a port, as 127.0.0.1:9460", s.Metrics)
		case !at.Addr().IsLoopback():
			bad("metrics", "%s: is not an address of the loopback: whoever reaches it could read everything; use 127.0.0.1 or [::1] and a proxy that asks who it is", s.Metrics)
		}
	}
	if s.Workers < 0 || s.Workers > dataplane.MaxWorkers {
		bad("workers", "%d: want 1 to %d, or 0 to choose", s.Workers, dataplane.MaxWorkers)
	}
	switch _, ok := xdpModes[s.XDPMode]; {
	case !ok:
		bad("xdp_mode", "%q: want auto, zerocopy, copy or generic", s.XDPMode)
	case s.XDPMode == XDPGeneric && s.hasHostPath():
		bad("xdp_mode", "generic XDP would take what the host path gives to this machine, again and again: switch the host path off with --no-host-path (host_path: false), or use mode wire")
	}
	if _, ok := backends[s.Backend]; !ok {
		bad("backend", "%q: want own or asavie", s.Backend)
	}
	if err := s.Interface(1).Validate(); err != nil {
		bad("ring", "%w", err)
	}
	if s.Chunk != 0 && (s.Chunk < afxdp.MinChunk || s.Chunk > afxdp.MaxChunk || s.Chunk&(s.Chunk-1) != 0) {
		bad("chunk", "%d bytes: want a power of two from %d to %d, or 0 to choose by the MTU", s.Chunk, afxdp.MinChunk, afxdp.MaxChunk)
	}
	if s.Frames != 0 && len(s.Ports) > 0 {
		if least := s.leastFrames(); s.Frames < least {
			bad("frames", "%d frames a worker are too few to fill the rings: want %d or more, a smaller ring, or 0 to choose", s.Frames, least)
		}
	}
	if _, err := zapcore.ParseLevel(s.LogLevel); err != nil {
		bad("log_level", "%q: want debug, info, warn or error", s.LogLevel)
	}
	for i, m := range s.Management {
		if _, err := m.rule(); err != nil {
			bad(fmt.Sprintf("management[%d]", i), "%w", err)
		}
	}
	s.Conntrack.validate(bad)
	return errors.Join(errs...)
}

func (s *Settings) validatePorts(bad func(path, format string, args ...any)) {
	switch n := len(s.Ports); {
	case n == 0:
		bad("ports", "none is given: name interfaces with --port IF or the setting ports")
	case s.Mode == ModeWire && n != 2:
		bad("ports", "mode wire joins two ports, %d are given", n)
	}
	for i, p := range s.Ports {
		at := fmt.Sprintf("ports[%d]", i)
		switch {
		case p.Name == "":
			bad(at, "a port without name")
		case slices.Contains(s.PortNames()[:i], p.Name):
			bad(at, "port %s is given twice", p.Name)
		}
	}
}

func (m *Management) rule() (guard.Rule, error) {
	r := guard.Rule{Proto: m.Proto, Port: m.Port}
	if m.Proto != "tcp" && m.Proto != "udp" {
		return r, fmt.Errorf("proto %q: want tcp or udp", m.Proto)
	}
	if m.Port == 0 {
		return r, errors.New("no port: want 1 to 65535")
	}
	if m.Source == "" {
		return r, nil
	}
	p, err := netip.ParsePrefix(m.Source)
	if err != nil {
		a, failure := netip.ParseAddr(m.Source)
		if failure != nil {
			return r, fmt.Errorf("source %q: want an address or a prefix such as 192.0.2.0/24", m.Source)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	r.Source = p.Masked()
	return r, nil
}

// Guard returns what the guard table is made from.
func (s *Settings) Guard() guard.Config {
	c := guard.Config{Ports: s.PortNames()}
	for _, p := range s.Ports {
		if p.Untrusted {
			c.Untrusted = append(c.Untrusted, p.Name)
		}
	}
	for _, m := range s.Management {
		if r, err := m.rule(); err == nil { // Validate has told the others
			c.Management = append(c.Management, r)
		}
	}
	return c
}

// Values of XDPMode. In generic mode the kernel runs the program instead of the
// driver; auto takes what works.
const (
	XDPAuto     = "auto"
	XDPZeroCopy = "zerocopy"
	XDPCopy     = "copy"
	XDPGeneric  = "generic"
)

var xdpModes = map[string]afxdp.Mode{
	XDPAuto: afxdp.ModeAuto, XDPZeroCopy: afxdp.ModeZeroCopy, XDPCopy: afxdp.ModeCopy, XDPGeneric: afxdp.ModeCopy,
}

var backends = map[string]afxdp.Backend{"own": afxdp.BackendOwn, "asavie": afxdp.BackendAsavie}

// Interface returns how interfaces with that many queues are opened.
func (s *Settings) Interface(queues int) afxdp.Options { return s.InterfaceIn(s.XDPMode, queues) }

// InterfaceIn is Interface for a port that is in another mode than XDPMode.
func (s *Settings) InterfaceIn(mode string, queues int) afxdp.Options {
	o := afxdp.DefaultOptions()
	o.Queues, o.Ring, o.Mode, o.Backend = queues, s.Ring, xdpModes[mode], backends[s.Backend]
	o.TxBudget = max(32, min(o.TxBudget, o.Ring))
	o.AllFrames, o.Generic = s.Mode == ModeWire, mode == XDPGeneric
	return o
}

// Host returns how the box's ends of host paths are opened: always by our own
// rings in copy mode, and smaller, because they carry what this machine itself
// says and hears.
func (s *Settings) Host(queues int) afxdp.Options {
	o := afxdp.DefaultOptions()
	o.Queues, o.Ring = queues, min(s.Ring, hostRing)
	o.TxBudget = max(32, min(o.TxBudget, o.Ring))
	return o
}
