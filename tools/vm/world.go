package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/sluice-net/sluice/tools/lab"
)

// Nodes, interfaces and addresses.
const (
	client, server = "client", "server"

	clientIf, serverIf = "tap0", "tap1" // of the nodes
	boxC, boxS         = "eth0", "eth1" // of the machine, towards client and server
	offloadIf          = "eth2"

	client4, server4 = "10.77.1.2", "10.77.2.2"
	client6, server6 = "fd77:1::2", "fd77:2::2"
	boxC4, boxS4     = "10.77.1.1", "10.77.2.1"
	boxC6, boxS6     = "fd77:1::1", "fd77:2::1"

	// bootLimit is for a machine on a host that is busy: alone it takes five seconds.
	bootLimit = 4 * time.Minute

	labName   = "vm"
	maxQueues = 4
	cpus      = 3
)

// world is the network, the machine, and what runs in it.
type world struct {
	opt   *options
	lab   *lab.Lab
	dir   string
	guest *guest
	box   *box     // nil: none has been started yet
	boxes []string // what earlier ones have written
}

// newWorld makes the network and boots the machine.
func newWorld(ctx context.Context, opt *options, k *kernel, p *programs) (_ *world, err error) {
	if _, err := lab.CleanLeftovers(labName); err != nil {
		return nil, err
	}
	w := &world{opt: opt}
	defer func() {
		if err != nil {
			_ = w.close() // the first error is the one to tell
		}
	}()
	if w.dir, err = os.MkdirTemp("", "sluice-vm-"); err != nil {
		return nil, err
	}
	h := hardware{kernel: k, programs: p, initrd: filepath.Join(w.dir, "initrd"), dir: w.dir, cpus: cpus, memoryMB: memoryMB}
	if err := w.makeInitrd(ctx, k, p, h.initrd); err != nil {
		return nil, err
	}
	if w.lab, err = lab.Empty(lab.Unique(labName)); err != nil {
		return nil, err
	}
	for _, node := range []string{client, server} {
		if err := w.lab.AddNode(node, false); err != nil {
			return nil, err
		}
	}
	for _, t := range [][2]string{{client, clientIf}, {server, serverIf}} {
		files, err := w.makeTap(t[0], t[1])
		if err != nil {
			return nil, err
		}
		h.taps = append(h.taps, files)
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	w.guest, err = boot(ctx, h)
	for _, files := range h.taps {
		for _, f := range files {
			_ = f.Close() // qemu has its own
		}
	}
	if err != nil {
		return nil, err
	}
	return w, w.configure(ctx)
}

// makeTap makes a tap in a node that lives as long as its files are open. qemu
// takes the files over, so the machine's card is plugged into the node.
func (w *world) makeTap(node, name string) ([]*os.File, error) {
	tap := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP, NonPersist: true, Queues: maxQueues,
		Flags: netlink.TUNTAP_MULTI_QUEUE | netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
	}
	if err := w.lab.Do(node, func() error { return netlink.LinkAdd(tap) }); err != nil {
		return nil, fmt.Errorf("tap %s in %s: %w", name, node, err)
	}
	return tap.Fds, w.lab.SetLink(node, name, true)
}

// makeInitrd packs what the machine has for files.
func (w *world) makeInitrd(ctx context.Context, k *kernel, p *programs, to string) error {
	modules, err := readModules(ctx, k)
	if err != nil {
		return err
	}
	var c cpio
	for _, folder := range []string{"bin", "proc", "sys", "dev", "run", "tmp", "etc", "etc/dropbear", "root"} {
		c.folder(folder)
	}
	for _, own := range []struct{ at, from string }{{"init", w.opt.init}, {"bin/sluice", w.opt.sluice}} {
		data, err := readProgram(own.from)
		if err != nil {
			return fmt.Errorf("%w: build it with `make vm`", err)
		}
		c.file(own.at, 0o755, data)
	}
	if err := p.addTo(&c); err != nil {
		return err
	}
	modules.addTo(&c)
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(c.writeTo(f), f.Close())
}

// configure gives addresses and routes to all three.
func (w *world) configure(ctx context.Context) error {
	var errs []error
	for _, a := range [][3]string{
		{client, clientIf, client4 + "/24"}, {client, clientIf, client6 + "/64"},
		{server, serverIf, server4 + "/24"}, {server, serverIf, server6 + "/64"},
	} {
		errs = append(errs, w.lab.AddAddr(a[0], a[1], a[2]))
	}
	// While the machine's driver sets its queues up, a tap has no carrier.
	for _, r := range [][2]string{{client, boxC4}, {client, boxC6}, {server, boxS4}, {server, boxS6}} {
		err := w.lab.AddRoute(r[0], "", r[1])
		for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); err = w.lab.AddRoute(r[0], "", r[1]) {
			time.Sleep(50 * time.Millisecond)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.shell(ctx, `
		echo 1 > /proc/sys/net/ipv4/ip_forward
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
		echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
		echo 1 > /proc/sys/net/ipv6/conf/all/keep_addr_on_down
		`+addressScript)
}

// addressScript configures the cards, also those that were taken out and are back.
const addressScript = `
	for card in eth0 eth1; do
		echo 0 > /proc/sys/net/ipv6/conf/$card/accept_dad
		ip link set $card up
	done
	ip addr replace 10.77.1.1/24 dev eth0; ip addr replace fd77:1::1/64 dev eth0
	ip addr replace 10.77.2.1/24 dev eth1; ip addr replace fd77:2::1/64 dev eth1
`

// shell runs a script in the machine that must not fail.
func (w *world) shell(ctx context.Context, script string) error {
	_, err := w.guest.run(ctx, "/bin/sh", "-ec", script)
	return err
}

// close ends and removes everything.
func (w *world) close() error {
	if w.guest != nil {
		w.guest.off()
	}
	var errs []error
	if w.lab != nil {
		errs = append(errs, w.lab.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// left says what is still there after close.
func (w *world) left() error {
	var errs []error
	for _, node := range []string{client, server} {
		if _, err := os.Stat("/run/netns/" + w.lab.NS(node)); err == nil {
			errs = append(errs, fmt.Errorf("namespace %s is still there", w.lab.NS(node)))
		}
	}
	if _, err := os.Stat(w.dir); err == nil {
		errs = append(errs, fmt.Errorf("%s is still there", w.dir))
	}
	if text := w.guest.console.last(40); strings.Contains(text, "Call Trace") || strings.Contains(text, "BUG:") {
		errs = append(errs, fmt.Errorf("the machine's kernel complains: %s", text))
	}
	return errors.Join(errs...)
}
