package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/doctor"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/guard"
	"github.com/sluice-net/sluice/dataplane/host"
	"github.com/sluice-net/sluice/dataplane/mirror"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// up starts everything; what it did is in r.undo, also when it fails.
func (r *running) up(ctx context.Context) error {
	text, err := r.readRules()
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		checkPrivilege, r.checkPorts, r.claim, r.checkKernelRules, r.openPorts, r.putGuard, r.openPaths, r.makeMirror, r.makeBox,
		func() error { return r.loadRules(text) },
		r.start, r.serve,
	} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readRules goes as far with the rules as is possible without a box.
func (r *running) readRules() ([]byte, error) {
	text, err := nft.ReadFile(r.set.Rules)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	tree, err := nft.Parse(r.set.Rules, text, nft.ParseOptions{})
	if err != nil {
		return nil, control.WrongScript(err)
	}
	opt := rules.Options{}
	for i, name := range r.set.PortNames() {
		opt.Interfaces = append(opt.Interfaces, rules.Interface{Name: name, Port: uint16(i), Index: uint32(i + 1)})
	}
	if _, err := rules.Compile(tree, opt); err != nil {
		return nil, control.WrongScript(control.Explain(err, r.set.Rules, text))
	}
	if r.opt.Advise != nil {
		for _, advice := range r.opt.Advise(tree) {
			r.log.Warn(advice)
		}
	}
	return text, nil
}

// checkPorts finds out, before anything is claimed, what can never be a port.
func (r *running) checkPorts() error {
	for _, name := range r.set.PortNames() {
		switch i, err := net.InterfaceByName(name); {
		case err == nil && i.Flags&(net.FlagUp|net.FlagLoopback) == 0:
			r.log.Warn("link is down: nothing comes by this port until `ip link set dev "+name+" up`", zap.String("port", name))
		case err != nil:
			return fmt.Errorf("open interface %s: no such interface in this network namespace: see `ip link show`", name)
		case i.Flags&net.FlagLoopback != 0:
			return fmt.Errorf("open interface %s: is the loopback, by which nothing comes from outside: name interfaces of `ip link show` that are Ethernet", name)
		}
	}
	return nil
}

func (r *running) claim() (err error) {
	if err := r.enterable(); err != nil {
		return err
	}
	if r.socket, err = control.Claim(r.set.Control); err != nil {
		return err
	}
	r.later(r.socket.Close)
	return nil
}

// checkKernelRules looks for rules that would judge once more what the box has
// let through to this machine.
func (r *running) checkKernelRules() error {
	found, err := guard.Foreign()
	if err != nil {
		return err
	}
	if len(found) > 0 && !r.set.AllowKernelRules {
		return fmt.Errorf("the kernel has rules of its own, which would filter once more what the box lets through to this machine:\n  %s\n"+
			"put them into the box's rules and remove them with `nft delete table FAMILY NAME` (legacy ones: `iptables-legacy -F`), or start with --allow-kernel-rules",
			strings.Join(found, "\n  "))
	}
	for _, rule := range found {
		r.log.Warn("the kernel has rules of its own, allowed by --allow-kernel-rules", zap.String("rule", rule))
	}
	r.foreign = found
	return nil
}

func (r *running) openPorts() error {
	queues := dataplane.MaxWorkers
	for _, p := range r.set.Ports {
		queues = min(queues, receiveQueues(p.Name))
	}
	r.workers = r.set.WorkersFor(queues, runtime.NumCPU())
	for _, p := range r.set.Ports {
		port, err := afxdp.OpenInterface(p.Name, r.set.InterfaceIn(r.modeFor(p.Name), r.workers))
		if err != nil {
			return err
		}
		r.ports = append(r.ports, port)
		r.later(port.Close)
		warnings := port.Info().Warnings
		for _, text := range warnings {
			r.log.Warn(text)
		}
		r.warned = append(r.warned, len(warnings))
	}
	return nil
}

// putGuard installs the guard table. It stays at the end, unless the settings
// say otherwise or the start fails and it was not there before.
func (r *running) putGuard() error {
	before, err := guard.Installed()
	if err != nil {
		return err
	}
	if bridges := doctor.FilteredBridges(); len(bridges) > 0 {
		r.log.Warn("the guard stops what bridges pass on, since the kernel asks its rules about that: `"+doctor.UnfilterBridges+"`", zap.Strings("bridges", bridges))
	}
	if err := guard.Install(r.set.Guard()); err != nil {
		return err
	}
	r.later(func() error {
		if r.server != nil && !r.set.OpenOnExit || r.server == nil && before {
			return nil
		}
		return guard.Remove()
	})
	return nil
}

func (r *running) openPaths() error {
	r.paths = make([]*host.Path, len(r.ports))
	for i, p := range r.set.Ports {
		if !r.set.HasHostPath() {
			// A killed run may have had one.
			if _, err := host.CleanLeftovers(p.Name); err != nil {
				return err
			}
			continue
		}
		path, err := host.Open(p.Name, r.workers, r.set.Host(r.workers))
		if err != nil {
			return err
		}
		r.paths[i] = path
		r.later(path.Close)
	}
	return nil
}

func (r *running) makeMirror() (err error) {
	if r.mirror, err = mirror.New(r.set.PortNames(), r.log); err != nil {
		return err
	}
	r.later(r.mirror.Close)
	r.state, err = r.mirror.Read()
	return err
}

// unfinished says whether frames may come with the checksum left to others: from
// senders behind some drivers, and in generic mode behind any that can finish it.
func unfinished(driver string, generic bool) bool {
	return generic || slices.Contains([]string{"veth", "tun"}, driver)
}

func (r *running) makeBox() error {
	cfg := dataplane.Default()
	cfg.Workers, cfg.Frames = r.workers, r.set.FramesPerWorker()
	cfg.Conntrack = r.set.Conntrack.Table()
	cfg.Checksum, cfg.LogInvalid = r.set.Conntrack.Checksum, r.set.Conntrack.LogInvalid
	cfg.CompileCache = compileCache
	cfg.Log, cfg.Pin, cfg.Spin = r.log, r.set.Pin, r.set.Spin
	cfg.Wire = !r.router()
	if r.router() {
		cfg.Resolve = r.mirror.Resolve
	}
	mtu := 0
	for i, port := range r.ports {
		mtu = max(mtu, port.MTU())
		info := port.Info()
		c := dataplane.PortConfig{
			Port: port, Index: uint32(port.Index()), Unfinished: unfinished(info.Driver, info.Generic), Peer: -1,
			Addrs: r.state.Addrs[port.Name()],
		}
		if path := r.paths[i]; path != nil {
			c.Host = path.Port()
		}
		cfg.Ports = append(cfg.Ports, c)
	}
	cfg.Chunk = r.set.ChunkFor(mtu)
	box, err := dataplane.New(cfg)
	if err != nil {
		return cause(err)
	}
	r.box, r.book = box, control.NewRulebook(box)
	r.book.Exists = r.interfaceExists
	if free, kib := offheap.FreeHugePages(); free > 0 && !box.Stats().HugePages {
		r.log.Info("frames are not all on huge pages: too few are free", zap.Int("left", free),
			zap.Int("wanted", r.set.FrameHugePages(r.workers, mtu, kib)), zap.Int("kib", kib))
	}
	r.later(box.Close)
	// The sockets use the box's memory: they close before the box does.
	r.later(r.closePorts)
	return box.SetState(r.boxState(r.state))
}

// cause returns the first of several joined errors: the others are about memory
// that the dataplane could not give back, because sockets still use it. They
// are closed next.
func cause(err error) error {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) && len(all.Unwrap()) > 0 {
		return all.Unwrap()[0]
	}
	return err
}

// compileCache is how many bytes of earlier compiled rulesets are kept.
const compileCache = 16 << 20

// closePorts gives the interfaces back, what the kernel sends first.
func (r *running) closePorts() error {
	var errs []error
	for _, path := range r.paths {
		errs = append(errs, path.Close())
	}
	for _, port := range r.ports {
		errs = append(errs, port.Close())
	}
	return errors.Join(errs...)
}

func (r *running) loadRules(text []byte) error {
	report, err := r.book.Replace(r.set.Rules, text, nft.ParseOptions{})
	if err != nil {
		return err
	}
	r.log.Info("rules loaded", zap.String("file", r.set.Rules), zap.Uint64("generation", report.Generation),
		zap.Int("rules", control.CountRules(r.box.Rules().Tree)))
	return nil
}

// start lets traffic in: programs, then workers. Until the workers run, frames
// wait in the rings.
func (r *running) start() error {
	for i, port := range r.ports {
		if err := port.Attach(); err != nil {
			return &errMode{port.Name(), err}
		}
		if err := port.SelfTest(); err != nil {
			return &errMode{port.Name(), err}
		}
		info := port.Info()
		for _, text := range info.Warnings[r.warned[i]:] {
			r.log.Warn(text)
		}
		if reason := info.Queues[0].Reason; reason != "" {
			r.log.Info("no zero-copy", zap.String("port", info.Name), zap.String("why", reason))
		}
		r.log.Info("port taken over", zap.String("port", info.Name), zap.String("driver", info.Driver),
			zap.String("mode", loggedMode(info)), zap.Int("queues", len(info.Queues)), zap.Int("ring", info.Ring), zap.Int("mtu", port.MTU()))
		if path := r.paths[i]; path != nil {
			if err := path.Activate(); err != nil {
				return err
			}
		}
	}
	if err := r.box.Start(); err != nil {
		return err
	}
	r.later(func() error { r.box.Stop(); return nil })
	return nil
}

// serve starts what runs beside the workers.
func (r *running) serve() error {
	background, stop := context.WithCancel(context.Background())
	r.later(func() error { stop(); r.wait.Wait(); return nil })
	r.wait.Go(func() {
		if err := r.mirror.Run(background, r.follow); err != nil {
			r.log.Error("the kernel's tables are not followed any more: restart", zap.Error(err))
		}
	})
	r.seen = r.take(nil)
	r.wait.Go(func() { r.watch(background) })
	r.server = &control.Server{
		Box: r.box, Book: r.book, Version: r.opt.Version, Status: r.status, Queues: r.queues, Log: r.log,
	}
	r.wait.Go(func() {
		if err := r.server.Serve(r.socket); err != nil {
			r.log.Error("the control socket is not served any more: restart", zap.Error(err))
		}
	})
	r.later(func() error { r.server.Close(patience); return nil })
	return r.serveMetrics()
}

// serveMetrics answers Prometheus, when there is an address for it.
func (r *running) serveMetrics() error {
	if r.set.Metrics == "" {
		return nil
	}
	on, err := net.Listen("tcp", r.set.Metrics)
	if err != nil {
		return fmt.Errorf("metrics address %s: %w: choose another port, or bring the loopback up (ip link set lo up)", r.set.Metrics, err)
	}
	server := http.Server{Handler: r.server.Metrics(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: zap.NewStdLog(r.log)}
	r.wait.Go(func() {
		if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("metrics are not served any more: restart", zap.Error(err))
		}
	})
	r.later(server.Close)
	r.log.Info("metrics are served", zap.String("address", "http://"+on.Addr().String()+"/metrics"))
	return nil
}

func (r *running) router() bool { return r.set.Mode == settings.ModeRouter }
