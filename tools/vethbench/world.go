package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// world is a contender with namespaces of its own: generator c0 - r0 router
// r1 - s0 sink.
type world struct {
	contender
	flows uint32
	lab   *lab.Lab
	dir   string // for its files
	proc  *process
	napi  int // the kernel thread that receives on r0; 0: none
	ends  *ends
	gen   *generator
	sink  *ifCounts
	left  *ifCounts // r0
	right *ifCounts // r1
	rate  float64   // frames a second that the generator makes here
	drop  link.Link // the sink's program, if that is chosen
	first *boxStatus
	total tally
}

// tally counts frames over all rounds of a world.
type tally struct{ sent, arrived, refused, forwarded, lostBehind uint64 }

// sinkRules end what arrives at the sink. A generic receive path, without a
// program: AF_XDP's frames would have to be copied once more for one.
const sinkRules = `table netdev bench {
	chain sink {
		type filter hook ingress device s0 priority 0;
		udp dport 53 drop
	}
}
`

func newWorld(c contender, flows uint32, e *ends, o *options, number int) (w *world, err error) {
	w = &world{contender: c, flows: flows, ends: e}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", c.name, err), w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "vethbench"); err != nil {
		return w, err
	}
	if w.lab, err = lab.New(lab.Unique(fmt.Sprintf("%s%d", labName, number))); err != nil {
		return w, err
	}
	if err = w.network(); err != nil {
		return w, err
	}
	switch c.kind {
	case kernel:
		err = w.startKernel(o)
	case sluice:
		err = w.startSluice(o)
	case testpmd:
		err = w.startTestpmd(o)
	}
	if err != nil {
		return w, err
	}
	if w.gen, err = w.newGenerator(flows, flows > 1024, 0); err != nil {
		return w, err
	}
	if c.kind != testpmd { // which keeps no flows and no routes
		if err = w.establish(o); err != nil {
			return w, err
		}
		if err = w.checkSample(o); err != nil {
			return w, err
		}
	}
	if o.sinkXDP {
		if w.drop, err = attach(w.lab.NS(lab.Server), lab.ServerIf, e.drop); err != nil {
			return w, err
		}
	}
	if err = w.calibrate(o); err != nil {
		return w, err
	}
	if c.kind == sluice {
		if w.first, err = w.settled(); err != nil {
			return w, err
		}
	}
	if w.proc != nil {
		err = w.proc.freeze()
	}
	return w, err
}

// network adds to a lab what flows need: routes, neighbours, the sink.
func (w *world) network() error {
	ns := w.lab.NS(lab.Router)
	errs := []error{
		w.lab.AddRoute(lab.Router, "10.128.0.0/10", lab.Client4.String()),
		w.lab.AddRoute(lab.Router, "10.64.0.0/10", lab.Server4.String()),
		w.run(lab.Server, sinkRules, "nft", "-f", "-"),
	}
	for _, n := range []struct{ node, ifname, far, farIf, addr string }{
		{lab.Router, lab.RouterIfC, lab.Client, lab.ClientIf, lab.Client4.String()},
		{lab.Router, lab.RouterIfS, lab.Server, lab.ServerIf, lab.Server4.String()},
	} {
		far, err := w.lab.Link(n.far, n.farIf)
		if err != nil {
			return err
		}
		errs = append(errs, w.run(n.node, "", "ip", "neigh", "replace", n.addr, "lladdr", far.HardwareAddr.String(), "dev", n.ifname, "nud", "permanent"))
	}
	for _, s := range []string{"r0", "r1"} {
		errs = append(errs, lab.Sysctl(ns, "net/ipv4/conf/"+s+"/rp_filter", "0"))
	}
	var err error
	for _, c := range []struct {
		to           **ifCounts
		node, ifname string
	}{{&w.sink, lab.Server, lab.ServerIf}, {&w.left, lab.Router, lab.RouterIfC}, {&w.right, lab.Router, lab.RouterIfS}} {
		*c.to, err = openCounts(w.lab.NS(c.node), c.ifname)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// run runs a program of the system to its end.
func (w *world) run(node, input, name string, args ...string) error {
	cmd := w.lab.Command(node, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// startKernel makes the kernel forward in a thread of its own.
func (w *world) startKernel(o *options) error {
	ns := w.lab.NS(lab.Router)
	errs := []error{
		w.run(lab.Router, "", "ethtool", "-K", lab.RouterIfC, "gro", "on"), // gives a veth a receive ring
		w.run(lab.Router, "", "ethtool", "-K", lab.RouterIfS, "gro", "on"),
	}
	if w.rules != "" {
		errs = append(errs,
			w.run(lab.Router, w.rules, "nft", "-f", "-"),
			lab.Sysctl(ns, "net/netfilter/nf_conntrack_udp_timeout", "7200"),
			lab.Sysctl(ns, "net/netfilter/nf_conntrack_udp_timeout_stream", "7200"),
		)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var err error
	if w.napi, err = lab.ThreadNAPI(ns, lab.RouterIfC); err != nil {
		return err
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, w.napi, -20); err != nil { // as all others here, see prepareMachine
		return fmt.Errorf("priority of r0's NAPI thread: %w", err)
	}
	return lab.Pin(w.napi, o.cpu)
}

func (w *world) newGenerator(flows uint32, random bool, pace uint32) (*generator, error) {
	from, err := w.lab.Link(lab.Client, lab.ClientIf)
	if err != nil {
		return nil, err
	}
	to, err := w.lab.Link(lab.Router, lab.RouterIfC)
	if err != nil {
		return nil, err
	}
	return newGenerator(pattern{flows: flows, random: random, pace: pace, from: from.HardwareAddr, to: to.HardwareAddr})
}

// calibrate finds how fast the generator is against this contender, and warms up.
func (w *world) calibrate(o *options) error {
	const frames = 2 << 20
	start := time.Now()
	if err := w.gen.send(w.lab.NS(lab.Client), lab.ClientIf, o.genCPU, frames); err != nil {
		return err
	}
	w.rate = frames / (time.Since(start) - 25*time.Millisecond).Seconds()
	return w.gen.rewind()
}

// close removes everything. A world that was not made completely may be closed.
func (w *world) close() error {
	var errs []error
	if w.proc != nil {
		errs = append(errs, w.proc.end())
	}
	if w.drop != nil {
		w.drop.Close()
	}
	if w.gen != nil {
		w.gen.close()
	}
	for _, c := range []*ifCounts{w.sink, w.left, w.right} {
		if c != nil {
			c.file.Close()
		}
	}
	if w.lab != nil {
		errs = append(errs, w.lab.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// ifCounts reads the counters of an interface, from any thread.
type ifCounts struct {
	file *os.File
	name string
	buf  [4096]byte
}

func openCounts(ns, ifname string) (c *ifCounts, err error) {
	c = &ifCounts{name: ifname + ":"}
	err = lab.Do(ns, func() error {
		c.file, err = os.Open("/proc/thread-self/net/dev")
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// counters of an interface: packets received, dropped on the way in, and dropped
// on the way out.
type counters struct{ rx, rxDropped, txDropped uint64 }

func (c *ifCounts) read() (counters, error) {
	n, err := c.file.ReadAt(c.buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return counters{}, err
	}
	for line := range bytes.Lines(c.buf[:n]) {
		f := strings.Fields(string(line))
		if len(f) < 17 || f[0] != c.name {
			continue
		}
		var v [3]uint64
		for i, at := range [3]int{2, 4, 12} {
			if v[i], err = strconv.ParseUint(f[at], 10, 64); err != nil {
				return counters{}, err
			}
		}
		return counters{v[0], v[1], v[2]}, nil
	}
	return counters{}, fmt.Errorf("no counters of %s", strings.TrimSuffix(c.name, ":"))
}
