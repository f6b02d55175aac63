// Package blobstest is what every blobs.Store must do.
package blobstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/service/blobs"
)

// Run tries a Store. A call of place makes an empty place; a call of what it
// returns opens that place, as another process would.
func Run(t *testing.T, place func(*testing.T) (open func() blobs.Store)) {
	for name, test := range map[string]func(*suite){
		"what is missing":                   missing,
		"a file that was put":               put,
		"a file that is put again":          putAgain,
		"a file that was written in pieces": written,
		"a file that is written again":      writtenAgain,
		"a file that is given up":           givenUp,
		"a file that is removed":            removed,
		"a group that is removed":           groupRemoved,
		"reads at a place":                  readsAt,
		"an open file outlives its removal": outlives,
		"a mapped file":                     mapped,
		"many at once":                      manyAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			open := place(t)
			test(&suite{T: t, open: open, s: open()})
		})
	}
}

type suite struct {
	*testing.T
	open func() blobs.Store
	s    blobs.Store
}

func (t *suite) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// has wants a file's bytes, of this Store and of another that is opened there.
func (t *suite) has(group, name, want string) {
	t.Helper()
	for _, s := range []blobs.Store{t.s, t.open()} {
		got, err := blobs.ReadAll(t.Context(), s, group, name)
		if err != nil || string(got) != want {
			t.Errorf("%s/%s holds %q (%v), want %q", group, name, got, err, want)
		}
	}
}

// lists wants the files of a group, with their sizes, and the groups that have any.
func (t *suite) lists(group string, want ...blobs.File) {
	t.Helper()
	for _, s := range []blobs.Store{t.s, t.open()} {
		got, err := s.List(t.Context(), group)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s lists %v (%v), want %v", group, got, err, want)
		}
		groups, err := s.Groups(t.Context())
		if err != nil || len(want) > 0 && !slices.Contains(groups, group) {
			t.Errorf("%s is not among the groups %v (%v)", group, groups, err)
		}
	}
}

func (t *suite) put(group, name, text string) {
	t.Helper()
	t.must(t.s.Put(t.Context(), group, name, []byte(text)))
}

func (t *suite) write(group, name string, pieces ...string) blobs.Writer {
	t.Helper()
	w, err := t.s.Create(t.Context(), group, name)
	t.must(err)
	for _, piece := range pieces {
		n, err := w.Write([]byte(piece))
		t.must(err)
		if n != len(piece) {
			t.Fatalf("%d of %d bytes are written without an error", n, len(piece))
		}
	}
	return w
}

func missing(t *suite) {
	t.put("other", "file", "x")
	for _, group := range []string{"other", "nobody"} {
		if f, err := t.s.Open(t.Context(), group, "none"); !errors.Is(err, fs.ErrNotExist) || f != nil {
			t.Errorf("%s/none opens as %v (%v)", group, f, err)
		}
		t.must(t.s.Remove(t.Context(), group, "none"))
	}
	t.must(t.s.RemoveAll(t.Context(), "nobody"))
	t.lists("nobody")
	groups, err := t.open().Groups(t.Context())
	if err != nil || !slices.Equal(groups, []string{"other"}) {
		t.Errorf("the groups are %v (%v)", groups, err)
	}
}

func put(t *suite) {
	t.put("a", "two", "22")
	t.put("a", "one", "1")
	t.put("b", "one", "")
	t.has("a", "one", "1")
	t.has("a", "two", "22")
	t.has("b", "one", "")
	t.lists("a", blobs.File{Name: "one", Size: 1}, blobs.File{Name: "two", Size: 2})
	t.lists("b", blobs.File{Name: "one"})
}

func putAgain(t *suite) {
	t.put("a", "one", "a long text")
	t.put("a", "one", "short")
	t.has("a", "one", "short")
	t.lists("a", blobs.File{Name: "one", Size: 5})
}

func written(t *suite) {
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<16))
	t.must(t.write("a", "large", large, "", large, "end").Commit())
	t.must(t.write("a", "empty").Commit())
	t.has("a", "large", large+large+"end")
	t.has("a", "empty", "")
	t.lists("a", blobs.File{Name: "empty"}, blobs.File{Name: "large", Size: 2<<20 + 3})
}

func writtenAgain(t *suite) {
	t.put("a", "one", "a long text")
	t.must(t.write("a", "one", "short").Commit())
	t.has("a", "one", "short")
}

func givenUp(t *suite) {
	t.must(t.write("a", "run", "entries").Close())
	got, err := blobs.ReadAll(t.Context(), t.s, "a", "run")
	if err != nil || string(got) != "entries" {
		t.Errorf("a file that was closed holds %q (%v)", got, err)
	}
	t.must(t.s.Remove(t.Context(), "a", "run"))
	t.lists("a")
}

func removed(t *suite) {
	t.put("a", "one", "1")
	t.put("a", "one.more", "2")
	t.must(t.s.Remove(t.Context(), "a", "one"))
	t.lists("a", blobs.File{Name: "one.more", Size: 1})
	t.put("a", "one", "again")
	t.has("a", "one", "again")
}

func groupRemoved(t *suite) {
	t.put("a", "one", "1")
	t.put("a", "two", "2")
	t.put("ab", "one", "3") // its name begins with the other's
	t.must(t.s.RemoveAll(t.Context(), "a"))
	t.lists("a")
	t.has("ab", "one", "3")
	t.put("a", "one", "again")
	t.lists("a", blobs.File{Name: "one", Size: 5})
}

func readsAt(t *suite) {
	t.put("a", "one", "0123456789")
	f, err := t.s.Open(t.Context(), "a", "one")
	t.must(err)
	defer func() { t.must(f.Close()) }()
	size, err := f.Size()
	if err != nil || size != 10 {
		t.Errorf("the size is %d (%v)", size, err)
	}
	part := make([]byte, 4)
	for at, want := range map[int64]string{0: "0123", 3: "3456", 6: "6789", 8: "89", 10: ""} {
		n, err := f.ReadAt(part, at)
		if string(part[:n]) != want || n < len(part) != errors.Is(err, io.EOF) || n == len(part) && err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("at %d there is %q (%v), want %q", at, part[:n], err, want)
		}
	}
}

func mapped(t *suite) {
	if m, err := t.s.Map(t.Context(), "a", "none"); !errors.Is(err, fs.ErrNotExist) || m != nil {
		t.Errorf("a missing file is mapped as %v (%v)", m, err)
	}
	for _, text := range []string{"", "a text"} {
		t.put("a", "one", text)
		m, err := t.s.Map(t.Context(), "a", "one")
		t.must(err)
		t.put("a", "one", "another text")
		t.must(t.s.RemoveAll(t.Context(), "a"))
		if got := string(m.Bytes()); got != text {
			t.Errorf("%q is mapped as %q", text, got)
		}
		t.must(m.Close())
	}
}

func outlives(t *suite) {
	t.put("a", "one", "1")
	t.put("b", "one", "2")
	for group, remove := range map[string]func() error{
		"a": func() error { return t.s.Remove(t.Context(), "a", "one") },
		"b": func() error { return t.s.RemoveAll(t.Context(), "b") },
	} {
		f, err := t.s.Open(t.Context(), group, "one")
		t.must(err)
		t.must(remove())
		text := make([]byte, 1)
		if _, err := f.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%s/one cannot be read once it is removed: %v", group, err)
		}
		t.must(f.Close())
		t.lists(group)
	}
}

func manyAtOnce(t *suite) {
	const writers, files = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range files {
				group, name := fmt.Sprint("group-", n%2), fmt.Sprintf("%d-%02d", w, n)
				if err := t.s.Put(t.Context(), group, name, []byte(name)); err != nil {
					t.Error(err)
				}
				got, err := blobs.ReadAll(t.Context(), t.s, group, name)
				if err != nil || string(got) != name {
					t.Errorf("%s/%s holds %q (%v)", group, name, got, err)
				}
			}
		})
	}
	all.Wait()
	for _, group := range []string{"group-0", "group-1"} {
		there, err := t.open().List(t.Context(), group)
		if err != nil || len(there) != writers*files/2 {
			t.Errorf("%s has %d files (%v), want %d", group, len(there), err, writers*files/2)
		}
	}
}
