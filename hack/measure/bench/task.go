package main

// task is what a child process is to do: one case, once. It comes as JSON on
// standard input; the sample goes as JSON to standard output.
type task struct {
	Case benchCase `json:"case"`
	// Table is the file of the case's table.
	Table string `json:"table"`
	// Work is a folder for what the case writes.
	Work string `json:"work"`
	// Service is the operator's binary.
	Service string `json:"service"`
	// Sum asks for the sum of the tokens, outside of what is measured.
	Sum bool `json:"sum"`
}
