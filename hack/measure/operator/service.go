package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// Service is the operator's service as a process of its own over a folder.
type Service struct {
	Endpoint, Token string

	dir   string
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed once err is set
	err   error
}

// StartService starts the operator's binary over a fresh folder below dir, and
// waits until it answers.
func StartService(ctx context.Context, binary, dir string, flags ...string) (*Service, error) {
	return start(ctx, "http", binary, dir, flags)
}

// StartTLSService is StartService over TLS, under a certificate that Guard trusts.
func StartTLSService(ctx context.Context, binary, dir, cert, key string) (*Service, error) {
	return start(ctx, "https", binary, dir, []string{"--tls-cert-file", cert, "--tls-key-file", key, "--max-calls-per-second", "0"})
}

func start(ctx context.Context, scheme, binary, dir string, flags []string) (*Service, error) {
	s := &Service{dir: filepath.Join(dir, "service"), Token: rand.Text(), ended: make(chan struct{})}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(s.Token), 0o600); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s.Endpoint = scheme + "://" + address + "/beta"
	if s.log, err = os.Create(filepath.Join(dir, "service.log")); err != nil {
		return nil, err
	}
	flags = append([]string{"service", "--listen", address, "--data-dir", s.dir, "--bearer-token-file", token}, flags...)
	s.cmd = exec.CommandContext(ctx, binary, flags...) //nolint:gosec // our own binary
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.log, s.log, measure.DiesWithUs()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the service: %w; build it with 'make build'", err), s.log.Close())
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(ctx, scheme+"://"+address+"/readyz"); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; the service says: %s", err, s.LastWords()), s.Stop())
	}
	return s, nil
}

// freeAddress is an unused address of this machine.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *Service) ready(ctx context.Context, url string) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	web := Guard.HTTPClient()
	return measure.Until(ctx, 5*time.Millisecond, "the service is ready", func() (bool, error) {
		select {
		case <-s.ended:
			return false, fmt.Errorf("the service ended at once: %w", s.err)
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		answer, err := web.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
}

// Path of a file below the service's folder.
func (s *Service) Path(name string) string { return filepath.Join(s.dir, name) }

// Usage is what the service has taken so far.
func (s *Service) Usage() (measure.Usage, error) { return measure.UsageOf(s.cmd.Process.Pid) }

// LastWords are the last line of the service's log.
func (s *Service) LastWords() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return measure.LastLine(string(text))
}

// stopTime is how long the service may take to end its work.
const stopTime = 40 * time.Second

// Stop ends the service, and fails where it does not end well.
func (s *Service) Stop() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
		err = errors.Join(err, errors.New("the service did not stop and was killed"), s.cmd.Process.Kill())
		<-s.ended
	}
	if s.err != nil {
		err = errors.Join(err, fmt.Errorf("the service ended with %w", s.err))
	}
	return errors.Join(err, s.log.Close())
}
