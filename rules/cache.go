package rules

import (
	"crypto/sha256"
	"sync"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/sluice-net/sluice/rules/nft"
)

// Cache remembers master images of earlier generations by their content, for
// rollback, A/B and configurations that flap. It only saves compile time: with a
// nil Cache, or one of size 0, everything works the same. Safe for concurrent
// use. Masters are immutable and collected as garbage, so a master that is
// evicted, or handed out twice, disturbs nobody.
type Cache struct {
	c      *ristretto.Cache[string, *master]
	lock   sync.RWMutex // held to write by Close, to read by who puts something in
	closed bool
}

// NewCache makes a cache for bytes of master images; 0 or less remembers nothing.
func NewCache(bytes int64) (*Cache, error) {
	if bytes <= 0 {
		return &Cache{}, nil
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, *master]{
		NumCounters:        1000, // ten times the generations worth remembering
		MaxCost:            bytes,
		BufferItems:        64,
		IgnoreInternalCost: true, // the cost of an image is its own size
	})
	if err != nil {
		return nil, err
	}
	return &Cache{c: c}, nil
}

// Close ends the cache's goroutines. Rulesets that came from it stay valid.
func (c *Cache) Close() {
	if !c.on() {
		return
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.closed = true
	c.c.Close()
}

func (c *Cache) on() bool { return c != nil && c.c != nil }

func (c *Cache) get(key string) *master {
	m, ok := c.c.Get(key)
	if !ok {
		return nil
	}
	return m
}

// put may wait until the cache has taken the image or refused it, so that the next
// Compile of the same text finds it or never will.
func (c *Cache) put(key string, m *master, wait bool) {
	c.lock.RLock()
	defer c.lock.RUnlock()
	if c.closed {
		return
	}
	c.c.Set(key, m, int64(m.bytes()))
	if wait {
		c.c.Wait()
	}
}

// contentKey is the hash of all that a master image depends on. The rules have
// theirs.
func contentKey(tree *nft.Ruleset, ix *index) string {
	w := canon{helpers: ix.helpers, b: make([]byte, 0, 2*spillBytes), sum: sha256.New()}
	w.num(imageMagic)
	w.num(uint64(len(ix.ports.rows)))
	for _, r := range ix.ports.rows {
		w.str(string(r.name[:]))
		w.num(uint64(r.index))
	}
	for i := range ix.dyns { // whose numbers rules have
		w.num(uint64(len(ix.dyns[i].runs)))
		for _, r := range ix.dyns[i].runs {
			w.str(r.text)
		}
	}
	w.tree(tree, ix.chains)
	w.sum.Write(w.b)
	return string(w.sum.Sum(nil))
}
