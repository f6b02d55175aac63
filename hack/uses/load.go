package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// pkg is a package as its files use each other.
type pkg struct {
	Path  string
	Files []string // sorted
	// Uses holds the names that a file uses of another, by the indices of both.
	Uses map[edge][]string
	// Declares holds what each file declares at the package's level, methods with their receiver's type.
	Declares [][]string
}

// edge says that one file uses a name that another declares.
type edge struct{ from, to int }

// load reads the packages of patterns, without their tests. What they import comes
// from the build cache.
func load(ctx context.Context, dir string, patterns []string) ([]*pkg, error) {
	found, err := packages.Load(&packages.Config{
		Context: ctx, Dir: dir,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
	}, patterns...)
	if err != nil {
		return nil, err
	}
	var out []*pkg
	var errs []error
	for _, p := range found {
		for _, e := range p.Errors {
			errs = append(errs, fmt.Errorf("%s: %w", p.PkgPath, e))
		}
		if len(p.GoFiles) > mostFiles {
			errs = append(errs, fmt.Errorf("%s: %d files; at most %d can be put in order", p.PkgPath, len(p.GoFiles), mostFiles))
		} else if len(p.GoFiles) > 0 {
			out = append(out, usesOf(p))
		}
	}
	slices.SortFunc(out, func(a, b *pkg) int { return cmp.Compare(a.Path, b.Path) })
	return out, errors.Join(errs...)
}

// within is a package's path without that of its module; "." is the root.
func within(p *packages.Package) string {
	if p.Module == nil {
		return p.PkgPath
	}
	return cmp.Or(strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, p.Module.Path), "/"), ".")
}

// usesOf collects what each file of a package uses of the others: names at the
// package's level and methods. Fields are left out: they come with their type.
func usesOf(p *packages.Package) *pkg {
	out := &pkg{Path: within(p), Uses: map[edge][]string{}}
	for _, f := range p.GoFiles {
		out.Files = append(out.Files, filepath.Base(f))
	}
	slices.Sort(out.Files)
	at := map[string]int{}
	for i, f := range out.Files {
		at[f] = i
	}
	for ident, object := range p.TypesInfo.Uses {
		name := declared(p.Types, object)
		if name == "" {
			continue
		}
		e := edge{at[fileOf(p, ident)], at[fileOf(p, object)]}
		if e.from != e.to && !slices.Contains(out.Uses[e], name) {
			out.Uses[e] = append(out.Uses[e], name)
		}
	}
	for _, names := range out.Uses {
		slices.Sort(names)
	}
	out.Declares = make([][]string, len(out.Files))
	for _, f := range p.Syntax {
		if i, is := at[fileOf(p, f)]; is {
			out.Declares[i] = declarations(f)
		}
	}
	return out
}

// declarations are the names of a file at the package's level.
func declarations(f *ast.File) []string {
	var names []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, funcName(d))
		case *ast.GenDecl:
			for _, s := range d.Specs {
				names = append(names, specNames(s)...)
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "_" || name == "init" })
}

func specNames(s ast.Spec) (names []string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	name := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if ident, is := n.(*ast.Ident); is && name == "" {
			name = ident.Name
		}
		return name == ""
	})
	return name + "." + f.Name.Name
}

func fileOf(p *packages.Package, what interface{ Pos() token.Pos }) string {
	return filepath.Base(p.Fset.Position(what.Pos()).Filename)
}

// declared names an object that the package declares at its level, or a method of
// the package; it is "" for everything else.
func declared(in *types.Package, object types.Object) string {
	if object.Pkg() != in {
		return ""
	}
	if f, is := object.(*types.Func); is {
		if receiver := f.Signature().Recv(); receiver != nil {
			return receiverName(receiver.Type()) + "." + f.Name()
		}
	}
	if object.Parent() == in.Scope() {
		return object.Name()
	}
	return ""
}

func receiverName(t types.Type) string {
	if p, is := t.(*types.Pointer); is {
		t = p.Elem()
	}
	if n, is := t.(*types.Named); is {
		return n.Obj().Name()
	}
	return "interface"
}

// mostFiles are the bits of a set of files.
const mostFiles = 64
