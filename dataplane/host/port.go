package host

import (
	"fmt"

	"github.com/sluice-net/sluice/afxdp"
)

// Open makes the path for a real interface of the calling thread's network
// namespace, after removing what an earlier run has left for it. The box's end
// has the given number of queues and is opened with the options, their Queues
// set to that number. Nothing of what the kernel sends is taken over yet: open
// the port's queues, then call Activate.
func Open(ifname string, queues int, opt afxdp.Options) (*Path, error) {
	p, err := openPair(ifname, queues)
	if err != nil {
		return nil, err
	}
	opt.Queues = queues
	p.port, err = afxdp.OpenInterface(p.pair.box, opt)
	if err != nil {
		_ = p.Close() // the first error is the one to tell
		return nil, fmt.Errorf("host path of %s: %w", ifname, err)
	}
	return p, nil
}

// Port returns the port of the box's end: what the box receives from it the
// kernel has sent by the real interface, what the box sends to it the kernel
// receives by the real interface. Close of the path closes it.
func (p *Path) Port() afxdp.Port { return p.port }

// Activate attaches the XDP program of the box's end, all of whose queues must
// be open, and then takes over what the kernel sends by the real interface. It
// is called in the namespace in which Open was.
func (p *Path) Activate() error {
	if err := p.port.Attach(); err != nil {
		return fmt.Errorf("host path of %s: %w", p.ifname, err)
	}
	return p.takeOver()
}
