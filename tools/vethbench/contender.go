package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// kind is what forwards in a world.
type kind uint8

const (
	kernel kind = iota
	sluice
	testpmd
)

// contender is one thing to measure.
type contender struct {
	name    string
	kind    kind
	rules   string // of the kernel and of sluice alike; empty: none
	nat     bool   // the rules translate
	binary  string // sluice
	backend string // sluice
	against string // name of the contender it is compared with; empty: none
}

// policy is ten rules, of which an established flow meets the first.
const policy = `table ip filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		ip saddr 192.168.0.0/16 drop
		ip daddr 172.16.0.0/12 drop
		tcp dport 22 ct state new accept
		tcp dport { 80, 443 } ct state new accept
		udp dport 123 ct state new accept
		iifname "r1" ct state new drop
		icmp type echo-request accept
		udp dport 53 ct state new accept
	}
}
`

const masquerade = `table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "r1" masquerade
	}
}
`

// contenders returns everything that there is to measure, and why the rest is
// left out. Only some take part in more than the first number of flows.
func contenders(o *options) (all []contender, missing []string) {
	all = append(all, contender{name: "kernel nft+ct", kind: kernel, rules: policy})
	for _, b := range o.sluices {
		name, path, _ := strings.Cut(b, "=")
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v (make build)", name, err))
			continue
		}
		all = append(all, contender{name: name, kind: sluice, rules: policy, binary: path, backend: "own", against: "kernel nft+ct"})
		if o.asavie {
			all = append(all, contender{name: name + " asavie", kind: sluice, rules: policy, binary: path, backend: "asavie", against: "kernel nft+ct"})
			o.asavie = false // one is enough
		}
	}
	if o.plain {
		all = append(all, contender{name: "kernel plain", kind: kernel})
	}
	if o.testpmd {
		if _, err := exec.LookPath("dpdk-testpmd"); err != nil {
			missing = append(missing, "testpmd: dpdk-testpmd is not installed (Debian: dpdk-dev, librte-net-af-xdp23)")
		} else {
			all = append(all, contender{name: "testpmd mac", kind: testpmd, against: "kernel plain"})
		}
	}
	if o.nat {
		all = append(all, contender{name: "kernel masquerade", kind: kernel, rules: policy + masquerade, nat: true})
		for _, c := range all {
			if c.kind == sluice && c.backend == "own" {
				c.name, c.rules, c.nat, c.against = c.name+" masquerade", policy+masquerade, true, "kernel masquerade"
				all = append(all, c)
			}
		}
	}
	return all, missing
}

// process is a program that forwards.
type process struct {
	cmd  *lab.Cmd
	log  bytes.Buffer
	done chan struct{} // closed when it has ended
	err  error
	hold *os.File // the writing end of its input
}

func startProcess(cmd *lab.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	in, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.hold = hold
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &p.log, &p.log
	err = cmd.Start()
	in.Close()
	if err != nil {
		hold.Close()
		return nil, err
	}
	go func() { p.err = cmd.Wait(); close(p.done) }()
	return p, nil
}

// ready waits until check succeeds.
func (p *process) ready(limit time.Duration, check func() error) error {
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %v\n%s", p.err, p.log.String())
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready after %v: %w", limit, err)
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// freeze and thaw take an idle contender's hands off the CPUs.
func (p *process) freeze() error { return p.cmd.Process.Signal(unix.SIGSTOP) }
func (p *process) thaw() error   { return p.cmd.Process.Signal(unix.SIGCONT) }

func (p *process) end() error {
	err := errors.Join(p.cmd.Process.Signal(unix.SIGTERM), p.thaw())
	p.hold.Close()
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		err = errors.Join(err, errors.New("it did not end on SIGTERM"), p.cmd.Process.Kill())
		<-p.done
	}
	return err
}

// settings is the file for `sluice run`.
func settings(rules, backend string, flows uint32, more []string) string {
	text := fmt.Sprintf(`mode: router
rules: %s
ports:
  - name: r0
  - name: r1
workers: 1
backend: %s
log_level: warn
conntrack:
  nf_conntrack_max: %d
  nf_conntrack_udp_timeout: 7200
  nf_conntrack_udp_timeout_stream: 7200
`, rules, backend, max(262144, 2*flows))
	for _, line := range more {
		text += line + "\n"
	}
	return text
}

// startSluice runs the box on the router's CPU.
func (w *world) startSluice(o *options) error {
	rules, config := filepath.Join(w.dir, "rules.nft"), filepath.Join(w.dir, "sluice.yaml")
	if err := os.WriteFile(rules, []byte(w.rules), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(settings(rules, w.backend, w.flows, o.set)), 0o600); err != nil {
		return err
	}
	binary, err := filepath.Abs(w.binary)
	if err != nil {
		return err
	}
	w.binary = binary
	cmd := w.lab.Command(lab.Router, "taskset", "-c", fmt.Sprint(o.cpu), binary, "run", "-c", config)
	cmd.Env = append(os.Environ(), o.env...)
	if w.proc, err = startProcess(cmd); err != nil {
		return err
	}
	return w.proc.ready(20*time.Second, func() error {
		_, err := w.status()
		return err
	})
}

// boxStatus is the part of `sluice status --json` that is used here.
type boxStatus struct {
	Ports []struct {
		Name string            `json:"name"`
		Mode string            `json:"mode"`
		Rx   uint64            `json:"rx_packets"`
		Tx   uint64            `json:"tx_packets"`
		Lost map[string]uint64 `json:"lost"`
	} `json:"ports"`
	Flows int               `json:"flows"`
	Drops map[string]uint64 `json:"drops"`
}

// settled is status of a box that has had time to look at its ports, which it
// does each second.
func (w *world) settled() (*boxStatus, error) {
	time.Sleep(1200 * time.Millisecond)
	return w.status()
}

func (w *world) status() (*boxStatus, error) {
	out, err := w.lab.Command(lab.Router, w.binary, "status", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("sluice status: %w", err)
	}
	s := &boxStatus{}
	if err := json.Unmarshal(out, s); err != nil {
		return nil, fmt.Errorf("sluice status: %w", err)
	}
	return s, nil
}

// startTestpmd runs DPDK's forwarder, its main thread on the generator's CPU.
func (w *world) startTestpmd(o *options) error {
	port := func(i int) string { return fmt.Sprintf("net_af_xdp%d,iface=r%d,force_copy=1", i, i) }
	cmd := w.lab.Command(lab.Router, "dpdk-testpmd", "-l", fmt.Sprintf("%d,%d", o.genCPU, o.cpu), "--main-lcore", fmt.Sprint(o.genCPU),
		"--no-pci", "--no-telemetry", "--in-memory", "--iova-mode=va", "--log-level=4", "--vdev", port(0), "--vdev", port(1),
		"--", "--forward-mode=mac", "--auto-start", "--rxd=2048", "--txd=2048", "--burst=32", "--nb-cores=1", "--no-flush-rx")
	var err error
	if w.proc, err = startProcess(cmd); err != nil {
		return err
	}
	born := time.Now()
	return w.proc.ready(20*time.Second, func() error { // it says nothing that could be relied on
		if time.Since(born) < 5*time.Second {
			return errors.New("starting")
		}
		return nil
	})
}
