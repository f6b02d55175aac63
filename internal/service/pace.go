package service

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// pacedBody ends a body that comes slower than the service waits for: after a
// grace its bytes must have come at the least rate, on average. That is a deadline
// by size too, of the grace and what the whole body takes at that rate.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	grace   time.Duration
	rate    int64 // bytes a second
	began   time.Time
	read    int64
}

var errTooSlow = errors.New("the body comes too slowly")

func (s *Service) paced(w http.ResponseWriter, body io.ReadCloser) *pacedBody {
	return &pacedBody{ReadCloser: body, control: http.NewResponseController(w), grace: s.times.grace, rate: s.config.MinUploadRate, began: time.Now()}
}

// again restarts the count, after the service itself kept the caller waiting.
func (p *pacedBody) again() { p.began, p.read = time.Now(), 0 }

// due is when the next byte must have come.
func (p *pacedBody) due() time.Time { return p.began.Add(p.grace + atRate(p.read, p.rate)) }

func atRate(bytes, rate int64) time.Duration {
	return time.Duration(float64(bytes) / float64(rate) * float64(time.Second))
}

func (p *pacedBody) Read(b []byte) (int, error) {
	due := p.due()
	if err := p.control.SetReadDeadline(due); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && time.Now().After(p.due()) {
		return n, errTooSlow
	}
	return n, err
}
