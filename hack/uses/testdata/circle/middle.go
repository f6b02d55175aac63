package circle

type state struct{ count int }

// grow uses a function of the file below, and one of the file on top: that runs back up.
func (s *state) grow() {
	s.count += step()
	if s.count < 0 {
		s.count = Run()
	}
}
