// Command sluice is the appliance: it takes over network interfaces and filters,
// translates and routes between them, and lists and changes the rules and
// connections of a box that runs. It also checks and formats rulesets, replays
// captures through them and demonstrates itself. The work is done by the
// packages; here stand flags, files and text.
//
// Every command is a function from arguments and three streams to an exit
// status (run in main.go), so tests call it without a process. Status 0 is
// success, 1 a failure that the command reports, 2 wrong usage.
//
// Ownership and concurrency: a command owns its Box and closes it before it
// returns. `sluice run` is package appliance below this folder, its settings are
// package settings, and what clients say to it is package control. The
// demonstration runs the workers of the Box and of the traffic generator beside
// its own goroutine; all others run on one goroutine.
//
// Limits: one box a process. Replay, and the demonstration without root, work on
// links in memory.
//
// Files in reading order: main.go (command tree and exit status); runbox.go
// (sluice run: flags, signals, log), nft.go, iptables.go, iptablestool.go, conntrack.go, status.go (clients of
// a running box); support.go, doctor.go; input.go (reading rulesets), check.go, advice.go (what check
// and run warn of), format.go; replay.go (flags, the box on two wires),
// replayfiles.go (what it reads and writes), topology.go (its network, from flags), capture.go (files in and out), run.go
// (which frames go in together), wire.go, rulelog.go (log statements), record.go
// (what became of a packet), print.go; demo.go (the command and its course),
// demobox.go (the router), democaptures.go, demoplay.go (captures through it),
// demosessions.go (hosts and what they do), demoreport.go, demomeasure.go,
// democheck.go; demolab.go (the demonstration on AF_XDP between namespaces),
// demolabhosts.go, demolabreport.go.
package main
