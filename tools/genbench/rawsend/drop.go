package main

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// drop is the far end: the driver drops all that the interface receives, until
// the process is killed.
func drop(index int) error {
	const xdpDrop = 1
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "bench_drop", Type: ebpf.XDP, License: "Dual MIT/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("program that drops: %w", err)
	}
	if _, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPDriverMode}); err != nil {
		return fmt.Errorf("program that drops: %w", err)
	}
	for {
		time.Sleep(time.Hour)
	}
}
