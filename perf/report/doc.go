// Package report has the results of benchmarks: the document that is written as
// JSON and read back, and its forms for people.
//
// Times are in nanoseconds, rates in packets or bits per second, sizes in bytes
// with FCS.
//
// A Document is plain data; nothing here runs anything, and all functions may be
// called from any goroutine as long as nobody changes the document.
//
// Files in reading order: document.go, doubts.go, text.go, csv.go, compare.go, plot.go,
// html.go.
package report
