// Package outfile writes the files that results go to.
//
// A measurement takes minutes and its result is written at its end, so what would
// be in the way is found out before it (Check), and a file that was there is
// replaced by a whole one or not at all (Write). What is written must not be what was
// read, whatever the names say (Same).
//
// Functions may be called by any goroutine.
//
// Limits: replacing a file takes leave to write to its folder. Devices and pipes
// are written to as they are, and not tried before.
//
// Files in reading order: outfile.go.
package outfile
