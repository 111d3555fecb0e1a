package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/perf/outfile"
)

// replayFiles are the files that a replay reads and writes.
type replayFiles struct {
	in    [2]source   // by port
	read  []namedFile // everything that is read
	write []namedFile
}

// namedFile is a file and what the command line calls it.
type namedFile struct{ flag, file string }

// files says which files the flags mean; an error is one of usage. "-" is
// standard input, once; standard output has the report.
func (o *replayOptions) files(cmd *cobra.Command) (*replayFiles, error) {
	f := &replayFiles{}
	piped := ""
	for _, given := range []namedFile{{"--rules", o.rules}, {"--in", o.in[0]}, {"--in2", o.in[1]}} {
		if given.file == "-" {
			if piped != "" {
				return nil, fmt.Errorf("%s and %s cannot both be standard input", piped, given.flag)
			}
			piped, given.file = given.flag, standardInput
		}
		f.read = append(f.read, given)
	}
	for port, file := range o.in {
		f.in[port] = source{name: file}
		if file == "-" {
			f.in[port] = source{standardInput, cmd.InOrStdin()}
		}
	}
	for _, given := range []namedFile{{"--out", o.out[1]}, {"--out2", o.out[0]}} {
		if given.file == "-" {
			return nil, fmt.Errorf("%s -: standard output has the report: name a file", given.flag)
		}
		f.write = append(f.write, given)
	}
	return f, nil
}

// include counts a file that the ruleset includes.
func (f *replayFiles) include(file string) {
	f.read = append(f.read, namedFile{"a file that the ruleset includes", file})
}

// apart makes sure that nothing would be written over what is read, nor two
// outputs into one file, whatever the files are called.
func (f *replayFiles) apart() error {
	var errs []error
	for i, to := range f.write {
		for _, other := range append(f.read, f.write[:i]...) {
			if to.file != "" && other.file != "" && outfile.Same(to.file, other.file) {
				errs = append(errs, fmt.Errorf("%s %s would write over %s %s: they are the same file", to.flag, to.file, other.flag, other.file))
			}
		}
	}
	return errors.Join(errs...)
}
