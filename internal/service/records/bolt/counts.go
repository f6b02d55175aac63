package bolt

import "exactmatch.dev/operator/internal/service/records"

// counts are the unfinished sessions of data stores, as of the last change. They are
// used within changes alone, which come one after another.
type counts struct {
	of map[string]unfinished // by tenant; no entry where they are not known
}

// unfinished are the unfinished sessions of a tenant, by data store.
type unfinished map[string]int

func (c *counts) known(tenant string) bool { return c.of[tenant] != nil }

// forget has the next change count again.
func (c *counts) forget() { c.of = nil }

// learn counts all unfinished sessions of a tenant as a change sees them, but for
// those that the change adds itself.
func (c *counts) learn(tenant string, all []*records.Session, added unfinished) {
	if c.of == nil {
		c.of = map[string]unfinished{}
	}
	now := unfinished{}
	for _, one := range all {
		now[one.DataStoreID]++
	}
	for dataStore, n := range added {
		now[dataStore] -= n
	}
	c.of[tenant] = now
}

// add is what a change has added to a tenant's.
func (c *counts) add(tenant string, more unfinished) {
	if !c.known(tenant) {
		return
	}
	for dataStore, n := range more {
		c.of[tenant][dataStore] += n
	}
}
