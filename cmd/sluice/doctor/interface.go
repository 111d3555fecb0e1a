package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/afxdp"
)

// Interface is what matters of an interface.
type Interface struct {
	afxdp.Inspection
	IRQs []IRQ // of the device behind it; none for virtual interfaces
}

// IRQ is an interrupt and the CPUs that may take it, as the kernel lists them.
type IRQ struct{ Number, CPUs string }

// ReadInterface reads what can be read about an interface.
func ReadInterface(name string) (Interface, error) {
	v, err := afxdp.Inspect(name)
	if err != nil {
		return Interface{}, err
	}
	i := Interface{Inspection: v}
	device, err := filepath.EvalSymlinks(filepath.Join("/sys/class/net", name, "device"))
	if err != nil {
		return i, nil // a virtual interface
	}
	// virtio's interrupts belong to the PCI device above its own.
	for _, dir := range []string{device, filepath.Dir(device)} {
		numbers, err := os.ReadDir(filepath.Join(dir, "msi_irqs"))
		if err != nil {
			continue // not told
		}
		for _, n := range numbers {
			if cpus := word(filepath.Join("/proc/irq", n.Name(), "smp_affinity_list")); cpus != "" {
				i.IRQs = append(i.IRQs, IRQ{n.Name(), cpus})
			}
		}
		break
	}
	return i, nil
}

// Check judges an interface for a machine with that many CPUs.
func (i *Interface) Check(cpus int) []Finding {
	f := &findings{about: i.Name}
	if !i.Ethernet {
		f.add(Error, "", "is not an Ethernet interface")
		return f.list
	}
	if i.Member != nil {
		f.add(Error, mendOf(i.Member), "%v", i.Member)
	}
	i.checkDriver(f)
	switch {
	case !i.Up:
		f.add(Warning, "ip link set dev "+i.Name+" up", "is down: nothing comes by it until it is up")
	case !i.Carrier:
		f.add(Warning, "", "has no carrier: no cable, or the other end is down")
	default:
		f.add(OK, "", "is up")
	}
	i.checkQueues(f, cpus)
	i.checkOffloads(f)
	i.checkMTU(f)
	i.checkRings(f)
	if i.Taken != nil {
		f.add(Error, mendOf(i.Taken), "%v", i.Taken)
	} else {
		f.add(OK, "", "no XDP program is attached")
	}
	if i.TCX[0] > 0 {
		f.add(Note, "bpftool net show dev "+i.Name, "%d programs at tc ingress see what the box hands to this machine", i.TCX[0])
	}
	if i.TCX[1] > 0 {
		f.add(Warning, "bpftool net show dev "+i.Name, "%d programs at tc egress run before the host path's and may take what it should get", i.TCX[1])
	}
	i.checkIRQs(f)
	return f.list
}

// checkOffloads judges them for the mode that the driver leaves.
func (i *Interface) checkOffloads(f *findings) {
	switch err := i.Clean(i.noNative()); {
	case err != nil:
		f.add(Error, mendOf(err), "%v", err)
	case i.Driver == "veth" && i.noNative():
		f.add(Warning, "ethtool -K PEER tso off gso off", "in generic mode what the peer leaves unsegmented comes as one frame, and is lost if too long: TCP stalls")
	case i.Driver == "veth" && i.GRO:
		f.add(Note, "", "generic receive offload is on: harmless, it is behind native XDP")
	default:
		f.add(OK, "", "no offload hides anything from XDP")
	}
}

func (i *Interface) noNative() bool { return i.FeaturesKnow && i.Features&afxdp.FeatureBasic == 0 }

// mendOf takes the last command out of an error that names some between
// backquotes: those before it only show what is wrong.
func mendOf(err error) string {
	parts := strings.Split(err.Error(), "`")
	if len(parts) < 3 {
		return ""
	}
	return parts[len(parts)-2]
}

func (i *Interface) checkDriver(f *findings) {
	switch {
	case !i.FeaturesKnow:
		f.add(Note, "", "driver %s; the kernel does not tell what it can do with XDP (6.3 and newer do)", orUnknown(i.Driver))
	case i.noNative():
		if i.Driver == "veth" {
			f.add(Warning, fmt.Sprintf("ethtool -L PEER tx %d", i.Channels),
				"the peer transmits on more queues than this end receives on, or knows no XDP: generic mode only, slow and without host path (--no-host-path)")
			return
		}
		f.add(Warning, "sluice run --no-host-path ...", "driver %s has no XDP, or not in its present set-up: generic mode only, slow and without host path", orUnknown(i.Driver))
	case i.Features&afxdp.FeatureRedirect == 0:
		f.add(Error, "", "driver %s has XDP that cannot give frames to sockets", orUnknown(i.Driver))
	case i.Features&afxdp.FeatureZeroCopy != 0 && i.Defect != nil:
		f.add(Warning, "", "driver %s: native XDP; it knows zero-copy, but sockets copy unless that is demanded: %v", i.Driver, i.Defect)
	case i.Features&afxdp.FeatureZeroCopy != 0:
		f.add(OK, "", "driver %s: native XDP and zero-copy sockets", orUnknown(i.Driver))
	default:
		f.add(OK, "", "driver %s: native XDP, sockets copy", orUnknown(i.Driver))
	}
}

func orUnknown(driver string) string {
	if driver == "" {
		return "(unknown)"
	}
	return driver
}

func (i *Interface) checkQueues(f *findings, cpus int) {
	workers := max(1, min(i.Channels, cpus-1))
	most := ""
	if i.MaxChannels > 0 {
		most = fmt.Sprintf(" of %d", i.MaxChannels)
	}
	f.add(OK, "", "receives on %d%s queues: %d workers on this machine, if other ports have as many", i.Channels, most, workers)
	if i.Driver == "virtio_net" && i.Channels < i.MaxChannels && i.Channels+cpus <= i.MaxChannels {
		f.add(Warning, fmt.Sprintf("ethtool -L %s combined %d", i.Name, i.MaxChannels),
			"virtio_net adds %d queues when an XDP program is attached, and those only copy; with all %d in use it adds none", cpus, i.MaxChannels)
	}
	if i.Channels == 1 {
		return // all flows meet anyway
	}
	switch {
	case !i.HashKnown:
		f.add(Note, "", "the driver does not tell how it spreads flows over queues: packets of a flow that come by another queue are handed over between workers")
	case i.Symmetric:
		f.add(OK, "", "both directions of a flow come by the same queue")
	default:
		f.add(Note, "ethtool -X "+i.Name+" xfrm symmetric-xor",
			"the two directions of a flow may come by different queues: then one is handed over between workers, which costs some; not every driver can be symmetric")
	}
}

func (i *Interface) checkMTU(f *findings) {
	chunk := afxdp.ChunkForMTU(i.MTU)
	single := fmt.Sprintf("ip link set dev %s mtu %d", i.Name, afxdp.MaxSingleMTU())
	switch {
	case i.MTU <= afxdp.MaxSingleMTU():
		f.add(OK, "", "MTU %d fits into frames of %d bytes", i.MTU, chunk)
	case chunk > afxdp.MaxChunk:
		f.add(Error, single, "MTU %d does not fit into a frame, which is no larger than %d bytes", i.MTU, afxdp.MaxChunk)
	case i.FeaturesKnow && i.Features&afxdp.FeatureRxPieces == 0:
		f.add(Error, single, "MTU %d needs frames in several pieces, which driver %q does not know", i.MTU, i.Driver)
	default:
		f.add(Note, single, "MTU %d takes frames of %d bytes that come in several pieces and are copied: a smaller MTU is faster", i.MTU, chunk)
	}
}

func (i *Interface) checkRings(f *findings) {
	const few = 512
	for n, way := range []string{"rx", "tx"} {
		if i.Ring[n] > 0 && i.Ring[n] < few && i.RingMax[n] > i.Ring[n] {
			f.add(Note, fmt.Sprintf("ethtool -G %s %s %d", i.Name, way, min(2048, i.RingMax[n])),
				"the device's %s ring has %d descriptors of up to %d: bursts may overflow it", way, i.Ring[n], i.RingMax[n])
		} else if i.Ring[n] > 0 {
			f.add(OK, "", "the device's %s ring has %d descriptors of up to %d", way, i.Ring[n], i.RingMax[n])
		}
	}
}

// checkIRQs looks whether the interrupts of several queues all go to one CPU.
func (i *Interface) checkIRQs(f *findings) {
	if len(i.IRQs) == 0 {
		return // a virtual interface, or not told
	}
	var places []string
	for _, irq := range i.IRQs {
		if !slices.Contains(places, irq.CPUs) {
			places = append(places, irq.CPUs)
		}
	}
	slices.Sort(places)
	if i.Channels > 1 && len(places) == 1 && !strings.ContainsAny(places[0], ",-") {
		f.add(Warning, fmt.Sprintf("echo CPU > /proc/irq/%s/smp_affinity_list (for each queue)", i.IRQs[len(i.IRQs)-1].Number),
			"all %d interrupts go to CPU %s: the queues share one CPU", len(i.IRQs), places[0])
		return
	}
	f.add(OK, "", "%d interrupts, on CPUs %s; a worker runs best beside its queue's", len(i.IRQs), strings.Join(places, " "))
}
