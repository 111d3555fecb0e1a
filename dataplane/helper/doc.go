// Package helper holds connection tracking helpers: what reads the control
// connection of a protocol that opens further connections, says which ones are
// to be expected, and translates the addresses it names where the control
// connection is translated.
//
// # Terms
//
// The master is the control connection, a child a connection that it announces.
// A class is one kind of child, with how many may be expected at once and for
// how long. A Session is one packet of a master, with what the helper asks for:
// Wants (children) and edits (bytes of the payload to be replaced).
//
// # What a helper is
//
// A Helper is a value with a name, classes and one function, Help, which is
// called inline by the worker that owns the flow, for every packet with data of
// a flow that a rule gave this helper, just before the flow is confirmed. At
// that point the packet carries the addresses it leaves with, the payload is as
// its sender wrote it, and sequence numbers are the sender's. Anybody may add
// helpers to a Registry before it is used; nothing in this package is special.
//
// # Ownership and concurrency
//
// A Session belongs to a worker and is reused packet by packet. Help keeps
// nothing between calls but Session.Private, which belongs to the flow. The
// same Help runs on all workers at once, so it has no state of its own. It does
// not allocate, and its work is linear in the payload. A Registry is filled
// before the workers start and only read afterwards.
//
// # Limits
//
//	helpers               MaxHelpers
//	classes of a helper   MaxClasses
//	private bytes         PrivateSize a flow
//	edits                 maxEdits and textSize bytes of new text a packet
//
// One packet is read at a time, as in Linux: a command that is cut in two by
// segments is not put together. Where the rest of it matters the packet is
// dropped, so that the sender sends it again in one piece.
//
// netbios-ns and snmp do nothing, as in Linux for packets that are forwarded: they
// expect answers to broadcasts of the machine's own sockets, for which a rule has to
// accept udp sport 137 or 161 here. amanda, sane, RAS, Q.931 and H.245 are refused by
// name, see Refused.
//
// Files in reading order: helper.go, session.go, text.go, ftp.go, tftp.go,
// irc.go, pptp.go, sip.go, siphead.go, sdp.go, idle.go.
package helper
