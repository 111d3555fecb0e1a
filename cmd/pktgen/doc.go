// Command pktgen loads a network box and measures what becomes of the load.
//
// A profile, a YAML file, names ports (interfaces through AF_XDP, links in
// memory, capture files) and either streams of frames or sessions of TCP, and
// perhaps a method that searches for something by many runs. The engine of
// streams and methods is perf/pktgen, sessions are tools/traffic's, results are
// perf/report's. Profiles are checked as a whole before anything is sent; what is
// wrong is told by file, line and column.
//
// The command runs on one goroutine, but for the engine's workers. Sessions have
// one thread for both ends, and send nothing twice: a lost frame is a connection
// that times out.
//
// Files in reading order: main.go, profile.go, scalars.go, world.go, wire.go, linkstate.go, execute.go,
// sessions.go, display.go, output.go, example.go, selftest.go, selftestveth.go.
package main
