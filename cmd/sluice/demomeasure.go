package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/perf"
)

// The measurement's load: established flows, taken in turn.
const (
	measureFlows = 1024
	measureFrame = 60 // bytes, without the Ethernet checksum
)

// measurement is the time of packets and where it went.
type measurement struct {
	packets   int
	perPacket time.Duration
	stages    perf.Account
}

// measure times packets of established, masqueraded UDP flows through the whole
// ruleset on one worker and this goroutine. It counts the box's work and both
// copies of the pipe, not the making of frames.
func measure(duration time.Duration) (m measurement, err error) {
	d, err := newDemoBox(1)
	if err != nil {
		return m, err
	}
	defer d.close()
	frames := make([][]byte, measureFlows)
	for i := range frames {
		frames[i] = measuredFrame(i)
	}
	var spent time.Duration
	round := func() error {
		for _, f := range frames {
			if !d.far[portLAN].put(f) {
				return fmt.Errorf("the pipe is full after %d frames", d.far[portLAN].sent)
			}
		}
		d.far[portLAN].flush()
		start := time.Now()
		d.box.Drain()
		spent += time.Since(start)
		d.far[portWAN].take()
		return nil
	}
	if err := round(); err != nil { // makes the flows
		return m, err
	}
	spent = 0
	for end := time.Now().Add(duration); time.Now().Before(end); m.packets += measureFlows {
		if err := round(); err != nil {
			return m, err
		}
	}
	stats := d.box.Stats()
	if t := stats.Total(); t.Fates[dataplane.FateSent] != t.RxFrames || m.packets == 0 {
		return m, fmt.Errorf("%d of %d packets passed", t.Fates[dataplane.FateSent], t.RxFrames)
	}
	m.perPacket, m.stages = spent/time.Duration(m.packets), stats.Stages
	return m, nil
}

// measuredFrame is a UDP datagram without checksum from a host on the LAN.
func measuredFrame(flow int) []byte {
	f := make([]byte, measureFrame)
	copy(f[0:6], routerMAC[portLAN])
	copy(f[6:12], hostMAC(portLAN, 0))
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], measureFrame-etherHeader)
	copy(ip[12:], []byte{192, 168, 1, byte(100 + flow%100)})
	copy(ip[16:], []byte{198, 51, 100, byte(1 + flow%50)})
	binary.BigEndian.PutUint16(ip[10:], packet.Checksum(ip[:20], 0))
	binary.BigEndian.PutUint16(ip[20:], uint16(10000+flow))
	binary.BigEndian.PutUint16(ip[22:], 53)
	binary.BigEndian.PutUint16(ip[24:], measureFrame-etherHeader-20)
	return f
}
