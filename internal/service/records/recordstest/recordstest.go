// Package recordstest is what every records.Store must do.
package recordstest

import (
	"testing"
)

// Run tries a Store. Each call of place makes an empty place. Every test runs on the
// records without a tenant, and on those of a tenant beside others that have the same.
func Run(t *testing.T, place func(*testing.T) Place) {
	for name, test := range map[string]func(*suite){
		"data stores":                       dataStores,
		"sessions":                          sessions,
		"unfinished sessions are counted":   unfinished,
		"agents":                            agents,
		"requests":                          requests,
		"tombstones":                        tombstones,
		"a refused change changes nothing":  refused,
		"a change is all or nothing":        allOrNothing,
		"a change sees itself":              seesItself,
		"a record is its reader's":          copies,
		"a view is of one moment":           oneMoment,
		"changes are serializable":          serializable,
		"a change across kinds":             acrossKinds,
		"what was changed is there again":   durable,
		"the stamp counts changes":          stamps,
		"the secret stays":                  secret,
		"creates are repeated":              creates,
		"old requests are forgotten":        forgets,
		"a closed store fails":              closed,
		"ids are in the order of bytes":     order,
		"long lists and names are kept":     long,
		"times are kept to the millisecond": times,
	} {
		t.Run(name, func(t *testing.T) { alone(t, place(t), test) })
		for _, tenant := range []string{"", "prod/hr"} {
			t.Run(name+" beside the tenants of "+tenant, func(t *testing.T) { beside(t, place(t), tenant, test) })
		}
	}
	for name, test := range map[string]func(*suite){
		"tenants are listed":                 tenants,
		"a tenant sees no other":             strangers,
		"no id leads to another tenant":      foreignIDs,
		"names that cannot be a tenant's":    badNames,
		"a change of two tenants":            across,
		"unfinished sessions of two at once": unfinishedAcross,
	} {
		t.Run(name, func(t *testing.T) { alone(t, place(t), test) })
	}
}

// alone runs a test on the records without a tenant, of an empty store.
func alone(t *testing.T, p Place, test func(*suite)) {
	s := &suite{T: t, place: p}
	s.open()
	defer func() { _ = s.Close() }() // a test may have closed it
	test(s)
}
