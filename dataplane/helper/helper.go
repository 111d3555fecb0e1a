package helper

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/flowtable"
)

// Verdict is what becomes of the packet.
type Verdict uint8

const (
	Drop   Verdict = iota // its sender has to send it again, or it is dangerous
	Accept                // it goes on, with its edits
)

// Helper is a helper for one application protocol over one transport protocol.
type Helper struct {
	flowtable.Helper // name, family, protocol and classes

	// Help reads one packet with data. It is called on the packet path, by all
	// workers at once: no allocation, no lock, no state of its own.
	Help func(s *Session) Verdict
}

// Default returns the helpers of this package: ftp, tftp, irc, pptp, sip over UDP
// and TCP, and netbios-ns and snmp, which do nothing. Further ones may be appended; a helper's number is its
// place plus one.
func Default() []Helper {
	return []Helper{ftpHelper, tftpHelper, ircHelper, pptpHelper, sipHelper(flowtable.ProtoUDP), sipHelper(flowtable.ProtoTCP), netbiosHelper, snmpHelper}
}

// Check says what is wrong with a list of helpers, apart from what
// flowtable.Config checks.
func Check(list []Helper) error {
	for i := range list {
		h := &list[i]
		switch {
		case h.Help == nil:
			return fmt.Errorf("helper %s: no function", h.Name)
		case refused[h.Name] != "":
			return fmt.Errorf("helper %s: the name stands for one that is refused", h.Name)
		}
		for _, o := range list[:i] {
			if o.Name == h.Name && o.Proto == h.Proto && (o.Family == h.Family || o.Family == flowtable.FamilyNone || h.Family == flowtable.FamilyNone) {
				return fmt.Errorf("helper %s: there is one of this name and protocol", h.Name)
			}
		}
	}
	return nil
}

// ForTable returns what the flow table has to know of the helpers.
func ForTable(list []Helper) []flowtable.Helper {
	out := make([]flowtable.Helper, len(list))
	for i := range list {
		out[i] = list[i].Helper
	}
	return out
}

// Protocols lists the transport protocols of every name in list, for the rule
// parser (nft.ParseOptions.Helpers).
func Protocols(list []Helper) map[string][]uint8 {
	out := map[string][]uint8{}
	for i := range list {
		out[list[i].Name] = append(out[list[i].Name], list[i].Proto)
	}
	return out
}

// Why says why list has no helper of a name for a protocol and family; nil: it
// has one. FamilyNone asks for any.
func Why(list []Helper, name string, proto, family uint8) error {
	var names []string
	known, protoOK := false, false
	for i := range list {
		h := &list[i]
		if !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
		if h.Name != name {
			continue
		}
		known = true
		if h.Proto == proto {
			protoOK = true
			if family == flowtable.FamilyNone || h.Family == flowtable.FamilyNone || h.Family == family {
				return nil
			}
		}
	}
	switch {
	case protoOK:
		return fmt.Errorf("helper type %q is not for %s", name, familyName(family))
	case known:
		return fmt.Errorf("helper type %q is not for protocol %s", name, protoName(proto))
	case refused[name] != "":
		return fmt.Errorf("helper type %q is not supported: %s", name, refused[name])
	}
	return fmt.Errorf("there is no helper type %q (there are %v)", name, names)
}

// Refused says why a helper that Linux has is not here; "" for any other name.
func Refused(name string) string { return refused[name] }

const noH323 = "H.323 messages need an ASN.1 PER decoder on the packet path; put a gatekeeper proxy beside the box"

// refused are the helpers of Linux that are left out on purpose.
var refused = map[string]string{
	"amanda": "accept the data ports of the backup server by rule (amanda.conf: unreserved-tcp-port)",
	"sane":   "give saned a fixed range of data ports (data_portrange) and accept it by rule",
	"RAS":    noH323,
	"Q.931":  noH323,
	"H.245":  noH323,
	"h323":   noH323,
}

func protoName(proto uint8) string {
	switch proto {
	case flowtable.ProtoTCP:
		return "tcp"
	case flowtable.ProtoUDP:
		return "udp"
	}
	return fmt.Sprint(proto)
}

func familyName(family uint8) string {
	if family == flowtable.FamilyIPv6 {
		return "IPv6"
	}
	return "IPv4"
}
