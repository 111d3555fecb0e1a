package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// linkState is what the kernel says of an interface at a moment.
type linkState struct {
	index       int
	up, carrier bool
	changes     uint32 // how often the carrier came or went, ever
}

// state asks the kernel.
func (w *wire) state() (now linkState, err error) {
	err = lab.Do(w.netns, func() error {
		l, err := netlink.LinkByName(w.name)
		if err != nil {
			return err
		}
		flags := l.Attrs().RawFlags
		now.index, now.up, now.carrier = l.Attrs().Index, flags&unix.IFF_UP != 0, flags&unix.IFF_LOWER_UP != 0
		now.changes, err = carrierChanges(now.index)
		return err
	})
	return now, err
}

// carrierChanges returns the kernel's count for an interface of the calling thread's
// network namespace.
func carrierChanges(index int) (uint32, error) {
	ask := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(index)
	ask.AddData(about)
	answers, err := ask.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return 0, fmt.Errorf("ask for the carrier: %w", err)
	}
	for _, answer := range answers {
		attrs, err := nl.ParseRouteAttr(answer[about.Len():])
		if err != nil {
			return 0, fmt.Errorf("ask for the carrier: %w", err)
		}
		for _, a := range attrs {
			if a.Attr.Type == unix.IFLA_CARRIER_CHANGES && len(a.Value) == 4 {
				return binary.NativeEndian.Uint32(a.Value), nil
			}
		}
	}
	return 0, nil
}

// gone says that there is no use in going on: the interface is not there any more.
func (w *wire) gone() error {
	now, err := w.state()
	switch {
	case errors.As(err, new(netlink.LinkNotFoundError)):
		return within(w.netns, fmt.Errorf("%s was deleted, renamed or moved away while it was in use", w.name))
	case err == nil && now.index != w.before.index:
		return within(w.netns, fmt.Errorf("%s was replaced by another interface of that name while it was in use", w.name))
	}
	return nil // another error is told by trouble, if it stays
}

// trouble says what befell the interface since begin, without which the results
// would be others.
func (w *wire) trouble() error {
	if err := w.gone(); err != nil {
		return err
	}
	now, err := w.state()
	changed := now.changes - w.before.changes
	switch {
	case err != nil:
		return within(w.netns, fmt.Errorf("%s at the end: %w", w.name, err))
	case !now.up:
		return within(w.netns, fmt.Errorf("%s went down meanwhile", w.name))
	case !now.carrier && w.before.carrier:
		return within(w.netns, fmt.Errorf("%s lost its carrier meanwhile", w.name))
	case changed > 0:
		return within(w.netns, fmt.Errorf("the carrier of %s came or went %d times meanwhile", w.name, changed))
	}
	return nil
}

// trouble joins that of all interfaces, and says what it means; nil: there was none.
func (w *world) trouble() error {
	var errs []error
	for _, wire := range w.wires {
		errs = append(errs, wire.trouble())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: what was lost or not sent then is not the doing of what was measured", err)
	}
	return nil
}

// Some drivers take the link down for a moment when a program is attached.
const carrierPatience = 10 * time.Second

// lookEvery is how often interfaces are looked at while they are in use.
const lookEvery = 250 * time.Millisecond

// begin notes how the interfaces are, now that all is open, and looks at them until
// close. The context that it returns ends when one of them is gone.
func (w *world) begin(ctx context.Context) (context.Context, error) {
	if len(w.wires) == 0 {
		return ctx, nil
	}
	patience := time.Now().Add(carrierPatience)
	for _, wire := range w.wires {
		for {
			now, err := wire.state()
			if err != nil {
				return ctx, within(wire.netns, fmt.Errorf("%s: %w", wire.name, err))
			}
			wire.before = now
			if now.carrier || wire.noCarrier || ctx.Err() != nil || time.Now().After(patience) {
				break
			}
			time.Sleep(lookEvery / 10)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, wire := range w.wires {
				if wire.gone() != nil {
					cancel()
				}
			}
		}
	}()
	end := func() error {
		cancel()
		<-done
		w.befell = w.trouble()
		return nil
	}
	w.closers = append([]func() error{end}, w.closers...) // first: drivers may take the link down at closing, too
	return ctx, nil
}
