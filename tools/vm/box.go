package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// box is a `sluice run` in the machine.
type box struct {
	pid int
	log string // what it had written when it was last looked at
}

// Rules of the box. Every case counts by the rule with the comment stream.
const (
	routerRules = `table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state invalid drop
		ct state established,related accept
		icmp type echo-request accept
		icmpv6 type echo-request accept
		meta l4proto { tcp, udp } accept
	}
	chain stream {
		type filter hook forward priority -10; policy accept;
		udp dport 9000 counter comment "stream"
	}
}
`
	natRules = routerRules + `table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth1" masquerade
	}
}
`
)

const modeFlag = "--xdp-mode"

// startBox ends the box that runs, if one does, and starts another on both
// cards, with rules and with that many queues and workers: in zero-copy mode unless
// a flag says otherwise, for the box may choose another.
func (w *world) startBox(ctx context.Context, rules string, queues int, flags ...string) error {
	if err := w.stopBox(ctx); err != nil {
		return err
	}
	for _, card := range []string{boxC, boxS} {
		if err := w.channels(ctx, card, queues); err != nil {
			return err
		}
	}
	args := []string{"--port", boxC, "--port", boxS, "--workers", fmt.Sprint(queues)}
	if !slices.Contains(flags, modeFlag) {
		args = append(args, modeFlag, "zerocopy")
	}
	args = append(args, flags...)
	return w.startBoxWith(ctx, rules, args...)
}

// startBoxWith starts a box with its whole command line.
func (w *world) startBoxWith(ctx context.Context, rules string, args ...string) error {
	if err := w.guest.write(ctx, "/tmp/rules.nft", rules); err != nil {
		return err
	}
	all := append([]string{"/bin/sluice", "run", "--rules", "/tmp/rules.nft"}, args...)
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpStart, Args: all})
	if err != nil {
		return err
	}
	w.box = &box{pid: r.PID}
	r, err = w.guest.call(ctx, wire.Request{Op: wire.OpAwait, PID: r.PID, Text: " info running ", Seconds: 180})
	w.box.log = r.Text
	if err != nil {
		_, failure := w.signalBox(ctx, syscall.SIGKILL)
		return errors.Join(err, failure)
	}
	return nil
}

// refused starts a box that must not start, and returns what it says.
func (w *world) refused(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"/bin/sluice", "run", "--rules", "/tmp/rules.nft"}, args...)
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpRun, Args: args})
	if err == nil && r.Code != 1 && r.Code != 2 {
		err = fmt.Errorf("exit status %d", r.Code)
	}
	if err != nil {
		return r.Text, fmt.Errorf("a box that should be refused: %w: %s", err, r.Text)
	}
	for line := range strings.Lines(r.Text) {
		if said, ok := strings.CutPrefix(line, "sluice: "); ok {
			return strings.TrimSpace(said), nil
		}
	}
	return r.Text, nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// stopBox ends the box by SIGTERM, if one runs.
func (w *world) stopBox(ctx context.Context) error {
	_, err := w.signalBox(ctx, syscall.SIGTERM)
	return err
}

// signalBox sends the box a signal and says how long it took to end.
func (w *world) signalBox(ctx context.Context, s syscall.Signal) (time.Duration, error) {
	if w.box == nil {
		return 0, nil
	}
	b := w.box
	w.box = nil
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpStop, PID: b.pid, Number: int(s), Seconds: 60})
	w.boxes = append(w.boxes, r.Text)
	if err != nil {
		return 0, err
	}
	if s == syscall.SIGTERM && r.Code != 0 {
		return 0, fmt.Errorf("after SIGTERM the box ended with status %d: %s", r.Code, r.Text)
	}
	return time.Duration(r.Nanos), nil
}

// boxLog returns what the running box has written.
func (w *world) boxLog(ctx context.Context) (string, error) {
	if w.box == nil {
		return "", errors.New("no box runs")
	}
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpLog, PID: w.box.pid})
	w.box.log = r.Text
	return r.Text, err
}

// status is what a case reads of `sluice status --json`.
type status struct {
	Ports []struct {
		Name      string            `json:"name"`
		Up        bool              `json:"up"`
		XDP       string            `json:"xdp"`
		Mode      string            `json:"mode"`
		MTU       int               `json:"mtu"`
		RxPackets uint64            `json:"rx_packets"`
		TxPackets uint64            `json:"tx_packets"`
		Lost      map[string]uint64 `json:"lost"`
	} `json:"ports"`
	Workers []struct {
		RxPackets    uint64 `json:"rx_packets"`
		TxPackets    uint64 `json:"tx_packets"`
		HandoversIn  uint64 `json:"handovers_in"`
		HandoversOut uint64 `json:"handovers_out"`
	} `json:"workers"`
	Rules struct {
		Generation uint64 `json:"generation"`
	} `json:"rules"`
	Drops      map[string]uint64 `json:"drops"`
	Frames     int               `json:"frames"`
	FramesLost int               `json:"frames_lost"`
	HugePages  bool              `json:"huge_pages"`
	Trouble    []string          `json:"trouble"`
}

func (w *world) status(ctx context.Context) (s status, err error) {
	text, err := w.guest.run(ctx, "/bin/sluice", "status", "--json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// ledger is the box's account of frames, which must show none lost.
func (w *world) ledger(ctx context.Context) (string, error) {
	s, err := w.status(ctx)
	if err != nil {
		return "", err
	}
	if s.Frames == 0 || s.FramesLost != 0 {
		return "", fmt.Errorf("ledger: %d of %d frames are lost", s.FramesLost, s.Frames)
	}
	return fmt.Sprintf("ledger 0 of %d", s.Frames), nil
}

// counted returns the packets of the rule with the comment stream.
func (w *world) counted(ctx context.Context) (n uint64, err error) {
	text, err := w.guest.run(ctx, "/bin/sluice", "nft", "list", "ruleset")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `comment "stream"`) {
			continue
		}
		_, rest, _ := strings.Cut(line, "counter packets ")
		_, err := fmt.Sscan(rest, &n)
		return n, err
	}
	return 0, errors.New("the rule that counts is not listed")
}

// channels sets how many queues a card uses.
func (w *world) channels(ctx context.Context, card string, n int) error {
	_, err := w.guest.call(ctx, wire.Request{Op: wire.OpChannels, Text: card, Number: n})
	if err != nil {
		return fmt.Errorf("set %d channels on %s: %w", n, card, err)
	}
	return nil
}

// interfaces returns the machine's interfaces by name.
func (w *world) interfaces(ctx context.Context) (map[string]wire.Interface, error) {
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpState})
	all := map[string]wire.Interface{}
	for _, i := range r.Links {
		all[i.Name] = i
	}
	return all, err
}

// sockets returns the machine's AF_XDP sockets.
func (w *world) sockets(ctx context.Context) ([]wire.Socket, error) {
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpSockets})
	return r.Sockets, err
}
