package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/appliance"
	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
	"github.com/sluice-net/sluice/tools/lab"
)

// Nodes of the demonstration's network:
//
//	home h0 ------ lan router wan ------ i0 internet
const (
	nodeHome, nodeRouter, nodeInternet = "home", "router", "internet"
	homeIf, internetIf                 = "h0", "i0"
	demoLabName                        = "demo"
)

// Addresses in that network. Those of the router are demoNetwork's; the rules
// are the same as in memory.
var (
	labHome4, labHome6     = netip.MustParseAddr("192.168.1.100"), netip.MustParseAddr("2001:db8:1::100")
	labInside4, labInside6 = netip.MustParseAddr("192.168.1.80"), netip.MustParseAddr("2001:db8:1::80") // behind the forwarded port
	labServer4, labServer6 = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:ff::1")
	labBlocked4            = netip.MustParseAddr("198.51.100.64")
)

// labDemo is the demonstration on real interfaces: a network of namespaces, and
// the box in this process.
type labDemo struct {
	lab     *lab.Lab
	dir     string // holds ruleset and control socket
	control string
	log     demoLog
	hosts   *labHosts
	end     context.CancelFunc // tells the box to end
	ended   chan error         // what became of it
	took    time.Duration      // to end
}

// demoLog collects what the box logs.
type demoLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *demoLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *demoLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// familyXDP is AF_XDP.
const familyXDP = 44

// labPossible says why the demonstration cannot use namespaces and AF_XDP.
func labPossible() error {
	if err := lab.Privileged(); err != nil {
		return err
	}
	fd, err := syscall.Socket(familyXDP, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open an AF_XDP socket: %w", err)
	}
	return syscall.Close(fd)
}

// newLabDemo makes the network, the servers in it, and starts the box.
func newLabDemo(ctx context.Context, workers int) (*labDemo, error) {
	d := &labDemo{}
	if err := d.open(ctx, workers); err != nil {
		if text := d.log.String(); text != "" {
			err = fmt.Errorf("%w\nthe box wrote:\n%s", err, text)
		}
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *labDemo) open(ctx context.Context, workers int) (err error) {
	if _, err = lab.CleanLeftovers(demoLabName); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "sluice-demo-"); err != nil {
		return err
	}
	if d.lab, err = lab.Empty(lab.Unique(demoLabName)); err != nil {
		return err
	}
	if err = d.network(workers); err != nil {
		return err
	}
	if d.hosts, err = newLabHosts(d.lab); err != nil {
		return err
	}
	return d.startBox(ctx, workers)
}

// network makes nodes, cables, addresses and routes.
func (d *labDemo) network(queues int) error {
	l, n := d.lab, &demoNetwork
	for _, node := range []string{nodeHome, nodeRouter, nodeInternet} {
		if err := l.AddNode(node, node == nodeRouter); err != nil {
			return err
		}
	}
	cable := lab.Cable{Queues: queues}
	lan, wan := portNames[portLAN], portNames[portWAN]
	if err := l.Connect(nodeRouter, wan, nodeInternet, internetIf, cable); err != nil {
		return err
	}
	if err := l.Connect(nodeHome, homeIf, nodeRouter, lan, cable); err != nil {
		return err
	}
	for _, a := range []struct {
		node, ifname string
		prefix       netip.Prefix
	}{
		{nodeRouter, lan, n.lan4}, {nodeRouter, lan, n.lan6}, {nodeRouter, wan, n.wan4}, {nodeRouter, wan, n.wan6},
		{nodeHome, homeIf, netip.PrefixFrom(labHome4, 24)}, {nodeHome, homeIf, netip.PrefixFrom(labHome6, 64)},
		{nodeHome, homeIf, netip.PrefixFrom(labInside4, 24)}, {nodeHome, homeIf, netip.PrefixFrom(labInside6, 64)},
		{nodeInternet, internetIf, netip.PrefixFrom(n.gateway4, 24)}, {nodeInternet, internetIf, netip.PrefixFrom(n.gateway6, 64)},
		{nodeInternet, internetIf, netip.PrefixFrom(labServer4, 32)}, {nodeInternet, internetIf, netip.PrefixFrom(labServer6, 128)},
		{nodeInternet, internetIf, netip.PrefixFrom(labBlocked4, 32)},
	} {
		if err := l.AddAddr(a.node, a.ifname, a.prefix.String()); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		node, prefix string
		via          netip.Addr
	}{
		{nodeHome, "", n.lan4.Addr()}, {nodeHome, "", n.lan6.Addr()},
		{nodeRouter, "", n.gateway4}, {nodeRouter, "", n.gateway6},
		// Intruders know the way in; that it does not work is the router's doing.
		{nodeInternet, n.lan4.Masked().String(), n.wan4.Addr()}, {nodeInternet, n.lan6.Masked().String(), n.wan6.Addr()},
	} {
		if err := l.AddRoute(r.node, r.prefix, r.via.String()); err != nil {
			return err
		}
	}
	return nil
}

// startTime is how long the box may take to answer.
const startTime = 10 * time.Second

// startBox runs the box in the router's namespace and returns when it answers.
func (d *labDemo) startBox(ctx context.Context, workers int) error {
	set := settings.Default()
	set.Rules = filepath.Join(d.dir, "demo.nft")
	if err := os.WriteFile(set.Rules, demoRules, 0o600); err != nil {
		return err
	}
	d.control = filepath.Join(d.dir, "control")
	set.Control, set.Workers = d.control, workers
	set.Pin = false // hosts and box share the CPUs
	set.OpenOnExit = true
	set.Ports = []settings.Port{{Name: portNames[portLAN]}, {Name: portNames[portWAN], Untrusted: true}}
	if err := set.Validate(); err != nil {
		return err
	}
	log, err := newLog(&d.log, "error")
	if err != nil {
		return err
	}
	box, end := context.WithCancel(context.WithoutCancel(ctx))
	d.end, d.ended = end, make(chan error, 1)
	go func() {
		d.ended <- d.lab.Do(nodeRouter, func() error {
			return appliance.Run(box, set, appliance.Options{Version: version, Log: log, Advise: advise})
		})
	}()
	for deadline := time.Now().Add(startTime); ; time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("the box has not started: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		_, err := d.status()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the box does not answer: %w", err)
		}
	}
}

// status asks the box how it is.
func (d *labDemo) status() (s control.Status, err error) {
	c, err := control.Connect(d.control)
	if err != nil {
		return s, err
	}
	return c.Status()
}

// ruleset lists the rules in force with their counters.
func (d *labDemo) ruleset() (string, error) {
	c, err := control.Connect(d.control)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = c.Ruleset(&b)
	return b.String(), err
}

// connections lists connections as conntrack does.
func (d *labDemo) connections() (string, error) {
	c, err := control.Connect(d.control)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	_, err = c.Conntrack(context.Background(), &conntrack.Command{Verb: conntrack.List}, func(line []byte) error {
		b.Write(line[1:])
		return b.WriteByte('\n')
	})
	return b.String(), err
}

// stopBox ends the box. A second call does nothing.
func (d *labDemo) stopBox() error {
	if d.end == nil {
		return nil
	}
	begin := time.Now()
	d.end()
	d.end = nil
	err := <-d.ended
	d.took = time.Since(begin)
	return err
}

// close ends the box and removes everything. A second call does nothing.
func (d *labDemo) close() error {
	errs := []error{d.stopBox()}
	if d.hosts != nil {
		d.hosts.close()
		d.hosts = nil
	}
	if d.lab != nil {
		errs = append(errs, d.lab.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

// runLabDemo is the demonstration on real interfaces. length 0 means no traffic.
func runLabDemo(ctx context.Context, out io.Writer, length time.Duration, workers int, live, keep bool) (err error) {
	fmt.Fprintf(out, "A home router on AF_XDP between two namespaces: ports lan and wan (veth), %s, ruleset cmd/sluice/demo.nft\n", amount(workers, "worker"))
	d, err := newLabDemo(ctx, workers)
	if err != nil {
		return failed(err)
	}
	defer func() { err = errors.Join(err, failed(d.close())) }()
	var checks []verdict
	if length > 0 {
		if checks, err = d.traffic(ctx, out, length, live); err != nil {
			return failed(err)
		}
	}
	if keep {
		d.usage(out)
		<-ctx.Done()
		fmt.Fprintln(out, "\nending")
		if length == 0 {
			return failed(d.close())
		}
	}
	nodes := d.lab.Nodes()
	closed := d.close()
	checks = append(checks, d.afterwards(nodes, closed)...)
	if length == 0 || reportChecks(out, checks) {
		return nil
	}
	return errReported
}

// afterwards checks that nothing is left behind.
func (d *labDemo) afterwards(nodes []string, closed error) []verdict {
	end := verdict{what: "the end: the box gives its interfaces back without an error"}
	if closed != nil {
		end.bad = closed.Error()
	}
	left := verdict{what: "the end: namespaces and files are removed"}
	for _, node := range nodes {
		if _, err := os.Stat(filepath.Join("/run/netns", d.lab.NS(node))); err == nil {
			left.bad += " " + d.lab.NS(node)
		}
	}
	if _, err := os.Stat(d.dir); err == nil {
		left.bad += " " + d.dir
	}
	return []verdict{end, left}
}

// usage says what can be done with a network that stays.
func (d *labDemo) usage(out io.Writer) {
	self, err := os.Executable()
	if err != nil {
		self = "sluice"
	}
	in := func(node string) string { return "ip netns exec " + d.lab.NS(node) + " " }
	wan := demoNetwork.wan4.Addr()
	fmt.Fprintf(out, `
The network stays until Ctrl-C. As root, from another terminal:

  a shell at home             %[1]sbash
  a shell on the internet     %[2]sbash
  through masquerading        %[1]scurl -s http://%[4]v/small
  over IPv6                   %[1]scurl -s 'http://[%[5]v]/small'
  the forwarded port          %[2]scurl -s http://%[6]v:8080/small
  forbidden (no telnet)       %[1]scurl -m 2 telnet://%[4]v
  ping through the box        %[1]sping -c 3 %[5]v
  ping the box                %[1]sping -c 3 %[7]v
  how the box is doing        %[8]s status --control %[9]s
  its connections             %[8]s conntrack -L --control %[9]s
  its rules and counters      %[8]s nft list ruleset --control %[9]s
  other rules                 %[8]s nft -f FILE --control %[9]s
  the router's own stack      %[3]sip addr

Web servers: http://%[4]v, http://[%[5]v] and, at home, http://%[10]v, each with the pages
/small and /big; UDP port 7 there echoes.
`, in(nodeHome), in(nodeInternet), in(nodeRouter), labServer4, labServer6, wan, demoNetwork.lan4.Addr(), self, d.control, labInside4)
}

// addrPort is an address and a port, as text.
func addrPort(a netip.Addr, port string) string { return net.JoinHostPort(a.String(), port) }
