// Package getopt reads command lines as getopt_long of the GNU C library does:
// clusters of short options, abbreviated long ones, arguments out of order.
//
// Ownership and concurrency: a Scanner belongs to one goroutine; it moves the
// words in Args about.
//
// Files in reading order: scanner.go.
package getopt
