package service

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/service/openapi"
	"exactmatch.dev/operator/internal/service/openapi/openapitest"
)

// described validates what the services of tests take and answer.
var described = sync.OnceValues(func() (*openapitest.Document, error) {
	text, err := openapi.Document()
	if err != nil {
		return nil, err
	}
	return openapitest.Read(text)
})

// Watch holds every exchange of a service against its OpenAPI document.
func (s *Service) Watch(t testing.TB) {
	t.Helper()
	document, err := described()
	if err != nil {
		t.Fatal(err)
	}
	watched := http.NewServeMux()
	watched.Handle("/", openapitest.Handler(s.mux, func(e *openapitest.Exchange) {
		for _, fault := range document.Faults(e) {
			t.Errorf("%s %s: %s", e.Method, e.URL.Path, fault)
		}
	}))
	s.mux = watched
}

func documentText(t *testing.T) []byte {
	t.Helper()
	text, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// operationsOf are the operations of the document with the roles of which a caller needs
// one, such as "POST /upload/{session}".
func operationsOf(t *testing.T) map[string][]string {
	t.Helper()
	var is struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(documentText(t), &is); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for path, methods := range is.Paths {
		if _, elsewhere := methods["servers"]; elsewhere {
			continue
		}
		for method, raw := range methods {
			var of struct {
				Security []map[string][]string `json:"security"`
			}
			if !openapitest.IsMethod(method) {
				continue
			}
			if err := json.Unmarshal(raw, &of); err != nil {
				t.Fatal(err)
			}
			name := strings.ToUpper(method) + " " + path
			all[name] = []string{}
			for _, way := range of.Security {
				all[name] = append(all[name], way["bearer"]...)
			}
		}
	}
	return all
}

// The document has every call with its roles, and no other.
func TestDocumentHasEveryCall(t *testing.T) {
	documented := operationsOf(t)
	calls := (&Service{}).calls()
	for pattern, to := range calls {
		method, path, _ := strings.Cut(pattern, " ")
		name := method + " " + base + path
		var roles []string
		for _, role := range to.roles {
			roles = append(roles, string(role))
		}
		if got, there := documented[name]; !there || !slices.Equal(got, roles) {
			t.Errorf("%s is for the roles %v, and the document says %v", name, roles, got)
		}
		delete(documented, name)
	}
	text, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, others := range regexp.MustCompile(`mux\.Handle(?:Func)?\("([A-Z]+ )?(/[^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		methods := []string{others[1]}
		if others[1] == "" {
			methods = []string{"GET ", "HEAD ", "PUT "} // of the blob protocol
		}
		for _, method := range methods {
			if _, there := documented[method+others[2]]; !there {
				t.Errorf("the document lacks %s%s", method, others[2])
			}
			delete(documented, method+others[2])
		}
	}
	for name := range documented {
		t.Errorf("the document has %s, which the service has not", name)
	}
}

// The document has every status with every code that a handler answers with, and no
// other.
func TestDocumentHasEveryError(t *testing.T) {
	answers, err := openapitest.AnswersOf(documentText(t))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, one := range answers {
		if one.Code != "" {
			documented[fmt.Sprintf("%d %s", one.Status, one.Code)] = true
		}
	}
	answered := errorsInSource(t)
	if len(answered) < 30 {
		t.Fatalf("the source has only the errors %v", slices.Sorted(maps.Keys(answered)))
	}
	for one, where := range answered {
		if !documented[one] {
			t.Errorf("the document lacks %s of %s", one, where)
		}
	}
	for one := range documented {
		if answered[one] == "" {
			t.Errorf("the document has %s, which no handler answers with", one)
		}
	}
}

// source reads the package's files without tests, and the codes of package edm.
type source struct {
	files     []*ast.File
	set       *token.FileSet
	constants map[string]string
}

// errorsInSource are the errors that the handlers make by fail and those that call it,
// such as "409 Conflict", each with a place.
func errorsInSource(t *testing.T) map[string]string {
	t.Helper()
	s := readSource(t)
	found := map[string]string{}
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			name, is := call.Fun.(*ast.Ident)
			if !is {
				return true
			}
			status, code := "", ""
			switch {
			case name.Name == "fail" && len(call.Args) > 2:
				status, code = s.value(call.Args[0]), s.value(call.Args[1])
			case name.Name == "unprocessable":
				status, code = "422", s.value(call.Args[0])
			}
			if status != "" && code != "" { // else they are variables, of one who is among these
				found[status+" "+code] = s.set.Position(call.Pos()).String()
			}
			return true
		})
	}
	return found
}

func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{set: token.NewFileSet(), constants: map[string]string{}}
	for status := range 600 {
		name := strings.NewReplacer(" ", "", "-", "").Replace(http.StatusText(status))
		s.constants["http.Status"+name] = strconv.Itoa(status)
	}
	for prefix, dir := range map[string]string{"": ".", "edm.": "../edm"} {
		names, err := fs.Glob(os.DirFS(dir), "*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(s.set, dir+"/"+name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			s.takeConstants(prefix, file)
			if dir == "." {
				s.files = append(s.files, file)
			}
		}
	}
	return s
}

// takeConstants keeps the strings that a file names.
func (s *source) takeConstants(prefix string, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		for i, name := range spec.Names {
			if i < len(spec.Values) {
				if text, is := spec.Values[i].(*ast.BasicLit); is && text.Kind == token.STRING {
					s.constants[prefix+name.Name] = s.value(text)
				}
			}
		}
		return true
	})
}

// value is that of a string or a constant, "" for anything else.
func (s *source) value(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(of.Value)
		if err != nil {
			return of.Value
		}
		return text
	case *ast.Ident:
		return s.constants[of.Name]
	case *ast.SelectorExpr:
		if pkg, is := of.X.(*ast.Ident); is {
			return s.constants[pkg.Name+"."+of.Sel.Name]
		}
	}
	return ""
}
