package service

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// gate bounds the connections that have shown neither the bearer token nor a
// signature of ours. Where there is one too many the oldest is closed: a caller
// who has one shows it at once, so that those who hold a connection without lose
// it to those who come.
type gate struct {
	most int

	mu       sync.Mutex
	order    *list.List // of net.Conn, the oldest first
	unproven map[net.Conn]*list.Element
}

func newGate(most int) *gate {
	return &gate{most: most, order: list.New(), unproven: map[net.Conn]*list.Element{}}
}

type connectionKey struct{}

// note is an http.Server's ConnContext: a request finds its connection.
func (g *gate) note(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// follow is an http.Server's ConnState.
func (g *gate) follow(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if oldest := g.add(c); oldest != nil {
			_ = oldest.Close() // whose caller is not known
		}
	case http.StateClosed, http.StateHijacked:
		g.remove(c)
	default:
	}
}

// add counts a connection and returns the one that has to go for it.
func (g *gate) add(c net.Conn) (oldest net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unproven[c] = g.order.PushBack(c)
	if g.order.Len() <= g.most {
		return nil
	}
	oldest, _ = g.order.Remove(g.order.Front()).(net.Conn) // nothing else is in it
	delete(g.unproven, oldest)
	if over, is := oldest.(*tls.Conn); is {
		return over.NetConn() // a TLS close waits for its caller
	}
	return oldest
}

func (g *gate) remove(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.unproven[c]; e != nil {
		g.order.Remove(e)
		delete(g.unproven, c)
	}
}

// proven takes the connection of a request off the list.
func (g *gate) proven(r *http.Request) {
	if c, is := r.Context().Value(connectionKey{}).(net.Conn); is {
		g.remove(c)
	}
}
