package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"exactmatch.dev/operator/hack/measure"
)

// task is what the process of the bad clients does.
type task struct {
	Kind, Endpoint, Token, Upload string
	Seconds                       float64
}

// found is what they did.
type found struct{ Connections, Calls int64 }

// everyKind is all kinds at once.
const everyKind = "all of these"

// worker is one bad client, which goes on until ctx ends.
type worker func(ctx context.Context, c *clients)

// bad are the kinds: how many clients of each, and what one does.
var bad = map[string]struct {
	count int
	work  worker
}{
	"half-open connections":          {400, halfOpen},
	"headers by the byte":            {400, slowHeader},
	"bodies by the byte, with a URI": {64, slowBlock},
	"bodies by the byte, nobody's":   {64, slowBody},
	"bodies of 64 MiB, with a token": {4, oversize},
	"headers of 1 MiB":               {4, largeHeader},
	"200 calls a second, nobody's":   {10, flood},
	"answers that are never read":    {64, neverReads},
}

func kinds() iter.Seq[string] { return maps.Keys(bad) }

// clients are those of one process.
type clients struct {
	task
	address     string
	connections atomic.Int64
	calls       atomic.Int64
}

// misbehave does a task.
func misbehave(ctx context.Context, t task) (found, error) {
	if err := measure.GiveWay(); err != nil {
		return found{}, err
	}
	at, err := url.Parse(t.Endpoint)
	if err != nil {
		return found{}, err
	}
	c := &clients{task: t, address: at.Host}
	ctx, stop := context.WithTimeout(ctx, time.Duration(t.Seconds*float64(time.Second)))
	defer stop()
	var all sync.WaitGroup
	for kind, of := range bad {
		if kind != t.Kind && t.Kind != everyKind {
			continue
		}
		for range of.count {
			all.Go(func() { of.work(ctx, c) })
		}
	}
	all.Wait()
	return found{c.connections.Load(), c.calls.Load()}, nil
}

// again connects until ctx ends, at intervals, and lets use have each connection.
func (c *clients) again(ctx context.Context, every time.Duration, use func(net.Conn)) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
		if err != nil {
			pause(ctx, every)
			continue
		}
		c.connections.Add(1)
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends what waits for it
		use(conn)
		stop()
		_ = conn.Close() // it may be closed
		pause(ctx, every)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func halfOpen(ctx context.Context, c *clients) {
	c.again(ctx, time.Second, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }) // until it is closed
}

// drip sends a byte at a time until the connection is closed.
func drip(ctx context.Context, conn net.Conn) {
	for ctx.Err() == nil {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
		pause(ctx, 250*time.Millisecond)
	}
}

func slowHeader(ctx context.Context, c *clients) {
	c.again(ctx, time.Second, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: service\r\nX-Slow: ") // drip sees what is wrong
		drip(ctx, conn)
	})
}

func (c *clients) head(method, target, token string, length int) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, target, length)
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	c.calls.Add(1)
	return head + "\r\n"
}

func slowBlock(ctx context.Context, c *clients) {
	_, target, _ := strings.Cut(c.Upload, c.address)
	c.again(ctx, time.Second, func(conn net.Conn) {
		_, _ = io.WriteString(conn, c.head(http.MethodPut, target+"&comp=block&blockid=AAAAAAAAAAAAAAAA", "", 1<<20)) // as above
		drip(ctx, conn)
	})
}

const storesPath = "/beta/dataClassification/exactMatchDataStores"

func slowBody(ctx context.Context, c *clients) {
	c.again(ctx, time.Second, func(conn net.Conn) {
		_, _ = io.WriteString(conn, c.head(http.MethodPost, storesPath, "", 1<<20)) // as above
		drip(ctx, conn)
	})
}

func oversize(ctx context.Context, c *clients) {
	chunk := make([]byte, 64<<10)
	c.again(ctx, time.Second, func(conn net.Conn) {
		_, _ = io.WriteString(conn, c.head(http.MethodPost, storesPath, c.Token, 64<<20)) // as above
		for range 1 << 10 {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	})
}

func largeHeader(ctx context.Context, c *clients) {
	line := "X-Large: " + strings.Repeat("x", 1<<20)
	c.again(ctx, time.Second, func(conn net.Conn) {
		c.calls.Add(1)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: service\r\n"+line+"\r\n\r\n") // it is refused before
		_, _ = io.Copy(io.Discard, conn)
	})
}

func flood(ctx context.Context, c *clients) {
	c.again(ctx, 50*time.Millisecond, func(conn net.Conn) {
		_, _ = io.WriteString(conn, c.head(http.MethodGet, storesPath, "nobody", 0)) // as above
		_, _ = io.Copy(io.Discard, conn)
	})
}

// neverReads sends calls until nothing more is taken.
func neverReads(ctx context.Context, c *clients) {
	c.again(ctx, time.Second, func(conn net.Conn) {
		out := bufio.NewWriter(conn)
		for range 10_000 {
			if _, err := out.WriteString(c.head(http.MethodGet, storesPath, c.Token, 0)); err != nil {
				break
			}
		}
		_ = out.Flush() // it may be closed
		<-ctx.Done()
	})
}
