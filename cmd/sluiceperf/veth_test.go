//go:build !race

// Under the race detector its own functions are what takes the time.

package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/appliance"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/tools/lab"
)

// asBox makes the test binary a box: its value is the rules file, and the
// control socket's path behind a colon.
const asBox = "SLUICEPERF_TEST_AS_BOX"

func TestMain(m *testing.M) {
	if rules, socket, ok := strings.Cut(os.Getenv(asBox), ":"); ok {
		set := settings.Default()
		set.Rules, set.Control, set.Workers = rules, socket, 1
		set.Ports = []settings.Port{{Name: lab.RouterIfC}, {Name: lab.RouterIfS}}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		log, err := zap.NewProduction()
		if err == nil {
			err = appliance.Run(ctx, set, appliance.Options{Version: "test", Log: log})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// vethBox starts a box between two veths, sends through it as much as it takes
// and more, and returns its control socket and process.
func vethBox(t *testing.T) (socket string, pid int) {
	t.Helper()
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: needs root and network namespaces: %v", err)
	}
	if _, err := lab.CleanLeftovers("perf"); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(lab.Unique("perf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	sink := l.Command(lab.Server, "nft", "-f", "-")
	sink.Stdin = strings.NewReader("table netdev sink { chain early { type filter hook ingress device " + lab.ServerIf + " priority 0; udp dport 53 drop; }; }")
	if out, err := sink.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.nft")
	socket = filepath.Join(dir, "box.sock")
	if err := os.WriteFile(rules, []byte(testRules), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	box := l.Command(lab.Router, self)
	box.Env = append(os.Environ(), asBox+"="+rules+":"+socket)
	box.Stderr = &log
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = box.Process.Signal(syscall.SIGTERM) // one that has ended is fine
		if err := box.Wait(); err != nil || t.Failed() {
			t.Errorf("the box: %v\n%s", err, log.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, _, status := command(t, socket, "latency", "--for", "1ms"); status == exitOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the box does not start")
		}
	}
	load(t, l)
	return socket, box.Process.Pid
}

// load sends UDP of many flows from the client until the test ends.
func load(t *testing.T, l *lab.Lab) {
	t.Helper()
	router, err := l.Link(lab.Router, lab.RouterIfC)
	if err != nil {
		t.Fatal(err)
	}
	client, err := l.Link(lab.Client, lab.ClientIf)
	if err != nil {
		t.Fatal(err)
	}
	p := &pktgen.Port{Name: "client", In: func(f func() error) error { return l.Do(lab.Client, f) }}
	if err := p.In(func() (err error) {
		p.Port, err = afxdp.OpenInterface(lab.ClientIf, afxdp.DefaultOptions())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	rig, err := pktgen.NewRig(perf.NewClock(), p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := rig.Run(ctx, pktgen.Load{Name: "load", Streams: []pktgen.Stream{{
			Name: "dns", From: "client", Sizes: pktgen.FixedSize(64),
			Headers: pktgen.Headers{
				SrcMAC: client.HardwareAddr, DstMAC: router.HardwareAddr, Src: netip.MustParseAddr(lab.Client4.String()),
				Dst: lab.Server4, Proto: pktgen.UDP, SrcPort: 1024, DstPort: 53,
			},
			Vary: []pktgen.Variation{{Field: pktgen.FieldSrcPort, Count: 1000}},
		}}}, pktgen.Limits{Duration: time.Hour})
		done <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := p.Port.Close(); err != nil {
			t.Error(err)
		}
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestVeth: on a loaded box over veth the stages add up to the CPU time that the
// kernel counts for the worker, within a tenth; queues are seen; and perf, on
// the same run, finds the same functions hot. What is off three times is wrong.
func TestVeth(t *testing.T) {
	socket, pid := vethBox(t)
	file := filepath.Join(t.TempDir(), "veth.perf")
	var rep *reportOf
	for try := range 3 {
		seen := recordBesidePerf(t, pid, 3*time.Second, func() {
			if out, errs, status := command(t, socket, "record", "--for", "2s", "-o", file); status != exitOK {
				t.Fatalf("status %d, %s%s", status, out, errs)
			}
		})
		r, err := readRecording(file)
		if err != nil {
			t.Fatal(err)
		}
		if rep, err = newReportOf(r); err != nil {
			t.Fatal(err)
		}
		t.Logf("waiting %.0f %%; %s", 100*rep.all.Waiting, rep.all.outside())
		agree := rep.all.Packets > 0 && math.Abs(rep.all.beside()) < 0.1
		if seen != nil {
			agree = sameHot(t, pprofSelf(t, r.CPU), seen) && agree
		}
		if agree {
			break
		}
		if try == 2 {
			t.Error("account, kernel and perf do not agree")
		}
	}
	if len(rep.Queues) != 2 || rep.Queues[0].Size == 0 || rep.Queues[0].RxRate == 0 || rep.Queues[1].TxRate == 0 ||
		rep.Queues[0].Fill.Mean == 0 || rep.Queues[0].RX.Most == 0 {
		t.Errorf("queues: %+v", rep.Queues)
	}
}

// recordBesidePerf runs f beside `perf record` and returns the samples of the
// workers by function; nil when perf cannot.
func recordBesidePerf(t *testing.T, pid int, long time.Duration, f func()) map[string]float64 {
	t.Helper()
	tool, err := exec.LookPath("perf")
	if err != nil {
		t.Logf("without perf, which is not installed: %v", err)
		f()
		return nil
	}
	data := filepath.Join(t.TempDir(), "data")
	c := exec.Command(tool, "record", "-q", "-e", "cpu-clock", "-F", "499", "-g", "-p", fmt.Sprint(pid), "-o", data, "--", "sleep", fmt.Sprint(long.Seconds()))
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	f()
	if err := c.Wait(); err != nil {
		t.Logf("without perf, which cannot here: %v\n%s", err, said.String())
		return nil
	}
	script := exec.Command(tool, "script", "-i", data, "-F", "tid,time,ip,sym,dso")
	script.Stderr = &said
	text, err := script.Output()
	if err != nil {
		t.Logf("without perf, which cannot read its record: %v\n%s", err, said.String())
		return nil
	}
	self := perfSelf(t, string(text))
	if len(self) == 0 {
		t.Logf("perf saw no worker; it begins with\n%.1000s", text)
	}
	return self
}

// perfSelf counts, of stacks that perf printed, those of workers by the innermost
// function of the program; what the kernel does is the function's that called it.
// The program is this one, and stripped: perf gives places in its file.
func perfSelf(t *testing.T, text string) map[string]float64 {
	t.Helper()
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	name := func(offset uint64) string {
		for _, s := range program.Progs {
			if s.Type == elf.PT_LOAD && offset >= s.Off && offset < s.Off+s.Filesz {
				if f := runtime.FuncForPC(uintptr(offset - s.Off + s.Vaddr)); f != nil {
					return functionName(f.Name())
				}
			}
		}
		return ""
	}
	self := map[string]float64{}
	for sample := range strings.SplitSeq(text, "\n\n") {
		leaf, worker := "", false
		for line := range strings.Lines(sample) {
			f := strings.Fields(line)
			if len(f) < 3 || !strings.HasSuffix(f[len(f)-1], ".test)") {
				continue
			}
			offset, err := strconv.ParseUint(f[0], 16, 64)
			if err != nil {
				continue
			}
			is := name(offset)
			if leaf == "" {
				leaf = is
			}
			worker = worker || strings.HasPrefix(is, workerLoop)
		}
		if worker {
			self[leaf]++
		}
	}
	return self
}

// pprofSelf counts the samples of workers by the innermost function.
func pprofSelf(t *testing.T, cpu []byte) map[string]float64 {
	t.Helper()
	p, err := profile.Parse(bytes.NewReader(cpu))
	if err != nil {
		t.Fatal(err)
	}
	self := map[string]float64{}
	for _, s := range p.Sample {
		if slices.ContainsFunc(s.Location, func(l *profile.Location) bool {
			return slices.ContainsFunc(l.Line, func(f profile.Line) bool { return strings.HasPrefix(f.Function.Name, module+workerLoop) })
		}) {
			self[functionName(s.Location[0].Line[0].Function.Name)] += float64(s.Value[0])
		}
	}
	return self
}

// sameHot says whether two profiles have the same hottest function and at least
// half of their samples in the same functions.
func sameHot(t *testing.T, ours, theirs map[string]float64) bool {
	t.Helper()
	rank := func(m map[string]float64) (names []string, sum float64) {
		for name, n := range m {
			names = append(names, name)
			sum += n
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
		return names, sum
	}
	a, aSum := rank(ours)
	b, bSum := rank(theirs)
	if len(a) == 0 || len(b) == 0 {
		t.Logf("%d samples of the profile, %d of perf", len(a), len(b))
		return false
	}
	common := 0.0
	for name, n := range ours {
		common += min(n/aSum, theirs[name]/bSum)
	}
	t.Logf("%.0f samples, perf %.0f; %.0f %% in the same functions", aSum, bSum, 100*common)
	for _, name := range b[:min(8, len(b))] {
		t.Logf("%5.1f %%, perf %5.1f %%  %s", 100*ours[name]/aSum, 100*theirs[name]/bSum, name)
	}
	return a[0] == b[0] && common >= 0.5
}
