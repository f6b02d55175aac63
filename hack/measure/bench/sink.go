package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/minio/crc64nvme"

	"exactmatch.dev/operator/hack/measure"
)

// The sink is a process of its own: a storage that checks the CRC-64/NVME of
// every block and keeps nothing, and beside it a socket that drops what comes.

// sinkAddresses are what the sink prints once it listens.
type sinkAddresses struct {
	HTTP string `json:"http"`
	TCP  string `json:"tcp"`
}

// sinkChunk is how much is read before it is summed, while it is in the cache.
const sinkChunk = 256 << 10

// runSink serves until standard input ends.
func runSink(ctx context.Context) error {
	var listen net.ListenConfig
	overHTTP, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	raw, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, overHTTP.Close())
	}
	go acceptRaw(raw)
	server := &http.Server{Handler: http.HandlerFunc(takeBlock), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(overHTTP) }() // ends with the process
	if err := json.NewEncoder(os.Stdout).Encode(sinkAddresses{HTTP: overHTTP.Addr().String(), TCP: raw.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close(), raw.Close())
}

var chunks = sync.Pool{New: func() any { return new([sinkChunk]byte) }}

// takeBlock answers as a storage does: 201 where the sum is right.
func takeBlock(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-ms-request-id", "1") // an answer without these is not a storage's
	w.Header().Set("x-ms-version", r.Header.Get("x-ms-version"))
	chunk := chunks.Get().(*[sinkChunk]byte) //nolint:forcetypeassert // only these are put
	defer chunks.Put(chunk)
	sum := crc64nvme.New()
	for {
		n, err := r.Body.Read(chunk[:])
		_, _ = sum.Write(chunk[:n]) // a hash never fails
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			http.Error(w, "the body is cut off", http.StatusBadRequest)
			return
		}
	}
	if want := base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum.Sum64())); r.Header.Get("x-ms-content-crc64") != want {
		w.Header().Set("x-ms-error-code", "Crc64Mismatch")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("x-ms-content-crc64", r.Header.Get("x-ms-content-crc64"))
	w.WriteHeader(http.StatusCreated)
}

// acceptRaw takes connections that say how many bytes come, and answers one
// byte when they are there.
func acceptRaw(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // the listener was closed
		}
		go func() { _ = errors.Join(drop(c), c.Close()) }() // the other end notices that no answer came
	}
}

func drop(c net.Conn) error {
	var size [8]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	chunk := make([]byte, sinkChunk)
	for left := binary.LittleEndian.Uint64(size[:]); left > 0; {
		n, err := c.Read(chunk[:min(uint64(len(chunk)), left)])
		if err != nil {
			return err
		}
		left -= uint64(n)
	}
	_, err := c.Write([]byte{1})
	return err
}

// sinkProcess is a sink as its client sees it.
type sinkProcess struct {
	sinkAddresses
	cmd   *exec.Cmd
	stdin io.Closer
}

func startSink(ctx context.Context) (*sinkProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sinkProcess{cmd: exec.CommandContext(ctx, self, "sink")} //nolint:gosec // ourselves
	s.cmd.Stderr, s.cmd.SysProcAttr = os.Stderr, measure.DiesWithUs()
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.NewDecoder(strings.NewReader(line)).Decode(&s.sinkAddresses)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the sink did not say where it listens: %w", err), s.stop())
	}
	return s, nil
}

func (s *sinkProcess) stop() error { return errors.Join(s.stdin.Close(), s.cmd.Wait()) }
