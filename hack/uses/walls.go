package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
	"sigs.k8s.io/yaml"
)

// walls is the table of what packages must not import.
type walls struct {
	// Sets name paths together.
	Sets  map[string][]string `json:"sets"`
	Rules []rule              `json:"rules"`
}

// rule is a wall around packages. What packages are below a forbidden path is
// forbidden, too; the tests of a package are free.
type rule struct {
	// Packages are paths within the module; with "/..." also what is below.
	Packages []string `json:"packages"`
	// Forbid holds paths and names of sets, which must not be imported, not through others either.
	Forbid []string `json:"forbid,omitempty"`
	// ForbidDirectly holds those which the package's own files must not import.
	ForbidDirectly []string `json:"forbidDirectly,omitempty"`
	// StandardOnly forbids everything but the standard library and packages of the
	// module that keep this too.
	StandardOnly bool `json:"standardOnly,omitempty"`
	// Except holds paths whose own imports are not looked at.
	Except []string `json:"except,omitempty"`
	// Planned says that the packages are to come, or that the wall does not stand yet. Once it stands, this must go.
	Planned bool   `json:"planned,omitempty"`
	Why     string `json:"why"`
}

func readWalls(path string) (*walls, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w := &walls{}
	if err := yaml.UnmarshalStrict(text, w); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i := range w.Rules {
		r := &w.Rules[i]
		r.Forbid, r.ForbidDirectly = w.expand(r.Forbid), w.expand(r.ForbidDirectly)
		if len(r.Packages) == 0 || len(r.Forbid)+len(r.ForbidDirectly) == 0 && !r.StandardOnly || r.Why == "" {
			return nil, fmt.Errorf("%s: rule %d needs packages, why, and one of forbid, forbidDirectly and standardOnly", path, i+1)
		}
	}
	return w, nil
}

// expand puts the paths of sets in the place of their names.
func (w *walls) expand(paths []string) []string {
	var out []string
	for _, path := range paths {
		if set, is := w.Sets[path]; is {
			out = append(out, set...)
		} else {
			out = append(out, path)
		}
	}
	return out
}

// below says whether a package is one of paths, or below one.
func below(path string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

// imports is what the packages of a module import: all that they need, by path.
type imports struct {
	module string
	of     map[string][]string
	own    []string // sorted
}

func loadImports(ctx context.Context, dir string) (*imports, error) {
	roots, err := packages.Load(&packages.Config{
		Context: ctx, Dir: dir, Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
	}, "./...")
	if err != nil {
		return nil, err
	}
	all := &imports{of: map[string][]string{}}
	packages.Visit(roots, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.PkgPath, e))
		}
		var paths []string
		for _, to := range p.Imports {
			paths = append(paths, to.PkgPath)
		}
		slices.Sort(paths)
		all.of[p.PkgPath] = paths
	})
	for _, p := range roots {
		all.module = p.Module.Path
		all.own = append(all.own, p.PkgPath)
	}
	slices.Sort(all.own)
	return all, err
}

// matching are the packages of the module that a rule's pattern names.
func (all *imports) matching(pattern string) []string {
	path, deep := strings.CutSuffix(all.module+"/"+pattern, "/...")
	var out []string
	for _, own := range all.own {
		if own == path || deep && strings.HasPrefix(own, path+"/") {
			out = append(out, own)
		}
	}
	return out
}

// way is the shortest way of imports from a package to one that is forbidden, and
// nil where there is none.
func (all *imports) way(from string, forbidden func(path string) bool, except []string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != from && forbidden(at) {
			return backwards(before, at)
		}
		if at != from && below(at, except) {
			continue
		}
		for _, to := range all.of[at] {
			if _, seen := before[to]; !seen {
				before[to] = at
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// backwards is the way that led to a package.
func backwards(before map[string]string, at string) (way []string) {
	for ; at != ""; at = before[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	return way
}

// forbidden is what a rule forbids, through others too.
func (all *imports) forbidden(r *rule) func(path string) bool {
	forbid := all.absolute(r.Forbid)
	return func(path string) bool {
		first, _, _ := strings.Cut(path, "/")
		return below(path, forbid) || r.StandardOnly && strings.Contains(first, ".") && !below(path, []string{all.module})
	}
}

// breaches says what packages of a rule import that they must not.
func (all *imports) breaches(r *rule) (faults []string) {
	forbidden, directly, except := all.forbidden(r), all.absolute(r.ForbidDirectly), all.absolute(r.Except)
	for _, pattern := range r.Packages {
		for _, from := range all.matching(pattern) {
			if way := all.way(from, forbidden, except); way != nil {
				faults = append(faults, fmt.Sprintf("%s must not import %s (%s): %s", all.short(from), all.short(way[len(way)-1]), r.Why, strings.Join(way, " -> ")))
			}
			for _, to := range all.of[from] {
				if below(to, directly) {
					faults = append(faults, fmt.Sprintf("%s must not import %s directly (%s)", all.short(from), all.short(to), r.Why))
				}
			}
		}
	}
	return faults
}

// absolute puts the module before paths of its own, which begin with "./".
func (all *imports) absolute(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, path := range paths {
		if own, is := strings.CutPrefix(path, "./"); is {
			path = all.module + "/" + own
		}
		out = append(out, path)
	}
	return out
}

// short is a path as people say it within the module.
func (all *imports) short(path string) string { return strings.TrimPrefix(path, all.module+"/") }

// checkWalls holds the module of the working folder against the table.
func checkWalls(ctx context.Context, out io.Writer, table string) error {
	w, err := readWalls(table)
	if err != nil {
		return err
	}
	all, err := loadImports(ctx, ".")
	if err != nil {
		return err
	}
	return w.check(all, table, out)
}

// check reports what planned rules wait for, and fails for all other breaches.
func (w *walls) check(all *imports, table string, out io.Writer) error {
	var lines, faults []string
	checked := map[string]bool{}
	for i := range w.Rules {
		r := &w.Rules[i]
		found := all.faults(r, checked)
		switch {
		case !r.Planned:
			faults = append(faults, found...)
		case len(found) > 0:
			lines = append(lines, "planned: "+strings.Join(found, "; "))
		default:
			faults = append(faults, fmt.Sprintf("the wall of %s stands: take planned off its rule", strings.Join(r.Packages, ", ")))
		}
	}
	lines = append(lines, fmt.Sprintf("%d packages were held against %s", len(checked), table))
	if _, err := fmt.Fprintln(out, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("against %s:\n%s", table, strings.Join(faults, "\n"))
	}
	return nil
}

// faults are the breaches of a rule, and its packages that are absent.
func (all *imports) faults(r *rule, checked map[string]bool) (faults []string) {
	for _, pattern := range r.Packages {
		found := all.matching(pattern)
		if len(found) == 0 {
			faults = append(faults, pattern+" is absent")
		}
		for _, path := range found {
			checked[path] = true
		}
	}
	return append(faults, all.breaches(r)...)
}
