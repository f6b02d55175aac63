package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run runs the command line and returns its error's words.
func run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	c := root()
	var out bytes.Buffer
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestBadFlagsAreNamed(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, empty, key := file("token", "secret-token\n"), file("empty", "\n"), file("key", "short")
	ask := []string{"lookup", "--store", "s", "--column", "c", "--key-file", key, "--bearer-token-file", token}
	with := func(more ...string) []string { return append(append([]string{}, ask...), more...) }
	for name, tc := range map[string]struct {
		args  []string
		words string
	}{
		"log level":            {[]string{"--log-level", "loud", "service", "--bearer-token-file", token}, "--log-level"},
		"no command's word":    {[]string{"manage"}, "unknown command"},
		"memory":               {[]string{"manager", "--transfer-memory", "0"}, "--transfer-memory"},
		"parallelism":          {[]string{"manager", "--transfer-parallelism", "0"}, "--transfer-parallelism"},
		"interval":             {[]string{"manager", "--poll-interval", "0s"}, "--poll-interval"},
		"source root":          {[]string{"manager", "--source-root", filepath.Join(dir, "nowhere")}, "--source-root"},
		"an argument":          {[]string{"manager", "again"}, "unknown command"},
		"no token file":        {[]string{"service"}, "bearer-token-file"},
		"an empty token":       {[]string{"service", "--bearer-token-file", empty}, "is empty"},
		"a token that is none": {[]string{"service", "--bearer-token-file", filepath.Join(dir, "nowhere")}, "--bearer-token-file"},
		"half of TLS":          {[]string{"service", "--bearer-token-file", token, "--tls-key-file", key}, "--tls-cert-file"},
		"quota":                {[]string{"service", "--bearer-token-file", token, "--max-commits-per-day", "0"}, "--max-commits-per-day"},
		"nothing to look up":   {with(), "--value"},
		"output":               {with("--value", "secret-cell", "-o", "yaml"), "--output"},
		"values from nowhere":  {with("--values-from", filepath.Join(dir, "nowhere")), "--values-from"},
		"no endpoint":          {with("--value", "secret-cell", "--endpoint", "nowhere"), "--endpoint"},
		"no authority":         {with("--value", "secret-cell", "--ca-file", key), "--ca-file"},
		"plain http":           {with("--value", "secret-cell", "--endpoint", "http://edm.example.com/beta"), "plain http"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, "", tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Fatalf("want words about %s, got %v", tc.words, err)
			}
			for _, secret := range []string{"secret-token", "secret-cell"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
		})
	}
}

func TestEveryFlagIsExplained(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s is not explained", c.CommandPath(), f.Name)
			}
		})
		for _, below := range c.Commands() {
			visit(below)
		}
	}
	visit(root())
}
