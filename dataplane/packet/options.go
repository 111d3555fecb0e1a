package packet

import "encoding/binary"

// IPv4 option types (RFC 791 section 3.1, RFC 2113) that a router knows.
const (
	ipEnd       = 0
	ipNoop      = 1
	ipRecord    = 7
	ipTimestamp = 68
	ipLoose     = 131
	ipLabel     = 134 // CIPSO
	ipStrict    = 137
	ipAlert     = 148
)

// What a timestamp option asks for, in the low half of its fourth byte.
const (
	stampTimes = 0
	stampBoth  = 1 // addresses as well
	stampGiven = 3 // the sender has put the addresses
)

// OptionsMax is how many bytes of options an IPv4 header holds.
const OptionsMax = 40

// Options are what a router has to do for the options of one IPv4 packet. Offsets
// count from the IP header, 0 is none.
type Options struct {
	record, stamp, route, alert, label int

	recordAddr bool // the slot before record's pointer is the router's
	stampAddr  bool // so is the one for an address before stamp's
	stampTime  bool // stamp asks for the time
	changed    bool // the checksum is that of the header before

	was [OptionsMax]byte
}

// SourceRouted says that the sender has chosen the way.
func (o *Options) SourceRouted() bool { return o.route != 0 }

// Changed says that the packet's header no longer has the sum that it says, which
// Forwarded mends.
func (o *Options) Changed() bool { return o.changed }

// sound is what reading an option returns that is well-formed, else the offset in
// the option of what is not.
const sound = -1

// ReadOptions reads the options of p as a router that takes the packet in
// (__ip_options_compile): a record that has room gets own, which Forwarded changes
// for the address of the way out, and a timestamp option the time, in milliseconds
// since midnight UTC (RFC 792). asked is the address that a timestamp option wants
// the time of next; if it is the router's, StampAsked is to follow.
//
// bad is the offset in the IP header of what is malformed, 0 if nothing is. What
// was written until then stays.
func (p *Packet) ReadOptions(o *Options, own [4]byte, millis uint32) (asked []byte, bad int) {
	*o = Options{}
	h := p.header4()
	copy(o.was[:], h[ip4Len:])
	return o.read(h, own, millis)
}

// read is ReadOptions of a header.
func (o *Options) read(h []byte, own [4]byte, millis uint32) (asked []byte, bad int) {
	for at := ip4Len; at < len(h); {
		switch h[at] {
		case ipEnd:
			for at++; at < len(h); at++ {
				if h[at] != ipEnd {
					h[at], o.changed = ipEnd, true
				}
			}
			return asked, 0
		case ipNoop:
			at++
			continue
		}
		if len(h)-at < 2 || h[at+1] < 2 || int(h[at+1]) > len(h)-at {
			return nil, at
		}
		opt := h[at:][:h[at+1]]
		wrong := sound
		switch opt[0] {
		case ipLoose, ipStrict:
			if wrong = pointer(opt, 3, 4, o.route); wrong == sound {
				o.route = at
			}
		case ipRecord:
			if wrong = o.readRecord(opt, own); wrong == sound {
				o.record = at
			}
		case ipTimestamp:
			if asked, wrong = o.readStamp(opt, own, millis); wrong == sound {
				o.stamp = at
			}
		case ipAlert:
			switch {
			case len(opt) < 4:
				wrong = 1
			case opt[2] == 0 && opt[3] == 0:
				o.alert = at
			}
		case ipLabel:
			switch {
			case o.label != 0:
				wrong = 0
			case len(opt) < 8:
				wrong = 1
			default:
				wrong = 2 // a domain of interpretation: none is known
			}
			o.label = at
		}
		if wrong != sound {
			return nil, at + wrong
		}
		at += len(opt)
	}
	return asked, 0
}

// pointer checks the length of an option, its pointer, and that it is the first of
// its kind.
func pointer(opt []byte, size int, least byte, before int) (wrong int) {
	again := before != 0
	switch {
	case again && (opt[0] == ipRecord || opt[0] == ipTimestamp): // of these Linux asks it first
		return 0
	case len(opt) < size:
		return 1
	case opt[2] < least:
		return 2
	case again:
		return 0
	}
	return sound
}

// readRecord reads a record route option (RFC 791).
func (o *Options) readRecord(opt []byte, own [4]byte) (wrong int) {
	if wrong = pointer(opt, 3, 4, o.record); wrong != sound || int(opt[2]) > len(opt) {
		return wrong
	}
	if int(opt[2])+3 > len(opt) {
		return 2
	}
	copy(opt[opt[2]-1:], own[:])
	opt[2] += 4
	o.recordAddr, o.changed = true, true
	return sound
}

// readStamp reads a timestamp option (RFC 791). A full one counts routers.
func (o *Options) readStamp(opt []byte, own [4]byte, millis uint32) (asked []byte, wrong int) {
	if wrong = pointer(opt, 4, 5, o.stamp); wrong != sound {
		return nil, wrong
	}
	kind, next := opt[3]&15, int(opt[2])
	if next > len(opt) {
		if kind != stampGiven {
			if opt[3]>>4 == 15 {
				return nil, 3
			}
			opt[3] += 0x10
			o.changed = true
		}
		return nil, sound
	}
	if next+3 > len(opt) || (kind == stampBoth || kind == stampGiven) && next+7 > len(opt) {
		return nil, 2
	}
	switch kind {
	case stampTimes:
		o.stampTime, o.changed = true, true
		binary.BigEndian.PutUint32(opt[next-1:], millis)
		opt[2] += 4
	case stampBoth:
		o.stampAddr, o.stampTime, o.changed = true, true, true
		copy(opt[next-1:], own[:])
		binary.BigEndian.PutUint32(opt[next+3:], millis)
		opt[2] += 8
	case stampGiven:
		return opt[next-1:][:4], sound
	}
	return nil, sound
}

// StampAsked writes the time behind the address that ReadOptions has returned.
func (p *Packet) StampAsked(o *Options, millis uint32) {
	opt := p.header4()[o.stamp:]
	binary.BigEndian.PutUint32(opt[opt[2]+3:], millis)
	opt[2] += 8
	o.stampTime, o.changed = true, true
}

// Forwarded finishes the options of a packet that leaves by a port of address own
// (ip_forward_options).
func (p *Packet) Forwarded(o *Options, own [4]byte) {
	h := p.header4()
	if o.recordAddr {
		opt := h[o.record:]
		copy(opt[opt[2]-5:], own[:])
	}
	if o.stampAddr {
		opt := h[o.stamp:]
		copy(opt[opt[2]-9:], own[:])
	}
	if o.changed {
		finishIPv4(h)
		o.changed = false
	}
}

// FindOption is the offset of an option in an IPv4 header as rules find it
// (ipv4_find_option): 0 if it is not there, if any option of the header is malformed,
// and if it is a source route of which a part is gone, or a router alert with a value.
func FindOption(header []byte, code uint8) int {
	var o Options
	var h [ip4Len + OptionsMax]byte // for reading changes it
	n := copy(h[:], header)
	if _, bad := o.read(h[:n], [4]byte{}, 0); bad != 0 {
		return 0
	}
	if at := o.route; at != 0 && (header[at+2] != 4 || header[at+1] < 7 || header[at+1]&3 != 3) {
		return 0
	}
	at := 0
	switch code {
	case ipLoose, ipStrict:
		if at = o.route; at != 0 && header[at] != code {
			at = 0
		}
	case ipRecord:
		at = o.record
	case ipAlert:
		at = o.alert
	}
	return at
}

// Echo writes into buf the options that an ICMP error about p carries
// (__ip_options_echo): records and timestamps go on in it, as from own. n is their
// length, a multiple of four. ok is false where an option has no room for what p's
// way has still to write, and no error is sent.
//
// A source route is not turned round, as Linux does where another option is malformed:
// such an error goes straight to the sender.
func (p *Packet) Echo(o *Options, buf *[OptionsMax]byte, own [4]byte, millis uint32) (n int, ok bool) {
	if o.record != 0 {
		opt := p.copyOption(buf, 0, o.record)
		if next := int(opt[2]); o.recordAddr && next <= len(opt) {
			if next+3 > len(opt) {
				return 0, false
			}
			copy(opt[next-1:], own[:])
			opt[2] += 4
		}
		n = len(opt)
	}
	if o.stamp != 0 {
		opt := p.copyOption(buf, n, o.stamp)
		if !o.echoStamp(opt, own, millis) {
			return 0, false
		}
		n += len(opt)
	}
	if o.label != 0 {
		n += len(p.copyOption(buf, n, o.label))
	}
	for ; n&3 != 0; n++ {
		buf[n] = ipEnd
	}
	return n, true
}

// copyOption copies the option at an offset of p's header.
func (p *Packet) copyOption(buf *[OptionsMax]byte, n, at int) []byte {
	opt := p.header4()[at:]
	return buf[n:][:copy(buf[n:], opt[:opt[1]])]
}

// echoStamp goes on with a timestamp option in an answer.
func (o *Options) echoStamp(opt []byte, own [4]byte, millis uint32) (ok bool) {
	next := int(opt[2])
	if next > len(opt) {
		return true
	}
	if o.stampAddr {
		if next+3 > len(opt) {
			return false
		}
		copy(opt[next-1:], own[:])
		next += 4
	}
	if o.stampTime {
		if next+3 > len(opt) {
			return false
		}
		switch {
		case opt[3]&15 != stampGiven:
			binary.BigEndian.PutUint32(opt[next-1:], millis)
			next += 4
		case next+7 <= len(opt) && [4]byte(opt[next-1:]) == own:
			binary.BigEndian.PutUint32(opt[next+3:], millis)
			next += 8
		}
	}
	opt[2] = byte(next)
	return true
}

// Unread undoes ReadOptions, for a packet that somebody else is to read.
func (p *Packet) Unread(o *Options) { copy(p.header4()[ip4Len:], o.was[:]) }

// header4 is the IPv4 header with its options.
func (p *Packet) header4() []byte {
	h := p.Data[p.L3:]
	return h[:int(h[0]&15)*4]
}
