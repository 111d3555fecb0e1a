// Command init is the first process of the virtual machine of tools/vm. It
// mounts what programs expect, loads the kernel modules listed in /modules, and
// then is the agent: it does what the host asks over a virtio serial port.
// Errors before that go to the console, and the machine is switched off.
//
// Requests run at once, each in a goroutine of its own, so one that waits holds
// up no other. Port 7 is a TCP echo service, which stands for the services of a
// real machine.
//
// Limits: only for that machine. It reaps its own children only, so a program
// that leaves children behind leaves zombies.
//
// Files in reading order: main.go, boot.go, process.go, network.go, socket.go.
package main
