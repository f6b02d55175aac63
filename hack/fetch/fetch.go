package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/remote"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/store"
	"sigs.k8s.io/controller-runtime/tools/setup-envtest/versions"
)

// programs that an archive must hold; make looks at the last one that is linked.
var programs = []string{"etcd", "kube-apiserver", "kubectl"}

var errChecksum = errors.New("wrong checksum")

// fetcher fetches one version for one platform.
type fetcher struct {
	index, folder string
	version       versions.Concrete
	platform      versions.Platform
	stall, limit  time.Duration
	progress      time.Duration
	out           io.Writer
}

// fetch installs the programs, or nothing and says why.
func (f *fetcher) fetch(ctx context.Context) error {
	target := filepath.Join(f.folder, f.platform.BaseName(f.version))
	if complete(target) == nil {
		f.say("Using the fetched programs in %s", target)
		return f.link(target)
	}
	if err := os.MkdirAll(f.folder, 0o750); err != nil {
		return err
	}
	work, err := os.MkdirTemp(f.folder, "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	f.say("Fetching etcd, kube-apiserver and kubectl v%s of %s", f.version, f.index)
	archive := filepath.Join(work, "archive")
	if err := f.download(ctx, archive); err != nil {
		return err
	}
	unpacked, err := f.unpack(ctx, archive, work)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(target), os.Rename(unpacked, target)); err != nil {
		return err
	}
	f.say("Fetched, and the checksum is right: they are in %s", target)
	return f.link(target)
}

// download writes the archive of the version and the platform, whose checksum is right.
func (f *fetcher) download(ctx context.Context, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := newMeter(f, cancel)
	defer m.close()
	client := &remote.HTTPClient{Log: logr.Discard(), IndexURL: f.index}
	wanted := versions.PlatformItem{Platform: f.platform}
	err = client.FetchSum(ctx, f.version, &wanted)
	if err == nil {
		err = client.GetVersion(ctx, f.version, wanted, out)
	}
	switch err = errors.Join(err, out.Close()); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && strings.Contains(err.Error(), "checksum mismatch"):
		return fmt.Errorf("%w: %w", errChecksum, err)
	}
	return err
}

// unpack returns the folder below work that the archive's programs lie in.
func (f *fetcher) unpack(ctx context.Context, archive, work string) (string, error) {
	in, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }() // it is only read
	s := store.NewAt(work)
	item := store.Item{Version: f.version, Platform: f.platform}
	if err := s.Add(logr.NewContext(ctx, logr.Discard()), item, in); err != nil {
		return "", err
	}
	path, err := s.Path(item)
	if err != nil {
		return "", err
	}
	// The store takes the right to write away, which would keep "rm -r bin" from removing it.
	return path, errors.Join(os.Chmod(path, 0o755), complete(path)) //nolint:gosec // a folder of programs
}

// complete says what a folder lacks of the programs.
func complete(folder string) error {
	for _, name := range programs {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("the archive has no %s", name)
		}
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("the archive's %s cannot be run", name)
		}
	}
	return nil
}

// link lets the names in the folder lead to the programs of one version, as build.sh
// does with the one that it builds, and makes them newer than what they depend on.
func (f *fetcher) link(target string) error {
	now := time.Now()
	for _, name := range programs {
		link := filepath.Join(f.folder, name)
		fresh := link + ".new"
		err := errors.Join(os.RemoveAll(fresh), os.Chtimes(filepath.Join(target, name), now, now),
			os.Symlink(filepath.Join(filepath.Base(target), name), fresh), os.Rename(fresh, link))
		if err != nil {
			return err
		}
	}
	return nil
}

// meter is a transport that gives up where nothing arrives, and shows how much has.
type meter struct {
	*fetcher
	before http.RoundTripper
	alive  *time.Timer
	over   *time.Timer
	shown  time.Time
}

// newMeter lies under http.DefaultClient, which the library uses, until it is closed.
func newMeter(f *fetcher, cancel context.CancelCauseFunc) *meter {
	m := &meter{fetcher: f, before: http.DefaultClient.Transport, shown: time.Now()}
	m.alive = time.AfterFunc(f.stall, func() { cancel(fmt.Errorf("nothing arrived for %s", f.stall)) })
	m.over = time.AfterFunc(f.limit, func() { cancel(fmt.Errorf("it took longer than %s", f.limit)) })
	http.DefaultClient.Transport = m
	return m
}

func (m *meter) close() {
	m.alive.Stop()
	m.over.Stop()
	http.DefaultClient.Transport = m.before
}

// RoundTrip answers with a body that is metered.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		m.alive.Reset(m.stall)
		response.Body = &metered{ReadCloser: response.Body, meter: m, size: response.ContentLength}
	}
	return response, err
}

// metered is the body of an answer.
type metered struct {
	io.ReadCloser
	meter     *meter
	got, size int64 // bytes; the size is -1 where nobody knows it
}

func (b *metered) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.got += int64(n)
		b.meter.alive.Reset(b.meter.stall)
		b.meter.show(b.got, b.size)
	}
	return n, err
}

// show says how much has arrived, now and then.
func (m *meter) show(got, size int64) {
	if time.Since(m.shown) < m.progress {
		return
	}
	m.shown = time.Now()
	if size < 0 {
		m.say("Fetched %d MiB", got>>20)
		return
	}
	m.say("Fetched %d of %d MiB", got>>20, size>>20)
}
