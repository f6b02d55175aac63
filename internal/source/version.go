package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/failure"
)

// Version names what a source holds now, without reading it: by its entity tag, else by its time of modification, or by its content
// where that is at hand. Another version does not prove other bytes, and the same version does not hide them. The error is an *Error.
func Version(ctx context.Context, s Source) (string, error) {
	versioned, ok := s.(interface {
		version(ctx context.Context) (string, error)
	})
	if !ok {
		return "", &Error{Reason: failure.SourceInvalid, Source: s.String(), Message: "its version cannot be seen"}
	}
	return versioned.version(ctx)
}

func (m *memory) version(context.Context) (string, error) { //nolint:unparam // as of the other sources
	return fmt.Sprintf("%x", sha256.Sum256(m.content)), nil
}

func (f *file) version(context.Context) (string, error) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return "", f.classify(err)
	}
	defer func() { _ = root.Close() }() // nothing was written through it
	info, err := root.Stat(f.name)
	if err != nil {
		return "", f.classify(err)
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano()), nil
}

// version asks for the first byte, as reading does: what Attributes of gocloud.dev takes from an answer, it dereferences unseen.
func (o *object) version(ctx context.Context) (string, error) {
	r, err := o.bucket.NewRangeReader(ctx, o.key, 0, 1, nil)
	if err != nil {
		return "", o.classify(err)
	}
	defer func() { _ = r.Close() }() // its version is known
	return version(r), nil
}

// version asks for the first byte: a presigned URL permits GET alone.
func (w *web) version(ctx context.Context) (string, error) {
	req, err := w.request(ctx, 0, 1)
	if err != nil {
		return "", err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return "", networkError(w.where, err)
	}
	defer func() { _ = resp.Body.Close() }() // the rest of the table is not wanted
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable: // the last of an empty table
	default:
		return "", statusError(w.where, resp.StatusCode, refusalCode(resp), resp.Header)
	}
	if tag := strings.TrimPrefix(resp.Header.Get("ETag"), "W/"); tag != "" {
		return tag, nil
	}
	if modified, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		return modified.UTC().Format(time.RFC3339), nil
	}
	return "", w.invalid("the server sends neither ETag nor Last-Modified, so its version cannot be seen")
}
