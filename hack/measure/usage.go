package measure

import (
	"time"
)

// Usage is what a process has taken so far. Memory is its resident size; sizes are
// in bytes.
type Usage struct {
	Now  int64         `json:"now"`
	Peak int64         `json:"peak"`
	CPU  time.Duration `json:"cpuNanoseconds"`
	Read int64         `json:"readBytes"` // from its connections too
}
