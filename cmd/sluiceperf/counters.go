package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// event is one of the kernel's performance events.
type event struct {
	name   string
	kind   uint32 // PERF_TYPE_*
	config uint64 // PERF_COUNT_*
}

var events = []event{
	{"cycles", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES},
	{"instructions", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS},
	{"cache references", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_REFERENCES},
	{"cache misses", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_MISSES},
	{"branches", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	{"branch misses", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_BRANCH_MISSES},
	{"CPU time (ns)", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK},
	{"context switches", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CONTEXT_SWITCHES},
	{"CPU migrations", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_MIGRATIONS},
	{"page faults", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_PAGE_FAULTS},
}

func newCounters() *cobra.Command {
	var (
		path   string
		length time.Duration
	)
	cmd := &cobra.Command{
		Use:   "counters",
		Short: "count the processor's events in the box for a while",
		Long: `Counts processor and kernel events of all threads of the box for a while, in all
and for each packet. Where the machine has no hardware events (most virtual ones)
it says so, and the kernel's own are left. Needs root, or perf_event_paranoid
below 2 and to be the box's user.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length <= 0 {
				return usageError{fmt.Errorf("--for %v: want more than 0", length)}
			}
			box, err := control.Connect(path)
			if err != nil {
				return err
			}
			before, err := box.Status()
			if err != nil {
				return orEnded(box, err)
			}
			counts, took, err := countEvents(cmd.Context(), before.PID, length)
			if err != nil {
				return orEnded(box, err)
			}
			after, err := box.Status()
			if err != nil {
				return orEnded(box, err)
			}
			packets := received(&after) - received(&before)
			var b bytes.Buffer
			w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
			fmt.Fprintf(w, "event\tin %v\ta packet\n", took.Round(time.Millisecond))
			for i, e := range events {
				if counts[i].err != nil {
					fmt.Fprintf(w, "%s\t%v\t\n", e.name, counts[i].err)
					continue
				}
				perPacket := "-"
				if packets > 0 {
					perPacket = fmt.Sprintf("%.2f", float64(counts[i].n)/float64(packets))
				}
				fmt.Fprintf(w, "%s\t%d\t%s\n", e.name, counts[i].n, perPacket)
			}
			_ = w.Flush() // a buffer takes everything
			fmt.Fprintf(&b, "%d packets\n", packets)
			_, err = cmd.OutOrStdout().Write(b.Bytes())
			return err
		},
	}
	boxFlag(cmd, &path)
	cmd.Flags().DurationVar(&length, "for", 5*time.Second, "how long")
	return cmd
}

func received(s *control.Status) (n uint64) {
	for i := range s.Workers {
		n += s.Workers[i].RxPackets
	}
	return n
}

// count is what an event came to, or why there is none.
type count struct {
	n   uint64
	err error
}

var errNoEvent = errors.New("not on this machine")

// countEvents counts all events of a process' threads for so long, or until ctx
// ends.
func countEvents(ctx context.Context, pid int, length time.Duration) (counts []count, took time.Duration, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		return nil, 0, fmt.Errorf("process %d of the box: no such process here (is it in another PID namespace?)", pid)
	}
	counts = make([]count, len(events))
	files := make([][]*os.File, len(events))
	defer func() {
		for _, list := range files {
			for _, f := range list {
				_ = f.Close()
			}
		}
	}()
	for i, e := range events {
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return nil, 0, err
			}
			attr := unix.PerfEventAttr{Type: e.kind, Size: unix.PERF_ATTR_SIZE_VER1, Config: e.config, Bits: unix.PerfBitInherit}
			fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			switch {
			case errors.Is(err, unix.ESRCH):
				continue // the thread has ended
			case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
				counts[i].err = errNoEvent
			case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
				return nil, 0, fmt.Errorf("count events of process %d: %w: run as root, or set sysctl kernel.perf_event_paranoid=1", pid, err)
			case err != nil:
				counts[i].err = err
			}
			if err != nil {
				break
			}
			files[i] = append(files[i], os.NewFile(uintptr(fd), e.name))
		}
	}
	start := time.Now()
	pause(ctx, length)
	took = time.Since(start)
	var word [8]byte
	for i, list := range files {
		for _, f := range list {
			if _, err := f.Read(word[:]); err != nil {
				counts[i].err = err
				break
			}
			counts[i].n += binary.NativeEndian.Uint64(word[:])
		}
	}
	return counts, took, nil
}
