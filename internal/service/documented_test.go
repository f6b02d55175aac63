package service

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func apiPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../edm/API.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// API.md names every command on tenants with its flags, and no other.
func TestCommandsOfTenantsAreDocumented(t *testing.T) {
	_, section, _ := strings.Cut(apiPage(t), "## Tenants\n")
	section, _, found := strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("API.md has no section on tenants")
	}
	known := map[string]bool{}
	for _, c := range append([]*cobra.Command{assignCommand()}, tenantCommand().Commands()...) {
		path := strings.TrimSpace(strings.TrimSuffix("exactmatch service "+strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), "service")), " TENANT"))
		known[path] = true
		if !strings.Contains(section, "`"+path+" --data-dir DIR") {
			t.Errorf("the section does not say how to call %q", path)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(section, "--"+f.Name) {
				t.Errorf("the section does not name --%s of %q", f.Name, path)
			}
		})
	}
	for _, one := range regexp.MustCompile("`(exactmatch service [a-z ]+) --").FindAllStringSubmatch(section, -1) {
		if !known[one[1]] {
			t.Errorf("the section names %q, which is no command", one[1])
		}
	}
}

// API.md names every flag of the service that bounds something, in its table of bounds.
func TestBoundsAreDocumented(t *testing.T) {
	_, section, _ := strings.Cut(apiPage(t), "## Bounds of our service\n")
	section, _, _ = strings.Cut(section, "\n## ")
	Command().Flags().VisitAll(func(f *pflag.Flag) {
		bound := strings.HasPrefix(f.Name, "max-") || strings.HasPrefix(f.Name, "min-") || f.Name == "upload-memory"
		if bound && f.Name != "max-commits-per-day" && !strings.Contains(section, "`--"+f.Name+"`") {
			t.Errorf("the table of bounds does not name --%s", f.Name)
		}
	})
}
