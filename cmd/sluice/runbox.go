package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sluice-net/sluice/cmd/sluice/appliance"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
	"github.com/sluice-net/sluice/perf"
)

// runFlags are the flags of `sluice run`. Those that were given win over the
// settings file.
type runFlags struct {
	file       string
	ports      []string
	untrusted  []string
	noHostPath bool
	set        settings.Settings // what the other flags were parsed into
}

func (f *runFlags) flags(cmd *cobra.Command) {
	to := cmd.Flags()
	f.set = settings.Default()
	s := &f.set
	to.StringVarP(&f.file, "config", "c", "", "read settings from a YAML `FILE`")
	to.StringArrayVar(&f.ports, "port", nil, "take over interface `IF` (repeat for each)")
	to.StringArrayVar(&f.untrusted, "untrusted", nil, "close port `IF` to new connections to this machine while the box is not running (may be repeated)")
	to.StringVar(&s.Rules, "rules", s.Rules, "load the ruleset in `FILE`")
	to.StringVar(&s.Mode, "mode", s.Mode, "router or wire: route by the kernel's tables, or join two ports")
	to.IntVar(&s.Workers, "workers", s.Workers, "workers, one a queue; 0: as many as queues, but a CPU less than there are")
	to.StringVar(&s.XDPMode, "xdp-mode", s.XDPMode, "auto, zerocopy, copy or generic; auto tries them in this order, generic only without host path")
	to.StringVar(&s.Backend, "backend", s.Backend, "own or asavie: what works the rings of AF_XDP")
	to.IntVar(&s.Ring, "ring", s.Ring, "descriptors in each ring of a port, a power of two")
	to.IntVar(&s.Frames, "frames", s.Frames, "frames in each worker's memory; 0: what the rings need")
	to.BoolVar(&s.AllowKernelRules, "allow-kernel-rules", s.AllowKernelRules, "start although other rules of the kernel filter local traffic again")
	to.BoolVar(&s.OpenOnExit, "open-on-exit", s.OpenOnExit, "take the guard table away at the end: the kernel then forwards")
	to.BoolVar(&f.noHostPath, "no-host-path", false, "keep this machine itself out of reach by the ports; IPv6 hosts beside it then need its MAC address given")
	to.StringVar(&s.Control, "control", s.Control, "put the control socket at `PATH` instead of where clients of this network namespace look")
	to.StringVar(&s.Metrics, "metrics", s.Metrics, "serve Prometheus metrics and Go's profiles at `ADDR:PORT` of the loopback")
	to.StringVar(&s.LogLevel, "log-level", s.LogLevel, "debug, info, warn or error")
}

// settings joins defaults, file and flags.
func (f *runFlags) settings(cmd *cobra.Command) (settings.Settings, error) {
	given := cmd.Flags()
	s := f.set
	if f.file != "" {
		var err error
		if s, err = settings.Read(f.file); err != nil {
			return s, err
		}
		for name, take := range map[string]func(){
			"rules": func() { s.Rules = f.set.Rules }, "mode": func() { s.Mode = f.set.Mode },
			"workers": func() { s.Workers = f.set.Workers }, "xdp-mode": func() { s.XDPMode = f.set.XDPMode },
			"backend": func() { s.Backend = f.set.Backend }, "ring": func() { s.Ring = f.set.Ring },
			"frames": func() { s.Frames = f.set.Frames }, "control": func() { s.Control = f.set.Control },
			"allow-kernel-rules": func() { s.AllowKernelRules = f.set.AllowKernelRules },
			"open-on-exit":       func() { s.OpenOnExit = f.set.OpenOnExit },
			"log-level":          func() { s.LogLevel = f.set.LogLevel },
			"metrics":            func() { s.Metrics = f.set.Metrics },
		} {
			if given.Changed(name) {
				take()
			}
		}
	}
	if given.Changed("no-host-path") {
		s.HostPath = !f.noHostPath
	}
	if len(f.ports) > 0 {
		s.Ports = nil
		for _, name := range f.ports {
			s.Ports = append(s.Ports, settings.Port{Name: name})
		}
	}
	for _, name := range f.untrusted {
		found := false
		for i := range s.Ports {
			if s.Ports[i].Name == name {
				s.Ports[i].Untrusted, found = true, true
			}
		}
		if !found {
			return s, fmt.Errorf("--untrusted %s: is not one of the ports", name)
		}
	}
	return s, s.Validate()
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run -c FILE.yaml | run --port IF [--port IF ...] --rules FILE.nft",
		Short: "take over interfaces and filter, translate and route what comes by them",
		Long: `Takes over the interfaces of this network namespace that are named as ports and
filters, translates and routes between them by the ruleset. Addresses, routes and
neighbours are the kernel's and are followed while they change; this machine
stays reachable through the box, by the input and output chains of the ruleset.

The box ends on SIGTERM or SIGINT and leaves the interfaces as they were. A guard
table stays in the kernel's nftables (inet sluice_guard), which keeps the kernel
from forwarding what nobody filters; see --open-on-exit. SIGHUP reads the ruleset
again; if it is wrong, the one in force stays.

"sluice nft", "sluice conntrack" and "sluice status" speak with the box of the
network namespace they run in.`,
		Example: `  sluice run -c /etc/sluice/sluice.yaml
  sluice run --port eth0 --port eth1 --untrusted eth0 --rules home.nft
  sluice run --port eth0 --port eth1 --mode wire --rules filter.nft`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := f.settings(cmd)
			switch {
			case err != nil && f.file == "":
				return err // the command line itself is wrong
			case err != nil:
				return failed(err)
			}
			return runBox(cmd, set)
		},
	}
	f.flags(cmd)
	return cmd
}

func runBox(cmd *cobra.Command, set settings.Settings) error {
	log, err := newLog(cmd.ErrOrStderr(), set.LogLevel)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = log.Sync() }() // standard error need not know how
	perf.TuneHeap()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	err = appliance.Run(ctx, set, appliance.Options{Version: version, Log: log, Advise: advise, Reload: reload})
	var wrong *control.ErrScript
	if errors.As(err, &wrong) {
		fmt.Fprintln(cmd.ErrOrStderr(), wrong)
		return errReported
	}
	return failed(err)
}

// newLog returns the log of a running box: a line an event.
func newLog(w io.Writer, level string) (*zap.Logger, error) {
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	enc.EncodeLevel = zapcore.LowercaseLevelEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	enc.ConsoleSeparator = " "
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(zapcore.AddSync(w)), at)), nil
}
