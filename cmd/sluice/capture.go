package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/afxdp/pcap"
)

// longestFrame is what a capture may hold: the longest IP packet, an Ethernet
// header and two VLAN tags.
const longestFrame = 65535 + 22

// source is a capture to read: a file, or something open that has the name.
type source struct {
	name string
	from io.Reader // nil: the file
}

// readCapture reads a whole capture file. Packets of link types without
// Ethernet header get one; those that cannot be frames are left out and counted.
func readCapture(file string, port uint8) (frames []captured, skipped int, err error) {
	records, err := readRecords(source{name: file}, port)
	if err != nil {
		return nil, 0, err
	}
	frames = slices.DeleteFunc(records, func(c captured) bool { return c.refused != "" })
	return frames, len(records) - len(frames), nil
}

// readRecords is readCapture with every record of the file; those that are no
// frames say why. With an error come the records before it.
func readRecords(file source, port uint8) (frames []captured, err error) {
	p, err := pcap.OpenPort(pcap.Config{
		Name: "capture", In: file.name, From: file.from, MTU: 65535, Frame: longestFrame,
		OnSkip: func(s pcap.Skip) {
			frames = append(frames, captured{at: s.Time, port: port, number: s.Number, refused: s.Reason})
		},
	})
	if err != nil {
		return frames, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	end, err := afxdp.NewEnd(p, 0, 0)
	if err != nil {
		return nil, err
	}
	defer end.Close()
	for {
		at, _, ok := p.Peek()
		if !ok || p.Release(1) != 1 {
			break
		}
		data, number, ok := end.Read()
		if !ok {
			break
		}
		data = append([]byte(nil), data...)
		frames = append(frames, captured{at: at, port: port, key: flowKey(data), data: data, number: number})
	}
	// What is no frame was told of one record early.
	sortBy(frames, func(c captured) uint32 { return c.number })
	return frames, p.Err()
}

// goesBack finds the first record that is earlier than the one before it.
func goesBack(frames []captured) *captured {
	for i := 1; i < len(frames); i++ {
		if frames[i].at.Before(frames[i-1].at) {
			return &frames[i]
		}
	}
	return nil
}

// readCaptures reads the files that arrive on the two ports and puts their
// records into the order of their times; of those of one time, the first port's
// come first. A file whose times go back keeps its own order, and is warned of.
// An error comes with the records before it; without any if a file has none.
func readCaptures(files [2]source, warn func(format string, args ...any)) ([]captured, error) {
	var lists [2][]captured
	var broken error
	for port, file := range files {
		if file.name == "" {
			continue
		}
		frames, err := readRecords(file, uint8(port))
		if err != nil && len(frames) == 0 {
			return nil, err
		}
		broken = errors.Join(broken, err)
		if back := goesBack(frames); back != nil {
			warn("%s: Warning: packet %d is earlier than packet %d: packets keep the order of the file, and the clock goes back with them",
				file.name, back.number, back.number-1)
		}
		for i := range frames {
			frames[i].file = uint8(port)
		}
		lists[port] = frames
	}
	all := make([]captured, 0, len(lists[0])+len(lists[1]))
	for a, b := lists[0], lists[1]; len(a)+len(b) > 0; {
		if len(b) == 0 || len(a) > 0 && !b[0].at.Before(a[0].at) {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return all, broken
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no prefix, such as 192.168.0.0/16", text)
		}
		list = append(list, p)
	}
	return list, nil
}

// splitByInside gives every IP frame to the first port if its source is inside,
// else to the second. Frames that are not IP stay where they are; so do all
// without prefixes.
func splitByInside(frames []captured, inside []netip.Prefix) {
	if len(inside) == 0 {
		return
	}
	for i := range frames {
		ip, family := network3(frames[i].data)
		if family == 0 {
			continue
		}
		src := sourceOf(ip, family)
		frames[i].port = 1
		if slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(src) }) {
			frames[i].port = 0
		}
	}
}

// captureWriter writes a pcap file with nanosecond times.
type captureWriter struct {
	file *os.File
	buf  *bufio.Writer
}

const (
	pcapNanoMagic   = 0xa1b23c4d
	pcapSnapLength  = 1 << 18
	pcapLinkEther   = 1
	pcapHeaderBytes = 24
	pcapRecordBytes = 16
)

func createCapture(file string) (*captureWriter, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	var h [pcapHeaderBytes]byte
	binary.LittleEndian.PutUint32(h[0:], pcapNanoMagic)
	binary.LittleEndian.PutUint16(h[4:], 2) // version 2.4
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], pcapSnapLength)
	binary.LittleEndian.PutUint32(h[20:], pcapLinkEther)
	w := &captureWriter{file: f, buf: bufio.NewWriterSize(f, 1<<16)}
	_, err = w.buf.Write(h[:])
	return w, err
}

func (w *captureWriter) write(at time.Time, data []byte) error {
	var h [pcapRecordBytes]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(h[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(data)))
	if _, err := w.buf.Write(h[:]); err != nil {
		return err
	}
	_, err := w.buf.Write(data)
	return err
}

// writeAll writes frames that left; a nil writer writes none.
func (w *captureWriter) writeAll(frames []leaving) error {
	if w == nil {
		return nil
	}
	for _, f := range frames {
		if err := w.write(f.at, f.data); err != nil {
			return err
		}
	}
	return nil
}

// outputs are the captures a replay writes, by port; nil: none.
type outputs struct{ files [2]*captureWriter }

func createOutputs(names [2]string) (*outputs, error) {
	o := &outputs{}
	for port, name := range names {
		if name == "" {
			continue
		}
		w, err := createCapture(name)
		if err != nil {
			return nil, errors.Join(err, o.close())
		}
		o.files[port] = w
	}
	return o, nil
}

func (o *outputs) close() error {
	var errs []error
	for _, w := range o.files {
		if w != nil {
			errs = append(errs, w.buf.Flush(), w.file.Close())
		}
	}
	return errors.Join(errs...)
}
