package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/sluice-net/sluice/perf/flame"
)

// stageOf maps functions to the stages of a worker's burst: a stack belongs to
// the outermost of them in it, behind the worker's loop. The order of rows is
// that of looking.
var stageOf = []struct{ function, stage string }{
	{"dataplane/packet.Parse", "parse"},
	{"flowtable.(*Shard).Prefetch", "prefetch"},
	{"dataplane.(*worker).packet", "walk"},
	{"dataplane.(*worker).measured", "walk"},
	{"dataplane.(*worker).fromWorker", "handover"},
	{"dataplane.(*worker).touch", "receive"},
	{".Recv", "receive"},
	{"dataplane.(*worker).fromPort", "receive"},
	{"dataplane.(*worker).flush", "transmit"},
	{"flowtable.(*Shard).Expire", "transmit"},
}

const (
	workerLoop = "dataplane.(*worker).run"
	module     = "github.com/sluice-net/sluice/"
)

// stacks is a CPU profile as a graph whose first row is the stages.
type stacks struct {
	graph   *flame.Graph
	stages  map[string]int64 // samples of workers by stage
	workers int64            // samples of workers
	all     int64
}

// readStacks reads a CPU profile. Its first rows are "workers" with their
// stages, and "control side" with everything else in the process.
func readStacks(pprof []byte) (*stacks, error) {
	p, err := profile.Parse(bytes.NewReader(pprof))
	if err != nil {
		return nil, fmt.Errorf("CPU profile: %w", err)
	}
	s := &stacks{graph: flame.New("all"), stages: map[string]int64{}}
	for _, sample := range p.Sample {
		if len(sample.Value) == 0 {
			continue
		}
		var names []string // outermost first
		for i := len(sample.Location) - 1; i >= 0; i-- {
			lines := sample.Location[i].Line
			for k := len(lines) - 1; k >= 0; k-- {
				if f := lines[k].Function; f != nil {
					names = append(names, functionName(f.Name))
				}
			}
		}
		s.add(names, sample.Value[0])
	}
	return s, nil
}

// functionName shortens a function's name: without this module's path, and with
// dots for type arguments, which can be pages long.
func functionName(name string) string {
	name = strings.TrimPrefix(name, module)
	if from, to := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']'); from >= 0 && from < to {
		name = name[:from] + "[...]" + name[to+1:]
	}
	return name
}

func (s *stacks) add(names []string, n int64) {
	s.all += n
	at := -1
	for i, name := range names {
		if strings.HasPrefix(name, workerLoop) {
			at = i
			break
		}
	}
	if at < 0 {
		s.graph.Add(append([]string{"control side"}, names...), n)
		return
	}
	names = names[at+1:]
	stage := stageName(names)
	s.workers += n
	s.stages[stage] += n
	s.graph.Add(append([]string{"workers", stage}, names...), n)
}

// stageName finds the stage of a worker's stack.
func stageName(names []string) string {
	for _, row := range stageOf {
		for _, name := range names {
			if strings.HasPrefix(name, row.function) || row.function[0] == '.' && strings.HasSuffix(name, row.function) {
				return row.stage
			}
		}
	}
	return "loop"
}
