package upload

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/failure"
)

// FuzzReadable asks whether a signature may list: it may where it does not say
// that it may not.
func FuzzReadable(f *testing.F) {
	for _, seed := range []string{"https://h/u?sp=rcw&sig=x", "https://h/u?sp=cw", "https://h/u", "https://h/u?sp=", "%zz?sp=w", "https://h/u?sp=w&sp=r", "https://h/u?sp=%72", "u?sp=w;r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		said, parsed := "", false
		if u, err := url.Parse(uri); err == nil {
			said, parsed = u.Query().Get("sp"), true
		}
		if want := !parsed || said == "" || strings.IndexByte(said, 'r') >= 0; readable(uri) != want {
			t.Fatalf("%q may list: %t, want %t", uri, !want, want)
		}
	})
}

// oneAnswer is a storage that answers always the same.
type oneAnswer struct {
	status       int
	header, body string
}

func (o oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	header := http.Header{}
	for line := range strings.SplitSeq(o.header, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			header.Add(name, strings.TrimSpace(value))
		}
	}
	header.Del("Retry-After") // the SDK would wait for it
	return &http.Response{StatusCode: o.status, Header: header, Body: io.NopCloser(strings.NewReader(o.body)), Request: r, ContentLength: -1}, nil
}

// FuzzStorage lets the storage answer anything. Whatever comes of it says so in
// a bounded message without the signature.
func FuzzStorage(f *testing.F) {
	const list = `<?xml version="1.0"?><BlockList><CommittedBlocks/><UncommittedBlocks><Block><Name>AAAAAAAAAAAAAAAA</Name><Size>1</Size></Block></UncommittedBlocks></BlockList>`
	f.Add(uint16(200), "Content-Type: application/xml", list)
	f.Add(uint16(200), "", strings.Replace(list, "AAAAAAAAAAAAAAAA", "x", 1))
	f.Add(uint16(404), "x-ms-error-code: BlobNotFound", "")
	f.Add(uint16(403), "x-ms-error-code: AuthenticationFailed", "<Error><Code>AuthenticationFailed</Code><Message>hush-signature</Message></Error>")
	f.Add(uint16(400), "x-ms-error-code: "+strings.Repeat("é", 300), "hush-signature")
	f.Add(uint16(400), "", "<Error><Code>hush\nsignature</Code></Error>")
	f.Add(uint16(201), "x-ms-content-crc64: x\nETag: y\nLast-Modified: z", "")
	f.Add(uint16(200), "", "<BlockList><UncommittedBlocks><Block></Block></UncommittedBlocks></BlockList>")
	f.Fuzz(func(t *testing.T, status uint16, header, body string) {
		code := int(status) % 1000
		if code < 100 || code == 408 || code == 429 || code >= 500 {
			return // the SDK waits and tries again
		}
		client := &http.Client{
			Transport: oneAnswer{code, header, body}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		s := &storage{target: Target{HTTP: client, URI: func() string { return "http://storage/u?sp=rcw&sig=hush-signature" }}}
		_, listed := s.staged(t.Context())
		_, staged := s.stage(t.Context(), "AAAAAAAAAAAAAAAA", 7, []byte("x"))
		for _, err := range []error{listed, staged, s.seal(t.Context(), t.Context(), []string{"AAAAAAAAAAAAAAAA"})} {
			var e *failure.Error
			switch {
			case err == nil, errors.Is(err, errUnsealed), errors.Is(err, context.Canceled):
				continue
			case !errors.As(err, &e):
				t.Fatalf("fails with %v", err)
			}
			if len(err.Error()) > 500 || !utf8.ValidString(err.Error()) || strings.Contains(err.Error(), "sig=") {
				t.Fatalf("says %q", err)
			}
		}
	})
}

func TestAnswersOfTheStorageAreBounded(t *testing.T) {
	endless := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(zeros{}), Request: r, ContentLength: -1}, nil
	})}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://storage/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := boundedAnswers{endless}.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if n, err := io.Copy(io.Discard, answer.Body); n != maxAnswer || !errors.Is(err, errAnswerTooLarge) {
		t.Errorf("%d bytes of an endless answer were read: %v", n, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return r(q) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
