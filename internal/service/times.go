package service

import (
	"time"
)

// times are the bounds of connections and requests.
type times struct {
	header time.Duration // until a request's header is whole, and a TLS handshake
	read   time.Duration // until a request's body is whole, where it is not an upload
	grace  time.Duration // of an upload, before its rate counts
	write  time.Duration // until an answer is taken
	idle   time.Duration // between two requests
}

func defaultTimes() times {
	return times{header: 10 * time.Second, read: 30 * time.Second, grace: 10 * time.Second, write: 30 * time.Second, idle: 2 * time.Minute}
}
