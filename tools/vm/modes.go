package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// modeCases are about how the box's sockets and the driver pass frames.
var modeCases = []testCase{
	{name: "doctor: the machine and its cards", run: func(ctx context.Context, w *world) (string, error) {
		if err := errors.Join(w.channels(ctx, boxC, 1), w.shell(ctx, "ip link set "+offloadIf+" up")); err != nil {
			return "", err
		}
		r, err := w.guest.call(ctx, wire.Request{Op: wire.OpRun, Args: []string{"/bin/sluice", "doctor", boxC, boxS, offloadIf}})
		if err != nil {
			return "", err
		}
		if err := mentions(r.Text, "machine: kernel "+w.guest.release, boxC+": driver virtio_net: native XDP",
			"ethtool -L eth0 combined 4", offloadIf+": driver vmxnet3: native XDP, sockets copy", "interrupts, on CPUs"); err != nil {
			return "", err
		}
		if w.opt.log {
			fmt.Print(r.Text)
		}
		return fmt.Sprintf("%s; status %d", lastLine(r.Text), r.Code), nil
	}},
	{name: "zero-copy: 2 cards x 2 queues", run: func(ctx context.Context, w *world) (string, error) { return w.zeroCopy(ctx, 2) }},
	{name: "zero-copy: 2 cards x 4 queues", run: func(ctx context.Context, w *world) (string, error) { return w.zeroCopy(ctx, 4) }},
	{name: "auto: zero-copy unless the driver's header is elsewhere", run: func(ctx context.Context, w *world) (string, error) {
		h, err := w.header(ctx)
		if err != nil {
			return "", err
		}
		if err := w.startBox(ctx, routerRules, 2, modeFlag, "auto"); err != nil {
			return "", err
		}
		want := "zero-copy"
		if h.stray {
			want = "copy"
			if err := mentions(w.box.log, boxC+" copies", boxS+" copies", "header of zero-copy frames"); err != nil {
				return "", err
			}
		}
		if err := w.modes(ctx, want, 2); err != nil {
			return "", err
		}
		detail, err := w.exact(ctx, 1000, 16)
		return fmt.Sprintf("%v: %s; %s", h, want, detail), err
	}},
	{name: "copy mode on the same cards", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.startBox(ctx, routerRules, 2, modeFlag, "copy"); err != nil {
			return "", err
		}
		if err := w.modes(ctx, "copy", 2); err != nil {
			return "", err
		}
		return w.exact(ctx, 4000, 16)
	}},
	{name: "generic mode is refused beside a host path, by name", run: func(ctx context.Context, w *world) (string, error) {
		if err := w.stopBox(ctx); err != nil {
			return "", err
		}
		said, err := w.refused(ctx, "--port", boxC, "--port", boxS, "--workers", "2", modeFlag, "generic")
		if err != nil {
			return said, err
		}
		return said, mentions(said, "generic", "--no-host-path")
	}},
	{name: "generic mode without host path", run: func(ctx context.Context, w *world) (string, error) {
		said, err := w.refused(ctx, "--port", boxC, "--port", boxS, "--workers", "2", modeFlag, "generic", "--no-host-path")
		if err != nil {
			return said, err
		}
		if err := mentions(said, "ethtool -K "+boxC+" gro off"); err != nil {
			return "", err
		}
		for _, card := range []string{boxC, boxS} {
			if _, err := w.guest.call(ctx, wire.Request{Op: wire.OpFeatures, Text: card, Args: []string{"rx-gro"}}); err != nil {
				return "", err
			}
		}
		if err := w.startBox(ctx, routerRules, 2, modeFlag, "generic", "--no-host-path"); err != nil {
			return "", err
		}
		if err := w.modes(ctx, "copy", 2); err != nil {
			return "", err
		}
		detail, err := w.exact(ctx, 2000, 16)
		if err != nil {
			return detail, err
		}
		tcp, err := w.transfer(ctx, server4, 2, 256<<10)
		return detail + "; " + tcp, err
	}},
}

// mentions demands that a message has some words.
func mentions(said string, words ...string) error {
	for _, word := range words {
		if !strings.Contains(said, word) {
			return fmt.Errorf("%q does not speak of %q", said, word)
		}
	}
	return nil
}

// zeroCopy starts a box and demands that every socket of a card is in zero-copy
// mode, says so itself, and shares its memory with the other card's of the same
// worker only; then that it moves every frame.
func (w *world) zeroCopy(ctx context.Context, queues int) (string, error) {
	if err := w.startBox(ctx, routerRules, queues); err != nil {
		return "", err
	}
	if err := w.modes(ctx, "zero-copy", queues); err != nil {
		return "", err
	}
	headers, err := w.checkHeader(ctx)
	if err != nil {
		return "", err
	}
	detail, err := w.exact(ctx, 4000, 64)
	return fmt.Sprintf("XDP_OPTIONS: zero-copy on %d of %d sockets, one memory a worker; %s; %s", 2*queues, 2*queues, headers, detail), err
}

// modes compares the sockets of the cards with what is wanted, and those of
// host paths, which always copy.
func (w *world) modes(ctx context.Context, mode string, queues int) error {
	links, err := w.interfaces(ctx)
	if err != nil {
		return err
	}
	sockets, err := w.sockets(ctx)
	if err != nil {
		return err
	}
	cards := map[int]string{links[boxC].Index: boxC, links[boxS].Index: boxS}
	memory := map[int]uint32{} // by queue
	owner := map[uint32]int{}  // queue, by memory
	found := map[string]int{}  // sockets, by card
	for _, s := range sockets {
		card := cards[s.Ifindex]
		if card == "" {
			if s.Option != "copy" || s.ZeroCopy {
				return fmt.Errorf("a host path's socket is in mode %s", s.Option)
			}
			continue
		}
		found[card]++
		if s.Option != mode || s.ZeroCopy != (mode == "zero-copy") {
			return fmt.Errorf("socket of %s queue %d: XDP_OPTIONS says %s, zero-copy of its memory is %v", card, s.Queue, s.Option, s.ZeroCopy)
		}
		if m, ok := memory[s.Queue]; ok && m != s.UMEM {
			return fmt.Errorf("worker %d has memories %d and %d", s.Queue, m, s.UMEM)
		}
		if q, ok := owner[s.UMEM]; ok && q != s.Queue {
			return fmt.Errorf("workers %d and %d share memory %d", q, s.Queue, s.UMEM)
		}
		memory[s.Queue], owner[s.UMEM] = s.UMEM, s.Queue
	}
	if found[boxC] != queues || found[boxS] != queues {
		return fmt.Errorf("%d sockets on %s and %d on %s, want %d each", found[boxC], boxC, found[boxS], boxS, queues)
	}
	return nil
}
