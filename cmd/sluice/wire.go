package main

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-net/sluice/afxdp"
)

const (
	etherHeader = 14
	vlanTag     = 4
)

// maxRun bounds how many frames are on a wire at once; the ring of a pipe and
// a worker's frames are sized for it.
const maxRun = 512

// wire is a pipe: the box has one end, the replay plays the rest of the world
// at the other, queue by queue.
type wire struct {
	port afxdp.Port
	far  afxdp.Port
	ends []*afxdp.End // by queue
}

func newWire(name string, number byte, mtu, queues int) (*wire, error) {
	near, far, err := afxdp.NewPipe(afxdp.PipeConfig{
		Name: [2]string{name, "far-" + name},
		MAC:  [2]net.HardwareAddr{{2, 0, 0, 0, 1, number}, {2, 0, 0, 0, 2, number}},
		MTU:  mtu, Queues: queues, Ring: 2 * maxRun,
	})
	if err != nil {
		return nil, err
	}
	w := &wire{port: near, far: far}
	for i := range queues {
		end, err := afxdp.NewEnd(far, i, 0)
		if err != nil {
			w.close()
			return nil, err
		}
		w.ends = append(w.ends, end)
	}
	return w, nil
}

// put sends a frame to the box; the serial comes back with its outcome. A frame
// longer than the port allows is lost, as it would be on a real port, and so is
// what is no frame: no outcome will have its serial.
func (w *wire) put(f *captured, serial uint32) {
	if f.refused == "" && !w.tooLong(f) {
		w.ends[f.key%uint64(len(w.ends))].Write(f.data, serial)
	}
}

func (w *wire) tooLong(f *captured) bool { return len(f.data) > w.port.MTU()+etherHeader+2*vlanTag }

func (w *wire) flush() {
	for _, e := range w.ends {
		e.Flush()
	}
}

// leaving is a frame that the box sent, and the number of the packet that
// caused it.
type leaving struct {
	serial uint32
	data   []byte
	at     time.Time
}

// collect takes what the box sent, in order of the packets that caused it.
func (w *wire) collect() []leaving {
	var all []leaving
	for _, e := range w.ends {
		for {
			data, serial, ok := e.Read()
			if !ok {
				break
			}
			all = append(all, leaving{serial: serial, data: append([]byte(nil), data...)})
		}
	}
	sortBy(all, func(l leaving) uint32 { return l.serial })
	return all
}

func (w *wire) close() {
	for _, e := range w.ends {
		_ = e.Close()
	}
	_ = errors.Join(w.port.Close(), w.far.Close())
}
