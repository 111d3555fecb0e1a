package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/afxdp/pcap"
	"github.com/sluice-net/sluice/tools/oracle/pair"
	"github.com/spf13/cobra"
)

func newPcap() *cobra.Command {
	o := options{}
	rules := "observe"
	cmd := &cobra.Command{
		Use:   "pcap FILE...",
		Short: "play captures: the same packets out and the same entries, packet by packet",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			return o.captures(cmd.OutOrStdout(), files, rules)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&rules, "rules", rules, "ruleset, as scripts name it")
	return cmd
}

func (o *options) captures(w io.Writer, files []string, rules string) error {
	if rulesets[rules] == "" {
		return fmt.Errorf("--rules: no ruleset %q", rules)
	}
	passed, failed := 0, 0
	err := pair.Run(func(k *pair.Kernel) error {
		c := &court{kernel: k, workers: o.workers}
		if o.verbose {
			c.trace = func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
		}
		for _, file := range files {
			s, skipped, err := readCapture(file)
			if err != nil && len(s.Lines) == 0 {
				return err
			}
			s.Rules = rules
			before := c.packets
			v := c.play(s)
			fmt.Fprintf(w, "%-60s %5d packets, %d not played: ", filepath.Base(file), c.packets-before, skipped)
			switch reason := known(s); {
			case v.agreed() && reason == "":
				passed++
				fmt.Fprintln(w, "same")
			case v.agreed():
				failed++
				fmt.Fprintln(w, "same, but listed as different:", reason)
			case v.err == nil && reason != "":
				fmt.Fprintln(w, "known:", reason)
			default:
				failed++
				fmt.Fprintf(w, "DIFFERENT\n  %s\n", v.String())
			}
			if err != nil {
				fmt.Fprintf(w, "  read up to a break: %v\n", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return errDiffers
	}
	return nil
}

// longest is what a packet socket sends.
const longest = pair.MTU + 14

// readCapture makes a script of a capture: who speaks first is on the LAN, whom
// they speak to on the WAN, and MAC addresses become those of the pair's network.
// It returns how many packets cannot be played because they are too long or no
// frames, and with an error what comes before the break.
func readCapture(file string) (s *Script, skipped int, err error) {
	s = &Script{Group: "pcap", Name: filepath.Base(file), WanMTU: pair.MTU}
	p, err := pcap.OpenPort(pcap.Config{In: file, MTU: 65000, Frame: 65100, OnSkip: func(pcap.Skip) { skipped++ }})
	if err != nil {
		return s, 0, err
	}
	defer func() { err = errors.Join(err, p.Err(), p.Close()) }()
	end, err := afxdp.NewEnd(p, 0, 0)
	if err != nil {
		return s, 0, err
	}
	defer end.Close()
	sides := map[netip.Addr]pair.Side{}
	for {
		if _, _, ok := p.Peek(); !ok || p.Release(1) != 1 {
			return s, skipped, nil
		}
		data, _, ok := end.Read()
		if !ok {
			return s, skipped, nil
		}
		if len(data) > longest {
			skipped++
			continue
		}
		b := slices.Clone(data)
		side := enters(b, sides, s)
		host, box := pair.HostMAC(side), pair.BoxMAC(side)
		copy(b[6:], host[:])
		if b[0]&1 == 0 {
			copy(b, box[:])
		}
		s.Lines = append(s.Lines, fmt.Sprintf("> raw %s via=%v", hex.EncodeToString(b), side))
	}
}

// enters says by which side a frame comes, and notes where its addresses are.
func enters(b []byte, sides map[netip.Addr]pair.Side, s *Script) pair.Side {
	at := 12
	for at+4 < len(b) && (b[at] == 0x81 && b[at+1] == 0 || b[at] == 0x88 && b[at+1] == 0xa8) {
		at += 4
	}
	var src, dst netip.Addr
	switch ip := b[min(at+2, len(b)):]; {
	case b[at] == 8 && b[at+1] == 0 && len(ip) >= 20:
		src, dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	case b[at] == 0x86 && b[at+1] == 0xdd && len(ip) >= 40:
		src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	default:
		return pair.Lan
	}
	place := func(a netip.Addr, side pair.Side) pair.Side {
		if was, ok := sides[a]; ok {
			return was
		}
		sides[a] = side
		if routable(a) {
			s.Routes = append(s.Routes, pair.Route{Prefix: netip.PrefixFrom(a, a.BitLen()), Side: side})
		}
		return side
	}
	if to, ok := sides[dst]; ok {
		return place(src, to.Other())
	}
	side := place(src, pair.Lan)
	place(dst, side.Other())
	return side
}

// routable says whether a route to a may be made: not what has a meaning of its own.
func routable(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.Is4() && a.As4()[0] >= 240 || a.Is4() && a.As4()[0] == 0 || a.Is4In6() {
		return false
	}
	for _, side := range []pair.Side{pair.Lan, pair.Wan} {
		if a == pair.BoxAddr(side, a.Is6()) {
			return false
		}
	}
	return true
}
