package bolt

import "exactmatch.dev/operator/internal/service/records"

// counts are the unfinished sessions of data stores, as of the last change. They are
// used within changes alone, which come one after another.
type counts struct {
	of map[string]int // nil where they are not known
}

func (c *counts) known() bool { return c.of != nil }

// forget has the next change count again.
func (c *counts) forget() { c.of = nil }

// learn counts all unfinished sessions as a change sees them, but for those that the
// change adds itself.
func (c *counts) learn(all []*records.Session, added map[string]int) {
	c.of = map[string]int{}
	for _, one := range all {
		c.of[one.DataStoreID]++
	}
	for dataStore, n := range added {
		c.of[dataStore] -= n
	}
}

// add is what a change has added.
func (c *counts) add(more map[string]int) {
	if !c.known() {
		return
	}
	for dataStore, n := range more {
		c.of[dataStore] += n
	}
}
