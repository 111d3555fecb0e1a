package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/tools/checks"
	"github.com/sluice-net/sluice/tools/lab"
)

// options are the command line.
type options struct {
	sluice, init string // static programs for the machine
	kernel       string // release; empty: what the cache has, else the newest
	only         *regexp.Regexp
	count        int // how often the cases run
	log          bool
	soak         time.Duration // 0: the standard cases
	starts       int           // instead of them, so many boxes started; 0: the cases
}

func main() {
	var opt options
	var only string
	flag.StringVar(&opt.sluice, "sluice", "bin/sluice", "the program to check")
	flag.StringVar(&opt.init, "init", "bin/vminit", "the machine's first process")
	flag.StringVar(&opt.kernel, "kernel", "", "release of the kernel, such as 6.18.15+deb13-cloud-amd64; default: the one kept, else the newest")
	flag.StringVar(&only, "run", "", "run only cases whose name matches this regular expression")
	flag.IntVar(&opt.count, "count", 1, "run the cases this often")
	flag.BoolVar(&opt.log, "log", false, "show what the box wrote also for cases that pass")
	flag.DurationVar(&opt.soak, "soak", 0, "instead of the cases, keep traffic and changes up for this long")
	flag.IntVar(&opt.starts, "starts", 0, "instead of the cases, start this many boxes under load, and see whether all queues receive and all cards send")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "vm: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if only != "" {
		var err error
		if opt.only, err = regexp.Compile(only); err != nil {
			fmt.Fprintf(os.Stderr, "vm: -run: %v\n", err)
			os.Exit(2)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, &opt)
	stop()
	switch {
	case errors.Is(err, errSkip):
		fmt.Printf("SKIP all cases: %v\n", err)
	case err != nil:
		fmt.Fprintf(os.Stderr, "vm: %v\n", err)
		os.Exit(1)
	case !ok:
		os.Exit(1)
	}
}

// run makes the machine, runs the cases and takes it down again.
func run(ctx context.Context, opt *options) (ok bool, err error) {
	if err := lab.Privileged(); err != nil {
		return false, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "cache") // as in a service without a home
	}
	cache = filepath.Join(cache, "sluice-vm")
	k, err := findKernel(ctx, cache, opt.kernel)
	if err != nil {
		return false, err
	}
	p, err := findPrograms(ctx, cache)
	if err != nil {
		return false, err
	}
	begin := time.Now()
	w, err := newWorld(ctx, opt, k, p)
	if err != nil {
		return false, err
	}
	fmt.Printf("kernel %s booted after %v\n", w.guest.release, time.Since(begin).Round(100*time.Millisecond))
	cases := allCases()
	switch {
	case opt.soak > 0:
		cases = soakCases(opt.soak)
	case opt.starts > 0:
		cases = startsCases(opt.starts)
	}
	r := &checks.Result{To: os.Stdout}
	runCases(ctx, w, cases, r)
	err = w.close()
	if ctx.Err() != nil {
		return false, errors.Join(errors.New("interrupted"), err)
	}
	r.Tell("end: all that was made is removed", "", errors.Join(err, w.left()))
	fmt.Printf("%v since the start\n", time.Since(begin).Round(time.Second))
	return r.Sum(), nil
}
