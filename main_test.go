package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/plugin"
	"exactmatch.dev/operator/internal/schema"
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
	with := func(more ...string) []string { return append(lookupOf("http://127.0.0.1:1/beta", key, token), more...) }
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
		"namespaces":           {[]string{"manager", "--namespaces", "team-a,Team/B"}, "--namespaces"},
		"an argument":          {[]string{"manager", "again"}, "unknown command"},
		"no token file":        {[]string{"service"}, "bearer-token-file"},
		"an empty token":       {[]string{"service", "--bearer-token-file", empty}, "is empty"},
		"a token that is none": {[]string{"service", "--bearer-token-file", filepath.Join(dir, "nowhere")}, "--bearer-token-file"},
		"half of TLS":          {[]string{"service", "--bearer-token-file", token, "--tls-key-file", key}, "--tls-cert-file"},
		"quota":                {[]string{"service", "--bearer-token-file", token, "--max-commits-per-day", "-1"}, "--max-commits-per-day"},
		"upload rate":          {[]string{"service", "--bearer-token-file", token, "--min-upload-rate", "0"}, "--min-upload-rate"},
		"cap":                  {[]string{"service", "--bearer-token-file", token, "--max-data-stores", "-1"}, "--max-data-stores"},
		"a policy alone":       {[]string{"service", "--bearer-token-file", token, "--policy-file", key}, "--policy-file"},
		"no policy":            {[]string{"service", "--static-token-file", key}, "--policy-file"},
		"bad static tokens":    {[]string{"service", "--static-token-file", token, "--policy-file", key}, "--static-token-file"},
		"no issuers":           {[]string{"service", "--authentication-config", filepath.Join(dir, "nowhere"), "--policy-file", key}, "--authentication-config"},
		"questions":            {[]string{"service", "--bearer-token-file", token, "--max-questions-per-minute", "999"}, "--max-questions-per-minute"},
		"no folder to check":   {[]string{"service", "check", "--data-dir", filepath.Join(dir, "nowhere")}, "starts there with nothing"},
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

// lookupOf is the command lookup with all that it requires but a value.
func lookupOf(endpoint, key, token string) []string {
	return []string{"lookup", "--endpoint", endpoint, "--store", "s", "--column", "c", "--key-file", key, "--bearer-token-file", token}
}

// TestMain runs the program itself where a test asks for its exit code.
func TestMain(m *testing.M) {
	if os.Getenv("EXACTMATCH_TEST_MAIN") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestExitCodes runs the program itself.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	key, token := filepath.Join(dir, "key"), filepath.Join(dir, "token")
	if err := errors.Join(os.WriteFile(key, make([]byte, 32), 0o600), os.WriteFile(token, []byte("t"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"version":                  {[]string{"version"}, 0, "fingerprint rules: v1\n", ""},
		"the flag version":         {[]string{"--version"}, 0, "block format: exactmatch.dev/block/v1\n", ""},
		"version of something":     {[]string{"version", "now"}, 1, "", "unknown command"},
		"no such command":          {[]string{"manage"}, 1, "", "unknown command"},
		"a service's flag":         {[]string{"service"}, 1, "", "bearer-token-file"},
		"found":                    {[]string{"--value", "a"}, 0, "1        yes     4", ""},
		"not all found":            {[]string{"--value", "a", "--value", "b"}, 1, "2        no", "exactmatch: not found: 1 of 2 values"},
		"a value that is no text":  {[]string{"--value", "\xfc"}, 2, "", "--value 1: not valid UTF-8"},
		"no value":                 {nil, 2, "", "--value"},
		"a flag that is not":       {[]string{"--nonsense"}, 2, "", "not a flag of lookup"},
		"an argument":              {[]string{"--value", "a", "b"}, 2, "", "flags only"},
		"a required flag left out": {[]string{"lookup"}, 2, "", "required flag"},
		"nothing to scan":          {[]string{"scan"}, 2, "", "give at least one file"},
		"a scan's required flag":   {[]string{"scan", "-"}, 2, "", "required flag"},
		"help of scan":             {[]string{"scan", "--help"}, 0, "Exit codes:", ""},
		"log level":                {[]string{"--value", "a", "--log-level", "loud"}, 2, "", "--log-level"},
		"help":                     {[]string{"--help"}, 0, "Exit codes:", ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := tc.args
			if len(args) == 0 || strings.HasPrefix(args[0], "--") && args[0] != "--version" {
				args = append(lookupOf(holder(t)+"/beta", key, token), args...)
			}
			c := exec.CommandContext(t.Context(), os.Args[0], args...)
			c.Env = append(os.Environ(), "EXACTMATCH_TEST_MAIN=1")
			var stdout, stderr strings.Builder
			c.Stdout, c.Stderr = &stdout, &stderr
			err := c.Run()
			if code := c.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d (%v): %s", code, tc.code, err, stderr.String())
			}
			if !strings.Contains(stdout.String(), tc.stdout) || !strings.Contains(stderr.String(), tc.stderr) {
				t.Errorf("it prints\n%s\nand\n%s", stdout.String(), stderr.String())
			}
		})
	}
}

// holder is a service whose data store "s" holds the value "a" in its column "c",
// under a key of zeros.
func holder(t *testing.T) string {
	t.Helper()
	key, err := fingerprint.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := key.Hasher("s", schema.Column{Name: "c"})
	if err != nil {
		t.Fatal(err)
	}
	held := base64.StdEncoding.EncodeToString(hasher.AppendToken(nil, []byte("a")))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Questions []struct{ Token string } }
		_ = json.NewDecoder(r.Body).Decode(&q) // a list has no body
		var answers []string
		for _, one := range q.Questions {
			found := `{"total":0}`
			if one.Token == held {
				found = `{"total":1,"rows":[{"row":4}]}`
			}
			answers = append(answers, found)
		}
		answer := `{"generation":1,"sessionId":"s","answers":[` + strings.Join(answers, ",") + `]}`
		if r.Method == http.MethodGet {
			answer = `{"value":[{"id":"1","displayName":"s","columns":[{"name":"c","isSearchable":true}]}]}`
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("request-id", "1")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
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
	visit(program(plugin.Binary))
}

// TestThePluginHasExamplesAndExitCodes holds the help of what kubectl runs.
func TestThePluginHasExamplesAndExitCodes(t *testing.T) {
	for _, c := range program("/usr/local/bin/" + plugin.Binary).Commands() {
		switch c.Name() {
		case "version", "completion", "help":
			continue
		}
		if c.Example == "" || !strings.Contains(c.Long, "Exit codes:") {
			t.Errorf("%s has no example, or says nothing of its exit codes", c.CommandPath())
		}
		if strings.Contains(c.UsageString(), "kubectl-exactmatch "+c.Name()) {
			t.Errorf("the usage of %s names the file, not what people type", c.Name())
		}
	}
}

// TestThePluginIsDocumented finds a command that the README does not show, and the files
// around the plugin under another name than kubectl and krew look for.
func TestThePluginIsDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## At the terminal")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, c := range program(plugin.Binary).Commands() {
		switch c.Name() {
		case "version", "completion", "help":
			continue
		}
		if !strings.Contains(section, "`"+c.Name()) {
			t.Errorf("README.md does not show %s", c.Name())
		}
	}
	if info, err := os.Stat("config/krew/kubectl_complete-" + strings.TrimPrefix(plugin.Binary, "kubectl-")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("kubectl finds no executable for completion: %v", err)
	}
	manifest, err := os.ReadFile("config/krew/exactmatch.yaml")
	if err != nil || !strings.Contains(string(manifest), "\n  name: "+strings.TrimPrefix(plugin.Binary, "kubectl-")+"\n") {
		t.Errorf("krew would install another name: %v", err)
	}
}

// TestTheNameMakesThePlugin runs the program as kubectl does.
func TestTheNameMakesThePlugin(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "kubeconfig")
	for name, tc := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"help":             {[]string{"--help"}, 0, "kubectl exactmatch [command]", ""},
		"version":          {[]string{"version"}, 0, "fingerprint rules: v1\n", ""},
		"no such command":  {[]string{"manager"}, 2, "", "kubectl exactmatch: unknown command"},
		"no name":          {[]string{"why"}, 2, "", "accepts 1 arg"},
		"log level":        {[]string{"status", "--log-level", "loud"}, 2, "", "--log-level"},
		"no kubeconfig":    {[]string{"status", "--kubeconfig", nowhere}, 2, "", "kubeconfig"},
		"lookup's own":     {[]string{"lookup"}, 2, "", "required flag"},
		"completion works": {[]string{"completion", "bash"}, 0, "kubectl-exactmatch", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Args = append([]string{"/usr/local/bin/" + plugin.Binary}, tc.args...)
			c.Env = append(os.Environ(), "EXACTMATCH_TEST_MAIN=1", "KUBECONFIG=")
			var stdout, stderr strings.Builder
			c.Stdout, c.Stderr = &stdout, &stderr
			err := c.Run()
			if code := c.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d (%v): %s", code, tc.code, err, stderr.String())
			}
			if !strings.Contains(stdout.String(), tc.stdout) || !strings.Contains(stderr.String(), tc.stderr) {
				t.Errorf("it prints\n%s\nand\n%s", stdout.String(), stderr.String())
			}
		})
	}
}

// TestEveryCommandIsJoined finds a package that brings a command which root does not
// take.
func TestEveryCommandIsJoined(t *testing.T) {
	joined, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	brought := 0
	err = filepath.WalkDir("internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("\nfunc Command() *cobra.Command {")) {
			return err
		}
		brought++
		if call := filepath.Base(filepath.Dir(path)) + ".Command()"; !bytes.Contains(joined, []byte(call)) {
			t.Errorf("root does not join %s of %s", call, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if commands := len(root().Commands()); commands != brought {
		t.Errorf("root has %d commands, and packages bring %d", commands, brought)
	}
}
