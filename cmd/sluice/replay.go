package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// replayOptions are replay's flags.
type replayOptions struct {
	lang    language
	top     topology
	rules   string
	in      [2]string // by port
	inside  []string
	out     [2]string // by port that the frames left by
	workers int
	burst   int
	mtu     int
	json    bool
	quiet   bool
}

func newReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay --rules FILE --in CAPTURE [--in2 CAPTURE]",
		Short: "send captures through a ruleset and say what became of each packet",
		Long: `Sends the packets of one or two captures through a ruleset as if they arrived
now, on a clock that follows their times, and prints what became of each.

--in arrives on the first port, --in2 on the second; with --inside the source
address decides. Without --route every
packet that is not for an address of the box crosses to the other port with its
MAC addresses as they are; with routes it goes where they say. Addresses on the
wire answer to invented MAC addresses unless --neigh says otherwise.

A line for each packet, in order of arrival:

  number of the record in its file, as Wireshark counts (of two captures 1:NUMBER
  is of --in and 2:NUMBER of --in2), seconds since the first packet, port in,
  verdict (accept, drop, reject, host: for the box itself, held: a fragment that
  waits for the others; it gets another line when it goes on),
  the rule or policy that decided as FILE:LINE or the reason of the drop (below),
  ct state, port out, the packet, and after => what it was translated to

A capture that is broken is played up to the break; the error follows, and the
exit status is 1. Masquerade and redirect need an address of the port: --addr.

then totals, the counters of the rules, and the connections as conntrack -L
prints them. What log statements of rules say goes to standard error. Results
are the same in every run, and for every number of workers and size of burst.

With --json each line is one object with a field "type":

  packet      number, capture (1 or 2, only of two captures), time, seconds,
              port_in, verdict, drop, reason, ct_state, port_out, rule {file, line, column, family, table, chain, text},
              packet {protocol, src, sport, dst, dport}, nat (as packet; only if
              translated); icmp has type, code and id in place of ports
  totals      packets, verdicts {name: count}, drops {reason: count}, sent {port: frames}
  counter     rule, packets, bytes
  connection  text

Fields that do not apply are absent.

Reasons of drops; some have a more exact one in parentheses:

` + dropReasons(),
		Example: `  sluice replay --rules home.nft --addr wan=203.0.113.1/24 --in lan.pcap --in2 wan.pcap
  sluice replay --rules home.nft --in both.pcap --inside 192.168.0.0/16
  tcpdump -i eth0 -c 100 -w - | sluice replay --rules home.nft --in -
  sluice replay --rules home.nft --in lan.pcap --json | jq 'select(.verdict == "drop")'
  sluice replay --rules fw.nft --in a.pcap --addr lan=10.0.0.1/24 --addr wan=192.0.2.2/30 \
      --route "default via 192.0.2.1 dev wan" --out to-wan.pcap --out2 to-lan.pcap`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.rules, "rules", "", "the ruleset, a `FILE` or -")
	f.StringVar(&o.in[0], "in", "", "`CAPTURE` that arrives on the first port, or -")
	f.StringVar(&o.in[1], "in2", "", "`CAPTURE` that arrives on the second port, or -")
	f.StringArrayVar(&o.inside, "inside", nil, "the captures show both directions: what comes from `PREFIX` arrives on the first port, the rest on the second (may be repeated)")
	f.StringVar(&o.out[1], "out", "", "write what leaves by the second port (what --in brings, mostly) to `CAPTURE`")
	f.StringVar(&o.out[0], "out2", "", "write what leaves by the first port to `CAPTURE`")
	f.IntVar(&o.workers, "workers", 1, "`NUMBER` of workers")
	f.IntVar(&o.burst, "burst", 64, "`NUMBER` of frames a worker takes at once")
	f.IntVar(&o.mtu, "mtu", 0, "MTU of both ports in `BYTES`; 0: 1500, or more if a captured frame is longer")
	f.BoolVar(&o.json, "json", false, "print objects, one a line")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no lines for packets, only what follows them")
	o.top.flags(cmd)
	o.lang.flags(cmd)
	return cmd
}

// dropReasons lists why a packet may go no further, a line each.
func dropReasons() string {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "  %-16s %s\n", name, text) }
	line(dropNoFrame, "the record is no Ethernet frame and never arrives")
	line(dropTooLong, "longer than the MTU of the port allows, and never arrives")
	for d := packet.DropNone + 1; d < packet.DropPoisoned; d++ {
		if name := d.String(); name != dropNoFrame {
			line(name, d.Text())
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (o *replayOptions) run(cmd *cobra.Command) error {
	opt, err := o.lang.options()
	if err != nil {
		return err
	}
	net, err := o.top.parse()
	if err != nil {
		return err
	}
	switch {
	case o.rules == "":
		return errors.New("--rules is missing")
	case o.in[0] == "" && o.in[1] == "":
		return errors.New("--in is missing")
	case o.workers < 1 || o.workers > dataplane.MaxWorkers:
		return fmt.Errorf("--workers %d: want 1 to %d", o.workers, dataplane.MaxWorkers)
	case o.burst < 1 || o.burst > dataplane.MaxBurst:
		return fmt.Errorf("--burst %d: want 1 to %d", o.burst, dataplane.MaxBurst)
	case o.mtu != 0 && (o.mtu < 68 || o.mtu > maxMTU):
		return fmt.Errorf("--mtu %d: want 68 to %d", o.mtu, maxMTU)
	}
	inside, err := parsePrefixes(o.inside)
	if err != nil {
		return fmt.Errorf("--inside: %w", err)
	}
	files, err := o.files(cmd)
	if err != nil {
		return err
	}
	name, text, err := readInput(cmd, o.rules)
	if err != nil {
		return failed(err)
	}
	opt.Included = files.include
	tree, err := nft.Parse(name, text, opt)
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return errReported
	}
	if err := files.apart(); err != nil {
		return err
	}
	warn := func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	frames, broken := readCaptures(files.in, warn)
	if len(frames) == 0 && broken != nil {
		return failed(broken)
	}
	splitByInside(frames, inside)
	net.resolve(addresses(frames))

	r, err := newRig(o, net, frames, newRuleLog(cmd.ErrOrStderr()))
	if err != nil {
		return failed(err)
	}
	defer r.close()
	if err := r.load(tree, name, text); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
		return errReported
	}
	out, err := createOutputs(o.out)
	if err != nil {
		return failed(err)
	}
	both := o.in[0] != "" && o.in[1] != ""
	var w recorder = &textRecorder{out: cmd.OutOrStdout(), names: net.names, quiet: o.quiet, both: both}
	if o.json {
		w = &jsonRecorder{out: cmd.OutOrStdout(), names: net.names, quiet: o.quiet, both: both}
	}
	err = r.play(frames, w, out)
	if closing := out.close(); err == nil {
		err = closing
	}
	if err == nil {
		err = r.finish(w)
	}
	if n := r.total.noPort; n > 0 {
		warn("Warning: %s dropped as nat: no port was free for the translation: others have all that it may choose, or too many of them", amount(n, "packet"))
	}
	for _, text := range adviseAddresses(tree, net, r.total.untranslated) {
		warn("%s", text)
	}
	if err == nil {
		err = broken // what stood before the break has been played
	}
	return failed(err)
}

// maxMTU is the largest L3 length that 16-bit offsets leave room for.
const maxMTU = 65000

// rig is a box on two pipes whose far ends the replay holds.
type rig struct {
	box   *dataplane.Box
	clock *perf.Clock
	wires [2]*wire
	rules *rules.Ruleset

	frames []captured // all, by serial from 1
	start  time.Time  // of the first packet
	total  totals
}

// replaySeed stands for chance in a replay, which would be different in every run.
const replaySeed = 0x7265706c6179

// replayFlows is the size of the flow table: that of a large machine, whatever
// machine this is.
const replayFlows = 1 << 18

// newRig builds the box, on a clock that stands at the first packet.
func newRig(o *replayOptions, net *network, frames []captured, log *zap.Logger) (*rig, error) {
	mtu := o.mtu
	if mtu == 0 {
		mtu = 1500
		for i := range frames {
			mtu = min(max(mtu, len(frames[i].data)-etherHeader), maxMTU)
		}
	}
	r := &rig{clock: perf.NewVirtual(tickOf(startOf(frames))), frames: frames, start: startOf(frames)}
	r.total.init()
	cfg := dataplane.Default()
	cfg.Workers, cfg.Burst, cfg.Clock, cfg.Trace = o.workers, o.burst, r.clock, true
	cfg.SamePorts, cfg.Log = true, log
	cfg.Chunk, cfg.Frames = afxdp.ChunkForMTU(mtu), 4*maxRun
	cfg.Seed, cfg.Conntrack.Acct, cfg.Conntrack.Max = replaySeed, true, replayFlows
	cfg.Routes, cfg.Neighbours = net.routes, net.neighbours
	for port := range 2 {
		w, err := newWire(net.names[port], byte(port), mtu, o.workers)
		if err != nil {
			r.close()
			return nil, err
		}
		r.wires[port] = w
		peer := -1
		if net.peers {
			peer = 1 - port
		}
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{Port: w.port, Addrs: net.addrs[port], Peer: peer, AnyMAC: true})
	}
	box, err := dataplane.New(cfg)
	if err != nil {
		r.close()
		return nil, err
	}
	r.box = box
	return r, nil
}

// load puts the ruleset in force.
func (r *rig) load(tree *nft.Ruleset, name string, text []byte) error {
	compiled, err := r.box.Compile(tree)
	if err != nil {
		return control.Explain(err, name, text)
	}
	if _, err := r.box.Publish(compiled); err != nil {
		return err
	}
	r.rules = compiled
	return nil
}

// play releases the frames in order, in runs that every number of workers
// treats alike, and records what became of each.
func (r *rig) play(frames []captured, w recorder, out *outputs) error {
	first := uint32(1) // serial of frames[0]
	for len(frames) > 0 {
		n := runLength(frames, len(r.wires[0].ends))
		r.clock.Set(tickOf(frames[0].at))
		for i := range frames[:n] {
			r.wires[frames[i].port].put(&frames[i], first+uint32(i))
		}
		r.wires[frames[0].port].flush()
		r.box.Drain()
		left := [2][]leaving{r.wires[0].collect(), r.wires[1].collect()}
		for port := range left {
			r.total.sent[port] += len(left[port])
			for i := range left[port] {
				l := &left[port][i]
				l.at = r.clock.Wall()
				if l.serial >= first && !mayBeFragment(l.data) {
					l.at = frames[l.serial-first].at
				}
			}
			if err := out.files[port].writeAll(left[port]); err != nil {
				return err
			}
		}
		for _, rec := range r.records(frames[:n], first, left) { // rec is fresh in every turn: totals keep those held
			r.total.add(&rec)
			if err := w.packet(&rec); err != nil {
				return err
			}
		}
		first += uint32(n)
		frames = frames[n:]
	}
	return nil
}

// finish records what is left when all packets are through.
func (r *rig) finish(w recorder) error {
	if err := w.totals(&r.total); err != nil {
		return err
	}
	for _, c := range r.box.Counters() {
		if err := w.counter(r.rules.Rule(c.RuleID), c); err != nil {
			return err
		}
	}
	return w.connections(connectionTexts(r.box.Flows()))
}

func (r *rig) close() {
	if r.box != nil {
		r.box.Close()
	}
	for _, w := range r.wires {
		if w != nil {
			w.close()
		}
	}
}

// connectionTexts are the lines of conntrack -L, sorted: the order in the
// table says nothing.
func connectionTexts(flows []flowtable.Flow) []string {
	lines := make([]string, len(flows))
	for i := range flows {
		lines[i] = conntracktext.FlowLine(&flows[i], "")
	}
	sortLines(lines)
	return lines
}
