// Command plot draws the charts of the measurements as SVG, each into a file of its
// name. They come as JSON on standard input, as hack/measure writes them. It is a
// module of its own, so that its library is none of the operator's.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", ".", "folder that the pictures are written to")
	flag.Parse()
	if err := run(os.Stdin, *out); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out string) error {
	var charts map[string]chart
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&charts); err != nil {
		return fmt.Errorf("read the charts: %w", err)
	}
	for name, c := range charts {
		picture, err := c.svg()
		if err != nil {
			return fmt.Errorf("draw %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(out, filepath.Base(name)), picture, 0o644); err != nil { //nolint:gosec // a document
			return err
		}
	}
	return nil
}
