package source

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"exactmatch.dev/operator/internal/failure"
)

func (w *web) accept(ctx context.Context, resp *http.Response, offset, length int64) (io.ReadCloser, error) {
	if err := w.checkEncoding(resp); err != nil && resp.StatusCode < http.StatusMultipleChoices {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return w.acceptWhole(ctx, resp, resp.ContentLength, offset, length)
	case http.StatusPartialContent:
		return w.acceptPart(ctx, resp, offset, length)
	case http.StatusRequestedRangeNotSatisfiable:
		if offset == 0 && length == ToEnd {
			return nil, w.invalid("the server answers 416 Range Not Satisfiable although no range was requested: check the URI, and that the table is not empty")
		}
		total, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */")
		if ok && length == ToEnd && total == strconv.FormatInt(offset, 10) {
			return newBody(ctx, resp.Body, w.where, 0), nil
		}
	}
	return nil, statusError(w.where, resp.StatusCode, refusalCode(resp), resp.Header)
}

// maxErrorBody is how many bytes of the body of a refusal are searched for a code.
const maxErrorBody = 4 << 10

var codeElement = regexp.MustCompile(`<Code>([A-Za-z]+)</Code>`)

// refusalCode returns the code with which an object store refuses a signed URI. Any other code is "": an answer may repeat the request.
func refusalCode(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return ""
	}
	code := resp.Header.Get("X-Ms-Error-Code")
	if code == "" {
		start, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // if it cannot be read, the status alone is reported
		if found := codeElement.FindSubmatch(start); found != nil {
			code = string(found[1])
		}
	}
	if !refusalCodes[code] {
		return ""
	}
	return code
}

// acceptWhole takes an answer that holds the whole table. size is its number of bytes, -1 if unknown.
func (w *web) acceptWhole(ctx context.Context, resp *http.Response, size, offset, length int64) (io.ReadCloser, error) {
	gzipped := isGzipped(resp)
	if !gzipped { // the size of a compressed answer depends on the server that compressed it
		if err := w.hold(size); err != nil {
			return nil, err
		}
	}
	wanted := length
	if size >= 0 {
		n, err := span(w.where, size, offset, length)
		if err != nil {
			return nil, err
		}
		wanted = n
	}
	if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
		return nil, networkError(w.where, err)
	}
	body := resp.Body
	if wanted < 0 {
		body = framed(resp, w.where)
	}
	opened := newBody(ctx, body, w.where, wanted)
	if gzipped && offset == 0 && length == ToEnd {
		return undoOuter(opened, w.where)
	}
	return opened, nil
}

// acceptPart takes an answer that holds the requested part, or the whole table under the status of a part.
func (w *web) acceptPart(ctx context.Context, resp *http.Response, offset, length int64) (io.ReadCloser, error) {
	r, ok := parseContentRange(resp.Header.Get("Content-Range"))
	got := r.last - r.first + 1
	switch {
	case !ok:
		return nil, w.invalid("the server answers 206 Partial Content without a valid Content-Range: configure it to answer 200 OK with the whole table")
	case resp.ContentLength >= 0 && resp.ContentLength != got:
		return nil, w.invalid(anotherRange)
	case r.first == 0 && r.last == r.total-1:
		return w.acceptWhole(ctx, resp, r.total, offset, length)
	case r.first != offset:
		return nil, w.invalid(anotherRange)
	}
	if err := w.hold(r.total); err != nil {
		return nil, err
	}
	want := length
	if length == ToEnd {
		want = r.total - offset // negative if the total is unknown, and refused below
	}
	switch {
	case r.total >= 0 && want > r.total-offset:
		return nil, &Error{Reason: failure.SourceChanged, Source: w.where, Message: "it is shorter than before"}
	case got != want:
		return nil, w.invalid(anotherRange)
	}
	return newBody(ctx, resp.Body, w.where, want), nil
}

const anotherRange = "the server sends another range than was requested: configure it to send that range, or 200 OK with the whole table"

// hold pins the size of the table, -1 if unknown. Entity tags and times are not pinned: servers behind one address often have their own
// for the same bytes, so a different one does not mean that the table changed. Callers compare what they read again with their own sums.
func (w *web) hold(total int64) error {
	if total < 0 {
		return nil
	}
	return w.pin.hold(w.where, strconv.FormatInt(total, 10))
}

// contentRange is "bytes first-last/total"; total is -1 where the server does not know it.
type contentRange struct{ first, last, total int64 }

func parseContentRange(s string) (contentRange, bool) {
	spec, ok := strings.CutPrefix(s, "bytes ")
	bounds, total, hasTotal := strings.Cut(spec, "/")
	first, last, hasLast := strings.Cut(bounds, "-")
	if !ok || !hasTotal || !hasLast {
		return contentRange{}, false
	}
	r := contentRange{total: -1}
	var errs [3]error
	r.first, errs[0] = strconv.ParseInt(first, 10, 64)
	r.last, errs[1] = strconv.ParseInt(last, 10, 64)
	if total != "*" {
		r.total, errs[2] = strconv.ParseInt(total, 10, 64)
	}
	for _, err := range errs {
		if err != nil {
			return contentRange{}, false
		}
	}
	return r, r.first >= 0 && r.last >= r.first && (r.total < 0 && total == "*" || r.last < r.total)
}
