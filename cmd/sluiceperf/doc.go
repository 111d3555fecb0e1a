// Command sluiceperf says where a running box's time goes.
//
// It speaks with the box of its network namespace over the control socket. The
// box keeps accounts only while it is asked to: per worker the cycles of each
// stage of a burst, how long bursts took, and of sampled packets the cycles by
// the rule that decided them. An interval is the difference of two readings of
// these accounts; everything shown is of an interval.
//
// Commands: top shows the interval since the last screen; record writes a
// recording (two readings and a CPU profile of the same time) to a file; report
// reads one as text or HTML; diff compares two; latency shows burst times;
// counters reads the processor's event counters of the box's threads.
//
// Files in reading order: main.go, interval.go, queues.go, top.go, recording.go, record.go,
// stacks.go, report.go, reporthtml.go, diff.go, latency.go, counters.go.
package main
