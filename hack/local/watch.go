package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Died says that a process of the run ended although nothing stopped it.
type Died struct {
	Name  string
	State *os.ProcessState // nil for etcd and kube-apiserver, which are not our own children
}

func (d *Died) Error() string {
	if d.State == nil {
		return d.Name + " ended by itself"
	}
	return fmt.Sprintf("%s ended by itself: %s", d.Name, d.State)
}

// Watch returns a copy of ctx that is cancelled as soon as any process of the run
// ends by itself, with a *Died as its cause. Stop does not report that process again.
func (s *Stack) Watch(ctx context.Context) (context.Context, context.CancelFunc) {
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case d := <-s.died:
			_, _ = s.take(d.Name) // the control plane's are not among them
			cancel(d)
		case <-watched.Done():
		}
	}()
	return watched, func() { cancel(nil) }
}

// report tells the watcher of the first process that died.
func (s *Stack) report(d *Died) {
	select {
	case s.died <- d:
	default:
	}
}

// await waits for the end of a process that Start has started.
func (s *Stack) await(p *process) {
	p.err = p.cmd.Wait()
	if !p.stopped.Load() {
		s.report(&Died{p.name, p.cmd.ProcessState})
	}
	close(p.ended)
}

// followPlane lets the control plane write to logs of the run, and returns what
// must be called once it has started: from then on its processes are watched. The
// pipe that a process writes to ends with it, which is all that envtest lets us see.
func (s *Stack) followPlane() (started func(), err error) {
	etcd, err := s.follow("etcd")
	if err != nil {
		return nil, err
	}
	server, err := s.follow("kube-apiserver")
	if err != nil {
		return nil, errors.Join(err, etcd.Close())
	}
	s.plane.ControlPlane.Etcd = &envtest.Etcd{Out: etcd, Err: etcd}
	s.plane.ControlPlane.APIServer = &envtest.APIServer{Out: server, Err: server}
	return func() {
		_ = etcd.Close() // the children have their own handles
		_ = server.Close()
	}, nil
}

// follow returns the end of a pipe whose bytes go to a log. Once nothing holds it
// any more, the process of that name has died, unless the run is being stopped.
func (s *Stack) follow(name string) (*os.File, error) {
	log, err := s.openLog(name)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	ended := make(chan struct{})
	s.followed = append(s.followed, ended)
	go func() {
		defer close(ended)
		if _, err := io.Copy(log, read); err != nil { // a full disk must not block the process
			_, _ = io.Copy(io.Discard, read)
		}
		_ = errors.Join(log.Close(), read.Close())
		if !s.stopping.Load() {
			s.report(&Died{Name: name})
		}
	}()
	return write, nil
}

// awaitPlane wants no process of the control plane to outlive its stop for long.
func (s *Stack) awaitPlane() error {
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	for _, ended := range s.followed {
		select {
		case <-ended:
		case <-late.C:
			return errors.New("a process of the control plane is still running after its stop")
		}
	}
	return nil
}
