// Package wire is what the program tools/vm and the agent in its virtual machine
// say to each other: a JSON object a line each way over a virtio serial port.
// The host asks, the agent answers; answers come in any order and bear the
// question's number.
//
// Files in reading order: wire.go.
package wire
