package afxdp

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// programName is what ours is called, by which other boxes know it.
const programName = "sluice"

// ourPrograms begins the names of a host path's.
const ourPrograms = "sluice_"

// holder is a process that holds a link with an XDP program: while it does,
// nobody else can take the program away.
type holder struct {
	pid  int // 0: none that can be seen
	name string
}

// findHolder looks through the processes' open files, as far as it may.
func findHolder(id uint32) holder {
	files, err := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	if err != nil {
		return holder{} // the pattern is right
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !holdsLink(string(text), id) {
			continue // gone meanwhile, or another file
		}
		process := filepath.Dir(filepath.Dir(file))
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue // no process
		}
		name, _ := os.ReadFile(filepath.Join(process, "comm")) // gone: then without
		return holder{pid, strings.TrimSpace(string(name))}
	}
	return holder{}
}

// holdsLink says whether what the kernel tells of an open file is a link of that
// program, rather than the program itself.
func holdsLink(fdinfo string, id uint32) bool {
	link, program := false, false
	for line := range strings.Lines(fdinfo) {
		key, value, _ := strings.Cut(line, ":")
		link = link || key == "link_id"
		program = program || key == "prog_id" && strings.TrimSpace(value) == strconv.Itoa(int(id))
	}
	return link && program
}

// nameOf returns what a program is called; empty: it has no name, or may not be asked.
func nameOf(id uint32) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}

// errForeign says who has put a program on an interface, and how to be rid of it.
func errForeign(name string, id uint32) error {
	h := findHolder(id)
	switch {
	case h.pid != 0 && nameOf(id) == programName:
		return fmt.Errorf("is a port already, of process %d (%s): end it with `kill %d`: %w", h.pid, cmp.Or(h.name, "?"), h.pid, unix.EBUSY)
	case h.pid != 0:
		return fmt.Errorf("XDP program %d is attached already (`bpftool link`), held by process %d (%s): end it with `kill %d`: %w", id, h.pid, cmp.Or(h.name, "?"), h.pid, unix.EBUSY)
	}
	return fmt.Errorf("XDP program %d is attached already: end the program that holds it (`bpftool link`, `bpftool prog show id %d`), or remove it with `ip link set dev %s xdp off`: %w", id, id, name, unix.EBUSY)
}
