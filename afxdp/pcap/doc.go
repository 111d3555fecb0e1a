// Package pcap has ports over capture files: what the box receives is read from
// a pcap or pcapng file, what it sends is written to a pcap file.
//
// A replay is driven from outside. The driver asks every port with Peek when
// its next packet is due, sets the virtual clock to the earliest time, and lets
// packets in with Release; the box's queues then give just those. Packets carry
// their number in the file, from 1, in Desc.Options, and frames sent because of
// them carry it out again if the box keeps it.
//
// Link types: Ethernet as it is. Raw IP, null, loopback and Linux cooked
// (versions 1 and 2) packets get an Ethernet header in front, addressed to the
// port's MAC unless they were sent to a group or to all. Other link types are
// an error that names them. A packet cut short by the snap length is delivered
// as captured. A packet that is too long for a frame, or cannot stand behind an
// Ethernet header, is skipped and reported by Skipped.
//
// Ownership and concurrency: the driver, one goroutine, calls the methods of
// Port; each worker calls those of its queue. Between them lie the rings of a
// pipe, so both may run at once. For results that are the same every time the
// driver waits until the box is at rest before it goes on.
//
// Stamps: a sent frame is written with the clock's time at the driver's next
// call of Peek, Release, Collect or Close. A driver that calls Collect or Peek
// before it moves the clock therefore gets the time of sending.
//
// Limits: 4096 packets per queue and direction between two calls of the
// driver; Release lets fewer in when they do not fit, and frames sent beyond
// them are refused and counted by the queue.
//
// Files in reading order: port.go, input.go, link.go.
package pcap
