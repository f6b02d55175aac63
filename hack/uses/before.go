package main

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// loadRevision reads packages as a revision of the repository has them.
func loadRevision(ctx context.Context, revision string, patterns []string) (found []*pkg, err error) {
	dir, err := os.MkdirTemp("", "uses-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	archive := exec.CommandContext(ctx, "git", "archive", "--end-of-options", revision) //nolint:gosec // the caller's own repository
	archive.Stderr = os.Stderr
	stream, err := archive.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := archive.Start(); err != nil {
		return nil, err
	}
	if err := errors.Join(unpack(stream, dir), archive.Wait()); err != nil {
		return nil, fmt.Errorf("git archive %s: %w", revision, err)
	}
	return load(ctx, dir, present(dir, patterns))
}

// present leaves out the patterns whose folder is absent: packages come and go.
func present(dir string, patterns []string) []string {
	return slices.DeleteFunc(slices.Clone(patterns), func(pattern string) bool {
		_, err := os.Stat(filepath.Join(dir, strings.TrimSuffix(pattern, "...")))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// unpack writes the files of an archive below a folder; links are left out.
func unpack(stream io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is written through it
	for files := tar.NewReader(stream); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(files)
		if err != nil {
			return err
		}
		if err := errors.Join(root.MkdirAll(path.Dir(header.Name), 0o750), root.WriteFile(header.Name, text, 0o600)); err != nil {
			return err
		}
	}
}

// compareWith prints how a revision and the working folder differ.
func compareWith(ctx context.Context, out io.Writer, revision string, patterns []string) error {
	before, err := loadRevision(ctx, revision, patterns)
	if err != nil {
		return err
	}
	after, err := load(ctx, ".", present(".", patterns))
	if err != nil {
		return err
	}
	return compare(out, before, after)
}

// compare prints the figures of two revisions beside each other, and the files that
// were merged.
func compare(out io.Writer, before, after []*pkg) error {
	lines := map[string]*[2]figures{}
	for i, packages := range [][]*pkg{before, after} {
		for _, p := range packages {
			if lines[p.Path] == nil {
				lines[p.Path] = &[2]figures{}
			}
			lines[p.Path][i] = p.figures()
		}
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "files\tuses\tback up\t|\tfiles\tuses\tback up\t  package") // a tabwriter keeps the error until Flush
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		line := lines[name]
		_, _ = fmt.Fprintf(w, "%s\t|\t%s\t  %s\n", line[0], line[1], name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, mergedText(before, after))
	return err
}

// String is a cell of the comparison; a package without files is not there.
func (f figures) String() string {
	if f.files == 0 {
		return "-\t-\t-"
	}
	return fmt.Sprintf("%d\t%d\t%d", f.files, f.uses, f.back)
}

// declaredIn holds files by what they declare.
type declaredIn map[string]string

// places finds where packages declare what: by package and name, and by name alone
// where one package has it.
func places(packages []*pkg) (byPackage, byName declaredIn) {
	byPackage, byName = declaredIn{}, declaredIn{}
	twice := map[string]bool{}
	for _, p := range packages {
		for i, names := range p.Declares {
			for _, name := range names {
				file := path.Join(p.Path, p.Files[i])
				if _, is := byName[name]; is {
					twice[name] = true
				}
				byPackage[p.Path+"."+name], byName[name] = file, file
			}
		}
	}
	maps.DeleteFunc(byName, func(name, _ string) bool { return twice[name] })
	return byPackage, byName
}

// merged says which files took at least half of more than one earlier file. What
// was renamed is not found again.
func merged(before, after []*pkg) map[string][]string {
	byPackage, byName := places(after)
	out := map[string][]string{}
	for _, p := range before {
		for i, names := range p.Declares {
			to := map[string]int{}
			for _, name := range names {
				if file := cmp.Or(byPackage[p.Path+"."+name], byName[name]); file != "" {
					to[file]++
				}
			}
			if target := largest(to); 2*to[target] >= len(names) && target != "" {
				out[target] = append(out[target], path.Join(p.Path, p.Files[i]))
			}
		}
	}
	maps.DeleteFunc(out, func(_ string, from []string) bool { return len(from) < 2 })
	return out
}

// largest is the key with the highest count, and the first of them.
func largest(count map[string]int) (found string) {
	for _, key := range slices.Sorted(maps.Keys(count)) {
		if found == "" || count[key] > count[found] {
			found = key
		}
	}
	return found
}

func mergedText(before, after []*pkg) string {
	files := merged(before, after)
	text := &strings.Builder{}
	fmt.Fprintf(text, "\nmerged files: %d\n", len(files))
	for _, file := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(text, "  %s: %s\n", file, strings.Join(files[file], ", "))
	}
	return text.String()
}
