// Rulesbench measures how fast the first of many rules is found: our classifier, a
// linear scan, and dpdk-test-acl (Debian's dpdk) where it is installed, in turns, on the
// same filter sets in ClassBench's format and the same 65,536 headers drawn from each.
//
// All figures are per second of CPU time, one CPU: other programs on the machine take
// wall time from both sides, and dpdk-test-acl's own figure is of wall time. A lookup of
// dpdk's is what a run with many passes over the trace costs more than one with few; its
// build what a run without a trace costs more than one of a single rule.
//
// Files in reading order: main.go, ours.go, dpdk.go.
package main
