// Command states prints the document of the session's lifecycle.
package main

import (
	"fmt"

	"exactmatch.dev/operator/internal/session"
)

func main() { fmt.Print(session.Markdown()) }
