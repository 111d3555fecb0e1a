package control

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// The files that Proc writes, by the kernel's names below /proc/net.
const (
	ProcConntrack = "nf_conntrack"
	ProcExpect    = "nf_conntrack_expect"
	ProcStat      = "stat"
)

// KnownProc reports whether there is such a file.
func KnownProc(file string) bool {
	return slices.Contains([]string{ProcConntrack, ProcExpect, ProcStat}, file)
}

// Proc writes a file as the kernel does. Workers stand for CPUs.
func (s *Server) Proc(w io.Writer, file string) error {
	out, x := bufio.NewWriterSize(w, 1<<16), newEntries(s.Box)
	var line []byte
	put := func(b []byte) error {
		line = append(b, '\n')
		_, err := out.Write(line)
		return err
	}
	var err error
	switch file {
	case ProcConntrack:
		err = s.Box.EachFlow(nil, func(page []flowtable.Flow) error {
			now := time.Now().UnixNano()
			for i := range page {
				if err := put(conntracktext.AppendProc(line[:0], x.of(&page[i], 1), now)); err != nil {
					return err
				}
			}
			return nil
		})
	case ProcExpect:
		all := s.Box.Expectations()
		for i := range all {
			if err := put(conntracktext.AppendProcExpectation(line[:0], x.expectation(&all[i]))); err != nil {
				return err
			}
		}
	case ProcStat:
		stats := s.Box.Stats()
		err = put(append(line[:0], conntracktext.ProcStatHeader...))
		for i := range stats.Conntrack {
			if err == nil {
				err = put(conntracktext.AppendProcStat(line[:0], stats.Flows, &stats.Conntrack[i]))
			}
		}
	default:
		return fmt.Errorf("there is no file %q", file)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}
