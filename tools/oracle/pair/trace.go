package pair

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/lab"
)

// traced says whether a case's rules trace packets.
func (c *Case) traced() bool { return strings.Contains(c.Rules, "nftrace") }

// monitor is an `nft monitor` in the box's namespace. Tables that it sees come,
// made for that, tell where it is: behind everything before.
type monitor struct {
	cmd   *lab.Cmd
	lines chan string // closed when it ends
}

// markTable begins the names of such tables.
const markTable = "oracle_mark"

// watchTime bounds the wait for a monitor.
const watchTime = 20 * time.Second

// watch starts a monitor for a case that wants one, and ends that of the case before
// unless the rules are the same.
func (k *Kernel) watch(c *Case, same bool) error {
	if same && k.watching != nil {
		_, err := k.seen(watchTime) // of what came between the two cases
		return err
	}
	err := k.unwatch()
	if err != nil || !c.traced() {
		return err
	}
	m := &monitor{cmd: k.Command("stdbuf", "-oL", "nft", "monitor"), lines: make(chan string, 1<<16)}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := m.cmd.Start(); err != nil {
		return fmt.Errorf("nft monitor: %w", err)
	}
	go func() {
		defer close(m.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			m.lines <- in.Text()
		}
	}()
	k.watching = m
	for end := time.Now().Add(watchTime); time.Now().Before(end); { // until it sees
		if _, err := k.seen(200 * time.Millisecond); !errors.Is(err, errUnseen) {
			return err
		}
	}
	return errUnseen
}

func (k *Kernel) unwatch() error {
	m := k.watching
	if m == nil {
		return nil
	}
	k.watching = nil
	err := m.cmd.Process.Kill()
	for range m.lines { // until its output is at its end
	}
	_ = m.cmd.Wait() // it was killed
	return err
}

var errUnseen = errors.New("nft monitor does not see what happens")

// seen returns the lines about traced packets that were printed since the last call.
func (k *Kernel) seen(patience time.Duration) (lines []string, err error) {
	k.marks++
	name := func(n int) string { return fmt.Sprintf("table ip %s%d", markTable, n) }
	before, now := name(k.marks-1), name(k.marks)
	out, err := k.Command("nft", "add "+before+"; delete "+before+"; add "+now).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("mark for nft monitor: %w: %s", err, out)
	}
	late := time.After(patience)
	for {
		select {
		case line, ok := <-k.watching.lines:
			switch {
			case !ok:
				return nil, errors.New("nft monitor has ended")
			case line == "add "+now:
				return lines, nil
			case strings.HasPrefix(line, "trace id "):
				lines = append(lines, line)
			}
		case <-late:
			return nil, errUnseen
		}
	}
}

// Traces returns what the kernel tells of traced packets since the last call, see
// byPacket.
func (k *Kernel) Traces() ([]string, error) {
	if k.watching == nil {
		return nil, nil
	}
	lines, err := k.seen(watchTime)
	return byPacket(lines), err
}

// Traces is the same for the box.
func (s *Sluice) Traces() []string {
	var b strings.Builder
	for _, t := range s.box.ReadTraces() {
		_ = nft.FprintTrace(&b, &t, nft.PrintOptions{}) // a builder takes everything
	}
	return byPacket(strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"))
}

var traceLine = regexp.MustCompile(`^trace id ([0-9a-f]{8}) (.*)$`)

// byPacket gathers lines by packet, without the numbers of these; the packets sorted,
// since several workers tell of them one after the other.
func byPacket(lines []string) (all []string) {
	at := map[string]int{}
	for _, l := range lines {
		m := traceLine.FindStringSubmatch(l)
		if m == nil {
			if l != "" {
				all = append(all, "no line of a trace: "+l)
			}
			continue
		}
		i, ok := at[m[1]]
		if !ok {
			i = len(all)
			at[m[1]], all = i, append(all, "")
		}
		all[i] += m[2] + "\n"
	}
	slices.Sort(all)
	return all
}

// traces compares what both tell.
func traces(kernel, sluice []string) (diffs []string) {
	if slices.Equal(kernel, sluice) {
		return nil
	}
	return []string{"traces: kernel\n" + strings.Join(kernel, "\n") + "sluice\n" + strings.Join(sluice, "\n")}
}
