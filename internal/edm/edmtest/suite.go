// Package edmtest holds the conformance suite of package edm's contract. Every
// implementation of edm.Service passes it against the service that it speaks to.
package edmtest

import (
	"testing"
)

// Run runs the suite. subject makes a fresh subject and ends it with the test.
func Run(t *testing.T, subject func(*testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"agents":                              agents,
		"stores":                              stores,
		"a session from create to live":       wholeWay,
		"commit and cancel are resolved":      resolved,
		"cancel ends the upload":              cancelEnds,
		"renew gives another URI":             renew,
		"a repeated create is replayed":       replay,
		"lists filter, sort and page":         lists,
		"updates change the file name":        update,
		"delete keeps the live table":         deletion,
		"the quota throttles":                 quota,
		"a damaged block fails":               damaged,
		"a block that contradicts is refused": contradictions,
		"a table replaces the other":          replacement,
		"searchable columns change":           searchableChanges,
		"lookups name what is wrong":          lookups,
		"a batch is answered in order":        batches,
		"a batch is refused whole":            badBatches,
		"bad sessions are refused":            badSessions,
		"storage answers as Azure's":          storage,
		"what is not there is not there":      notThere,
		"rules travel with the table":         rulesTravel,
		"rules are the store's else":          oldRules,
		"bad columns are refused":             badColumns,
		"questions name their rules":          questionsNameRules,
		"Graph's lookup knows no rules":       graphsLookup,
		"a store has one owner":               owners,
		"commits name what they replace":      judgedCommits,
		"the previous table comes back":       rollback,
		"Graph's create has no key":           graphCreate,
		"Graph's blocks agree":                graphBlocksAgree,
		"Graph's rules stay":                  graphRulesStay,
		"an agent in use stays":               agentsInUse,
		"storage lists what was sealed":       sealedList,
		"storage shows its properties":        properties,
		"storage holds conditions":            conditions,
	} {
		t.Run(name, func(t *testing.T) {
			s := subject(t)
			test(t, &fixture{Subject: s, ctx: t.Context(), key: newKey(t)})
		})
	}
}
