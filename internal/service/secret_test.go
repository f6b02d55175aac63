package service

import (
	"context"
	"errors"
	"testing"

	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
)

// secretless is a store whose secret cannot be read.
type secretless struct {
	records.Store
	err    error
	closed *bool
}

func (s secretless) Secret(context.Context) ([]byte, error) { return nil, s.err }

func (s secretless) Close() error {
	*s.closed = true
	return nil
}

// Without the secret a service would sign and take upload URIs under an empty key.
func TestAServiceNeedsItsSecret(t *testing.T) {
	files, unreadable, closed := blobs.NewFolder(fsys.OS{}, t.TempDir()), errors.New("unreadable"), false
	s, err := start(Config{}.withDefaults(), secretless{newHarness(t).records, unreadable, &closed}, files, files)
	if s != nil || !errors.Is(err, unreadable) {
		t.Errorf("it starts all the same: %v, %v", s, err)
	}
	if !closed {
		t.Error("the store that it got is left open")
	}
}
