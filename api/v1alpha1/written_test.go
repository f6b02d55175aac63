package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("The status", func() {
	It("has no field that the controllers never mention", func() {
		files, err := filepath.Glob("../../controllers/*.go")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		mentioned := map[string]bool{}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			Expect(err).NotTo(HaveOccurred())
			ast.Inspect(parsed, func(n ast.Node) bool {
				if name, ok := n.(*ast.Ident); ok {
					mentioned[name.Name] = true
				}
				return true
			})
		}
		var silent []string
		for _, status := range []any{v1alpha1.ExactMatchSessionStatus{}, v1alpha1.ExactMatchDataStoreStatus{}, v1alpha1.ExactMatchUploadAgentStatus{}, v1alpha1.ExactMatchScheduleStatus{}} {
			fieldsOf(reflect.TypeOf(status), func(path, name string) {
				if !mentioned[name] {
					silent = append(silent, path)
				}
			})
		}
		Expect(silent).To(BeEmpty(), "a field that nobody writes is never seen")
	})
})

// fieldsOf visits the fields of a type of the API, and those of the structs below it.
func fieldsOf(t reflect.Type, visit func(path, name string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.HasSuffix(t.PkgPath(), "/api/v1alpha1") {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.Anonymous {
			visit(t.Name()+"."+field.Name, field.Name)
		}
		fieldsOf(field.Type, visit)
	}
}
