package main

import (
	"flag"
	"regexp"

	"exactmatch.dev/operator/hack/measure"
)

// options are the driver's flags.
type options struct {
	bin, out, docs string
	quick          bool
	only           *regexp.Regexp
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("limits", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "folder of the operator's binary and of what the run writes")
	f.StringVar(&o.out, "out", "bin/limits", "folder of results.json")
	f.StringVar(&o.docs, "docs", "", "file that the results are written to")
	f.BoolVar(&o.quick, "quick", false, "small tables and few blocks: what is refused is the same, the memory says little")
	only := f.String("only", "", "regular expression of the cases to run")
	if err := measure.Parse(f, args); err != nil {
		return o, err
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}
