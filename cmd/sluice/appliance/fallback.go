package appliance

import (
	"errors"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
)

// errMode says that a port does not work in the XDP mode it was started in.
type errMode struct {
	port string
	err  error
}

func (e *errMode) Error() string { return e.err.Error() }
func (e *errMode) Unwrap() error { return e.err }

// modeFor returns the XDP mode that a port is opened in.
func (r *running) modeFor(port string) string {
	if mode := r.modes[port]; mode != "" {
		return mode
	}
	return r.set.XDPMode
}

// demote chooses a lesser mode for the port that a start has failed for, and
// says whether there is one to try: from zero-copy, which auto tries first, to
// copy, and from either to generic when the driver has no XDP at all, or not with
// the queues there are. Only for settings that leave the mode open.
func (r *running) demote(err error) bool {
	var e *errMode
	if !errors.As(err, &e) || r.set.XDPMode != settings.XDPAuto {
		return false
	}
	mode := ""
	switch now := r.modeFor(e.port); {
	case errors.Is(err, afxdp.ErrSelfTest) && now == settings.XDPAuto:
		mode = settings.XDPCopy
	case (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSPC)) && now != settings.XDPGeneric && !r.set.HasHostPath():
		mode = settings.XDPGeneric
	default:
		return false
	}
	if r.modes == nil {
		r.modes = map[string]string{}
	}
	r.modes[e.port] = mode
	r.log.Warn("port does not work in this mode, trying a lesser one", zap.String("port", e.port), zap.String("mode", mode), zap.Error(e.err))
	return true
}

// startOver takes down what a start has made, for another.
func (r *running) startOver() error {
	if err := r.down(); err != nil {
		return fmt.Errorf("start over: %w", err)
	}
	*r = running{set: r.set, opt: r.opt, log: r.log, began: r.began, modes: r.modes}
	return nil
}
