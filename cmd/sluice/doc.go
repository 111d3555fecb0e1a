// Command sluice is the appliance: it checks and formats rulesets, replays
// captures through them and demonstrates itself. The work is done by the
// packages; here stand flags, files and text.
//
// Every command is a function from arguments and three streams to an exit
// status (run in main.go), so tests call it without a process. Status 0 is
// success, 1 a failure that the command reports, 2 wrong usage.
//
// Ownership and concurrency: a command owns its Box and closes it before it
// returns. The demonstration runs the workers of the Box and of the traffic
// generator beside its own goroutine; all others run on one goroutine.
//
// Limits: links come from captures and from memory; no command opens a network
// interface in this version.
//
// Files in reading order: main.go (command tree and exit status), input.go
// (reading rulesets), check.go, advice.go (what check warns of), format.go;
// replay.go (flags, the box on two wires), topology.go (its network, from
// flags), capture.go (files in and out), run.go (which frames go in together),
// wire.go, rulelog.go (log statements), record.go (what became of a packet),
// print.go; demo.go (the command
// and its course), demobox.go (the router), democaptures.go, demoplay.go
// (captures through it), demosessions.go (hosts and what they do),
// demoreport.go, demomeasure.go, democheck.go.
package main
