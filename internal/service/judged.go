package service

import (
	"net/http"
	"strconv"
	"strings"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// namesLive reports whether a commit says what it was judged against, and not of which
// session it is.
func namesLive(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header.Values("If-Match"), ","), `"live-`)
}

// judgedOf is the generation of the live table that a commit was judged against,
// 0 where there was none; nil where the commit names none.
func judgedOf(r *http.Request) (*int64, error) {
	tags := r.Header.Values("If-Match")
	if len(tags) == 0 {
		return nil, nil
	}
	digits, isLive := strings.CutPrefix(strings.TrimSuffix(tags[0], `"`), `"live-`)
	generation, err := strconv.ParseInt(digits, 10, 64)
	if len(tags) > 1 || !isLive || err != nil || generation < 0 || edm.LiveTag(generation) != tags[0] {
		return nil, badRequest(`If-Match of a live table is one tag such as %s: the generation of the live table that was judged, 0 for none`, edm.LiveTag(1))
	}
	return &generation, nil
}

// checkJudged refuses a commit that would replace another table than the one it
// was judged against: another is live, or a commit ahead of it will be. present is
// the generation that is live as callers see it.
func checkJudged(judged *int64, store *records.DataStore, present int64) error {
	if judged == nil {
		return nil
	}
	if *judged != present {
		return fail(http.StatusPreconditionFailed, edm.CodeLiveChanged, "the commit was judged against %s and %s is live: judge it again", edm.LiveTag(*judged), edm.LiveTag(present))
	}
	if len(store.Processing) > 0 {
		return fail(http.StatusPreconditionFailed, edm.CodeLiveChanged,
			"%s is live, and another commit of the data store is being processed: judge this one again once it has ended", edm.LiveTag(present))
	}
	return nil
}
