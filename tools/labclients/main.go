package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/sluice-net/sluice/tools/checks"
	"github.com/sluice-net/sluice/tools/lab"
)

// options are the command line.
type options struct {
	sluice  string // the built program
	kernel  bool
	workers int
	queues  int
	only    *regexp.Regexp // nil: all checks
	log     bool
}

func main() {
	var opt options
	var only string
	flag.StringVar(&opt.sluice, "sluice", "bin/sluice", "the program to check")
	flag.BoolVar(&opt.kernel, "kernel", false, "let the kernel forward instead, to judge the checks")
	flag.IntVar(&opt.workers, "workers", 1, "workers of the box")
	flag.IntVar(&opt.queues, "queues", 0, "queues of each interface; 0: as many as workers")
	flag.StringVar(&only, "run", "", "run only checks whose name matches this regular expression")
	flag.BoolVar(&opt.log, "log", false, "show what the box wrote, also when all is well")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "labclients: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if only != "" {
		var err error
		if opt.only, err = regexp.Compile(only); err != nil {
			fmt.Fprintf(os.Stderr, "labclients: -run: %v\n", err)
			os.Exit(2)
		}
	}
	if opt.queues == 0 {
		opt.queues = opt.workers
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, &opt)
	if err != nil {
		fmt.Fprintf(os.Stderr, "labclients: %v\n", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

// run makes the world, runs the checks and takes the world down again.
func run(ctx context.Context, opt *options) (ok bool, err error) {
	if err := lab.Privileged(); err != nil {
		return false, err
	}
	if err := missingPrograms(opt); err != nil {
		return false, err
	}
	w, err := newWorld(ctx, opt)
	if err != nil {
		return false, err
	}
	r := &checks.Result{To: os.Stdout}
	runChecks(ctx, w, r)
	if r.Failed > 0 || opt.log {
		w.box.showLog(os.Stdout)
	}
	err = w.close()
	if ctx.Err() != nil {
		return false, errors.Join(errors.New("interrupted"), err)
	}
	r.Tell("end: all that was started has ended and is removed", "", errors.Join(err, w.left()))
	return r.Sum(), nil
}
