package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/sluice-net/sluice/tools/lab"
)

// stopIn is how long the box may take to end.
const stopIn = time.Second

// nearMTU is the MTU of the box's own link in the last check.
const nearMTU = 1380

var leaveChecks = []check{
	{name: "stop: SIGTERM ends the box within a second", box: true, run: func(_ context.Context, w *world) (string, error) {
		took, err := w.box.stop()
		if err == nil && took > stopIn {
			err = fmt.Errorf("it took %v", took)
		}
		return fmt.Sprintf("%v", took.Round(time.Millisecond)), err
	}},
	{name: "stop: interfaces are as they were", box: true, run: func(ctx context.Context, w *world) (string, error) {
		after, err := w.interfaces(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d views compared", len(after)), differences(w.before, after)
	}},
	{name: "stop: transit stays closed, the box itself can be reached", box: true, run: func(ctx context.Context, w *world) (string, error) {
		if r, err := lab.Ping(w.lab.NS(lab.Client), lab.Server4, lab.PingConfig{Count: 3, Timeout: 300 * time.Millisecond}); err != nil || r.Received > 0 {
			return "", errors.Join(err, fmt.Errorf("ping through: %v", r))
		}
		return w.ssh(ctx, lab.RouterC4)
	}},
	{name: "tracepath: smaller MTU of the box's own link over IPv4", limit: 20 * time.Second, run: func(ctx context.Context, w *world) (string, error) {
		if err := w.narrow(ctx); err != nil {
			return "", err
		}
		return tracepath(lab.Server4, nearMTU)(ctx, w)
	}},
	{name: "tracepath: smaller MTU of the box's own link over IPv6", run: tracepath(lab.Server6, nearMTU)},
	{name: "curl: 100 MB after the path MTU was found", limit: time.Minute, run: func(ctx context.Context, w *world) (string, error) {
		return w.download(ctx, lab.Server, netip.AddrPortFrom(lab.RouterS4, 8080))
	}},
	{name: "stop: again", box: true, run: func(_ context.Context, w *world) (string, error) {
		took, err := w.box.stop()
		return fmt.Sprintf("%v", took.Round(time.Millisecond)), err
	}},
}

// narrow lowers the MTU between box and server, and starts the box if it does
// not run.
func (w *world) narrow(ctx context.Context) error {
	if err := errors.Join(w.lab.SetMTU(lab.Router, lab.RouterIfS, nearMTU), w.lab.SetMTU(lab.Server, lab.ServerIf, nearMTU)); err != nil {
		return err
	}
	if w.box.running() == nil {
		return nil
	}
	_, err := w.box.start(ctx)
	return err
}

// interfaces describes the router's interfaces, addresses, routes, offloads and
// attached programs, without what changes by itself.
func (w *world) interfaces(ctx context.Context) (map[string]string, error) {
	views := map[string]string{}
	for name, args := range map[string][]string{
		"links":                        {"ip", "-d", "-o", "link", "show"},
		"addresses":                    {"ip", "-o", "addr", "show"},
		"routes":                       {"ip", "-4", "route", "show", "table", "all"},
		"IPv6 routes":                  {"ip", "-6", "route", "show", "table", "all"},
		"rules":                        {"ip", "rule", "show"},
		"offloads of " + lab.RouterIfC: {"ethtool", "-k", lab.RouterIfC},
		"offloads of " + lab.RouterIfS: {"ethtool", "-k", lab.RouterIfS},
		"channels of " + lab.RouterIfC: {"ethtool", "-l", lab.RouterIfC},
		"channels of " + lab.RouterIfS: {"ethtool", "-l", lab.RouterIfS},
	} {
		out, err := w.output(ctx, lab.Router, args[0], args[1:]...)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		slices.Sort(lines)
		views[name] = strings.Join(lines, "\n")
	}
	for _, ifname := range []string{lab.RouterIfC, lab.RouterIfS} {
		n, err := w.programs(ifname)
		if err != nil {
			return nil, err
		}
		views["programs of "+ifname] = n
	}
	return views, nil
}

// programs counts the BPF programs at an interface's tc hooks; XDP programs
// show in the links.
func (w *world) programs(ifname string) (string, error) {
	a, err := w.lab.Link(lab.Router, ifname)
	if err != nil {
		return "", err
	}
	var text []string
	err = w.lab.Do(lab.Router, func() error {
		for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
			r, err := link.QueryPrograms(link.QueryOptions{Target: a.Index, Attach: at})
			switch {
			case errors.Is(err, os.ErrNotExist) || errors.Is(err, ebpf.ErrNotSupported): // nothing is attached
				text = append(text, fmt.Sprintf("%v 0", at))
			case err != nil:
				return fmt.Errorf("programs of %s: %w", ifname, err)
			default:
				text = append(text, fmt.Sprintf("%v %d", at, len(r.Programs)))
			}
		}
		return nil
	})
	return strings.Join(text, "\n"), err
}

// differences says what differs between two sets of views.
func differences(before, after map[string]string) error {
	var errs []error
	for name, old := range before {
		if now := after[name]; now != old {
			a, b := strings.Split(old, "\n"), strings.Split(now, "\n")
			without := func(list, other []string) []string {
				return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
			}
			errs = append(errs, fmt.Errorf("%s: before %q, now %q", name, without(a, b), without(b, a)))
		}
	}
	return errors.Join(errs...)
}
