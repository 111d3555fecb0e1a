package rules

import "github.com/sluice-net/sluice/rules/nft"

// Compile turns a checked tree into a Ruleset. The tree must not be changed
// afterwards. It takes no notice of handles and comments. Errors are *Error with
// the place in the text. Safe for concurrent use; never called by a worker.
func Compile(tree *nft.Ruleset, opt Options) (*Ruleset, error) {
	ports, err := newPorts(opt.Interfaces)
	if err != nil {
		return nil, err
	}
	w := world{ports: ports, minRun: opt.shortestRun, hashed: opt.Cache.on()}
	if w.minRun == 0 {
		w.minRun = minRun
	}
	if w.helpers, err = helperArgs(tree, opt.Helpers); err != nil {
		return nil, err
	}
	old := newRemains(opt.Before, &w)
	ix, err := newIndex(tree, w, old)
	if err != nil {
		return nil, err
	}
	for i := range ix.dyns {
		if err := ix.dyns[i].fill(ports, old); err != nil {
			return nil, err
		}
	}
	rs := &Ruleset{Tree: tree, ix: ix, store: opt.Store}
	var key string
	edit := ix.isEdit()
	cached := opt.Cache.on() && (edit || !ix.large())
	if cached && !edit {
		key = contentKey(tree, ix)
		if m := opt.Cache.get(key); m != nil {
			rs.master, rs.Cached = m, true
			return rs, nil
		}
	}
	if rs.master, err = build(ix, old, opt.Pool); err != nil {
		return nil, err
	}
	switch {
	case cached && edit:
		rs.keepIn.Store(opt.Cache)
	case cached:
		opt.Cache.put(key, rs.master, old == nil)
	}
	return rs, nil
}

// Keep puts what an edit came to into the cache that Compile was given, for those
// who load the same as a whole. It takes longer than much of the edit: for when the
// rules are in force. Only the first call does; safe beside everything else.
func (r *Ruleset) Keep() {
	if c := r.keepIn.Swap(nil); c != nil && !r.ix.large() {
		c.put(contentKey(r.Tree, r.ix), r.master, false)
	}
}

// isEdit says whether so few rules are new that building what is around them is
// quicker than to look for the whole in the cache.
func (ix *index) isEdit() bool {
	fresh := 0
	for _, ref := range ix.chains {
		fresh += ref.fresh
	}
	return 8*fresh < int(ix.ids)
}
