package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/csv"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

const (
	// matchQuestions are those of a case, in batches.
	matchQuestions = 20_000
	leastCalls     = 2000

	partTransport = "transportSeconds" // of as many calls that ask nothing

	// The columns of the base case that are asked for, and compared: SSN and Email.
	matchColumn, sameRowColumn = 0, 4
)

// matchBatches are the questions of a call.
var matchBatches = []int{1, 100}

func matchID(kind string, batch int) string { return fmt.Sprintf("match/%s-%d", kind, batch) }

// pair is two tokens of one row.
type pair struct {
	token, same fingerprint.Token
	row         int
}

// answerer tells which rows have tokens, and whether they have the others.
type answerer interface {
	// ask fails unless each row is found with its other token.
	ask(ctx context.Context, some []pair) error
	// ping asks nothing.
	ping(ctx context.Context) error
	usage() (measure.Usage, error)
	stop() error
}

// matchCase asks a process over TLS on one connection, a batch after the other.
func matchCase(open func(context.Context, task, []pair) (answerer, error)) work {
	return func(ctx context.Context, t task) (s *measure.Sample, err error) {
		pairs, err := pairsOf(t)
		if err != nil {
			return nil, err
		}
		a, err := open(ctx, t, pairs)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, a.stop()) }()
		calls := max(matchQuestions/t.Case.Workers, leastCalls)
		askAll := func(calls int) error {
			batch := make([]pair, t.Case.Workers)
			for i := range calls {
				for j := range batch {
					batch[j] = pairs[(i*len(batch)+j)*7_654_321%len(pairs)]
				}
				if err := a.ask(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		}
		if err := askAll(calls / 10); err != nil {
			return nil, err
		}
		before, err := a.usage()
		if err != nil {
			return nil, err
		}
		if s, err = measure.Section(func() error { return askAll(calls) }); err != nil {
			return nil, err
		}
		after, err := a.usage()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		for range calls {
			if err := a.ping(ctx); err != nil {
				return nil, err
			}
		}
		s.Rows = calls * t.Case.Workers
		s.Parts = map[string]float64{measure.PartServiceCPU: (after.CPU - before.CPU).Seconds(), partTransport: time.Since(began).Seconds()}
		return s, nil
	}
}

// pairsOf hashes two columns of the case's table, and takes the rows that the first tells
// apart.
func pairsOf(t task) (out []pair, err error) {
	key, err := fingerprint.NewKey([]byte(storeKey))
	if err != nil {
		return nil, err
	}
	columns, at := t.Case.Table.hashed(), t.Case.Table.positions()
	var hashers []*fingerprint.Hasher
	for _, c := range columns {
		h, err := key.Hasher(storeName, c)
		if err != nil {
			return nil, err
		}
		hashers = append(hashers, h)
	}
	in, err := os.Open(t.Table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	rows := csv.NewReader(in)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, err
	}
	hash := func(cells []string, c int) fingerprint.Token {
		return fingerprint.Token(hashers[c].AppendToken(nil, []byte(cells[at[c]])))
	}
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return uniqueOf(out), nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, pair{hash(cells, matchColumn), hash(cells, sameRowColumn), len(out)})
	}
}

// uniqueOf are the pairs whose first token is in one row.
func uniqueOf(all []pair) []pair {
	rows := make(map[fingerprint.Token]int, len(all))
	for i := range all {
		rows[all[i].token]++
	}
	return slices.DeleteFunc(all, func(p pair) bool { return rows[p.token] > 1 })
}

// oursAnswering is the operator's service with the case's table.
type oursAnswering struct {
	service *operator.Service
	store   *operator.Store
	request edm.MatchRequest
	names   [2]string
	web     *http.Client
}

func openOurs(ctx context.Context, t task, _ []pair) (_ answerer, err error) {
	cert, key, err := certify(t.Work)
	if err != nil {
		return nil, err
	}
	service, err := operator.StartTLSService(ctx, t.Service, t.Work, cert, key)
	if err != nil {
		return nil, err
	}
	store, err := newStore(ctx, t, service)
	if err != nil {
		return nil, err
	}
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, errors.Join(err, service.Stop())
	}
	if err := publish(ctx, t, store, from); err != nil {
		return nil, errors.Join(err, service.Stop())
	}
	live, err := store.Client.Stores().Get(ctx, store.ID)
	if err != nil {
		return nil, errors.Join(err, service.Stop())
	}
	a := &oursAnswering{service: service, store: store, web: operator.Guard.HTTPClient()}
	a.request = edm.MatchRequest{KeyID: live.Live.KeyID, RulesIDs: map[string]string{}}
	for i, c := range []int{matchColumn, sameRowColumn} {
		column := live.Live.Columns[c]
		a.names[i], a.request.RulesIDs[column.Name] = column.Name, column.RulesID
	}
	return a, nil
}

func (a *oursAnswering) ask(ctx context.Context, some []pair) error {
	q := a.request
	for i := range some {
		q.Questions = append(q.Questions, edm.MatchQuestion{
			Column: a.names[0], Token: base64.StdEncoding.EncodeToString(some[i].token[:]), Limit: 1,
			SameRow: map[string][]string{a.names[1]: {base64.StdEncoding.EncodeToString(some[i].same[:])}},
		})
	}
	got, err := a.store.Client.Stores().Match(ctx, a.store.ID, q)
	if err != nil {
		return err
	}
	for i := range some {
		rows := got.Answers[i].Rows
		if len(rows) != 1 || rows[0].Row != int64(some[i].row) || len(rows[0].Matched) != 1 {
			return fmt.Errorf("the answer for row %d is %+v", some[i].row, got.Answers[i])
		}
	}
	return nil
}

// ping is a call without a question, which the service answers at once.
func (a *oursAnswering) ping(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.service.Endpoint[:len(a.service.Endpoint)-len("/beta")]+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := a.web.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}

func (a *oursAnswering) usage() (measure.Usage, error) { return a.service.Usage() }
func (a *oursAnswering) stop() error                   { return a.service.Stop() }

// certify writes a certificate for this machine, which Guard trusts from now on, and
// its key.
func certify(dir string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, is, is, key.Public(), key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	operator.Guard.RootCAs = x509.NewCertPool()
	operator.Guard.RootCAs.AppendCertsFromPEM(certText)
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	return certFile, keyFile, errors.Join(os.WriteFile(certFile, certText, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// tlsOf trusts the certificate of certify.
func tlsOf() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: operator.Guard.RootCAs}
}

// perQuestion is a figure divided by the questions, in microseconds.
func perQuestion(f measure.Figure) measure.Figure {
	return func(s measure.Sample) float64 { return f(s) / float64(s.Rows) * 1e6 }
}

func (d *document) matching() {
	d.Line("\n## Questions\n")
	d.Line("Which row has a token of one column, and whether it has a certain token of another, over TLS on one connection, a call after the other, of %s. Redis keeps the row and the other token by the token, and answers a GET a question, all of a call in one pipeline; the comparison is the client's then. Both clients are Go: the project's own, and a plain writer and reader of Redis's protocol. A call without a question stands for the transport: GET /healthz, and PING. Microseconds a question.\n", rowsAndShape(d.matrix.base()))
	d.Head("", "questions a call", "elapsed:", "x Redis:", "transport alone, elapsed:", "client CPU:", "server CPU:", "CPU of both, x Redis:")
	for _, batch := range matchBatches {
		for _, kind := range []string{kindMatch, kindRedis} {
			id, redis, r := matchID(kind, batch), matchID(kindRedis, batch), d.results
			if len(r[id]) == 0 {
				continue
			}
			d.Row(map[string]string{kindMatch: "match", kindRedis: "Redis"}[kind], fmt.Sprint(batch), measure.Median(r.Of(id, perQuestion(measure.WallSeconds))),
				measure.Spread(r.Ratio(id, redis, measure.WallSeconds)), measure.Median(r.Of(id, perQuestion(measure.Part(partTransport)))),
				measure.Median(r.Of(id, perQuestion(measure.CPUSeconds))), measure.Median(r.Of(id, perQuestion(measure.Part(measure.PartServiceCPU)))), measure.Spread(r.Ratio(id, redis, allCPU)))
		}
	}
}

// judgeMatching are the targets of questions.
func judgeMatching(r measure.Results) (all []verdict) {
	for _, batch := range matchBatches {
		t := target{against: fmt.Sprintf("Redis over TLS, %d questions a call, elapsed", batch), path: "any", bound: measure.AtMost(1)}
		got := r.Ratio(matchID(kindMatch, batch), matchID(kindRedis, batch), measure.WallSeconds)
		all = append(all, verdict{target: t, got: got, word: t.bound.Judge(got)})
	}
	return all
}
