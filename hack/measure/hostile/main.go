// Command hostile asks the service questions beside clients that mean it no good: some
// send their headers or bodies by the byte, open connections and say nothing, send too
// much, have no token, or never read an answer. It says how the time of the answers to
// the good client changes. The service and the bad clients are processes of their own.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
)

func main() { measure.Main("hostile", dispatch) }

// dispatch tells the driver from the process of the bad clients.
func dispatch(ctx context.Context, args []string) error {
	if err := measure.CheckSystem(); err != nil {
		return err
	}
	if len(args) == 1 && args[0] == measure.ChildArgument {
		return measure.DoTask(ctx, misbehave)
	}
	f := flag.NewFlagSet("hostile", flag.ContinueOnError)
	bin := f.String("bin", "bin", "folder of the operator's binary and of what the run writes")
	docs := f.String("docs", "", "file that the results are written to")
	window := f.Duration("window", 5*time.Second, "how long each part of a case takes; there are four")
	text := f.String("only", "", "regular expression of the kinds of clients")
	if err := measure.Parse(f, args); err != nil {
		return err
	}
	only, err := regexp.Compile(*text)
	if err != nil {
		return err
	}
	return drive(ctx, *bin, *docs, *window, only)
}

// bound is what the p99 beside bad clients may be of that without.
const bound = 2

func drive(ctx context.Context, bin, docs string, window time.Duration, only *regexp.Regexp) (err error) {
	dir, err := os.MkdirTemp(bin, "hostile-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	machine := measure.DescribeMachine(ctx)
	token, flags, err := another(dir)
	if err != nil {
		return err
	}
	service, err := operator.StartService(ctx, filepath.Join(bin, "exactmatch"), dir, flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Stop()) }()
	g, err := newGood(ctx, service)
	if err != nil {
		return err
	}
	var all []result
	for _, kind := range append(slices.Sorted(kinds()), everyKind) {
		if !only.MatchString(kind) {
			continue
		}
		r, err := g.beside(ctx, task{Kind: kind, Endpoint: service.Endpoint, Token: token, Upload: g.upload}, window)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		measure.Say("%s: %s", kind, r)
		all = append(all, r)
	}
	return report(machine, all, docs)
}

// another has the service take a caller of another tenant, by a token of its own.
func another(dir string) (token string, flags []string, err error) {
	token = rand.Text() + rand.Text()
	for flag, text := range map[string]string{
		"static-token-file": "apiVersion: service.exactmatch.dev/v1alpha1\nkind: StaticTokens\ntokens: [{name: bad, token: " + token + "}]\n",
		"policy-file": "apiVersion: service.exactmatch.dev/v1alpha1\nkind: CallerPolicy\n" +
			"rules: [{entry: static-tokens, subject: bad, tenant: others, roles: [uploader, reader]}]\n",
	} {
		path := filepath.Join(dir, flag+".yaml")
		flags, err = append(flags, "--"+flag, path), errors.Join(err, os.WriteFile(path, []byte(text), 0o600))
	}
	return token, flags, err
}

// result is a case: the answers to the good client without and with the bad ones.
type result struct {
	kind         string
	alone, among []float64 // seconds
	failed       int
	found        found
}

func (r result) ratio() float64 { return p99(r.among) / p99(r.alone) }

func (r result) String() string {
	return fmt.Sprintf("p99 %.2f ms alone, %.2f ms among them: %.2f times; %d of %d calls failed; they made %d connections and %d calls",
		1000*p99(r.alone), 1000*p99(r.among), r.ratio(), r.failed, len(r.alone)+len(r.among), r.found.Connections, r.found.Calls)
}

func p99(seconds []float64) float64 {
	return measure.Quantile(slices.Sorted(slices.Values(seconds)), .99)
}

func p50(seconds []float64) float64 {
	return measure.Quantile(slices.Sorted(slices.Values(seconds)), .5)
}

func report(machine measure.Machine, all []result, docs string) error {
	var d measure.Document
	d.Line("# Hostile and slow clients\n")
	d.Line("Written by `make hostile`. A good client asks 100 questions of 10 each a second, alone and among bad clients in turn, in one run. Times are in")
	d.Line("milliseconds; the p99 among them may be %d times that alone.\n", bound)
	d.Line("%s\n", machine)
	d.Head("clients", "p50 alone:", "p50 among:", "p99 alone:", "p99 among:", "times:", "failed:", "their connections:", "their calls:")
	var bad []error
	for _, r := range all {
		d.Row(r.kind, ms(p50(r.alone)), ms(p50(r.among)), ms(p99(r.alone)), ms(p99(r.among)), measure.Number(r.ratio()),
			fmt.Sprint(r.failed), fmt.Sprint(r.found.Connections), fmt.Sprint(r.found.Calls))
		if r.failed > 0 || r.ratio() > bound {
			bad = append(bad, fmt.Errorf("%s: %s", r.kind, r))
		}
	}
	fmt.Print(d.String())
	if docs == "" {
		return errors.Join(bad...)
	}
	return errors.Join(append(bad, os.WriteFile(docs, []byte(d.String()), 0o600))...)
}

func ms(seconds float64) string { return fmt.Sprintf("%.2f", 1000*seconds) }
