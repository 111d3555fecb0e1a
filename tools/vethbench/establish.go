package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// wrong is an error of the contender, not of the set-up: packets were not
// forwarded as they should have been.
type wrong struct{ what string }

func (e wrong) Error() string { return e.what }

// pace of establishing flows: one frame in 128 runs of the generator, so about
// 200,000 a second.
const establishPace = 7

// establish sends one packet of every flow and has each answered.
func (w *world) establish(o *options) (err error) {
	answer, err := attach(w.lab.NS(lab.Server), lab.ServerIf, w.ends.reflect)
	if err != nil {
		return err
	}
	defer answer.Close()
	end, err := attach(w.lab.NS(lab.Client), lab.ClientIf, w.ends.drop)
	if err != nil {
		return err
	}
	defer end.Close()
	if w.kind == kernel { // the box has a program there itself
		receive, err := attach(w.lab.NS(lab.Router), lab.RouterIfS, w.ends.pass)
		if err != nil {
			return err
		}
		defer receive.Close()
	}
	g, err := w.newGenerator(w.flows, false, establishPace)
	if err != nil {
		return err
	}
	defer g.close()
	// Machines with other work lose some: then all are repeated.
	var came uint64
	for range 4 {
		before, err := w.ends.count()
		if err != nil {
			return err
		}
		if err := errors.Join(g.rewind(), g.send(w.lab.NS(lab.Client), lab.ClientIf, o.genCPU, uint64(w.flows))); err != nil {
			return err
		}
		for range 100 {
			now, err := w.ends.count()
			if err != nil {
				return err
			}
			if came = now - before; came >= uint64(w.flows) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if came == uint64(w.flows) {
			return w.checkFlows()
		}
	}
	// What one time lost another has brought, if each lost only a few.
	if came > uint64(w.flows) || came < uint64(w.flows)-uint64(w.flows)/10 {
		return wrong{fmt.Sprintf("%d flows have %d answers, sent slowly", w.flows, came)}
	}
	return w.checkFlows()
}

// checkFlows asks the box how many flows it has.
func (w *world) checkFlows() error {
	if w.kind != sluice {
		return nil
	}
	s, err := w.status()
	if err != nil {
		return err
	}
	if s.Flows < int(w.flows) {
		return wrong{fmt.Sprintf("%d flows were answered, but the box knows %d (dropped: %v)", w.flows, s.Flows, s.Drops)}
	}
	for _, p := range s.Ports {
		if p.Mode != "copy" {
			return fmt.Errorf("port %s is in mode %q, not copy", p.Name, p.Mode)
		}
	}
	return nil
}

// checkSample looks at a packet each of some flows behind the contender.
func (w *world) checkSample(o *options) error {
	const sample = 64
	tap, err := lab.OpenTap(w.lab.NS(lab.Server), lab.ServerIf, lab.TapConfig{Incoming: true})
	if err != nil {
		return err
	}
	defer tap.Close()
	g, err := w.newGenerator(sample, false, 12)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.send(w.lab.NS(lab.Client), lab.ClientIf, o.genCPU, sample); err != nil {
		return err
	}
	from, err := w.lab.Link(lab.Router, lab.RouterIfS)
	if err != nil {
		return err
	}
	to, err := w.lab.Link(lab.Server, lab.ServerIf)
	if err != nil {
		return err
	}
	macs := append(bytes.Clone(to.HardwareAddr), from.HardwareAddr...)
	seen := map[uint32]bool{}
	for len(seen) < sample {
		f, err := tap.RecvIf(time.Second, func(f lab.Frame) bool {
			return len(f.Data) >= frameLen && f.Data[12] == 8 && f.Data[13] == 0 && f.Data[23] == 17
		})
		if errors.Is(err, lab.ErrTimeout) {
			return wrong{fmt.Sprintf("of %d packets sent slowly, %d came", sample, len(seen))}
		}
		if err != nil {
			return err
		}
		flow, why := w.inspect(f.Data, macs)
		if why == "" && (flow >= sample || seen[flow]) {
			why = "came twice, or was not sent"
		}
		if why != "" {
			return wrong{fmt.Sprintf("packet of flow %d: %s: %x", flow, why, f.Data)}
		}
		seen[flow] = true
	}
	return nil
}

// inspect says what is wrong with a forwarded frame.
func (w *world) inspect(f, macs []byte) (flow uint32, why string) {
	flow = binary.BigEndian.Uint32(f[42:])
	src, dst, sport := flowTuple(flow)
	if w.nat {
		addr := lab.RouterS4.As4()
		src, sport = binary.BigEndian.Uint32(addr[:]), binary.BigEndian.Uint16(f[34:])
	}
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	switch {
	case !bytes.Equal(f[:12], macs):
		return flow, "wrong MAC addresses"
	case sum != 0xffff:
		return flow, "wrong IP checksum"
	case f[22] != 63:
		return flow, "TTL is not one less"
	case binary.BigEndian.Uint32(f[26:]) != src || binary.BigEndian.Uint32(f[30:]) != dst:
		return flow, "wrong addresses"
	case binary.BigEndian.Uint16(f[34:]) != sport || binary.BigEndian.Uint16(f[36:]) != serverPort:
		return flow, "wrong ports"
	case binary.BigEndian.Uint16(f[16:]) != frameLen-14 || binary.BigEndian.Uint16(f[38:]) != frameLen-34 || binary.BigEndian.Uint16(f[40:]) != 0:
		return flow, "wrong lengths or UDP checksum"
	case !bytes.Equal(f[46:frameLen], make([]byte, frameLen-46)):
		return flow, "wrong payload"
	}
	return flow, ""
}
