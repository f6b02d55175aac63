package service

import (
	"fmt"
	"sync"
	"time"
)

// Whether records can be written is tried once in probeInterval at most, however
// often it is asked, and is waited for as long as probePatience.
const (
	probeInterval = 10 * time.Second
	probePatience = 3 * time.Second
)

// probe tries to write, and remembers how that went.
type probe struct {
	patience time.Duration

	mu      sync.Mutex
	running chan struct{}
	at      time.Time
	err     error
}

// result is how the last try went. A try that hangs is one that failed.
func (p *probe) result(try func() error) error {
	p.mu.Lock()
	if p.running == nil && time.Since(p.at) >= probeInterval {
		p.running = make(chan struct{})
		go p.run(try)
	}
	running := p.running
	p.mu.Unlock()
	if running != nil {
		patience := time.NewTimer(p.patience)
		defer patience.Stop()
		select {
		case <-running:
		case <-patience.C:
			return fmt.Errorf("a write has taken longer than %s", p.patience)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *probe) run(try func() error) {
	err := try()
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.running)
	p.running, p.at, p.err = nil, time.Now(), err
}
