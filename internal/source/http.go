package source

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"exactmatch.dev/operator/internal/failure"
)

func openHTTP(_ context.Context, c Config, u *url.URL) (Source, error) {
	where := describe(u)
	if err := c.Guard.CheckURL(u); err != nil {
		return nil, networkError(where, err)
	}
	u.Fragment = ""
	w := &web{url: u, where: where, client: c.Guard.HTTPClient(), header: http.Header{"Accept-Encoding": {"identity"}}}
	if err := w.authorize(c); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *web) authorize(c Config) error {
	token, user, password := c.credential("bearerToken"), c.credential("username"), c.credential("password")
	switch {
	case token != "" && user != "":
		return &Error{Reason: failure.SourceInvalid, Source: w.where, Message: "the credentials have both bearerToken and username: keep one"}
	case token != "":
		w.header.Set("Authorization", "Bearer "+token)
	case user != "":
		req := http.Request{Header: w.header}
		req.SetBasicAuth(user, password)
	}
	return nil
}

// Open asks for a range where only a part is wanted. A server that knows no ranges sends everything: what lies before offset is
// then read and dropped.
func (w *web) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < ToEnd {
		return nil, &Error{Reason: failure.SourceInvalid, Source: w.where, Message: "the range to read is negative"}
	}
	if length == 0 {
		return newBody(ctx, http.NoBody, w.where, 0), nil
	}
	req, err := w.request(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, networkError(w.where, err)
	}
	opened, err := w.accept(ctx, resp, offset, length)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return opened, nil
}

func (w *web) request(ctx context.Context, offset, length int64) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url.String(), http.NoBody)
	if err != nil {
		return nil, &Error{Reason: failure.SourceInvalid, Source: w.where, Message: "the URI cannot be requested"}
	}
	req.Header = w.header.Clone()
	switch {
	case length != ToEnd:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return withoutReuse(req), nil
}
