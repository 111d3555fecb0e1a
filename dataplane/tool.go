package dataplane

import "github.com/sluice-net/sluice/flowtable"

// What tools ask of the connections of a box. pid is the process number of the
// program that asks, which events name; 0: none.

// MakeFlow makes a connection, at the worker that its packets will reach.
func (b *Box) MakeFlow(want *flowtable.Wanted, pid uint32) (result flowtable.ToolResult, err error) {
	w := b.workers[b.table.Owner(b.table.Hash(&want.Orig))]
	err = b.tool(w, pid, func(w *worker) bool {
		_, result = w.shard.Make(want, w.tick())
		return true
	})
	return result, err
}

// FindFlow returns the connection that has tu as one of its tuples.
func (b *Box) FindFlow(tu *flowtable.Tuple) (f flowtable.Flow, found bool, err error) {
	first := b.table.Owner(b.table.Hash(tu))
	for i := range b.workers { // a translated answer may belong to any
		err = b.tell(b.workers[(first+i)%len(b.workers)], func(w *worker) bool {
			now := w.tick()
			if n := w.shard.Find(tu, now); n != 0 {
				f, found = w.shard.CopyFlow(n, now), true
			}
			return true
		})
		if err != nil || found {
			break
		}
	}
	return f, found, err
}

// DeleteFlows ends connections that a listing told of, all of one worker, and
// leaves in flows those that were still there, as they were at the end.
func (b *Box) DeleteFlows(flows []flowtable.Flow, pid uint32) ([]flowtable.Flow, error) {
	if len(flows) == 0 {
		return nil, nil
	}
	next, n := 0, 0
	err := b.tool(b.workers[flows[0].Worker], pid, func(w *worker) bool {
		now := w.tick()
		for end := min(next+listSlice, len(flows)); next < end; next++ {
			if f := &flows[next]; w.shard.Still(f) {
				flows[n] = w.shard.CopyFlow(f.Entry, now)
				w.shard.Delete(f.Entry)
				n++
			}
		}
		return next == len(flows)
	})
	return flows[:n], err
}

// ChangeFlow changes a connection that a listing told of and returns it as it
// is now.
func (b *Box) ChangeFlow(f *flowtable.Flow, c *flowtable.Changes, pid uint32) (after flowtable.Flow, result flowtable.ToolResult, err error) {
	result = flowtable.ToolAbsent
	err = b.tool(b.workers[f.Worker], pid, func(w *worker) bool {
		if w.shard.Still(f) {
			now := w.tick()
			result = w.shard.Change(f.Entry, c, now)
			after = w.shard.CopyFlow(f.Entry, now)
		}
		return true
	})
	return after, result, err
}

// MakeExpectation has a connection, its master, expect another one, as its helper
// would: without a helper, and for what the helper may not have, it is refused.
func (b *Box) MakeExpectation(master *flowtable.Flow, x *flowtable.Expectation, pid uint32) (result flowtable.ExpectResult, err error) {
	result = flowtable.ExpectRefused
	err = b.tool(b.workers[master.Worker], pid, func(w *worker) bool {
		if w.shard.Still(master) && w.shard.HelperOf(master.Entry) != 0 {
			result = w.shard.Expect(master.Entry, x, w.tick())
		}
		return true
	})
	return result, err
}

// DropExpectation takes an expectation out that Expectations told of.
func (b *Box) DropExpectation(x *flowtable.Expectation) error {
	return b.tool(b.workers[x.Worker], 0, func(w *worker) bool {
		var other flowtable.Expectation
		for h := w.shard.FirstExpect(x.MasterEntry); h != 0; h = w.shard.NextExpect(h) {
			if w.shard.Expectation(h, &other) && other.MasterID == x.MasterID && other.Tuple == x.Tuple {
				w.shard.Unexpect(h)
				break
			}
		}
		return true
	})
}

// tool is tell in the name of a program.
func (b *Box) tool(w *worker, pid uint32, step func(w *worker) bool) error {
	return b.tell(w, func(w *worker) bool {
		w.shard.SetTool(pid)
		w.shard.SetClock(w.began + w.clock.Nanos())
		done := step(w)
		w.shard.SetTool(0)
		return done
	})
}
