package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/fingerprint"
)

// redisAnswering is a Redis that keeps, by the token of one column, a row and its token of
// another: one GET a question, all of a batch in one pipeline, over TLS.
type redisAnswering struct {
	cmd  *exec.Cmd
	conn *tls.Conn
	in   *bufio.Reader
	out  []byte
}

// loadedAtOnce are the pairs that are set in one pipeline.
const loadedAtOnce = 10_000

func openRedis(ctx context.Context, t task, pairs []pair) (_ answerer, err error) {
	cert, key, err := certify(t.Work)
	if err != nil {
		return nil, err
	}
	address, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r := &redisAnswering{cmd: exec.CommandContext(ctx, "redis-server", "--bind", host, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, //nolint:gosec // our own arguments
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--save", "", "--appendonly", "no", "--dir", t.Work)}
	r.cmd.Stderr, r.cmd.SysProcAttr = os.Stderr, measure.DiesWithUs()
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, address, pairs); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// begin connects once Redis listens, and sets all pairs.
func (r *redisAnswering) begin(ctx context.Context, address string, pairs []pair) error {
	wait, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	err := measure.Until(wait, 10*time.Millisecond, "Redis answers", func() (bool, error) {
		conn, err := (&tls.Dialer{Config: tlsOf()}).DialContext(wait, "tcp", address)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		r.conn, r.in = conn.(*tls.Conn), bufio.NewReaderSize(conn, 64<<10)
		return true, r.ping(ctx)
	})
	for ; err == nil && len(pairs) > 0; pairs = pairs[min(loadedAtOnce, len(pairs)):] {
		err = r.load(pairs[:min(loadedAtOnce, len(pairs))])
	}
	return err
}

func (r *redisAnswering) load(some []pair) error {
	r.out = r.out[:0]
	for i := range some {
		r.out = append(append(append(r.out, "*3\r\n$3\r\nSET\r\n$16\r\n"...), some[i].token[:]...), "\r\n$20\r\n"...)
		r.out = append(binary.BigEndian.AppendUint32(append(r.out, some[i].same[:]...), uint32(some[i].row)), "\r\n"...)
	}
	if _, err := r.conn.Write(r.out); err != nil {
		return err
	}
	for range some {
		if err := r.want("+OK"); err != nil {
			return err
		}
	}
	return nil
}

// want reads one line of an answer.
func (r *redisAnswering) want(line string) error {
	got, err := r.in.ReadSlice('\n')
	if err == nil && string(bytes.TrimRight(got, "\r\n")) != line {
		err = fmt.Errorf("Redis answers %q in place of %q", got, line) //nolint:staticcheck // a name
	}
	return err
}

func (r *redisAnswering) ask(_ context.Context, some []pair) error {
	r.out = r.out[:0]
	for i := range some {
		r.out = append(append(append(r.out, "*2\r\n$3\r\nGET\r\n$16\r\n"...), some[i].token[:]...), "\r\n"...)
	}
	if _, err := r.conn.Write(r.out); err != nil {
		return err
	}
	var value [fingerprint.TokenSize + 4 + 2]byte
	for i := range some {
		if err := r.want("$" + strconv.Itoa(len(value)-2)); err != nil {
			return err
		}
		if _, err := io.ReadFull(r.in, value[:]); err != nil {
			return err
		}
		if fingerprint.Token(value[:]) != some[i].same || int(binary.BigEndian.Uint32(value[fingerprint.TokenSize:])) != some[i].row {
			return fmt.Errorf("Redis has another row than %d", some[i].row) //nolint:staticcheck // a name
		}
	}
	return nil
}

func (r *redisAnswering) ping(context.Context) error {
	if _, err := r.conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		return err
	}
	return r.want("+PONG")
}

func (r *redisAnswering) usage() (measure.Usage, error) { return measure.UsageOf(r.cmd.Process.Pid) }

func (r *redisAnswering) stop() error {
	var err error
	if r.conn != nil {
		err = r.conn.Close()
	}
	err = errors.Join(err, r.cmd.Process.Signal(os.Interrupt))
	return errors.Join(err, r.cmd.Wait())
}
