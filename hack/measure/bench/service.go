package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/pipeline"
)

// serviceToken is the bearer token of a service that lives for one case.
const serviceToken = "the-token-of-one-benchmark"

// serviceProcess is the operator's service as a process of its own.
type serviceProcess struct {
	cmd    *exec.Cmd
	log    *os.File
	client *rest.Client
	agent  *edm.UploadAgent
	store  *edm.DataStore
	ended  chan struct{} // closed once err is set
	err    error
}

// startService starts the operator's binary over a fresh folder and makes an
// upload agent and a data store.
func startService(ctx context.Context, t task) (*serviceProcess, error) {
	token := filepath.Join(t.Work, "token")
	if err := os.WriteFile(token, []byte(serviceToken), 0o600); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &serviceProcess{ended: make(chan struct{})}
	if s.log, err = os.Create(filepath.Join(t.Work, "service.log")); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, t.Service, "service", "--listen", address, "--data-dir", filepath.Join(t.Work, "data"), "--bearer-token-file", token) //nolint:gosec // our own binary
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.log, s.log, measure.DiesWithUs()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the service: %w; build it with 'make build'", err), s.log.Close())
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	s.client, err = rest.New(rest.Options{
		Endpoint: "http://" + address + "/beta", Token: rest.StaticToken(serviceToken), HTTP: guarded(), Pace: rest.Unpaced(),
	})
	if err == nil {
		err = s.ready(ctx, "http://"+address+"/readyz")
	}
	if err == nil {
		err = s.furnish(ctx, t.Case.Table)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// freeAddress is one of this machine that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the service answers.
func (s *serviceProcess) ready(ctx context.Context, url string) error {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := guarded().Do(request); err == nil {
			return answer.Body.Close()
		}
		select {
		case <-every.C:
		case <-s.ended:
			return fmt.Errorf("the service ended at once: %w; it says: %s", s.err, s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the service did not get ready: %w; it says: %s", ctx.Err(), s.lastWords())
		}
	}
}

// lastWords is the last line of the service's log.
func (s *serviceProcess) lastWords() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// furnish makes what a session needs.
func (s *serviceProcess) furnish(ctx context.Context, t tableSpec) (err error) {
	if s.agent, err = s.client.Agents().Create(ctx, edm.UploadAgent{Description: "bench"}, "agent"); err != nil {
		return err
	}
	hashed := patientColumns
	if t.Rows > 0 {
		hashed = t.hashed()
	}
	store := edm.DataStore{DisplayName: storeName}
	for _, c := range hashed {
		store.Columns = append(store.Columns, edm.Column{
			Name: c.Name, IsSearchable: true, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters,
		})
	}
	s.store, err = s.client.Stores().Create(ctx, store, "store")
	return err
}

// create opens a session for blocks.
func (s *serviceProcess) create(ctx context.Context, fields []string, rowsPerBlock, blocks int, keyID, content string) (*edm.Session, error) {
	perBlock, total := int32(rowsPerBlock), int32(blocks)
	return s.client.Sessions().Create(ctx, s.store.ID, edm.Session{
		UploadAgentID: s.agent.ID, Fields: fields, FileName: "patients.csv",
		RowsPerBlock: &perBlock, TotalBlockCount: &total, KeyID: keyID, ContentKey: content,
	}, "session")
}

// openSession opens a session whose blocks are never read.
func (s *serviceProcess) openSession(ctx context.Context, blocks int) (string, error) {
	keyID, err := pipeline.KeyID([]byte(storeKey), storeName)
	if err != nil {
		return "", err
	}
	one, err := s.create(ctx, namesOf(patientColumns), uploadRows, blocks, keyID, "sha256:"+strings.Repeat("0", 64))
	if err != nil {
		return "", err
	}
	return one.DataUploadURI, nil
}

func (s *serviceProcess) pid() int { return s.cmd.Process.Pid }

// stop ends the service. Its folder goes with the case's.
func (s *serviceProcess) stop() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-s.ended: // how it ends is of no matter here
	case <-timer.C:
		err = errors.Join(err, errors.New("the service did not stop and was killed"), s.cmd.Process.Kill())
	}
	return errors.Join(err, s.log.Close())
}
