package frame

import "fmt"

// VerifyChecksums decodes a frame and returns an error for the first checksum
// that is wrong: IPv4 header, transport (of a whole packet), and of a quoted
// packet the IPv4 header and, when it is quoted whole, the transport. A UDP
// checksum of zero is fine. Nil for what carries no checksum.
func VerifyChecksums(b []byte) error {
	d, err := Decode(b)
	if err != nil {
		return err
	}
	return d.verify(b)
}

func (d *Decoded) verify(b []byte) error {
	if d.Version == 0 {
		return nil
	}
	if d.Version == 4 {
		hl := int(b[d.l3]&15) * 4
		if onesSum(b[d.l3:d.l3+hl], 0) != 0xffff {
			return fmt.Errorf("ipv4 header checksum %#04x is wrong: %v", get16(b[d.l3+10:]), d)
		}
	}
	if d.MF || d.Offset != 0 || !d.header || d.end-d.l3 < d.IPLen {
		if d.Inner != nil {
			return d.Inner.verify(b)
		}
		return nil
	}
	h := b[d.l4:d.end]
	covered, field := len(h), 0
	pseudo := pseudoBytes(d.Src.AsSlice(), d.Dst.AsSlice(), d.Proto, len(h))
	switch d.Proto {
	case ProtoTCP:
		field = 16
	case ProtoUDP:
		field = 6
		covered = int(get16(h[4:]))
		if covered < 8 || covered > len(h) {
			return fmt.Errorf("udp length %d of %d: %v", covered, len(h), d)
		}
		if get16(h[6:]) == 0 {
			return nil
		}
		pseudo = pseudoBytes(d.Src.AsSlice(), d.Dst.AsSlice(), d.Proto, covered)
	case ProtoUDPLite:
		field = 6
		if n := int(get16(h[4:])); n != 0 {
			covered = n
		}
		if covered < 8 || covered > len(h) {
			return fmt.Errorf("udplite coverage %d of %d: %v", covered, len(h), d)
		}
	case ProtoDCCP:
		field = 6
	case ProtoICMP:
		field, pseudo = 2, 0
	case ProtoICMPv6:
		field = 2
	case ProtoSCTP:
		c := crc32c(h)
		if h[8] != byte(c) || h[9] != byte(c>>8) || h[10] != byte(c>>16) || h[11] != byte(c>>24) {
			return fmt.Errorf("sctp checksum is wrong: %v", d)
		}
		return nil
	default:
		return nil
	}
	if onesSum(h[:covered], pseudo) != 0xffff {
		return fmt.Errorf("transport checksum %#04x is wrong: %v", get16(h[field:]), d)
	}
	if d.Inner != nil {
		return d.Inner.verify(b)
	}
	return nil
}
