package host

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/lab"
)

// TestPort joins the wire and the path as the box does: AF_XDP on both.
func TestPort(t *testing.T) {
	l := newLab(t, lab.Queues(2))
	before := routerState(t, l)
	const queues = 2
	opt := afxdp.DefaultOptions()
	var path *Path
	var wire *afxdp.Interface
	var umems [queues]*afxdp.UMEM
	var pairs [queues][2]afxdp.Queue // wire and host path of each worker
	err := l.Do(lab.Router, func() (err error) {
		opt.Queues = queues
		if wire, err = afxdp.OpenInterface(lab.RouterIfC, opt); err != nil {
			return err
		}
		opt.Queues = 0 // Open's argument counts
		if path, err = Open(lab.RouterIfC, queues, opt); err != nil {
			return err
		}
		if err := path.Activate(); err == nil {
			t.Error("active without any queue open")
		}
		for i := range queues {
			if umems[i], err = afxdp.NewUMEM(8192, 2048); err != nil {
				return err
			}
			if pairs[i][0], err = wire.Open(i, umems[i]); err != nil {
				return err
			}
			if pairs[i][1], err = path.Port().Open(i, umems[i]); err != nil {
				return err
			}
		}
		if err := path.Activate(); err != nil {
			return err
		}
		return wire.Attach()
	})
	if err != nil {
		t.Fatal(err)
	}
	if name := path.Port().Name(); name != path.BoxEnd() || path.Port().Queues() != queues {
		t.Errorf("port %s with %d queues", name, path.Port().Queues())
	}
	var stop atomic.Bool
	workers := make(chan error, queues)
	for i := range queues {
		go func() { workers <- forward(&stop, umems[i], pairs[i]) }()
	}
	for _, row := range []struct {
		name string
		run  func() (lab.PingResult, error)
	}{
		{"in", func() (lab.PingResult, error) {
			return lab.Ping(l.NS(lab.Client), lab.RouterC4, lab.PingConfig{Interval: time.Millisecond})
		}},
		{"in, IPv6", func() (lab.PingResult, error) {
			return lab.Ping(l.NS(lab.Client), lab.RouterC6, lab.PingConfig{Interval: time.Millisecond})
		}},
		{"out", func() (lab.PingResult, error) {
			return lab.Ping(l.NS(lab.Router), lab.Client4, lab.PingConfig{Interval: time.Millisecond})
		}},
	} {
		if r, err := row.run(); err != nil || r.Received != 3 {
			t.Errorf("%s: %v, %v", row.name, r, err)
		}
	}
	moveBytes(t, l.NS(lab.Router), l.NS(lab.Client), "10.77.1.1:80")
	moveBytes(t, l.NS(lab.Router), l.NS(lab.Client), "[fd77:1::1]:80")
	var fromKernel uint64
	for _, p := range pairs {
		fromKernel += p[1].Stats().RxFrames
	}
	if fromKernel < 700 {
		t.Errorf("%d frames came from the kernel: a megabyte each way needs more than that", fromKernel)
	}
	stop.Store(true)
	for range queues {
		if err := <-workers; err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := errors.Join(wire.Close(), path.Close()); err != nil {
			t.Error(err)
		}
	}
	for _, u := range umems {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
	before.same(t, routerState(t, l))
}

// forward is a worker that lets everything pass, and finishes the checksums of
// what the wire brings.
func forward(stop *atomic.Bool, u *afxdp.UMEM, q [2]afxdp.Queue) error {
	var descs [64]afxdp.Desc
	for !stop.Load() {
		afxdp.Poll(q[:], 20)
		for from := range q {
			n := q[from].Recv(descs[:])
			for _, d := range descs[:n] {
				if b := u.Frame(d.Addr, d.Len); from == 0 && frame.VerifyChecksums(b) != nil {
					complete(b)
				}
			}
			sent := q[1-from].Send(descs[:n])
			for _, d := range descs[sent:n] {
				u.Free(d.Addr)
			}
		}
		q[0].Flush()
		q[1].Flush()
	}
	return nil
}

// TestOpenGivesBack: what Open has made is gone when the port cannot be opened.
func TestOpenGivesBack(t *testing.T) {
	l := newLab(t)
	before := routerState(t, l)
	opt := afxdp.DefaultOptions()
	opt.Ring = 1000
	inRouter(t, l, func() error {
		p, err := Open(lab.RouterIfC, 1, opt)
		if err == nil || !strings.Contains(err.Error(), lab.RouterIfC) {
			t.Errorf("a ring of %d descriptors: %v", opt.Ring, err)
		}
		return p.Close()
	})
	before.same(t, routerState(t, l))
}
