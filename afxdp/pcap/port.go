package pcap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/outfile"
)

const (
	ringFrames   = 4096
	defaultFrame = 2048 - afxdp.Headroom
	maxSkips     = 1024
)

// Config says what a port is like.
type Config struct {
	Name   string    // empty: pcap
	In     string    // file to read, empty: nothing comes in
	From   io.Reader // read this, which In is then only the name of; nil: the file
	Out    string    // file to write, made with the first queue; empty: what is sent is thrown away
	Micros bool      // Out has microsecond stamps instead of nanosecond ones

	MAC    net.HardwareAddr // nil: 02:00:00:00:00:01
	MTU    int              // L3 bytes, 0: 1500
	Frame  int              // longest frame in bytes, 0: 1792, what a UMEM chunk of 2048 holds
	Queues int              // 0: 1

	// Steer picks the queue of a packet, modulo Queues; nil: queue 0.
	Steer func(frame []byte) int
	// OnSkip sees every packet of the input that is not delivered, in order, when
	// reading comes to it: before the packets behind it; nil: none.
	OnSkip func(Skip)
	Clock  *perf.Clock // stamps of sent frames; needed with Out
}

// Skip is a packet of the input that was not delivered.
type Skip struct {
	Number uint32 // in the file, from 1
	Bytes  int    // length of the frame, or of what was captured
	Reason string
	Time   time.Time
}

// Port is an afxdp.Port over files. Its methods are the driver's, all on one
// goroutine.
type Port struct {
	afxdp.Port // the box's end of the pipe
	cfg        Config
	far        afxdp.Port
	ends       []*afxdp.End // queues of the far end

	in     *input
	next   packet // read and not yet released, if have
	have   bool
	staged bool // next has been given to its end, but the ring was full
	skips  []Skip
	nskip  int

	file    *os.File
	buf     *bufio.Writer
	out     *pcapgo.Writer
	sent    uint64
	err     error // first error of reading
	outErr  error // first error of writing
	closed  bool
	serials func(serial uint32) // sees the serial of every sent frame
}

// OpenPort opens the files of a port and reads up to the first packet. Errors
// name the file, and the packet if it is about one.
func OpenPort(cfg Config) (*Port, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("pcap port %s: %w", cfg.Name, err)
	}
	p := &Port{cfg: cfg}
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Port) open() (err error) {
	cfg := &p.cfg
	if p.Port, p.far, err = afxdp.NewPipe(afxdp.PipeConfig{
		Name: [2]string{cfg.Name, cfg.Name + " files"}, MAC: [2]net.HardwareAddr{cfg.MAC, nil},
		MTU: cfg.MTU, Frame: cfg.Frame, Queues: cfg.Queues, Ring: ringFrames,
	}); err != nil {
		return fmt.Errorf("pcap port %s: %w", cfg.Name, err)
	}
	for i := range cfg.Queues {
		e, err := afxdp.NewEnd(p.far, i, 0)
		if err != nil {
			return fmt.Errorf("pcap port %s: %w", cfg.Name, err)
		}
		p.ends = append(p.ends, e)
	}
	if cfg.In != "" {
		if p.in, err = openInput(cfg.In, cfg.From, cfg.MAC); err != nil {
			return err
		}
		p.advance()
		if p.err != nil {
			return p.err
		}
	}
	return outfile.Check(cfg.Out)
}

// Open opens a queue, and with the first one makes the output file: until then a
// file of that name stays as it was.
func (p *Port) Open(queue int, umem *afxdp.UMEM) (afxdp.Queue, error) {
	if p.cfg.Out != "" && p.file == nil {
		if err := p.create(); err != nil {
			return nil, err
		}
	}
	return p.Port.Open(queue, umem)
}

func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = "pcap"
	}
	if c.MAC == nil {
		c.MAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.Frame == 0 {
		c.Frame = max(defaultFrame, c.MTU+22)
	}
	if c.Queues == 0 {
		c.Queues = 1
	}
	if c.Out != "" && c.Clock == nil {
		return errors.New("an output file needs a clock")
	}
	return nil
}

func (p *Port) create() error {
	f, err := os.Create(p.cfg.Out)
	if err != nil {
		return err
	}
	p.file, p.buf = f, bufio.NewWriterSize(f, 1<<16)
	if p.cfg.Micros {
		p.out = pcapgo.NewWriter(p.buf)
	} else {
		p.out = pcapgo.NewWriterNanos(p.buf)
	}
	if err := p.out.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		return fmt.Errorf("%s: %w", p.cfg.Out, err)
	}
	return nil
}

// Peek returns the time and the queue of the next packet; false: there is none,
// because the file has ended or because of an error, which Err tells. Times are
// the file's own and may go back.
func (p *Port) Peek() (ts time.Time, queue int, ok bool) {
	p.Collect()
	return p.next.time, p.next.queue, p.have
}

// Release lets the next n packets in, so that Recv of their queues gives them,
// and returns how many those were: fewer at the end of the file, before an
// error, and when a queue is full.
func (p *Port) Release(n int) int {
	p.Collect()
	done := 0
	for ; done < n && p.have; done++ {
		e := p.ends[p.next.queue]
		if !p.staged && !e.Write(p.next.frame, p.next.number) {
			break
		}
		if p.staged = e.Flush() > 0; p.staged {
			break
		}
		p.advance()
	}
	return done
}

// advance reads the next packet that can be delivered.
func (p *Port) advance() {
	p.have = false
	for p.err == nil {
		var ok bool
		if p.next, ok, p.err = p.in.read(); !ok || p.err != nil {
			p.next = packet{}
			return
		}
		switch reason := p.next.refused; {
		case reason != "":
			p.skip(reason)
		case len(p.next.frame) > p.cfg.Frame:
			p.skip(fmt.Sprintf("longer than the %d bytes of a frame", p.cfg.Frame))
		default:
			p.next.queue = 0
			if p.cfg.Steer != nil {
				p.next.queue = int(uint(p.cfg.Steer(p.next.frame)) % uint(p.cfg.Queues))
			}
			p.have = true
			return
		}
	}
}

func (p *Port) skip(reason string) {
	s := Skip{p.next.number, len(p.next.frame), reason, p.next.time}
	if p.nskip++; p.nskip <= maxSkips {
		p.skips = append(p.skips, s)
	}
	if p.cfg.OnSkip != nil {
		p.cfg.OnSkip(s)
	}
}

// Skipped returns the packets passed over so far, the first 1024 of them in
// full, and how many there were.
func (p *Port) Skipped() (list []Skip, total int) { return p.skips, p.nskip }

// Err returns the error that ended reading, nil at the end of a sound file.
func (p *Port) Err() error { return p.err }

// Sent returns how many frames were taken from the box, written or thrown away.
func (p *Port) Sent() uint64 { return p.sent }

// OnSent sets a function that is called for every sent frame with its serial,
// in the order in which frames are written; nil: none.
func (p *Port) OnSent(f func(serial uint32)) { p.serials = f }

// Collect writes what the box has sent to the output file, queue by queue, with
// the clock's time. Errors are told by Close.
func (p *Port) Collect() {
	if p.closed {
		return
	}
	for _, e := range p.ends {
		for {
			frame, serial, ok := e.Read()
			if !ok {
				break
			}
			p.sent++
			if p.serials != nil {
				p.serials(serial)
			}
			if p.out == nil || p.outErr != nil {
				continue
			}
			ci := gopacket.CaptureInfo{Timestamp: p.cfg.Clock.Wall(), CaptureLength: len(frame), Length: len(frame)}
			if err := p.out.WritePacket(ci, frame); err != nil {
				p.outErr = fmt.Errorf("%s: frame %d: %w", p.cfg.Out, p.sent, err)
			}
		}
	}
}

// Close writes what is left, closes the files and gives the memory back. It
// returns the first error of writing, but not that of reading.
func (p *Port) Close() error {
	if p.closed {
		return nil
	}
	if p.Port != nil {
		p.Collect()
	}
	p.closed = true
	p.have = false
	errs := []error{p.outErr}
	if p.file != nil {
		if err := errors.Join(p.buf.Flush(), p.file.Close()); err != nil && p.outErr == nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.cfg.Out, err))
		}
	}
	if p.in != nil {
		errs = append(errs, p.in.file.Close())
	}
	for _, e := range p.ends {
		errs = append(errs, e.Close())
	}
	for _, port := range []afxdp.Port{p.Port, p.far} {
		if port != nil {
			errs = append(errs, port.Close())
		}
	}
	return errors.Join(errs...)
}
