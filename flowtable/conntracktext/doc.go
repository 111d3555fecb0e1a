// Package conntracktext writes connections and expectations as others write
// them: the lines, events, XML and save format of the conntrack tool (1.4.7),
// the files of the kernel below /proc/net, and JSON of our own.
//
// Terms: an Entry is a connection as a listing or an event shows it: what the
// kernel would tell of it, and which parts of that it tells (Fields). A label
// map names the bits of a connection's labels.
//
// Every function appends to the slice it is given and returns it, without a
// newline, and allocates only when the slice has to grow. None reads a clock:
// what depends on time is in Options.
//
// Ownership and concurrency: nothing here is shared; any goroutine may call.
//
// Limits: secctx is never printed, because the box has no security contexts.
// Oddities of the tool are kept where scripts could see them and named where
// they are made: XML takes the names of SCTP states from TCP, and has neither
// type nor identifier of ICMP; the save format has the bytes of SCTP's
// verification tags in reverse, as -I takes them.
//
// # Files in reading order
//
//   - entry.go: connections and expectations to write
//   - names.go: words for protocols, states, status bits
//   - line.go: the tool's lines and events
//   - save.go, xml.go: its other formats
//   - labels.go: names of labels
//   - proc.go: the kernel's files
//   - json.go: ours
package conntracktext
