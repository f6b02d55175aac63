// Package recordstest is what every records.Store must do.
package recordstest

import (
	"testing"
)

// Run tries a Store. Each call of place makes an empty place.
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
		t.Run(name, func(t *testing.T) {
			p := place(t)
			s := &suite{T: t, place: p, Store: p.Open(t)}
			defer func() { _ = s.Close() }() // a test may have closed it
			test(s)
		})
	}
}
