// Package circle has files whose uses of each other are known.
package circle

// Run uses the two files below it.
func Run() int {
	s := state{count: first}
	s.grow()
	return s.count
}

type visitor interface{ visit(*state) }
