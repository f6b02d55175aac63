package policy

import "time"

// LookAgain has the next question look at the file, however short ago it was looked at.
func (f *File) LookAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = time.Time{}
}
