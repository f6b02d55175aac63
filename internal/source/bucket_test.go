package source

import (
	"errors"
	"io"
	"testing"

	"gocloud.dev/blob/memblob"

	"exactmatch.dev/operator/internal/failure"
)

func TestObjectOfAnyBucket(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	if err := bucket.WriteAll(t.Context(), "a/b.csv", []byte("0123456789"), nil); err != nil {
		t.Fatal(err)
	}
	s := &object{bucket: bucket, key: "a/b.csv", where: "mem://a/b.csv"}
	r, err := s.Open(t.Context(), 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "456" {
		t.Errorf("%q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	var e *Error
	if _, err := (&object{bucket: bucket, key: "b", where: "mem://b"}).Open(t.Context(), 0, ToEnd); !errors.As(err, &e) || e.Reason != failure.SourceNotFound {
		t.Errorf("got %v", err)
	}
	if err := bucket.WriteAll(t.Context(), "a/b.csv", []byte("0123456789a"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), 0, ToEnd); !errors.As(err, &e) || e.Reason != failure.SourceChanged {
		t.Errorf("another version: %v", err)
	}
}

type failing struct {
	io.Reader
	err error
}

func (f failing) Close() error { return f.err }

func TestErrorOfCloseIsGiven(t *testing.T) {
	b := newBody(t.Context(), failing{err: errors.New("https://host/?sig=hush")}, "https://host/", 0)
	for range 2 {
		err := b.Close()
		var e *Error
		if !errors.As(err, &e) || e.Reason != failure.SourceUnavailable || e.Error() != `source "https://host/": the connection failed` {
			t.Errorf("got %v", err)
		}
	}
}
