package dataplane

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/dataplane/packet"
)

// LogLine describes a frame as the kernel's packet log does
// (net/netfilter/nf_log_syslog.c): fields in its order, each followed by a
// space. frame begins with the Ethernet header and may be cut off: what is not
// there is left out and marked INCOMPLETE as in the kernel.
func LogLine(prefix, in, out string, frame []byte) string {
	l := &logLine{}
	l.WriteString(prefix)
	l.add("IN=%s OUT=%s ", in, out)
	if len(frame) < 14 {
		return l.String()
	}
	if in != "" {
		l.add("MAC=%s:%s:%s ", hexColon(frame[0:6]), hexColon(frame[6:12]), hexColon(frame[12:14]))
	}
	switch typ, b := behindTags(frame); typ {
	case 0x0800:
		l.ipv4(b)
	case 0x86dd:
		l.ipv6(b)
	}
	return l.String()
}

// behindTags returns the type of what an Ethernet header and VLAN tags lead to, and
// that itself.
func behindTags(frame []byte) (typ uint16, b []byte) {
	typ, b = binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for (typ == 0x8100 || typ == 0x88a8) && len(b) >= 4 {
		typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	return typ, b
}

// AuditLine describes a frame as the kernel's record of type NETFILTER_PKT does
// (net/netfilter/nft_log.c), which `log level audit` asks for. mark is the packet's.
func AuditLine(mark uint32, frame []byte) string {
	l := &logLine{}
	l.add("mark=%#x", mark)
	if len(frame) >= 14 {
		switch typ, b := behindTags(frame); {
		case typ == 0x0800 && len(b) >= 20:
			l.add(" saddr=%s daddr=%s proto=%d", addr(b[12:16]), addr(b[16:20]), b[9])
			return l.String()
		case typ == 0x86dd && len(b) >= 40:
			l.add(" saddr=%s daddr=%s proto=%d", addr(b[8:24]), addr(b[24:40]), lastHeader(b))
			return l.String()
		}
	}
	l.WriteString(" saddr=? daddr=? proto=-1")
	return l.String()
}

// lastHeader returns what extension headers lead to (ipv6_skip_exthdr).
func lastHeader(b []byte) uint8 {
	next, rest := b[6], b[40:]
	for packet.Extension(next) {
		if len(rest) < 8 || next == 44 && binary.BigEndian.Uint16(rest[2:])&^7 != 0 {
			return next
		}
		size := 8 + 8*int(rest[1])
		switch next {
		case 44:
			size = 8
		case 51:
			size = 8 + 4*int(rest[1])
		}
		next, rest = rest[0], rest[min(size, len(rest)):]
	}
	return next
}

type logLine struct{ strings.Builder }

func (l *logLine) add(format string, args ...any) { fmt.Fprintf(l, format, args...) }

func hexColon(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02x", x)
	}
	return strings.Join(parts, ":")
}

func (l *logLine) ipv4(b []byte) {
	if len(b) < 20 {
		l.WriteString("TRUNCATED")
		return
	}
	be := binary.BigEndian
	hl := int(b[0]&15) * 4
	l.add("SRC=%s DST=%s LEN=%d TOS=0x%02X PREC=0x%02X TTL=%d ID=%d ",
		addr(b[12:16]), addr(b[16:20]), be.Uint16(b[2:]), b[1]&0x1e, b[1]&0xe0, b[8], be.Uint16(b[4:]))
	frag := be.Uint16(b[6:])
	for _, f := range []struct {
		bit  uint16
		name string
	}{{0x8000, "CE "}, {0x4000, "DF "}, {0x2000, "MF "}} {
		if frag&f.bit != 0 {
			l.WriteString(f.name)
		}
	}
	offset := frag & 0x1fff
	if offset != 0 {
		l.add("FRAG:%d ", offset)
	}
	if hl < 20 || len(b) < hl {
		return
	}
	l.transport(b[9], b[hl:], offset != 0, false)
}

func (l *logLine) ipv6(b []byte) {
	if len(b) < 40 {
		l.WriteString("TRUNCATED")
		return
	}
	be := binary.BigEndian
	first := be.Uint32(b)
	l.add("SRC=%s DST=%s LEN=%d TC=%d HOPLIMIT=%d FLOWLBL=%d ",
		longAddr(b[8:24]), longAddr(b[24:40]), int(be.Uint16(b[4:]))+40, first>>20&0xff, b[7], first&0xfffff)
	proto, rest := b[6], b[40:]
	for later := false; ; {
		switch proto {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(rest) < 8 || len(rest) < 8*(int(rest[1])+1) {
				return
			}
			proto, rest = rest[0], rest[8*(int(rest[1])+1):]
		case 44:
			if len(rest) < 8 {
				return
			}
			off := be.Uint16(rest[2:])
			l.add("FRAG:%d ", off&0xfff8)
			if off&1 != 0 {
				l.WriteString("INCOMPLETE ")
			}
			l.add("ID:%08x ", be.Uint32(rest[4:]))
			later = off&0xfff8 != 0
			proto, rest = rest[0], rest[8:]
		default:
			l.transport(proto, rest, later, true)
			return
		}
	}
}

func (l *logLine) transport(proto uint8, b []byte, later, v6 bool) {
	switch proto {
	case 6:
		l.WriteString("PROTO=TCP ")
		l.tcp(b, later)
	case 17, 136:
		l.WriteString(map[uint8]string{17: "PROTO=UDP ", 136: "PROTO=UDPLITE "}[proto])
		if later {
			return
		}
		if len(b) < 8 {
			l.incomplete(b)
			return
		}
		be := binary.BigEndian
		l.add("SPT=%d DPT=%d LEN=%d ", be.Uint16(b), be.Uint16(b[2:]), be.Uint16(b[4:]))
	case 1:
		l.WriteString("PROTO=ICMP ")
		l.icmp(b, later, v6)
	case 58:
		l.WriteString("PROTO=ICMPv6 ")
		l.icmp(b, later, v6)
	default:
		l.add("PROTO=%d ", proto)
	}
}

func (l *logLine) incomplete(b []byte) { l.add("INCOMPLETE [%d bytes] ", len(b)) }

func (l *logLine) tcp(b []byte, later bool) {
	if later {
		return
	}
	if len(b) < 20 {
		l.incomplete(b)
		return
	}
	be := binary.BigEndian
	l.add("SPT=%d DPT=%d WINDOW=%d RES=0x%02x ", be.Uint16(b), be.Uint16(b[2:]), be.Uint16(b[14:]), b[12]&0x0f<<2)
	for i, name := range []string{"CWR ", "ECE ", "URG ", "ACK ", "PSH ", "RST ", "SYN ", "FIN "} {
		if b[13]&(0x80>>i) != 0 {
			l.WriteString(name)
		}
	}
	l.add("URGP=%d ", be.Uint16(b[18:]))
}

func (l *logLine) icmp(b []byte, later, v6 bool) {
	if later {
		return
	}
	if len(b) < 8 {
		l.incomplete(b)
		return
	}
	be := binary.BigEndian
	typ, code := b[0], b[1]
	l.add("TYPE=%d CODE=%d ", typ, code)
	switch {
	case v6 && (typ == 128 || typ == 129), !v6 && (typ == 0 || typ == 8 || typ == 13 || typ == 14):
		l.add("ID=%d SEQ=%d ", be.Uint16(b[4:]), be.Uint16(b[6:]))
	case !v6 && typ == 5:
		l.add("GATEWAY=%s ", addr(b[4:8]))
	case v6 && (typ == 1 || typ == 3) && len(b) >= 48:
		l.quoted(b, v6)
	case v6 && typ == 2:
		l.quoted(b, v6)
		l.add("MTU=%d ", be.Uint32(b[4:]))
	case !v6 && (typ == 3 || typ == 4 || typ == 11 || typ == 12):
		if typ == 12 && code == 0 {
			l.add("PARAMETER=%d ", b[4])
		}
		l.quoted(b, v6)
		if typ == 3 && code == 4 {
			l.add("MTU=%d ", be.Uint16(b[6:]))
		}
	}
}

func (l *logLine) quoted(b []byte, v6 bool) {
	l.WriteString("[")
	if v6 {
		l.ipv6(b[8:])
	} else {
		l.ipv4(b[8:])
	}
	l.WriteString("] ")
}

func addr(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

// longAddr writes an IPv6 address in full, as the kernel's %pI6 does.
func longAddr(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.StringExpanded()
}
