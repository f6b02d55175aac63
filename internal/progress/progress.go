// Package progress holds the counts of an upload: plain values that an upload reports,
// pods report and the manager shows. It imports the standard library only.
package progress

// Blocks counts blocks. Done are acknowledged ones, those found there
// (Skipped) included; BlocksPerSecond is the rate at which this run has staged
// blocks, 0 before the first. Checked is of those that this run has staged.
type Blocks struct {
	Blocks, Done, Staged, Skipped int
	BytesSent                     int64
	BlocksPerSecond               float64
	Checked                       Checked
}

// Checked counts the blocks whose stored bytes were compared with those sent: by
// the checksum of each block that it returned. HeaderRefused: it does not take a
// checksum beside a block, so only what it returns was compared.
type Checked struct {
	Compared      int  `json:"compared,omitempty"`
	Unverified    int  `json:"unverified,omitempty"` // blocks whose checksum it did not return
	HeaderRefused bool `json:"headerRefused,omitempty"`
}

// Add counts what another block or worker has compared.
func (c *Checked) Add(more Checked) {
	c.Compared += more.Compared
	c.Unverified += more.Unverified
	c.HeaderRefused = c.HeaderRefused || more.HeaderRefused
}
