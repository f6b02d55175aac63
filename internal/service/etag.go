package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/edm"
)

// etagOf is the ETag of what is shown of a resource, "" of anything else. It is weak: where
// an upload URI leads, and when the next commit is possible, may differ under one.
func etagOf(shown any) string {
	switch one := shown.(type) {
	case *shownSession:
		same := *one.Session
		_, same.DataUploadURI, _ = strings.Cut(same.DataUploadURI, "/upload/") // whatever host it is asked by
		shown = &same
	case *edm.DataStore:
		same := *one
		if one.Quota != nil {
			same.Quota = &edm.Quota{Max: one.Quota.Max, Remaining: one.Quota.Remaining}
		}
		shown = &same
	case *edm.UploadAgent:
	default:
		return ""
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// Tags of RFC 9110, and a list of them.
const aTag = `(?:W/)?"[\x21\x23-\x7e]*"`

var (
	oneTag  = regexp.MustCompile(aTag)
	tagList = regexp.MustCompile(`^` + aTag + `(?:[ \t]*,[ \t]*` + aTag + `)*$`)
)

// condition is a header of tags: nil where it is not there, "*" for any.
type condition []string

// conditionOf reads a header. Tags are compared weakly, as OData has it.
func conditionOf(r *http.Request, header string) (condition, error) {
	all := r.Header.Values(header)
	if len(all) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(strings.Join(all, ", "))
	switch {
	case text == "*":
		return condition{"*"}, nil
	case tagList.MatchString(text):
		tags := oneTag.FindAllString(text, -1)
		for i, tag := range tags {
			tags[i] = strings.TrimPrefix(tag, "W/")
		}
		return tags, nil
	}
	return nil, badRequest(`%s must be * or ETags as answers have them, such as W/"x", separated by commas`, header)
}

// names reports whether a condition names a resource.
func (c condition) names(tag string) bool {
	return slices.Contains(c, "*") || slices.Contains(c, strings.TrimPrefix(tag, "W/"))
}

// conditions are those of a request.
type conditions struct{ match, none condition }

func conditionsOf(r *http.Request) (c conditions, err error) {
	if c.match, err = conditionOf(r, "If-Match"); err != nil {
		return c, err
	}
	c.none, err = conditionOf(r, "If-None-Match")
	return c, err
}

// check refuses a change of a resource that is not as its caller has seen it.
func (c conditions) check(tag string) error {
	if c.match != nil && !c.match.names(tag) {
		return fail(http.StatusPreconditionFailed, edm.CodePreconditionFailed, "If-Match does not name the resource as it is now, %s: read it again, then decide", tag)
	}
	if c.none != nil && c.none.names(tag) {
		return fail(http.StatusPreconditionFailed, edm.CodePreconditionFailed, "If-None-Match names the resource as it is now, %s", tag)
	}
	return nil
}

// commitConditions are those of a commit, whose If-Match may name the live table instead.
func commitConditions(r *http.Request) (c conditions, err error) {
	if !namesLive(r) {
		return conditionsOf(r)
	}
	c.none, err = conditionOf(r, "If-None-Match")
	return c, err
}

// judging reads the conditions of the calls that judge them, and refuses them of others:
// a caller that sets one goes by its being kept.
func judging(pattern string, handle handler) handler {
	method, path, _ := strings.Cut(pattern, " ")
	last := path[strings.LastIndex(path, "/")+1:]
	ofItem := strings.HasSuffix(last, "}") || last == "uploadAgent"
	switch {
	case last == "commit":
		return under(commitConditions, handle)
	case ofItem || last == "cancel" || last == "renew":
		return under(conditionsOf, handle)
	case last == "rollback": // which judges the live table
		return withoutHeaders(handle, "If-None-Match")
	case method == http.MethodGet:
		return withoutHeaders(handle, "If-Match")
	}
	return withoutHeaders(handle, "If-Match", "If-None-Match")
}

func under(read func(*http.Request) (conditions, error), handle handler) handler {
	return func(r *http.Request) (*answer, error) {
		c, err := read(r)
		if err != nil {
			return nil, err
		}
		return handle(r.WithContext(context.WithValue(r.Context(), conditionsKey{}, c)))
	}
}

func withoutHeaders(handle handler, names ...string) handler {
	return func(r *http.Request) (*answer, error) {
		for _, name := range names {
			if len(r.Header.Values(name)) > 0 {
				return nil, badRequest("this call takes no %s: leave it out", name)
			}
		}
		return handle(r)
	}
}

// conditionsKey is where a request has its conditions.
type conditionsKey struct{}

// judged is a change in its transaction, so that nobody comes between: the ETag of its
// resource before it, where there are conditions.
type judged struct {
	conditions
	tag string
}

// judge begins a change. show is what callers see of the resource before it.
func judge(r *http.Request, show func() any) judged {
	c, _ := r.Context().Value(conditionsKey{}).(conditions)
	if c.match == nil && c.none == nil {
		return judged{}
	}
	return judged{c, etagOf(show())}
}

// check refuses the change of a resource that was not as its caller has seen it.
func (j judged) check() error { return j.conditions.check(j.tag) }

// unchanged answers a read of what its caller has already.
func unchanged(r *http.Request, tag string) (*answer, error) {
	c, _ := r.Context().Value(conditionsKey{}).(conditions)
	if err := (conditions{match: c.match}).check(tag); err != nil || c.none == nil || !c.none.names(tag) {
		return nil, err
	}
	return &answer{status: http.StatusNotModified, etag: tag}, nil
}
