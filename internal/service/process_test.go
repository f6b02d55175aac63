package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service"
)

// childFolder names the folder of the service that this binary is to be, in
// place of a test.
const childFolder = "EXACTMATCH_TEST_SERVICE_FOLDER"

// childCommand has the arguments of "exactmatch service", one a line, that this binary
// is to run in place of a test.
const childCommand = "EXACTMATCH_TEST_SERVICE_COMMAND"

const childCommits = 4

// holdHeader asks the child to hold a call, once its handler is reached or once
// the service has answered it: nothing of the answer leaves the child, and only a
// kill ends the call.
const (
	holdHeader = "Test-Hold"
	holdBefore = "before"
	holdAfter  = "after"
)

func TestMain(m *testing.M) {
	dir, args := os.Getenv(childFolder), os.Getenv(childCommand)
	if dir == "" && args == "" {
		os.Exit(m.Run())
	}
	work := func() error { return child(dir) }
	if args != "" {
		work = func() error {
			c := service.Command()
			c.SetArgs(strings.Split(args, "\n"))
			return c.ExecuteContext(context.Background())
		}
	}
	if err := work(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child serves from a folder at the listener that it inherits, until it is
// killed or its parent is gone.
func child(dir string) error {
	signal.Ignore(syscall.SIGXFSZ) // a file that is too large is an error, as a full disk is
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	s, err := service.New(service.Config{
		Dir: dir, Token: func() (string, error) { return bearer, nil }, MaxCommits: childCommits, MinFreeDisk: 1,
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	s.TakeTenants()
	server := s.Server()
	server.Handler = holding(server.Handler, os.NewFile(4, "held"))
	ended := make(chan error, 3)
	go func() { ended <- s.Run(context.Background()) }()
	go func() { ended <- server.Serve(listener) }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	return <-ended
}

// holding says on a pipe when it holds a call.
func holding(next http.Handler, held io.Writer) http.Handler {
	hold := func() {
		_, _ = held.Write([]byte{'h'}) // who does not hear it waits in vain, and says so
		select {}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := r.Header.Get(holdHeader)
		if at == holdBefore {
			hold()
		}
		next.ServeHTTP(w, r)
		if at == holdAfter {
			hold()
		}
	})
}

// process is a service of its own process that is killed and started again. The
// listener is this process's: a call that comes while none runs waits for the
// next one.
type process struct {
	dir, url string
	listener *os.File
	client   *http.Client

	command *exec.Cmd
	stdin   io.Closer
	held    *os.File
	log     bytes.Buffer

	hold string // of the calls that are sent: holdBefore, holdAfter or nothing
}

// caller sends calls with a header more.
type caller struct {
	*process
	tag string // If-Match
}

func (p *process) ifMatch(tag string) caller { return caller{p, tag} }

func (c caller) api(method, path, requestID string, body any) reply {
	return c.call(method, c.url+"/beta/dataClassification/exactMatchDataStores"+path, requestID, body, http.Header{"If-Match": {c.tag}})
}

// unheld sends a call that is not held.
func (p *process) unheld(method, url string) reply {
	return p.sendWith(method, url, "", nil, http.Header{holdHeader: {""}})
}

func newProcess(dir string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	p := &process{
		dir: dir, url: "http://" + listener.Addr().String(), listener: file,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	return p, errors.Join(listener.Close(), p.start())
}

func (p *process) start() error {
	p.log.Reset()
	p.command = exec.Command(os.Args[0])
	p.command.Env = append(os.Environ(), childFolder+"="+p.dir)
	p.command.Stderr = &p.log
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return err
	}
	held, says, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	p.stdin, p.held = stdin, held
	p.command.ExtraFiles = []*os.File{p.listener, says}
	return errors.Join(p.command.Start(), says.Close())
}

// awaitHeld returns when a call is held.
func (p *process) awaitHeld() error {
	if err := p.held.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.held, make([]byte, 1)); err != nil {
		return fmt.Errorf("no call reached the service to be held: %w\n%s", err, p.log.String())
	}
	return nil
}

// release closes what the parent has of a child that is gone.
func (p *process) release() {
	_ = p.stdin.Close() // its reader is gone
	_ = p.held.Close()  // as its writer
}

// kill is kill -9. It fails where the process had ended by itself, or had said
// that something went wrong that no test made go wrong.
func (p *process) kill() error {
	if err := p.command.Process.Kill(); err != nil {
		return fmt.Errorf("the service is not there to be killed: %w\n%s", err, p.log.String())
	}
	err := p.command.Wait()
	p.release()
	if !strings.Contains(fmt.Sprint(err), "signal: killed") {
		return errors.Join(errors.New("the service ended by itself"), err, errors.New(p.log.String()))
	}
	for line := range strings.Lines(p.log.String()) {
		var said struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &said) != nil {
			if strings.HasPrefix(line, "{") {
				continue // the kill came while it wrote the line
			}
			return fmt.Errorf("the service said %s", p.log.String())
		}
		if said.Level == "ERROR" && !strings.Contains(said.Error, "bytes behind the last column") {
			return fmt.Errorf("the service said %s", line)
		}
	}
	return nil
}

func (p *process) close() {
	_ = p.command.Process.Kill() // it may have ended
	_ = p.command.Wait()         // as it was killed
	p.release()
	_ = p.listener.Close()
}

// reply is what came back: err where nothing did, or not all.
type reply struct {
	status int
	code   string
	body   []byte
	err    error
}

// send sends one call once.
func (p *process) send(method, url, requestID string, body []byte) reply {
	return p.sendWith(method, url, requestID, body, nil)
}

func (p *process) sendWith(method, url, requestID string, body []byte, header http.Header) reply {
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	if p.hold != "" {
		r.Header.Set(holdHeader, p.hold)
	}
	if requestID != "" {
		r.Header.Set("client-request-id", requestID)
	}
	maps.Copy(r.Header, header)
	resp, err := p.client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return reply{err: err}
	}
	return replyOf(resp.StatusCode, resp.Header, text)
}

func replyOf(status int, header http.Header, text []byte) reply {
	out := reply{status: status, body: text, code: header.Get("x-ms-error-code")}
	var failed struct{ Error struct{ Code string } }
	if out.code == "" && out.status >= 400 && json.Unmarshal(text, &failed) == nil {
		out.code = failed.Error.Code
	}
	return out
}

// api sends a call of Graph's part.
func (p *process) api(method, path, requestID string, body any) reply {
	return p.call(method, p.url+"/beta/dataClassification/exactMatchDataStores"+path, requestID, body, nil)
}

func (p *process) call(method, url, requestID string, body any, header http.Header) reply {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return reply{err: err}
		}
	}
	return p.sendWith(method, url, requestID, text, header)
}
