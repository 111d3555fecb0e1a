package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

const ngSectionHeader = 0x0a0d0d0a // first four bytes of a pcapng file, the same in both byte orders

// packet is one packet of the input as a frame.
type packet struct {
	number  uint32 // in the file, from 1
	time    time.Time
	frame   []byte // Ethernet, or as captured if refused; valid until the next read
	queue   int
	refused string // why it cannot be delivered, empty: it can
}

// input reads a capture file.
type input struct {
	name   string
	file   io.ReadCloser
	link   layers.LinkType // of a classic pcap file
	next   func() ([]byte, gopacket.CaptureInfo, error)
	mixed  bool // pcapng: link types come with the packets
	mac    net.HardwareAddr
	number uint32
	last   time.Time
	buf    []byte // frame made by a link type's converter
}

// openInput opens the file of a name, or reads from, if there is any, under it.
func openInput(name string, from io.Reader, mac net.HardwareAddr) (*input, error) {
	file := io.NopCloser(from)
	if from == nil {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		file = f
	}
	in := &input{name: name, file: file, mac: mac}
	if err := in.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	return in, nil
}

func (in *input) start() error {
	br := bufio.NewReaderSize(in.file, 1<<16)
	magic, err := br.Peek(4)
	var path *fs.PathError
	switch {
	case err == io.EOF:
		return errors.New("no capture file: shorter than four bytes")
	case errors.As(err, &path):
		return path.Err // a folder, for one; the caller names it
	case err != nil:
		return err
	}
	if binary.LittleEndian.Uint32(magic) == ngSectionHeader {
		r, err := pcapgo.NewNgReader(br, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return fmt.Errorf("pcapng file: %w", unexpected(err))
		}
		in.next, in.mixed = r.ZeroCopyReadPacketData, true
		return nil
	}
	r, err := pcapgo.NewReader(br)
	if err != nil {
		return fmt.Errorf("pcap file: %w", unexpected(err))
	}
	in.next, in.link = r.ZeroCopyReadPacketData, r.LinkType()
	return checkLink(in.link)
}

// read returns the next packet; false: the file has ended.
func (in *input) read() (packet, bool, error) {
	data, ci, err := in.next()
	if err == io.EOF && ci.CaptureLength == 0 {
		return packet{}, false, nil
	}
	in.number++
	if err != nil {
		return packet{}, false, in.fail(unexpected(err))
	}
	link := in.link
	if in.mixed {
		link, _ = ci.AncillaryData[0].(layers.LinkType)
		if err := checkLink(link); err != nil {
			return packet{}, false, in.fail(err)
		}
	}
	if !ci.Timestamp.IsZero() { // simple packet blocks have no time: they go with the packet before
		in.last = ci.Timestamp
	}
	p := packet{number: in.number, time: in.last}
	p.frame, p.refused = in.convert(link, data)
	return p, true, nil
}

func (in *input) fail(err error) error {
	return fmt.Errorf("%s: packet %d: %w", in.name, in.number, err)
}

// unexpected names an end of file in the middle of something as what it is.
func unexpected(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut short")
	}
	return err
}
