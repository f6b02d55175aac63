package lookup

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/fingerprint"
)

// lookupFlags are the flags of the lookup command.
type lookupFlags struct {
	query                                    Query
	endpoint, tokenFile, keyFile, output, ca string
	valuesFile                               string
	plainHTTP                                bool
}

// Command is the command lookup.
func Command() *cobra.Command {
	var f lookupFlags
	c := &cobra.Command{
		Use: "lookup", Short: "Ask a data store whether it holds plain values; only tokens leave this machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runLookup(c.Context(), c.InOrStdin(), c.OutOrStdout(), f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "http://127.0.0.1:8765/beta", "endpoint of the service, as in the upload agent")
	flags.StringVar(&f.tokenFile, "bearer-token-file", "", "file with the service's bearer token (required)")
	flags.StringVar(&f.ca, "ca-file", "", "certificates of a private authority in PEM")
	flags.BoolVar(&f.plainHTTP, "allow-plain-http", false, "speak http to other than loopback addresses")
	flags.StringVar(&f.query.Store, "store", "", "displayName of the data store (required)")
	flags.StringVar(&f.keyFile, "key-file", "", "file with the store's key, as it is in the Secret (required)")
	flags.StringVar(&f.query.Column, "column", "", "searchable column to look in (required)")
	flags.StringArrayVar(&f.query.Values, "value", nil, "plain value; may be repeated")
	flags.StringVar(&f.valuesFile, "values-from", "", `file with one plain value per line, "-" for stdin: keeps values out of the process list`)
	flags.StringToStringVar(&f.query.SameRow, "same-row", nil, "COLUMN=VALUE to compare within the rows found; may be repeated")
	flags.IntVar(&f.query.Limit, "limit", 10, "rows to show of each value")
	flags.StringVarP(&f.output, "output", "o", "table", "table or json")
	for _, name := range []string{"bearer-token-file", "store", "key-file", "column"} {
		_ = c.MarkFlagRequired(name) // the flag is there
	}
	return c
}

func runLookup(ctx context.Context, in io.Reader, out io.Writer, f lookupFlags) error {
	if err := fingerprint.SelfTest(); err != nil {
		return err
	}
	write := map[string]func(io.Writer, []Found) error{"table": WriteTable, "json": WriteJSON}[f.output]
	if write == nil {
		return errors.New("--output is table or json")
	}
	values, err := readValues(in, f.valuesFile)
	if err != nil {
		return err
	}
	f.query.Values = append(f.query.Values, values...)
	if len(f.query.Values) == 0 {
		return errors.New("give at least one --value, or --values-from")
	}
	if f.query.Key, err = os.ReadFile(f.keyFile); err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	token, err := readToken(f.tokenFile)
	if err != nil {
		return err
	}
	web, err := f.client()
	if err != nil {
		return err
	}
	c, err := rest.New(rest.Options{Endpoint: f.endpoint, Token: rest.StaticToken(token), HTTP: web})
	if err != nil {
		return err
	}
	found, err := Ask(ctx, c.Stores(), f.query)
	if err != nil {
		return err
	}
	return write(out, found)
}

// client dials the endpoint's host wherever it is: the person at the keyboard
// chose it. Plain HTTP beyond loopback needs to be allowed.
func (f lookupFlags) client() (*http.Client, error) {
	endpoint, err := url.Parse(f.endpoint)
	if err != nil || endpoint.Host == "" {
		return nil, errors.New("--endpoint must be an http or https URL")
	}
	guard := dial.Guard{AllowHosts: []string{endpoint.Host}, PlainHTTP: dial.PlainHTTPLoopback}
	if f.plainHTTP {
		guard.PlainHTTP = dial.PlainHTTPAnywhere
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		guard.RootCAs = x509.NewCertPool()
		if !guard.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM", f.ca)
		}
	}
	return guard.HTTPClient(), nil
}

// readValues reads one value per line.
func readValues(stdin io.Reader, path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := io.ReadAll(stdin)
	if path != "-" {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("--values-from: %w", err)
	}
	return strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n"), nil
}

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--bearer-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("--bearer-token-file: %s is empty", path)
	}
	return token, nil
}
