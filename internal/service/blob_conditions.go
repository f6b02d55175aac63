package service

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

// blobTag names the list that a session was sealed with, "" where it has none. The same
// list has the same name, so that a seal whose answer was lost can be sent again.
func blobTag(one *records.Session) string {
	if len(one.Sealed) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, part := range append([]string{one.ID}, one.Sealed...) {
		sum.Write([]byte(part + "\n"))
	}
	return fmt.Sprintf(`"0x%X"`, sum.Sum(nil)[:8])
}

// showBlob sets what an answer says of a sealed blob.
func showBlob(to http.Header, one *records.Session) {
	to.Set("ETag", blobTag(one))
	to.Set("Last-Modified", one.UploadCompletionDateTime.UTC().Format(http.TimeFormat))
}

// blobConditions are the headers under which a call is meant.
type blobConditions struct {
	match, noneMatch                []string
	modifiedSince, notModifiedSince time.Time
}

func blobConditionsOf(r *http.Request) (c blobConditions, err error) {
	if c.match, err = etagsIn(r, "If-Match"); err != nil {
		return c, err
	}
	if c.noneMatch, err = etagsIn(r, "If-None-Match"); err != nil {
		return c, err
	}
	if c.modifiedSince, err = timeIn(r, "If-Modified-Since"); err != nil {
		return c, err
	}
	c.notModifiedSince, err = timeIn(r, "If-Unmodified-Since")
	return c, err
}

// etagsIn reads a list of ETags, or "*".
func etagsIn(r *http.Request, name string) (tags []string, err error) {
	for _, line := range r.Header.Values(name) {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimSpace(tag)
			if tag != "*" && (len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"') {
				return nil, fail(http.StatusBadRequest, "InvalidHeaderValue", "%s must be an ETag in double quotes, or *", name)
			}
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

func timeIn(r *http.Request, name string) (at time.Time, err error) {
	text := r.Header.Get(name)
	if text == "" {
		return at, nil
	}
	if at, err = http.ParseTime(text); err != nil {
		return at, fail(http.StatusBadRequest, "InvalidHeaderValue", "%s must be a time such as Fri, 02 Jan 2026 03:04:05 GMT", name)
	}
	return at, nil
}

// unmet is the name of the first condition that does not hold, "" where all do.
func (c blobConditions) unmet(one *records.Session) string {
	tag, at := blobTag(one), time.Time{}
	if tag != "" {
		at = one.UploadCompletionDateTime.Truncate(time.Second)
	}
	matches := func(tags []string) bool {
		return tag != "" && (slices.Contains(tags, tag) || slices.Contains(tags, "*"))
	}
	switch {
	case c.match != nil && !matches(c.match):
		return "If-Match"
	case matches(c.noneMatch):
		return "If-None-Match"
	case tag != "" && !c.modifiedSince.IsZero() && !at.After(c.modifiedSince):
		return "If-Modified-Since"
	case tag != "" && !c.notModifiedSince.IsZero() && at.After(c.notModifiedSince):
		return "If-Unmodified-Since"
	}
	return ""
}

// checkWrite refuses a seal whose conditions do not hold.
func (c blobConditions) checkWrite(one *records.Session) error {
	switch name := c.unmet(one); {
	case name == "":
		return nil
	case name == "If-None-Match" && slices.Contains(c.noneMatch, "*"):
		return fail(http.StatusConflict, "BlobAlreadyExists", "a list of blocks is put already, and If-None-Match is *")
	default:
		return fail(http.StatusPreconditionFailed, "ConditionNotMet", "%s does not hold: look at the list that is put, then put yours under its ETag", name)
	}
}

// checkRead refuses a look at a sealed blob whose conditions do not hold.
func (c blobConditions) checkRead(one *records.Session) error {
	switch name := c.unmet(one); name {
	case "":
		return nil
	case "If-None-Match", "If-Modified-Since":
		return fail(http.StatusNotModified, "ConditionNotMet", "the list of blocks is the same")
	default:
		return fail(http.StatusPreconditionFailed, "ConditionNotMet", "%s does not hold", name)
	}
}
