package appliance

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/host"
	"github.com/sluice-net/sluice/dataplane/mirror"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/nft"
)

// Options is what Run needs beside settings.
type Options struct {
	Version string
	Log     *zap.Logger
	Advise  func(*nft.Ruleset) []string // warnings about a ruleset
	Reload  <-chan os.Signal            // each value: read the rules file again
}

// running is a box and everything around it.
type running struct {
	set   settings.Settings
	opt   Options
	log   *zap.Logger
	began time.Time

	ns      *os.File          // the network namespace of the box
	modes   map[string]string // by port: a lesser XDP mode than the settings', found out by failing
	workers int
	socket  *control.Socket
	ports   []*afxdp.Interface // by port
	warned  []int              // by port: how many of its warnings are in the log
	paths   []*host.Path       // by port; nil without host path
	mirror  *mirror.Mirror
	box     *dataplane.Box
	book    *control.Rulebook
	server  *control.Server
	foreign []string // other rules of the kernel, allowed

	undo []func() error // of what was done, in order
	wait sync.WaitGroup // goroutines that end with background

	lock  sync.Mutex // guards what follows: written by follow and watch, read by status
	state mirror.State
	seen  sample
}

// patience is how long answers on the control socket may take once the box is
// told to end.
const patience = 200 * time.Millisecond

// Run starts a box, runs it until ctx ends and takes it down again. The error
// says why it could not start; nothing is left of a start that failed. An
// *control.ErrScript is about the rules and is laid out as nft does.
func Run(ctx context.Context, set settings.Settings, opt Options) (err error) {
	r := &running{set: set, opt: opt, log: opt.Log, began: time.Now()}
	var ending time.Time
	defer func() {
		if err = errors.Join(err, r.down()); err == nil && !ending.IsZero() {
			r.log.Info("ended", zap.Duration("after", time.Since(ending).Round(time.Millisecond)))
		}
	}()
	for {
		err := r.up(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil // told to end meanwhile
		}
		if !r.demote(err) {
			return err
		}
		if err := r.startOver(); err != nil {
			return err
		}
	}
	r.log.Info("running", zap.Strings("ports", set.PortNames()), zap.String("mode", set.Mode), zap.Int("workers", r.workers),
		zap.String("control", r.socket.Path()), zap.Duration("after", time.Since(r.began).Round(time.Millisecond)))
	for {
		select {
		case <-ctx.Done():
			ending = time.Now()
			r.log.Info("ending")
			return nil
		case <-opt.Reload:
			if fault := perf.Catch(func() { r.box.Aside(r.reload) }); fault != nil {
				dataplane.LogFault(r.log, "rules not reloaded, those in force stay", fault)
			}
		}
	}
}

// down undoes what was done, last things first.
func (r *running) down() error {
	var errs []error
	for i := len(r.undo) - 1; i >= 0; i-- {
		errs = append(errs, r.undo[i]())
	}
	r.undo = nil
	return errors.Join(errs...)
}

func (r *running) later(f func() error) { r.undo = append(r.undo, f) }

// reload reads the rules file again. Whatever is wrong with it, the rules in
// force stay.
func (r *running) reload() {
	text, err := nft.ReadFile(r.set.Rules)
	if err != nil {
		r.log.Error("rules not reloaded, those in force stay", zap.Error(err))
		return
	}
	report, err := r.book.Replace(r.set.Rules, text, nft.ParseOptions{})
	if err != nil {
		r.log.Error("rules not reloaded, those in force stay", zap.String("file", r.set.Rules), zap.Error(err))
		return
	}
	r.log.Info("rules reloaded", zap.String("file", r.set.Rules), zap.Uint64("generation", report.Generation),
		zap.Int("rules", control.CountRules(r.box.Rules().Tree)))
}
