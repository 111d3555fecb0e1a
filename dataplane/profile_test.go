package dataplane

import (
	"strings"
	"testing"
)

// TestProfile: while it is on, the stated share of the packets is in the account,
// and of those under the rule that decided them, and swaps lose nothing.
func TestProfile(t *testing.T) {
	for _, workers := range []int{1, 2} {
		n := newNet(t, natRules, workers, walkAlways, func(c *Config) { c.Burst = 2 }) // short also under the race detector
		script := mixedScript(9, 100)
		send := func() {
			for _, a := range script {
				if a.port == 0 {
					n.lan.put(a.frame)
				} else {
					n.wan.put(a.frame)
				}
			}
			n.box.Drain()
		}
		send()
		off := n.box.Profile()
		for i, w := range off.Workers {
			if off.On || w.Stages.Packets != 0 || w.Bursts.Count() != 0 || len(off.Rules) != 0 {
				t.Errorf("worker %d has an account while profiling is off: %+v", i, w.Stages)
			}
		}
		n.box.SetProfiling(true)
		seen := n.box.Stats().Total()
		for range 40 {
			send()
		}
		p := n.box.Profile()
		now := n.box.Stats().Total()
		var packets, bursts, cycles, sampled uint64
		for _, w := range p.Workers {
			packets += w.Stages.Packets
			bursts += w.Bursts.Count()
			cycles += w.Stages.Total()
			if n := w.Bursts.Count(); n < w.Stages.Bursts || n > w.Stages.Bursts+w.Stages.Interrupted {
				t.Errorf("%d burst times of %d bursts and %d interrupted", n, w.Stages.Bursts, w.Stages.Interrupted)
			}
		}
		all := now.RxFrames + now.HandoversIn - seen.RxFrames - seen.HandoversIn
		share := func(what string, n, every uint64) {
			t.Helper()
			if n < all/every/2 || n > all/every*2 {
				t.Errorf("%d workers: %d packets %s of %d, want about one in %d", workers, n, what, all, every)
			}
		}
		if share("accounted", packets, stageSample); bursts == 0 || cycles == 0 {
			t.Errorf("%d workers: account of %d bursts, %d cycles", workers, bursts, cycles)
		}
		for _, r := range p.Rules {
			if sampled += r.Packets; r.Cycles == 0 {
				t.Errorf("rule %d: %d packets in no time", r.Rule, r.Packets)
			}
			if r.Rule != 0 && p.Ruleset.Rule(r.Rule) == nil {
				t.Errorf("rule %d is none", r.Rule)
			}
		}
		share("charged to rules", sampled, stageSample*chargeSample)

		n.load(strings.Replace(natRules, "0x10", "0x20", 1))
		if p := n.box.Profile(); len(p.Rules) != 0 || !p.On {
			t.Errorf("costs of rules that are gone: %+v", p.Rules)
		}
		for range 40 {
			send()
		}
		if p := n.box.Profile(); len(p.Rules) == 0 {
			t.Error("no costs of the new rules")
		}
		n.box.SetProfiling(false)
		before := n.box.Profile()
		for range 10 {
			send()
		}
		for i, w := range n.box.Profile().Workers {
			if w.Stages.Packets != before.Workers[i].Stages.Packets {
				t.Errorf("worker %d is still accounted", i)
			}
		}
		n.checkLedger()
	}
}
